"""From a voice to a performed face: predictor, shaping, life, and coming to rest when the sound is over.

show = Performance(sdk.FramePredictor(engine, rate_hz=48000), shaping, rest_s=0.3)
for block in blocks: frames += show.push(block)
frames += show.finish()          # the last frames, then the way to rest
"""

from __future__ import annotations

import math

import numpy as np

from sdk.audio import to_mono_float
from sdk.errors import ConfigError
from sdk.live.life import Life
from sdk.live.shaping import Shaping
from sdk.predictor import FramePredictor
from sdk.rig import Frame

LONGEST_REST_S = 10.0
_AT_REST = 0.01  # of a channel's value: nearer to neutral than this, nobody sees it move


class Performance:
    """One voice on one face. `rest_s`: how long the face takes to come to rest at the end; 0 leaves it as it was.

    Raises `ConfigError` for a rest out of 0 to 10 s.
    """

    def __init__(
        self, predictor: FramePredictor, shaping: Shaping | None = None, life: Life | None = None, rest_s: float = 0.3
    ) -> None:
        if not 0 <= rest_s <= LONGEST_REST_S:
            raise ConfigError(f"a rest of {rest_s:g} s: give 0 (none) to {LONGEST_REST_S:g} s")
        self.predictor, self.life, self.rest_s = predictor, life, rest_s
        self.shaping = shaping or Shaping.of(predictor.layout)
        self.layout, self.clock = predictor.layout, predictor.clock
        self.reset()

    def reset(self) -> None:
        """Forget the take: the next sample pushed is sample 0 of another (barge-in)."""
        self.predictor.reset()
        if self.life:
            self.life.reset()
        self._last: Frame | None = None

    def push(self, samples: object) -> list[Frame]:
        """The frames that `samples` make due. Raises as `FramePredictor.push`."""
        mono = to_mono_float(samples)
        frames = self.predictor.push(mono)
        if self.life:  # a block that was refused, or whose program failed, comes again and is heard once
            self.life.hear(mono, self.predictor.rate_hz)
        return self._performed(frames)

    def finish(self) -> list[Frame]:
        """The last frames of the take, then those on the way to rest."""
        return self._performed(self.predictor.finish()) + self.settle()

    @property
    def neutral(self) -> np.ndarray:
        """The face at rest, `(channels,)`."""
        return self.shaping.values(np.array(self.layout.neutral, np.float32))

    def settle(self, after: Frame | None = None) -> list[Frame]:
        """Frames that go on from `after` (else the last one) to rest within `rest_s`; none where it is at rest."""
        last = after or self._last
        if last is None or not self.rest_s:
            return []
        neutral = self.neutral
        away = last.values - neutral
        if np.abs(away).max() < _AT_REST:
            return []
        count = max(1, math.floor(self.rest_s * self.clock.fps))
        frames = []
        for step in range(1, count + 1):
            share = step / count
            left = np.float32(1 - share * share * (3 - 2 * share))
            index = last.index + step
            frames.append(Frame(index, self.clock.sample(index), neutral + left * away, self.layout))
        self._last = frames[-1]
        return [self.life.frame(frame) for frame in frames] if self.life and after is None else frames

    def _performed(self, frames: list[Frame]) -> list[Frame]:
        shaped = [self.shaping.frame(frame) for frame in frames]
        if shaped:
            self._last = shaped[-1]
        return [self.life.frame(frame) for frame in shaped] if self.life else shaped
