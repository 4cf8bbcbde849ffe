"""A rig track: r_1..r_N of one utterance, with the layout that names its columns. A teacher makes it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from sdk.errors import DataError
from sdk.rig import RigLayout


@dataclass(frozen=True)
class RigTrack:
    """`values` `(N, channels)` float32; row k is the pose at k / fps seconds. Raises `DataError` on another shape.

    likely: `(N, classes)` float32, how likely each phone class of `speech/phonetics.py` is, where the teacher says so.
    """

    values: np.ndarray
    fps: Fraction
    layout: RigLayout
    likely: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.layout):
            raise DataError(f"a track of shape {self.values.shape} does not fit a rig of {len(self.layout)} channels")

    @property
    def duration_s(self) -> float:
        return float(len(self.values) / self.fps)

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Poses `(len(times_s), channels)` at any times, linear between rows, held beyond the ends."""
        return between(self.values, np.asarray(times_s, dtype=np.float64) * float(self.fps))

    def resampled(self, fps: Fraction, count: int) -> RigTrack:
        """The first `count` rows of the same at another rate."""
        rows = np.arange(count) * float(self.fps / fps)
        likely = None if self.likely is None else between(self.likely, rows)
        return RigTrack(between(self.values, rows), fps, self.layout, likely)


def between(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`values` `(N, k)` at any `rows` `(n,)`, linear between them, held beyond the ends."""
    position = np.clip(rows, 0, len(values) - 1)
    below = np.minimum(position.astype(np.int64), max(len(values) - 2, 0))
    weight = (position - below)[:, None].astype(np.float32)
    above = np.minimum(below + 1, len(values) - 1)
    return np.asarray(values[below] * (1 - weight) + values[above] * weight)


class Teacher(Protocol):
    """Whole utterance -> RigTrack."""

    @property
    def layout(self) -> RigLayout: ...
    @property
    def fps(self) -> Fraction: ...
    def label(self, waveform: np.ndarray) -> RigTrack: ...
