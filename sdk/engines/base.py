"""What an engine is: immutable, shared by many voices; it runs windows, or hops with a state given and returned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from sdk.errors import ArtifactError, AudioError
from sdk.manifest import Manifest

EngineState: TypeAlias = tuple[np.ndarray, ...]  # one array `(voices, *shape)` for each shape of the manifest's `state`


@runtime_checkable
class Engine(Protocol):
    """An opened artefact: a `WindowEngine` or a `StreamEngine`, as its manifest's `kind` says."""

    @property
    def manifest(self) -> Manifest: ...


@runtime_checkable
class WindowEngine(Engine, Protocol):
    """Runs a window student. `run` may be called from several threads; calls then wait for one another."""

    def run(self, window: np.ndarray) -> np.ndarray:
        """`(window_samples,)` float32 -> `(channels,)` float32, unclamped, in manifest order.

        Raises `AudioError` for a window of another shape or dtype, `ArtifactError` if the program fails.
        """
        ...


@runtime_checkable
class StreamEngine(Engine, Protocol):
    """Runs a stream student. `step` may be called from several threads; calls then wait for one another."""

    def start(self, voices: int) -> EngineState:
        """The state of `voices` voices before their first sample: zeros."""
        ...

    def step(self, hops: np.ndarray, state: EngineState) -> tuple[np.ndarray, EngineState]:
        """`(voices, hop_samples)` float32 and their state -> `(voices, channels)` float32, unclamped, and what follows.

        The state given is not changed. Raises `AudioError` for other shapes or dtypes, `ArtifactError` if the program
        fails.
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
    if values.shape not in ((len(manifest.names),), (1, len(manifest.names))):
        raise _misfit(manifest, values)
    return _finite(np.array(values, dtype=np.float32).reshape(-1))


def check_hops(manifest: Manifest, hops: np.ndarray, state: Sequence[np.ndarray]) -> np.ndarray:
    """`hops` made contiguous. Raises `AudioError` unless they and `state` are float32 of the manifest's shapes."""
    fits = isinstance(hops, np.ndarray) and hops.ndim == 2 and hops.dtype == np.float32
    if not fits or hops.shape[1] != manifest.window_samples or not len(hops):
        what = f"{hops.dtype} {hops.shape}" if isinstance(hops, np.ndarray) else type(hops).__name__
        raise AudioError(f"engine: hops are {what}; this artefact takes float32 (voices, {manifest.window_samples})")
    wanted = [(len(hops), *shape) for shape in manifest.state]
    found = [tuple(array.shape) for array in state]
    if found != wanted or any(array.dtype != np.float32 for array in state):
        raise AudioError(f"engine: the state is {found}; {len(hops)} voices of this artefact have float32 {wanted}")
    return np.ascontiguousarray(hops)


def check_voices(manifest: Manifest, values: np.ndarray, voices: int) -> np.ndarray:
    """`values` as an own float32 `(voices, channels)`. Raises `ArtifactError` as `check_values`."""
    if values.shape != (voices, len(manifest.names)):
        raise _misfit(manifest, values)
    return _finite(np.array(values, dtype=np.float32))


def zero_state(manifest: Manifest, voices: int) -> EngineState:
    """What stands before the first sample of each voice."""
    return tuple(np.zeros((voices, *shape), dtype=np.float32) for shape in manifest.state)


def _misfit(manifest: Manifest, values: np.ndarray) -> ArtifactError:
    return ArtifactError(
        f"the program gave shape {values.shape}, its manifest names {len(manifest.names)} channels: they do not fit"
    )


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ArtifactError("the program gave NaN or infinite values: its weights are damaged; export it again")
    return values
