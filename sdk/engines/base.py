"""What an engine is: one window of samples in, one vector of rig values out; immutable and shared by many voices."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sdk.errors import ArtifactError, AudioError
from sdk.manifest import Manifest


class Engine(Protocol):
    """Runs one artefact. `run` may be called from several threads; calls then wait for one another."""

    @property
    def manifest(self) -> Manifest: ...

    def run(self, window: np.ndarray) -> np.ndarray:
        """`(window_samples,)` float32 -> `(channels,)` float32, unclamped, in manifest order.

        Raises `AudioError` for a window of another shape or dtype, `ArtifactError` if the program fails.
        """
        ...


def check_window(manifest: Manifest, window: np.ndarray) -> np.ndarray:
    """`window` made contiguous for a runtime. Raises `AudioError` unless it is float32 `(window_samples,)`."""
    if not isinstance(window, np.ndarray) or window.dtype != np.float32 or window.shape != (manifest.window_samples,):
        what = f"{window.dtype} {window.shape}" if isinstance(window, np.ndarray) else type(window).__name__
        raise AudioError(f"engine: window is {what}; this artefact takes float32 ({manifest.window_samples},)")
    return np.ascontiguousarray(window)


def check_values(manifest: Manifest, values: np.ndarray) -> np.ndarray:
    """`values` `(channels,)` or `(1, channels)` as an own float32 `(channels,)`.

    Raises `ArtifactError` for another number of channels, or for NaN and infinity.
    """
    channels = len(manifest.names)
    if values.shape not in ((channels,), (1, channels)):
        raise ArtifactError(
            f"the program gave shape {values.shape}, its manifest names {channels} channels: they do not fit"
        )
    flat = np.array(values, dtype=np.float32).reshape(channels)
    if not np.isfinite(flat).all():
        raise ArtifactError("the program gave NaN or infinite values: its weights are damaged; export it again")
    return flat
