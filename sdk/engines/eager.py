"""Any callable as an engine: a model in training, a fake in a test, a remote service. It opens no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdk.engines.base import check_values, check_window
from sdk.manifest import Manifest


@dataclass(frozen=True)
class EagerEngine:
    """Wraps `function`: float32 `(window_samples,)` -> `(channels,)` or `(1, channels)`, described by `manifest`."""

    manifest: Manifest
    function: Callable[[np.ndarray], np.ndarray]

    def run(self, window: np.ndarray) -> np.ndarray:
        """See `Engine.run`."""
        return check_values(self.manifest, np.asarray(self.function(check_window(self.manifest, window))))
