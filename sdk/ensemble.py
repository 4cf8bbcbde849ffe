"""Real-time ensemble (section 3.4, eq. 8): a smoothed frame is a weighted sum of three predictions at twice the rate.

doubled clock   -1    0    1    2    3    4    5        r(2k-1), r(2k), r(2k+1)  ->  frame k
base clock        \\   0   /  \\   1   /  \\   2   /       costs one doubled frame of latency: 16.7 ms at 30 fps
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk.errors import ConfigError, RigError

EQUAL_WEIGHTS = (1 / 3, 1 / 3, 1 / 3)


class RealtimeEnsemble:
    """Smooths predictions of the doubled clock, given in order from frame -1 on. Raises `ConfigError` on bad weights.

    `state` is the values still needed, a tuple that may be read and set back.
    """

    first_frame = -1

    def __init__(self, weights: Sequence[float] = EQUAL_WEIGHTS) -> None:
        try:
            values = tuple(float(weight) for weight in weights)
        except (TypeError, ValueError):
            values = ()
        if len(values) != 3 or not all(0 <= w <= 1 for w in values) or abs(sum(values) - 1) > 1e-6:
            raise ConfigError(f"ensemble weights {weights!r}: give three within 0..1 that sum to 1 (eq. 8)")
        self.weights = values
        self.reset()

    def reset(self) -> None:
        """Start again: the next values are those of doubled frame -1."""
        self.state: tuple[np.ndarray, ...] = ()

    def push(self, values: np.ndarray) -> np.ndarray | None:
        """The next prediction `(channels,)`; returns a smoothed frame float32 `(channels,)` at every second push.

        Raises `RigError` if the number of channels changes.
        """
        if self.state and self.state[0].shape != values.shape:
            raise RigError(f"ensemble: values of shape {values.shape} after {self.state[0].shape}")
        three = (*self.state, np.array(values, dtype=np.float32))
        if len(three) < 3:
            self.state = three
            return None
        self.state = three[2:]  # r(2k+1) is r(2(k+1)-1) of the next frame
        smoothed = sum(weight * value.astype(np.float64) for weight, value in zip(self.weights, three, strict=True))
        return np.asarray(smoothed, dtype=np.float32)
