"""When a captured mouth pressed its lips together, was wide open, or lay still: what a face without phones tells.

Read off ARKit's channels, and only what their names say for certain: `mouthPress` or both `mouthRoll` shut the lips,
`jawOpen` opens them, and a mouth of which nothing moves is shut as a neutral face's is. A closure that the jaw alone
shows is not counted as any. Meant for curves that an animator or a solver left at nought where nothing moves, such as
FACEGOOD's; a raw capture never lies still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distill.teachers.track import RigTrack
from sdk.errors import DataError

JAW = "jawOpen"
PRESSES = ("mouthPressLeft", "mouthPressRight")
ROLLS = ("mouthRollUpper", "mouthRollLower")
PRESSED_FROM = 0.10
OPEN_FROM = 0.25
STILL_BELOW = 0.02
STILL_FRAMES = 9  # a pause; its first and last three frames belong to the movements around it
STILL_EDGE = 3
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class CapturedMouth:
    """What a captured mouth did, in frames: `closures` [first, behind) of pressed lips, `opens` the frame of each
    widest opening, `rest` [first, behind) of a mouth that lies still, and the `jaw` `(frames,)` 0..1."""

    closures: Spans
    opens: list[int]
    rest: Spans
    jaw: np.ndarray

    @classmethod
    def from_track(cls, track: RigTrack, fps: int) -> CapturedMouth:
        """Of a track at frames of `fps`. Raises `DataError` where a channel is missing."""
        names = track.layout.names
        if missing := [name for name in (JAW, *PRESSES, *ROLLS) if name not in names]:
            raise DataError(f"captured curves without {', '.join(missing)} cannot say when lips were pressed together")
        values = track.at(np.arange(round(track.duration_s * fps)) / fps)
        of = {name: values[:, track.layout.index(name)] for name in (JAW, *PRESSES, *ROLLS)}
        pressed = np.max([of[name] for name in PRESSES] + [np.min([of[name] for name in ROLLS], axis=0)], axis=0)
        shut = pressed >= PRESSED_FROM
        wide = spans((of[JAW] >= OPEN_FROM) & ~shut)
        mouth = [i for i, name in enumerate(names) if name.startswith(("mouth", "jaw"))]
        still = [s for s in spans(np.abs(values[:, mouth]).max(axis=1) <= STILL_BELOW) if s[1] - s[0] >= STILL_FRAMES]
        return cls(
            closures=spans(shut),
            opens=[first + int(of[JAW][first:behind].argmax()) for first, behind in wide],
            rest=[(first + STILL_EDGE, behind - STILL_EDGE) for first, behind in still],
            jaw=of[JAW],
        )


def spans(true: np.ndarray) -> Spans:
    """[first, behind) of every run of true values of `(n,)`."""
    edges = np.diff(np.concatenate([[0], true.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))
