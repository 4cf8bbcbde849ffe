"""T_512: any teacher that is given only 512 ms around each frame (4.6.1).

Nothing is trained anew. Each frame gets a recording of its own, 8192 samples with the frame in the middle, zeros beyond
the ends of the speech, and the teacher's pose at that instant is the label. What T_512 loses against T is what the
teacher takes from beyond a student's window, and no student can be taught it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from tqdm import tqdm

from distill.teachers.track import RigTrack, Teacher
from sdk.clock import SAMPLE_RATE_HZ, FrameClock

WINDOW_SAMPLES = 8192
TOGETHER = 64


class Windowed:
    """`teacher` on windows of 512 ms, at `fps` frames a second; a teacher as any other.

    A teacher that offers `label_many` (recordings `(B, n)` of one length, which rows -> `(B, rows, channels)`) hears
    `together` windows at once. The window is centred to within half of the teacher's own frame, so that one of its
    rows falls on the instant asked for and nothing is smoothed between two.
    """

    def __init__(self, teacher: Teacher, fps: Fraction | int = 30, together: int = TOGETHER) -> None:
        self.teacher, self.layout, self.fps, self.together = teacher, teacher.layout, Fraction(fps), together
        self.row = round(WINDOW_SAMPLES / 2 * teacher.fps / SAMPLE_RATE_HZ)
        self.past_samples = round(self.row * SAMPLE_RATE_HZ / teacher.fps)

    def label(self, waveform: np.ndarray) -> RigTrack:
        """16 kHz mono float32 `(n,)` -> track, `(ceil(n x fps / 16000), channels)`."""
        parts = [self._poses(windows) for windows in self._windows(np.asarray(waveform, dtype=np.float32))]
        return RigTrack(self.layout.clamp(np.concatenate(parts)), self.fps, self.layout)

    def _windows(self, waveform: np.ndarray) -> Iterator[np.ndarray]:
        """The windows `(B, 8192)` of all frames, `together` at a time."""
        clock = FrameClock.at(self.fps)
        count = max(clock.frames_before(len(waveform)), 1)
        padded = np.pad(waveform, WINDOW_SAMPLES)
        starts = [clock.sample(k) - self.past_samples + WINDOW_SAMPLES for k in range(count)]
        for first in tqdm(range(0, count, self.together), desc="512 ms", unit="batch", delay=2, leave=False):
            yield np.stack([padded[at : at + WINDOW_SAMPLES] for at in starts[first : first + self.together]])

    def _poses(self, windows: np.ndarray) -> np.ndarray:
        many = getattr(self.teacher, "label_many", None)
        if many:
            poses: np.ndarray = many(windows, slice(self.row, self.row + 1))[:, 0]
            return poses
        return np.stack([self.teacher.label(window).values[self.row] for window in windows])
