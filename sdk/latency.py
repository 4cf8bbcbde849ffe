"""How long after a sound its frame comes out, taken apart: where each millisecond goes, and what hides it.

A frame at sample s waits for its future context, with a stream student for the hop to fill up, with the ensemble for
the next prediction, for the resampler to see beyond that, for the caller's chunk to fill up, and for the inference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sdk.audio import lookahead_samples
from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.errors import ConfigError
from sdk.hops import HopSpec
from sdk.window import WindowSpec


@dataclass(frozen=True)
class Latency:
    """Worst-case delay from a frame's own instant to its values. `total_ms` is its sum.

    future_samples, grid_samples (until a hop is full), ensemble_samples: at 16 kHz. resampler_samples, block_samples:
    at the caller's `rate_hz`; the block is what chunks of a fixed size add because they seldom end just where a frame
    falls due. inference_ms: of one frame.
    """

    future_samples: int
    grid_samples: int
    ensemble_samples: int
    resampler_samples: int
    block_samples: int
    rate_hz: int
    inference_ms: float

    @classmethod
    def of(
        cls,
        clock: FrameClock,
        timing: WindowSpec | HopSpec,
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
        period = _period(clock, rate_hz, timing.grid_samples)
        doubled = clock.doubled() if ensemble else clock
        waits, extras, grids = [], [], []
        for frame in range(period):
            sample = clock.sample(frame)
            extra = doubled.sample(2 * frame + 1) - sample if ensemble else 0
            last = timing.needed_samples(sample + extra) - 1  # the last 16 kHz sample this frame needs
            needed = last * rate_hz // SAMPLE_RATE_HZ + half + 1  # input samples that must have arrived
            # this frame recurs every `step` inputs: how badly can a chunk boundary miss it? (g divides every distance)
            step = clock.sample(period) * rate_hz // SAMPLE_RATE_HZ
            g = math.gcd(step, chunk_samples)
            arrived = needed + chunk_samples - g + (-needed) % g
            waits.append(arrived * SAMPLE_RATE_HZ - sample * rate_hz)  # in units of 1 / (16000 * rate) seconds
            extras.append(extra)
            grids.append(last + 1 - sample - extra - max(timing.future_samples, 1))
        known = (timing.future_samples + max(grids) + max(extras)) * rate_hz + half * SAMPLE_RATE_HZ
        block = max(0, -(-(max(waits) - known) // SAMPLE_RATE_HZ))
        return cls(timing.future_samples, max(grids), max(extras), half, block, rate_hz, inference_ms)

    @property
    def future_ms(self) -> float:
        return self.future_samples * 1000.0 / SAMPLE_RATE_HZ

    @property
    def grid_ms(self) -> float:
        return self.grid_samples * 1000.0 / SAMPLE_RATE_HZ

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
        return self.future_ms + self.grid_ms + self.ensemble_ms + self.resampler_ms + self.block_ms + self.inference_ms

    @property
    def total_samples(self) -> int:
        """`total_ms` in 16 kHz samples, rounded up."""
        return math.ceil(self.total_ms * SAMPLE_RATE_HZ / 1000.0 - 1e-9)

    def audio_delay_ms(self, limit_ms: float = 90.0) -> float:
        """How much to delay the audio so that the face lags behind it by at most `limit_ms`."""
        return max(0.0, self.total_ms - limit_ms)


def _period(clock: FrameClock, rate_hz: int, grid_samples: int) -> int:
    """Fewest frames after which the clock meets a whole sample at `rate_hz` and the grid at 16 kHz."""
    n, m = clock.fps.numerator, clock.fps.denominator
    frames = math.lcm(n // math.gcd(n, SAMPLE_RATE_HZ * m), n // math.gcd(n, rate_hz * m))
    return frames * (grid_samples // math.gcd(grid_samples, clock.sample(frames)))
