"""What tests of engine plugins ask of a face that a game draws."""

from __future__ import annotations

from pathlib import Path

import sdk


def rest_s(artifact: Path, rate_hz: int) -> float:
    """When a face must be at rest, in seconds after its sound was cut off: 0.3, or where a window student waits longer
    for its future, as long as its last frame waits, then fp_track's ease of 0.12, a block of 1,024
    samples and two pictures of 60 Hz."""
    waits_s = sdk.FramePredictor(sdk.open(artifact), rate_hz=rate_hz).latency.total_ms / 1000
    return max(0.3, waits_s + 0.12 + 1024 / rate_hz + 2 / 60)
