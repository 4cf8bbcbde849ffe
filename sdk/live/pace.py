"""The sound card's clock, seen from the computer's: when is sample n, as the card counts?

A card's 48000 samples take a little more or less than a second, and they arrive in lumps, late by whatever the machine
was doing. Nothing arrives early: so the line that touches the earliest arrivals from below is the card's clock.

    computer's time = origin + n x period          both follow; early arrivals pull at once, late ones hardly
"""

from __future__ import annotations

_EARLY, _LATE = 0.25, 0.002  # share of an arrival's error by which the origin is moved, when it comes early, and late
_SLOPE = 2e-6  # the same for the period, per sample of a block
_MOST_PPM = 500.0  # limit of a card's error in parts per million


class CardClock:
    """Follows arrivals of a card of nominal `rate_hz`. Before the first, it has no time (`started` False)."""

    def __init__(self, rate_hz: int) -> None:
        self._nominal = 1.0 / rate_hz
        self.reset()

    def reset(self) -> None:
        self._period, self._origin, self._from = self._nominal, 0.0, 0
        self.started = False

    def arrived(self, samples: int, now: float) -> None:
        """`samples` have arrived in all at `now` (seconds of the computer)."""
        if not self.started:
            self._origin, self._from, self.started = now, samples, True
            return
        step = samples - self._from
        expected = self._origin + step * self._period
        error = now - expected
        # the line is carried along, so that a change of slope does not swing its far end
        self._origin, self._from = expected + (_EARLY if error < 0 else _LATE) * error, samples
        self._period += _SLOPE * error * self._nominal * (1.0 if error > 0 else 8.0)
        most = self._nominal * _MOST_PPM * 1e-6
        self._period = min(max(self._period, self._nominal - most), self._nominal + most)

    def time_of(self, sample: float) -> float:
        """When the card gets to `sample`, in the computer's seconds."""
        return self._origin + (sample - self._from) * self._period

    @property
    def ppm(self) -> float:
        """How much slower than its nominal rate the card runs, in millionths."""
        return (self._period / self._nominal - 1.0) * 1e6
