"""Any callable as an engine: a model in training, a fake in a test, a remote service. It opens no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdk.engines.base import EngineState, check_hops, check_values, check_voices, check_window, zero_state
from sdk.manifest import Manifest


@dataclass(frozen=True)
class EagerEngine:
    """Wraps `function`: float32 `(window_samples,)` -> `(channels,)` or `(1, channels)`, described by `manifest`."""

    manifest: Manifest
    function: Callable[[np.ndarray], np.ndarray]

    def run(self, window: np.ndarray) -> np.ndarray:
        """See `WindowEngine.run`."""
        return check_values(self.manifest, np.asarray(self.function(check_window(self.manifest, window))))


@dataclass(frozen=True)
class EagerStreamEngine:
    """Wraps `function`: hops `(voices, hop_samples)` and their state -> `(voices, channels)` and the next state."""

    manifest: Manifest
    function: Callable[[np.ndarray, EngineState], tuple[np.ndarray, EngineState]]

    def start(self, voices: int) -> EngineState:
        """See `StreamEngine.start`."""
        return zero_state(self.manifest, voices)

    def step(self, hops: np.ndarray, state: EngineState) -> tuple[np.ndarray, EngineState]:
        """See `StreamEngine.step`."""
        values, after = self.function(check_hops(self.manifest, hops, state), state)
        return check_voices(self.manifest, np.asarray(values), len(hops)), tuple(after)
