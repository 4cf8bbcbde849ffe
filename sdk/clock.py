"""The frame clock: frame index <-> absolute sample index. The rate is a fraction; nothing is ever added up.

16000 / 30 is not whole: a hop of 533 samples drifts 0.375 s in ten minutes. Frame k of a clock of n/m frames a
second sits at sample k * 16000 * m // n, for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sdk.errors import ConfigError

SAMPLE_RATE_HZ = 16000
LARGEST_TERM = 1_000_000  # of a rate as a fraction: manifests and the C library take no more


def _broadcast(rate: Fraction) -> Fraction:
    """A rate written as a decimal: n * 1000/1001 where that is what its few digits mean, else the simplest fraction.

    29.97 is 29.97003 with four digits, 23.98 is 23.97602 with as many: within 5 millionths, or 4 thousandths at
    23.98, of a broadcast rate and of nothing else that anybody uses.
    """
    for whole in (24, 30, 48, 60, 120):
        exact = Fraction(whole * 1000, 1001)
        if rate.denominator != 1 and (abs(rate - exact) < Fraction(whole, 10000) or rate == round(exact, 2)):
            return exact
    return rate.limit_denominator(1001)


def _is_float(rate: Fraction) -> bool:
    """Whether a fraction is a float's, such as `Fraction(29.97)`: its terms have fifteen digits, and mean a decimal."""
    return rate.denominator > LARGEST_TERM and rate == Fraction(float(rate))


@dataclass(frozen=True)
class FrameClock:
    """Frames at `fps` (a fraction) over audio at `rate_hz`. Raises `ConfigError` unless 1 <= fps <= 240."""

    fps: Fraction
    rate_hz: int = SAMPLE_RATE_HZ

    def __post_init__(self) -> None:
        if not 1 <= self.fps <= 240:
            raise ConfigError(f"frame rate {self.fps} is out of range: give 1 to 240 frames a second")

    @classmethod
    def at(cls, fps: Fraction | int | float | str, rate_hz: int = SAMPLE_RATE_HZ) -> FrameClock:
        """A clock from `30`, `29.97`, `"30000/1001"` or a `Fraction`; decimals are read as a simple fraction.

        23.976, 23.98, 29.97, 47.95, 59.94 and 119.88, as numbers or words, mean the broadcast rates n * 1000/1001.
        """
        try:
            rate = Fraction(str(fps) if isinstance(fps, float) else fps)
        except (ValueError, TypeError, ZeroDivisionError, OverflowError):
            raise ConfigError(f"{fps!r} is no frame rate: give a number or a fraction such as 30000/1001") from None
        if (isinstance(fps, (float, str)) and "/" not in str(fps)) or _is_float(rate):
            rate = _broadcast(rate)
        if max(rate.numerator, rate.denominator) > LARGEST_TERM:
            raise ConfigError(f"frame rate {rate}: give a fraction whose terms are {LARGEST_TERM:,} at most")
        return cls(rate, rate_hz)

    def sample(self, frame: int) -> int:
        """Absolute sample index of a frame; frames before the start are negative."""
        return frame * self.rate_hz * self.fps.denominator // self.fps.numerator

    def frames_before(self, sample: int) -> int:
        """How many frames k >= 0 sit strictly before `sample`."""
        if sample <= 0:
            return 0
        # sample(k) < s  <=>  k * rate * m < s * n  (s whole)
        step = self.rate_hz * self.fps.denominator
        return -(-sample * self.fps.numerator // step)

    def doubled(self) -> FrameClock:
        """The clock at twice the rate: its frame 2k is this clock's frame k (ensemble, eq. 8)."""
        return FrameClock(self.fps * 2, self.rate_hz)
