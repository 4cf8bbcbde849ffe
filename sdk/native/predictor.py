"""Voices of the native library, one by one and many together."""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction

import numpy as np

from sdk.audio import check_rate, to_mono_float
from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.ensemble import RealtimeEnsemble
from sdk.errors import AudioError, ConfigError
from sdk.latency import Latency
from sdk.native import abi
from sdk.native.model import NativeModel
from sdk.native.owned import Owned, in_words
from sdk.rig import Frame
from sdk.voices import strengths_of

_HIGHEST_RATE_HZ = 96_000  # kHighestRateHz of the library


class NativePredictor:
    """One voice of a `NativeModel`: `FramePredictor`'s verbs, plus `feed` and `drain` for two threads or a crowd.

    rate_hz: 8,000 to 96,000. fps, ensemble: as `FramePredictor`. audio_channels: of what is pushed, 1 to 8, averaged.
    buffer_samples: how much may be fed ahead of `drain`, at most 60 s; 0 is half a second. All memory is allocated
    here. Feed from one thread and drain from one, the same or another. Raises `AudioError` for a rate out of range,
    `ConfigError` for what else cannot be.
    """

    def __init__(
        self,
        model: NativeModel,
        *,
        rate_hz: int = SAMPLE_RATE_HZ,
        fps: Fraction | float | str | None = None,
        ensemble: bool | Sequence[float] | None = None,
        audio_channels: int = 1,
        buffer_samples: int = 0,
    ) -> None:
        self.model, self.library, self.layout = model, model.library, model.layout
        self.rate_hz, self.audio_channels = check_rate(rate_hz, _HIGHEST_RATE_HZ), audio_channels
        self.clock = FrameClock.at(model.info.frame_rate if fps is None else fps)
        if not 1 <= audio_channels <= 8 or buffer_samples < 0:
            raise ConfigError(
                f"{audio_channels} audio channels, a buffer of {buffer_samples} samples: give 1 to 8, and 0 or more"
            )
        config = abi.sized(
            abi.StreamConfig, sample_rate_hz=self.rate_hz, audio_channels=audio_channels, buffer_samples=buffer_samples,
            fps_numerator=self.clock.fps.numerator, fps_denominator=self.clock.fps.denominator,
        )  # fmt: skip
        if ensemble is not None:
            weights = () if isinstance(ensemble, bool) else _weights(ensemble)
            # no weights are a manifest's word for none
            config.ensemble = abi.ENSEMBLE_ON if weights or ensemble is True else abi.ENSEMBLE_OFF
            if weights:
                config.ensemble_weights = (c.c_float * 3)(*weights)
        with in_words():
            self.owned = Owned(self.library, "fp_stream_create", "fp_stream_destroy", model.handle, c.byref(config))
        self._finished = False

    @property
    def handle(self) -> c.c_void_p:
        """`fp_stream*`. Raises `ArtifactError` once closed."""
        return self.owned.handle("the voice")

    def push(self, samples: object) -> list[Frame]:
        """The frames that `samples` make due, in order; any number of samples.

        samples: int16 (n,), or (n, audio_channels) where there are several; else what `audio.to_mono_float` takes.
        Raises `AudioError` for unusable samples, of which none are then taken, and after `finish`; `ArtifactError` if
        the program fails: then `reset`.
        """
        self._must_be_running()
        # once: of a column, or of rows that lie the other way, every turn would copy what is left
        pcm = np.ascontiguousarray(self._checked(samples))
        frames: list[Frame] = []
        while len(pcm):
            pcm = pcm[self.feed(pcm) :]
            frames += self.drain()
        return frames

    def finish(self) -> list[Frame]:
        """The last frames: the future context is silence. A second call gives none."""
        with in_words():
            self._call("fp_stream_finish")
        self._finished = True
        return self.drain()

    def reset(self) -> None:
        """Forget everything: the next sample pushed is sample 0 of a new take. Curves stay."""
        with in_words():
            self._call("fp_stream_reset")
        self._finished = False

    def feed(self, pcm: np.ndarray) -> int:
        """Take in, run nothing: how many samples there was room for.

        pcm: float32 or int16, `(n,)`, or `(n, audio_channels)` where there are several. Raises as `push`.
        """
        function = {"float32": "fp_stream_push_f32", "int16": "fp_stream_push_i16"}.get(str(pcm.dtype))
        if function is None or pcm.shape[1:] != self._row:
            raise AudioError(
                f"samples are {pcm.dtype} {pcm.shape}: give int16 or float32 of shape (n, *{self._row}) as this voice "
                "was made for"
            )
        self._must_be_running()
        whole = np.ascontiguousarray(pcm)
        taken = c.c_size_t()
        with in_words():
            self._call(function, whole.ctypes.data, len(whole), c.byref(taken))
        return taken.value

    def drain(self) -> list[Frame]:
        """The frames that are due. Raises `ArtifactError` if the program fails."""
        frames: list[Frame] = []
        place = abi.sized(abi.FramePlace)
        while True:
            values = np.empty(len(self.layout), np.float32)
            with in_words():
                status = self._call("fp_stream_pull", c.byref(place), values.ctypes.data, len(values))
            if status != abi.OK:
                return frames
            frames.append(Frame(place.index, place.sample, values, self.layout))

    def set_curve(
        self, channel: str, *, gain: float = 1.0, offset: float = 0.0, limits: tuple[float, float] | None = None
    ) -> None:
        """From now on `channel` is `gain * value + offset`, within `limits`; None is the channel's own range.

        Raises `RigError` for a channel that the rig lacks, `ConfigError` for numbers that are none.
        """
        at = self.layout.index(channel)
        low, high = limits or (self.layout.minimum[at], self.layout.maximum[at])
        curve = abi.sized(abi.Curve, gain=gain, offset=offset, minimum=low, maximum=high)
        with in_words():
            self._call("fp_stream_set_curve", at, c.byref(curve))

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles that this artefact's student has; none for most."""
        return self.model.styles

    def style(self, **strengths: float) -> None:
        """From the next hop on, speak so: `style(anger=0.7)`, `style()` for neutral; `reset` keeps it. Raises
        `ConfigError` for a style that this artefact lacks."""
        vector = strengths_of(self.styles, strengths)
        if self.styles:
            with in_words():
                self._call("fp_stream_set_style", vector.ctypes.data, len(vector))

    @property
    def latency(self) -> Latency:
        """The latency when each sample is pushed as it comes and inference costs nothing."""
        return self.latency_at(1)

    def latency_at(self, chunk_samples: int, inference_ms: float = 0.0) -> Latency:
        """The latency when `chunk_samples` at `rate_hz` are pushed at a time."""
        if not 1 <= chunk_samples < 1 << 30:
            raise ConfigError(f"chunks of {chunk_samples} samples never arrive: give 1 or more")
        parts = abi.sized(abi.LatencyParts)
        with in_words():
            self._call("fp_stream_latency_samples", chunk_samples, c.byref(parts))
        return Latency(
            parts.future_samples, parts.grid_samples, parts.ensemble_samples, parts.resampler_samples,
            parts.block_samples, self.rate_hz, inference_ms,
        )  # fmt: skip

    def close(self) -> None:
        """Give the voice back now. Else it happens when the last reference goes."""
        self.owned.close()

    @property
    def _row(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return (self.audio_channels,) if self.audio_channels > 1 else ()

    def _call(self, name: str, *arguments: object) -> int:
        """A call on this voice, which nobody can close under it."""
        with self.owned.using("the voice") as handle:
            return self.library.call(name, handle, *arguments)

    def _must_be_running(self) -> None:
        if self._finished:
            raise AudioError("the take is finished; call reset() before pushing new audio")

    def _checked(self, samples: object) -> np.ndarray:
        """All of `samples` as `feed` takes them. Raises `AudioError` before any is taken."""
        try:
            array = np.asarray(samples)
        except ValueError:  # rows of several lengths
            return to_mono_float(samples)
        if array.dtype == np.int16 and array.shape[1:] == self._row and array.ndim:
            return array
        mono = to_mono_float(samples)
        if self.audio_channels == 1:
            return mono
        if array.ndim != 2 or array.shape[1] != self.audio_channels:
            raise AudioError(f"samples have shape {array.shape}, this voice takes (n, {self.audio_channels})")
        return array.astype(np.float32)


def _weights(asked: Sequence[float]) -> tuple[float, ...]:
    """Weights of eq. 8, or `()` for none. Raises `ConfigError`."""
    try:
        given = tuple(asked)
    except TypeError:
        raise ConfigError(f"ensemble {asked!r}: give True, False, or three weights (eq. 8)") from None
    return RealtimeEnsemble(given).weights if given else ()


class NativeCrowd:
    """Runs the hops of many voices of one stream student together: feed each, `run` once, drain each.

    A workplace, not a list: voices come and go. One crowd for each thread. Raises `ArtifactError` for a window student.
    """

    def __init__(self, model: NativeModel) -> None:
        self.library = model.library
        with in_words():
            self._owned = Owned(self.library, "fp_crowd_create", "fp_crowd_destroy", model.handle)

    def run(self, voices: Sequence[NativePredictor]) -> int:
        """Run what the audio of `voices` fills; how many hops that were.

        Raises `ConfigError`, having run nothing, for a voice of another model; `ArtifactError` if the program fails.
        """
        hops = c.c_size_t()
        with ExitStack() as kept, in_words():
            handle = kept.enter_context(self._owned.using("the crowd"))
            each = [kept.enter_context(voice.owned.using("the voice")) for voice in voices]
            handles = (c.c_void_p * len(voices))(*(one.value for one in each))
            self.library.call("fp_crowd_run", handle, handles, len(voices), c.byref(hops))
        return hops.value

    @property
    def handle(self) -> c.c_void_p:
        """`fp_crowd*`. Raises `ArtifactError` once closed."""
        return self._owned.handle("the crowd")

    def close(self) -> None:
        """Give the crowd back now. Else it happens when the last reference goes."""
        self._owned.close()
