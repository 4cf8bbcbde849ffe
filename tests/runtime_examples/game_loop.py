"""What tests of engine plugins ask of a face that a game draws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import sdk


def rest_s(artifact: Path, rate_hz: int) -> float:
    """When a face must be at rest, in seconds after its sound was cut off: 0.3, or where a window student waits longer
    for its future, as long as its last frame waits, then fp_track's ease of 0.12, a block of 1,024
    samples and two pictures of 60 Hz."""
    waits_s = sdk.FramePredictor(sdk.open(artifact), rate_hz=rate_hz).latency.total_ms / 1000
    return max(0.3, waits_s + 0.12 + 1024 / rate_hz + 2 / 60)


def bend(pictures: np.ndarray) -> float:
    """How much the drawn motion bends: the mean second difference."""
    return float(np.abs(np.diff(pictures, 2, axis=0)).mean())


def drawn_by(lines: Sequence[str]) -> dict[str, list[list[float]]]:
    """What a driver says it drew, a row of a time and values a picture: `audible` at the second that is heard, then in
    a game loop with blocks of `1024` and of `128` samples, at seconds since the sound was cut off."""
    drawn: dict[str, list[list[float]]] = {"audible": [], "1024": [], "128": []}
    for line in lines:
        kind, *numbers = line.removeprefix("game ").split()
        drawn.setdefault(kind, []).append([float(number) for number in numbers])
    return drawn


def check_game(drawn: dict[str, list[list[float]]], at_rest_s: float, moves: float, rests: float) -> None:
    """Blocks do not show, the face moves by more than `moves`, and from `at_rest_s` on by less than `rests`."""
    large, small = np.array(drawn["1024"]), np.array(drawn["128"])
    speaking = large[:, 0] < 0
    assert bend(large[speaking, 1:]) == pytest.approx(bend(small[speaking, 1:]), rel=0.1), "blocks do not show"
    assert np.abs(large[speaking, 1:]).max() > moves, "the face moves"
    assert np.abs(large[large[:, 0] >= at_rest_s, 1:]).max() < rests, "at rest"
