"""Audio in, frames out, for one voice: push what you have, take what is due, finish to get the tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sdk.audio import ResamplerState, StreamingResampler, to_mono_float
from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.engines import open_engine
from sdk.engines.base import Engine
from sdk.ensemble import EQUAL_WEIGHTS, RealtimeEnsemble
from sdk.errors import ArtifactError, AudioError, ConfigError
from sdk.latency import Latency
from sdk.rig import Frame
from sdk.sounds.sound import read_sound
from sdk.voices import Prediction, StreamVoice, open_voice, style_vector

_FINISHED = "the take is finished; call reset() before pushing new audio"
_BLOCK_SAMPLES = SAMPLE_RATE_HZ * 60  # of one push worked on at once; bounds memory for whole files


@dataclass(frozen=True, eq=False)
class Memory:
    """All that one voice remembers, as a value: sound short of a tick, the voice's own, smoothing, style, and whether
    the take is over."""

    resampler: ResamplerState
    voice: Any
    smoothing: tuple[np.ndarray, ...]
    style: np.ndarray | None
    finished: bool


class FramePredictor:
    """One voice of an engine; the engine may be shared, the predictor is not thread-safe.

    The same audio gives the same frames in any chunking, and a frame never depends on audio after its future. Frame k
    sits at 16 kHz sample k * 16000 / fps. fps: any rate from 1 to 240; None is the artefact's own. ensemble: None as
    the manifest says, True or False, or three weights (eq. 8). Raises `AudioError` for a rate out of range,
    `ConfigError` for a frame rate or weights that cannot be.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        rate_hz: int = SAMPLE_RATE_HZ,
        fps: Fraction | float | str | None = None,
        ensemble: bool | Sequence[float] | None = None,
    ) -> None:
        manifest = engine.manifest
        self.engine = engine
        self.layout = manifest.layout
        self.timing = manifest.timing
        self.clock = FrameClock.at(manifest.frame_rate if fps is None else fps)
        self._resampler = StreamingResampler(rate_hz)
        weights = _ensemble_weights(ensemble, manifest.ensemble)
        self._ensemble = RealtimeEnsemble(weights) if weights else None
        if self._ensemble and self.clock.fps > 120:
            raise ConfigError(
                f"the ensemble predicts at twice {self.clock.fps} fps: give at most 120, or ensemble=False"
            )
        self._ticks = self.clock.doubled() if self._ensemble else self.clock
        self._style: np.ndarray | None = None
        self.reset()

    @property
    def rate_hz(self) -> int:
        return self._resampler.rate_hz

    @property
    def latency(self) -> Latency:
        """The latency when each sample is pushed as it comes and inference costs nothing."""
        return self.latency_at(1)

    def latency_at(self, chunk_samples: int, inference_ms: float = 0.0) -> Latency:
        """The latency when `chunk_samples` at `rate_hz` are pushed at a time."""
        return Latency.of(
            self.clock,
            self.timing,
            ensemble=self._ensemble is not None,
            rate_hz=self.rate_hz,
            chunk_samples=chunk_samples,
            inference_ms=inference_ms,
        )

    def reset(self) -> None:
        """Forget everything: the next sample pushed is sample 0 of a new take."""
        self._resampler.reset()
        if self._ensemble:
            self._ensemble.reset()
        first = self._ensemble.first_frame if self._ensemble else 0
        self.voice = open_voice(self.engine, self._ticks, first)
        self._dress()
        self._finished = False

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles that this artefact's student has; none for most."""
        return self.engine.manifest.styles

    def style(self, **strengths: float) -> None:
        """From the next hop on, speak so: `style(anger=0.7)`, `style()` for neutral. It may be called between any two
        pushes, and `reset` keeps it. Raises `ConfigError` for a style that this artefact lacks."""
        self._style = style_vector(self.engine.manifest, strengths)
        self._dress()

    def _dress(self) -> None:
        if self._style is not None and self._style.size and isinstance(self.voice, StreamVoice):
            self.voice.dress(self._style)

    def push(self, samples: object) -> list[Frame]:
        """The frames that `samples` make due, in order; `samples` as `audio.to_mono_float` takes them, any number.

        Raises `AudioError` for unusable samples or after `finish`, `ArtifactError` if the program fails. Whatever it
        raises, the predictor stays as it was before the call.
        """
        if self._finished:
            raise AudioError(_FINISHED)
        mono = to_mono_float(samples)
        before = self.snapshot()
        try:
            frames: list[Frame] = []
            for start in range(0, len(mono), _BLOCK_SAMPLES):
                frames += self._predict(self._resampler.push_mono(mono[start : start + _BLOCK_SAMPLES]))
            return frames
        except BaseException:
            self.restore(before)
            raise

    def finish(self) -> list[Frame]:
        """The last frames: the future context is silence. In all there is a frame k wherever sample(k) holds audio.

        A second call gives none.
        """
        if self._finished:
            return []
        before = self.snapshot()
        try:
            frames = self._predict(self._resampler.finish())
            count = self.clock.frames_before(self.voice.received)
            frames += self._predict(self._silence(count))
        except BaseException:
            self.restore(before)
            raise
        self._finished = True
        return [frame for frame in frames if frame.index < count]  # a hop may reach beyond the audio

    def _silence(self, count: int) -> np.ndarray:
        """What has to follow the audio, of which all is heard, for its last frame, the `count`th, to become due."""
        if not count:
            return np.zeros(0, dtype=np.float32)
        last = 2 * count - 1 if self._ensemble else count - 1
        missing = self.timing.needed_samples(self._ticks.sample(last)) - self.voice.received
        return np.zeros(max(0, missing), dtype=np.float32)

    def _predict(self, samples: np.ndarray) -> list[Frame]:
        return self.frames(self.voice.push(samples))

    def hear(self, samples: object) -> None:
        """Take `samples` in without running anything, for a `Crowd`, which runs what is due. Raises as `push`."""
        if self._finished:
            raise AudioError(_FINISHED)
        if not isinstance(self.voice, StreamVoice):
            raise ArtifactError(f"{self.engine.manifest.student!r} is no stream student: it cannot run with a crowd")
        self.voice.hear(self._resampler.push(samples))

    def hear_end(self) -> int:
        """`finish` without running anything, for a `Crowd`: how many frames the take has; those beyond are silence's.
        A second call hears nothing."""
        count = self.clock.frames_before(self.voice.received)
        if not self._finished and isinstance(self.voice, StreamVoice):
            self.voice.hear(self._resampler.finish())
            count = self.clock.frames_before(self.voice.received)
            self.voice.hear(self._silence(count))
            self._finished = True
        return count

    def frames(self, predictions: list[Prediction]) -> list[Frame]:
        """Predictions of the ticks, smoothed if asked for, as frames of the clock."""
        frames = []
        for tick, predicted in predictions:
            values: np.ndarray | None = predicted
            index = tick
            if self._ensemble:
                values = self._ensemble.push(predicted)
                index = (tick - 1) // 2
            if values is not None:
                frames.append(Frame(index, self.clock.sample(index), self.layout.clamp(values), self.layout))
        return frames

    def snapshot(self) -> Memory:
        """All that this voice remembers, a value for `restore`."""
        smoothing = self._ensemble.state if self._ensemble else ()
        return Memory(self._resampler.state, self.voice.memory, smoothing, self._style, self._finished)

    def restore(self, before: Memory) -> None:
        """Go back to what `snapshot` gave, from after `finish` too."""
        self._resampler.state, self.voice.memory = before.resampler, before.voice
        self._style, self._finished = before.style, before.finished
        if self._ensemble:
            self._ensemble.state = before.smoothing


