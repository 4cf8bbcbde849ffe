"""Runs a sealed TorchScript `.pt` with libtorch, on one thread: for tools and as the reference."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sdk.artifact import Artifact
from sdk.engines.base import Engine, check_values, check_window
from sdk.errors import ArtifactError, EngineUnavailable
from sdk.manifest import Manifest


class TorchscriptEngine:
    """One loaded module. A lock lets voices on several threads share it."""

    def __init__(self, manifest: Manifest, module: Any) -> None:
        self._manifest = manifest
        self._module = module
        self._lock = threading.Lock()

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def run(self, window: np.ndarray) -> np.ndarray:
        """See `Engine.run`."""
        import torch

        tensor = torch.tensor(check_window(self._manifest, window)).reshape(1, 1, -1)
        try:
            with self._lock, torch.inference_mode(), _one_thread(torch):
                values = self._module(tensor)
        except RuntimeError as error:
            raise ArtifactError(f"the TorchScript program failed to run: {error}") from error
        if not isinstance(values, torch.Tensor):
            raise ArtifactError(
                f"the TorchScript program gave {type(values).__name__}, not one tensor; export it again"
            )
        return check_values(self._manifest, values.numpy())


def open_engine(artifact: Artifact) -> Engine:
    """The engine of a `.pt`. Raises `EngineUnavailable` without torch, `ArtifactError` if it cannot be loaded.

    The program runs once on silence, so one that does not fit its manifest is refused here and not in the first frame.
    """
    try:
        import torch
    except ImportError as error:
        raise EngineUnavailable(
            f"this artefact needs PyTorch, which is not installed ({error}): pip install 'tinyface[play]'"
        ) from error
    load: Any = torch.jit.load
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript as a whole is deprecated
            module = load(str(artifact.path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(f"{artifact.path}: TorchScript cannot load it ({error}); export it again") from error
    engine = TorchscriptEngine(artifact.manifest, module)
    engine.run(np.zeros(artifact.manifest.window_samples, dtype=np.float32))
    return engine


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """One torch thread inside, the caller's number after: another library's setting is not ours to keep."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
