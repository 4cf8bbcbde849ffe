"""Many voices of one stream engine, advanced together: hops that are due at once run in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

import numpy as np

from sdk.clock import SAMPLE_RATE_HZ
from sdk.engines.base import StreamEngine
from sdk.errors import ArtifactError, AudioError, ConfigError
from sdk.predictor import FramePredictor
from sdk.rig import Frame
from sdk.voices import StreamVoice

MOST_VOICES = 65_536


class Crowd:
    """`voices` voices, 65,536 at most, that share `engine`; each gives the frames that its own `FramePredictor` would.

    Raises `ArtifactError` for a window student, which has nothing to share; the rest as `FramePredictor`.
    """

    def __init__(
        self,
        engine: StreamEngine,
        voices: int,
        *,
        rate_hz: int = SAMPLE_RATE_HZ,
        fps: Fraction | float | str | None = None,
        ensemble: bool | Sequence[float] | None = None,
    ) -> None:
        if isinstance(voices, bool) or not isinstance(voices, int | np.integer) or not 1 <= voices <= MOST_VOICES:
            raise ConfigError(f"a crowd of {voices!r} voices: give a whole number from 1 to {MOST_VOICES:,}")
        if not isinstance(engine, StreamEngine):
            raise ArtifactError(
                f"{engine.manifest.student!r} is a {engine.manifest.kind} student: give a stream student"
            )
        self.engine = engine
        self.voices = [FramePredictor(engine, rate_hz=rate_hz, fps=fps, ensemble=ensemble) for _ in range(voices)]

    def push(self, chunks: Sequence[object]) -> list[list[Frame]]:
        """One chunk for each voice, `None` where there is nothing new; the frames that became due, voice by voice.

        Chunks may differ in length. Raises `AudioError` and `ArtifactError` as `FramePredictor.push`; whatever it
        raises, every voice stays as it was before the call.
        """
        if len(chunks) != len(self.voices):
            raise AudioError(f"{len(chunks)} chunks for {len(self.voices)} voices: give one each, None for nothing new")
        with self._all_or_nothing():
            for voice, chunk in zip(self.voices, chunks, strict=True):
                if chunk is not None:
                    voice.hear(chunk)
            return self._run()

    def finish(self) -> list[list[Frame]]:
        """The last frames of every voice, as `FramePredictor.finish`.

        Raises `ArtifactError` if the program fails; every voice then stays as it was before the call.
        """
        with self._all_or_nothing():
            counts = [voice.hear_end() for voice in self.voices]
            return [
                [frame for frame in frames if frame.index < count]  # a hop may reach beyond the audio
                for frames, count in zip(self._run(), counts, strict=True)
            ]

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Whatever the block raises, every voice is as it was before it."""
        before = [voice.snapshot() for voice in self.voices]
        try:
            yield
        except BaseException:
            for voice, memory in zip(self.voices, before, strict=True):
                voice.restore(memory)
            raise

    def _run(self) -> list[list[Frame]]:
        frames: list[list[Frame]] = [[] for _ in self.voices]
        while True:
            due = [(i, voice.voice) for i, voice in enumerate(self.voices)]
            waiting = [(i, voice) for i, voice in due if isinstance(voice, StreamVoice) and voice.waiting]
            if not waiting:
                return frames
            hops = np.stack([voice.hop for _, voice in waiting])
            state = tuple(map(np.concatenate, zip(*(voice.state for _, voice in waiting), strict=True)))
            values, after = self.engine.step(hops, state)
            for row, (i, voice) in enumerate(waiting):
                own = tuple(array[row : row + 1] for array in after)
                frames[i] += self.voices[i].frames(voice.settle(values[row], own))
