"""Frames as a director wants them: a strength for the whole face; gain, offset and limits for single channels.

A file of channels has one a line, `name gain [offset [low high]]`; `mouth*` names many, `#` starts a comment:

    jawOpen      1.2
    mouthSmile*  1.0  0.05
    browInnerUp  0.5  0.0  0.0 0.6
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from sdk.errors import ConfigError, few
from sdk.rig import Frame, RigLayout
from sdk.tools.limits import LARGEST_MANIFEST_BYTES, read_text

MOST_STRENGTH = 5.0


@dataclass(frozen=True, eq=False)
class Shaping:
    """value -> neutral + strength x gain x (value - neutral) + offset, within low and high. Arrays are `(channels,)`.

    Strength moves every channel away from neutral by the same factor, so lips that meet still meet.
    """

    neutral: np.ndarray
    factor: np.ndarray
    offset: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, layout: RigLayout, strength: float = 1.0, channels: Path | None = None) -> Shaping:
        """For a rig. Raises `ConfigError` for a strength out of 0 to 5, or a file with mistakes: all at once."""
        if not 0 <= strength <= MOST_STRENGTH:
            raise ConfigError(
                f"strength {strength:g} is out of range: give 0 (no movement) to {MOST_STRENGTH:g}; 1 is as is"
            )
        count = len(layout)
        rows = {
            "gain": np.ones(count), "offset": np.zeros(count),
            "low": np.array(layout.minimum), "high": np.array(layout.maximum),
        }  # fmt: skip
        if channels is not None:
            _read(channels, layout, rows)
        arrays = [
            np.asarray(row, np.float32) for row in (strength * rows["gain"], rows["offset"], rows["low"], rows["high"])
        ]
        return cls(np.array(layout.neutral, np.float32), *arrays)

    def values(self, values: np.ndarray) -> np.ndarray:
        """`(..., channels)` shaped."""
        moved = self.neutral + self.factor * (values - self.neutral) + self.offset
        out: np.ndarray = np.clip(moved, self.low, self.high).astype(np.float32)
        return out

    def frame(self, frame: Frame) -> Frame:
        return Frame(frame.index, frame.sample, self.values(frame.values), frame.layout)


def _read(path: Path, layout: RigLayout, rows: dict[str, np.ndarray]) -> None:
    lines = read_text(path, ConfigError, LARGEST_MANIFEST_BYTES).splitlines()
    problems = []
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        places = [place for place, name in enumerate(layout.names) if fnmatchcase(name, words[0])]
        try:
            numbers = [float(word) for word in words[1:]]
            if len(numbers) not in (1, 2, 4) or not np.isfinite(numbers).all():
                raise ValueError("expected `name gain [offset [low high]]`")
            if not places:
                raise ValueError(f"no channel {words[0]!r} in this rig")
            if len(numbers) == 4 and numbers[2] > numbers[3]:
                raise ValueError(f"low {numbers[2]:g} is above high {numbers[3]:g}")
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        for row, value in zip(("gain", "offset", "low", "high"), numbers, strict=False):
            rows[row][places] = value
    if problems:
        raise ConfigError(f"{path}: {few(problems)}")
