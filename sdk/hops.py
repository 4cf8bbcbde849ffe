"""Samples in, whole hops out; values at hops in, values at the ticks of any clock out. No model in here.

    samples  |--- hop 0 ---|--- hop 1 ---|--- hop 2 ---|          320 samples each
    values                 0             1             2          those of hop j describe the instant
    instants     -future ..^.............^.............^          hop_samples * (j + 1) - future_samples
    ticks             k         k+1         k+2                   lie on a straight line between two instants

A tick is due with the hop whose instant reaches it: at most one hop later than its future context. Both states are
values that are given and returned, so the same samples give the same ticks in any chunking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.errors import AudioError, ConfigError


@dataclass(frozen=True)
class HopSpec:
    """What a stream student takes: `hop_samples` a call; its values lie `future_samples` before the hop's end."""

    hop_samples: int = 320
    future_samples: int = 704

    def __post_init__(self) -> None:
        if self.hop_samples < 1 or self.future_samples < 0:
            raise ConfigError(
                f"hops of {self.hop_samples} samples with {self.future_samples} future ones are impossible: "
                "give hops of 1 or more and a future of 0 or more"
            )

    @property
    def future_ms(self) -> float:
        return self.future_samples * 1000.0 / SAMPLE_RATE_HZ

    @property
    def grid_samples(self) -> int:
        """What frames may meet on their grid, besides whole samples."""
        return self.hop_samples

    def hops_until(self, sample: int) -> int:
        """How many hops must have run before a tick at `sample` is due; it waits at least for its own sample."""
        return max(1, -(-(sample + max(self.future_samples, 1)) // self.hop_samples))

    def needed_samples(self, sample: int) -> int:
        """How many samples must have been received before a tick at `sample` is due."""
        return self.hops_until(sample) * self.hop_samples

    def instant(self, hop: int) -> int:
        """The absolute sample that the values of hop `hop` describe."""
        return self.hop_samples * (hop + 1) - self.future_samples


@dataclass(frozen=True)
class HopState:
    """A value: samples that do not fill a hop yet, and how many samples were received in all."""

    pending: np.ndarray
    received: int = 0

    @classmethod
    def initial(cls) -> HopState:
        return cls(np.zeros(0, dtype=np.float32))


def take_hops(state: HopState, samples: np.ndarray, hop_samples: int) -> tuple[HopState, np.ndarray]:
    """The state after `samples` float32 `(n,)`, and the hops that they fill, `(hops, hop_samples)`, read-only.

    Raises `AudioError` if `samples` has another shape or dtype.
    """
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise AudioError(f"samples are {samples.dtype} {samples.shape}; give float32 (n,), see audio.to_mono_float")
    joined = np.concatenate([state.pending, samples])
    joined.flags.writeable = False
    count = len(joined) // hop_samples
    rest = joined[count * hop_samples :].copy()
    return HopState(rest, state.received + len(samples)), joined[: count * hop_samples].reshape(count, hop_samples)


@dataclass(frozen=True)
class BetweenState:
    """A value: hops that have run, the values of the last one (None before the first), and the next tick."""

    hops: int
    last: np.ndarray | None
    tick: int


def between(
    state: BetweenState, values: np.ndarray, clock: FrameClock, spec: HopSpec
) -> tuple[BetweenState, list[tuple[int, np.ndarray]]]:
    """The state after the next hop's `values` `(channels,)`, and (tick, values) of each tick that it makes due.

    A tick before the first instant takes the first hop's values.
    """
    right = spec.instant(state.hops)
    due = []
    tick = state.tick
    while spec.hops_until(sample := clock.sample(tick)) <= state.hops + 1:
        share = 1.0 if state.last is None else min(max(1.0 - (right - sample) / spec.hop_samples, 0.0), 1.0)
        mixed = values if share == 1.0 else (1.0 - share) * np.float64(state.last) + share * np.float64(values)
        due.append((tick, np.asarray(mixed, dtype=np.float32)))
        tick += 1
    return BetweenState(state.hops + 1, values, tick), due
