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
    """`values` `(N, channels)` float32; row k is the pose at k / fps seconds. Raises `DataError` on another shape."""

    values: np.ndarray
    fps: Fraction
    layout: RigLayout

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.layout):
            raise DataError(f"a track of shape {self.values.shape} does not fit a rig of {len(self.layout)} channels")

    @property
    def duration_s(self) -> float:
        return float(len(self.values) / self.fps)

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Poses `(len(times_s), channels)` at any times, linear between rows, held beyond the ends."""
        position = np.clip(np.asarray(times_s, dtype=np.float64) * float(self.fps), 0, len(self.values) - 1)
        below = np.minimum(position.astype(np.int64), max(len(self.values) - 2, 0))
        weight = (position - below)[:, None].astype(np.float32)
        above = np.minimum(below + 1, len(self.values) - 1)
        return self.values[below] * (1 - weight) + self.values[above] * weight


class Teacher(Protocol):
    """Whole utterance -> RigTrack."""

    @property
    def layout(self) -> RigLayout: ...
    @property
    def fps(self) -> Fraction: ...
    def label(self, waveform: np.ndarray) -> RigTrack: ...
