"""A teacher that costs next to nothing and knows loudness alone: for load tests, where labelling itself is the load."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from distill.teachers.track import RigTrack
from sdk.rig import RigLayout

_SAMPLES = 320


class Loud:
    """The jaw follows the root mean square of each 20 ms."""

    fps = Fraction(50)
    layout = RigLayout.arkit()

    def label(self, waveform: np.ndarray) -> RigTrack:
        rows = -(-len(waveform) // _SAMPLES)
        blocks = np.pad(waveform, (0, rows * _SAMPLES - len(waveform))).reshape(rows, _SAMPLES)
        values = np.zeros((rows, len(self.layout)), np.float32)
        values[:, self.layout.index("jawOpen")] = np.sqrt(np.square(blocks).mean(1)).clip(0, 1)
        return RigTrack(values, self.fps, self.layout)


TEACHER = Loud
