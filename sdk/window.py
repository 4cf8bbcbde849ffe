"""The window a student looks at: 512 ms of speech around a frame, d of them in the future (section 3.1.2).

sample(frame) - past          sample(frame)        sample(frame) + future
      |==============================|==========================|
      0                         past_samples              length_samples
"""

from __future__ import annotations

from dataclasses import dataclass

from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError


@dataclass(frozen=True)
class WindowSpec:
    """`length_samples` of audio, of which `future_samples` lie at or after the frame's own sample."""

    length_samples: int = 8192
    future_samples: int = 4096

    def __post_init__(self) -> None:
        if self.length_samples < 1 or not 0 <= self.future_samples <= self.length_samples:
            raise ConfigError(
                f"window of {self.length_samples} samples with {self.future_samples} future ones is impossible: "
                "give 0 <= future <= length"
            )

    @property
    def past_samples(self) -> int:
        return self.length_samples - self.future_samples

    @property
    def grid_samples(self) -> int:
        """A window may begin at any sample."""
        return 1

    def needed_samples(self, sample: int) -> int:
        """How many samples must have been received before a frame at `sample` is due; it waits for its own sample."""
        return sample + max(self.future_samples, 1)

    @property
    def future_ms(self) -> float:
        return self.future_samples * 1000.0 / SAMPLE_RATE_HZ