def predict(
    engine: Engine | Path | str,
    samples: object,
    rate_hz: int = SAMPLE_RATE_HZ,
    *,
    fps: Fraction | float | str | None = None,
    ensemble: bool | Sequence[float] | None = None,
) -> list[Frame]:
    """All frames of one recording: a `FramePredictor` fed in one chunk. `engine` may be an artefact's path.

    `samples` may be a sound file's path; its own rate then counts and `rate_hz` does not (reading it needs soundfile).
    Raises `AudioError` for audio that is empty or unusable, and what opening and running the artefact raise.
    """
    opened = open_engine(engine) if isinstance(engine, (str, Path)) else engine
    if isinstance(samples, (str, Path)):
        samples, rate_hz = read_sound(samples)
    predictor = FramePredictor(opened, rate_hz=rate_hz, fps=fps, ensemble=ensemble)
    mono = to_mono_float(samples)
    if not mono.size:
        raise AudioError("the audio holds no samples")
    return predictor.push(mono) + predictor.finish()


def _ensemble_weights(asked: bool | Sequence[float] | None, native: Sequence[float]) -> tuple[float, ...]:
    """Weights of eq. 8, or `()` for none."""
    if asked is None:
        return tuple(native)
    if isinstance(asked, bool):
        return (tuple(native) or EQUAL_WEIGHTS) if asked else ()
    try:
        return tuple(asked)
    except TypeError:
        raise ConfigError(f"ensemble {asked!r}: give True, False, or three weights (eq. 8)") from None
