"""Audio at the door: whatever the caller has becomes mono float32 at 16 kHz, chunk by chunk, nothing delayed or lost.

Output sample j sits at input position j * rate / 16000 exactly (whole-number arithmetic), so no delay ever accumulates:

    input   |....|....|....|....|....|....|      weights: sinc under a Kaiser window, one row per phase
    output  ^.......^.......^.......^            a sample waits for `lookahead_samples` of input beyond its position
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import AudioError

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8000, 192000
MOST_CHANNELS = 8
_LOUDEST = 100.0  # 40 dB over full scale: only integers written as floats get here
# 300 dB under full scale: silence. What decays further becomes numbers that processors multiply 30 times slower
_FAINTEST = 1e-15
_ZERO_CROSSINGS = 32  # of the sinc on each side: 2 ms at 16 kHz
_STOPBAND_DB = 74.0
_MOST_PHASES = 1024  # rates with more phases than this blend two neighbouring rows; the error is about -120 dB
_BLOCK_SAMPLES = 512  # output samples worked on at once; bounds memory for whole files


def to_mono_float(samples: object) -> np.ndarray:
    """`samples` as float32 `(n,)`: int16 (divided by 32768), float32 or float64, `(n,)` or `(n, channels)`.

    Channels are averaged; what lies 300 dB under full scale is 0, so silence never costs more than speech. Raises
    `AudioError` for another dtype or shape, over 8 channels, NaN, infinity, or floats far beyond -1..1. `(0,)` is
    valid: a caller may have nothing new.
    """
    try:
        array = np.asarray(samples)
    except (ValueError, TypeError) as error:
        raise AudioError(f"samples are no array: {error}") from None
    if array.ndim not in (1, 2):
        raise AudioError(f"samples have shape {array.shape}; give (n,) or (n, channels)")
    if array.ndim == 2 and not 1 <= array.shape[1] <= MOST_CHANNELS:
        raise AudioError(
            f"samples have shape {array.shape}, which is {array.shape[1]} channels; give (n, channels) with 1 to "
            f"{MOST_CHANNELS} channels (transpose if channels come first)"
        )
    kind = (array.dtype.kind, array.dtype.itemsize)
    if kind == ("i", 2):
        scaled = array.astype(np.float32) / np.float32(32768.0)
        return scaled if scaled.ndim == 1 else scaled.mean(axis=1, dtype=np.float32)
    if kind not in (("f", 4), ("f", 8)):
        raise AudioError(f"samples are {array.dtype}; give int16, float32 or float64")
    peak = float(np.abs(array).max(initial=0.0))  # NaN spreads through max
    if not math.isfinite(peak):
        raise AudioError("samples hold NaN or infinite values")
    if peak > _LOUDEST:
        raise AudioError(f"samples reach {peak:.6g}; floats lie within -1..1: divide integers by full scale")
    if array.ndim == 2:
        array = array.mean(axis=1, dtype=array.dtype)
    faint = np.abs(array) < _FAINTEST
    if faint.any():
        array = np.where(faint, 0, array)
    return np.ascontiguousarray(array, dtype=np.float32)


def check_rate(rate_hz: int, highest_hz: int = HIGHEST_RATE_HZ) -> int:
    """`rate_hz` if it is a whole number within 8000..`highest_hz`; raises `AudioError` otherwise."""
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, (int, np.integer)):
        raise AudioError(f"sample rate {rate_hz!r} is no whole number of samples a second")
    if not LOWEST_RATE_HZ <= rate_hz <= highest_hz:
        raise AudioError(f"sample rate {rate_hz} Hz is out of range: give {LOWEST_RATE_HZ} to {highest_hz} Hz")
    return int(rate_hz)


def lookahead_samples(rate_hz: int) -> int:
    """Input samples beyond its own position that a 16 kHz output sample waits for; raises `AudioError` on the rate."""
    if check_rate(rate_hz) == SAMPLE_RATE_HZ:
        return 0
    return math.ceil(_ZERO_CROSSINGS * max(1.0, rate_hz / SAMPLE_RATE_HZ))


@dataclass(frozen=True)
class ResamplerState:
    """A value: input still needed, covering `[received - len(history), received)`, and output samples made so far."""

    history: np.ndarray
    received: int = 0
    produced: int = 0
    finished: bool = False


class StreamingResampler:
    """`rate_hz` (any whole rate from 8000 to 192000) to 16 kHz mono; the output does not depend on the chunking.

    Band-limited to the lower of both rates: flat (0.02 dB) to 85 % of its half, at least 70 dB down from that half on.
    `lookahead_samples`: see the function; 0 at 16 kHz, where samples pass through. `state` may be read and set back.
    Raises `AudioError` for a rate out of range.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = check_rate(rate_hz)
        common = math.gcd(self.rate_hz, SAMPLE_RATE_HZ)
        self._up, self._down = SAMPLE_RATE_HZ // common, self.rate_hz // common
        self.lookahead_samples = lookahead_samples(self.rate_hz)
        if self._up != self._down:
            self._rows = _weight_rows(self._up, self._down, self.lookahead_samples)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next sample pushed is sample 0."""
        # what stands before sample 0 is silence
        self.state = ResamplerState(np.zeros(max(0, self.lookahead_samples - 1), dtype=np.float32))

    def push(self, samples: object) -> np.ndarray:
        """The 16 kHz samples that `samples` (see `to_mono_float`) make due. Raises `AudioError`, keeping its state."""
        return self.push_mono(to_mono_float(samples))

    def push_mono(self, mono: np.ndarray) -> np.ndarray:
        """`push` for samples that `to_mono_float` has seen already."""
        if self.state.finished:
            raise AudioError("the stream is finished; call reset() before pushing new audio")
        if self._up == self._down:
            count = self.state.received + len(mono)
            self.state = ResamplerState(self.state.history, count, count)
            return mono
        received = self.state.received + len(mono)
        # sample j is due when j * down // up + lookahead < received
        due = _ceil_div((received - self.lookahead_samples) * self._up, self._down)
        return self._advance(mono, received, max(due, self.state.produced))

    def finish(self) -> np.ndarray:
        """The tail, as if silence followed: `ceil(n * 16000 / rate)` samples in all. A second call gives `(0,)`."""
        if self.state.finished:
            return np.zeros(0, dtype=np.float32)
        tail = np.zeros(0, dtype=np.float32)
        if self._up != self._down:
            received = self.state.received
            silence = np.zeros(self.lookahead_samples, dtype=np.float32)
            tail = self._advance(silence, received + len(silence), _ceil_div(received * self._up, self._down))
        self.state = ResamplerState(self.state.history, self.state.received, self.state.produced, finished=True)
        return tail

    def _advance(self, mono: np.ndarray, received: int, until: int) -> np.ndarray:
        """Take `mono` in and make the output samples `[produced, until)`."""
        joined = np.concatenate([self.state.history, mono])
        start = received - len(joined)
        taps = 2 * self.lookahead_samples
        out = np.empty(until - self.state.produced, dtype=np.float32)
        for done in range(0, len(out), _BLOCK_SAMPLES):
            index = np.arange(self.state.produced + done, self.state.produced + min(done + _BLOCK_SAMPLES, len(out)))
            position, phase = np.divmod(index * self._down, self._up)
            first = position - (self.lookahead_samples - 1) - start
            pieces = np.ndarray((len(joined) - taps + 1, taps), np.float32, joined, strides=(4, 4))  # every window
            # einsum adds each row up by itself, in an order that does not depend on the chunking
            if self._up == 1:
                windows = pieces[first[0] : first[-1] + 1 : self._down]
                out[done : done + len(index)] = np.einsum("ij,j->i", windows, self._rows[0])
            else:
                out[done : done + len(index)] = np.einsum("ij,ij->i", pieces[first], self._weights(phase))
        needed = until * self._down // self._up - (self.lookahead_samples - 1)
        self.state = ResamplerState(joined[max(0, needed - start) :].copy(), received, until)
        return out

    def _weights(self, phase: np.ndarray) -> np.ndarray:
        """The weights `(n, taps)` of each `phase` `(n,)`, in steps of 1 / up."""
        if self._up <= _MOST_PHASES:
            weights: np.ndarray = self._rows[phase]
            return weights
        row, rest = np.divmod(phase * _MOST_PHASES, self._up)
        share = (rest / self._up).astype(np.float32)[:, None]
        weights = self._rows[row] * (1 - share) + self._rows[row + 1] * share
        return weights


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _weight_rows(up: int, down: int, half: int) -> np.ndarray:
    """`(phases + 1, 2 * half)` float32: windowed-sinc weights of the inputs around a position, for each phase of it."""
    phases = min(up, _MOST_PHASES)
    scale = min(1.0, up / down)  # output rate over input rate where that is below one
    width = _ZERO_CROSSINGS / scale
    # Kaiser's formulas: beta from the attenuation, transition width from beta and the length; its end lies at Nyquist
    beta = 0.1102 * (_STOPBAND_DB - 8.7)
    transition = (_STOPBAND_DB - 7.95) / (14.36 * 2 * _ZERO_CROSSINGS)
    cutoff = (1.0 - transition) * scale
    offset = np.arange(-half + 1, half + 1)[None, :] - np.arange(phases + 1)[:, None] / phases
    inside = np.sqrt(np.clip(1.0 - (offset / width) ** 2, 0.0, None))
    rows = np.sinc(cutoff * offset) * np.i0(beta * inside) * (np.abs(offset) <= width)
    rows /= rows.sum(axis=1, keepdims=True)  # silence stays silence, a constant stays itself
    weights: np.ndarray = rows.astype(np.float32)
    return weights
