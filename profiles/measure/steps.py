"""What one run of an artefact's program takes, makes and keeps, read from its manifest; both kinds of students."""

from __future__ import annotations

import math

from sdk.manifest import Manifest


def input_shapes(manifest: Manifest, voices: int = 1) -> list[list[int]]:
    """Shapes of what the program takes: the window or hop, then the state; of `crowd` for several voices."""
    return [[voices, *shape] for shape in ([1, manifest.window_samples], *manifest.state)]


def step_frames(manifest: Manifest) -> float:
    """Frames of the rig, at its own rate, that one run makes for one voice; a fraction for a stream's hops."""
    if manifest.kind == "stream":
        return float(manifest.window_samples * manifest.frame_rate / manifest.sample_rate_hz)
    return 0.5 if manifest.ensemble else 1.0


def state_bytes(manifest: Manifest) -> int:
    """What one voice keeps between frames: the samples of its window or hop, and its state."""
    return 4 * sum(math.prod(shape) for shape in input_shapes(manifest))
