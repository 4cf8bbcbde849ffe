"""How long after a sound its frame comes out, taken apart: where each millisecond goes, and what hides it.

A frame at sample s waits for its future context, with the ensemble for the next prediction, for the resampler to see
beyond that, for the caller's chunk to fill up, and for the inference itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sdk.audio import lookahead_samples
from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.errors import ConfigError
from sdk.window import WindowSpec


@dataclass(frozen=True)
class Latency:
    """Worst-case delay from a frame's own instant to its values. `total_ms` is its sum.

    future_samples, ensemble_samples: at 16 kHz. resampler_samples, block_samples: at the caller's `rate_hz`; the block
    is what chunks of a fixed size add because they seldom end just where a frame falls due. inference_ms: of one frame.
    """

    future_samples: int
    ensemble_samples: int
    resampler_samples: int
    block_samples: int
    rate_hz: int
    inference_ms: float

    @classmethod
    def of(
        cls,
        clock: FrameClock,
        window: WindowSpec,
        *,
        ensemble: bool = False,
        rate_hz: int = SAMPLE_RATE_HZ,
        chunk_samples: int = 1,
        inference_ms: float = 0.0,
    ) -> Latency:
        """The latency of frames on `clock` when the caller pushes `chunk_samples` at a time at `rate_hz`.

        Never below the true worst case; above it by less than 0.2 ms, and exact at 16 kHz without ensemble. Raises
        `AudioError` for a rate out of range, `ConfigError` for chunks below one sample.
        """
        if chunk_samples < 1:
            raise ConfigError(f"chunks of {chunk_samples} samples never arrive: give 1 or more")
        half = lookahead_samples(rate_hz)
        period = _period(clock, rate_hz)
        doubled = clock.doubled() if ensemble else clock
        waits, extras = [], []
        for frame in range(period):
            sample = clock.sample(frame)
            extra = doubled.sample(2 * frame + 1) - sample if ensemble else 0
            last = sample + max(window.future_samples, 1) + extra - 1  # the last 16 kHz sample this frame needs
            needed = last * rate_hz // SAMPLE_RATE_HZ + half + 1  # input samples that must have arrived
            # this frame recurs every `step` inputs: how badly can a chunk boundary miss it? (g divides every distance)
            step = clock.sample(period) * rate_hz // SAMPLE_RATE_HZ
            g = math.gcd(step, chunk_samples)
            arrived = needed + chunk_samples - g + (-needed) % g
            waits.append(arrived * SAMPLE_RATE_HZ - sample * rate_hz)  # in units of 1 / (16000 * rate) seconds
            extras.append(extra)
        known = (window.future_samples + max(extras)) * rate_hz + half * SAMPLE_RATE_HZ
        block = max(0, -(-(max(waits) - known) // SAMPLE_RATE_HZ))
        return cls(window.future_samples, max(extras), half, block, rate_hz, inference_ms)

    @property
    def future_ms(self) -> float:
        return self.future_samples * 1000.0 / SAMPLE_RATE_HZ

    @property
    def ensemble_ms(self) -> float:
        return self.ensemble_samples * 1000.0 / SAMPLE_RATE_HZ

    @property
    def resampler_ms(self) -> float:
        return self.resampler_samples * 1000.0 / self.rate_hz

    @property
    def block_ms(self) -> float:
        return self.block_samples * 1000.0 / self.rate_hz

    @property
    def total_ms(self) -> float:
        return self.future_ms + self.ensemble_ms + self.resampler_ms + self.block_ms + self.inference_ms

    @property
    def total_samples(self) -> int:
        """`total_ms` in 16 kHz samples, rounded up."""
        return math.ceil(self.total_ms * SAMPLE_RATE_HZ / 1000.0 - 1e-9)

    def audio_delay_ms(self, limit_ms: float = 90.0) -> float:
        """How much to delay the audio so that the face lags behind it by at most `limit_ms`."""
        return max(0.0, self.total_ms - limit_ms)


def _period(clock: FrameClock, rate_hz: int) -> int:
    """Fewest frames after which the clock meets a whole sample both at 16 kHz and at `rate_hz`."""
    n, m = clock.fps.numerator, clock.fps.denominator
    return math.lcm(n // math.gcd(n, SAMPLE_RATE_HZ * m), n // math.gcd(n, rate_hz * m))
