"""Runs a sealed TorchScript `.pt` with libtorch, on one thread: for tools and as the reference."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sdk.artifact import Artifact
from sdk.engines._allowed import check_graph, checked_program
from sdk.engines.base import Engine, EngineState, check_hops, check_values, check_voices, check_window, zero_state
from sdk.errors import ArtifactError, EngineUnavailable, pip_install
from sdk.manifest import Manifest
from sdk.tools.forking import GATE
from sdk.tools.threads import one_thread


class TorchscriptEngine:
    """One loaded window module. A lock lets voices on several threads share it."""

    def __init__(self, manifest: Manifest, module: Any) -> None:
        self._manifest = manifest
        self._module = module
        self._lock = threading.Lock()

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def run(self, window: np.ndarray) -> np.ndarray:
        """See `WindowEngine.run`."""
        (values,) = _call(self._module, [check_window(self._manifest, window).reshape(1, 1, -1)], self._lock)
        return check_values(self._manifest, values)


class TorchscriptStreamEngine:
    """One loaded stream module, which takes any number of voices. A lock lets several threads share it."""

    def __init__(self, manifest: Manifest, module: Any) -> None:
        self._manifest = manifest
        self._module = module
        self._lock = threading.Lock()

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def start(self, voices: int) -> EngineState:
        """See `StreamEngine.start`."""
        return zero_state(self._manifest, voices)

    def step(self, hops: np.ndarray, state: EngineState) -> tuple[np.ndarray, EngineState]:
        """See `StreamEngine.step`."""
        hops = check_hops(self._manifest, hops, state)
        values, *after = _call(self._module, [hops[:, None], *state], self._lock)
        found = [array.shape for array in after]
        if found != [array.shape for array in state]:
            raise ArtifactError(f"the TorchScript program gave a state {found} that it does not take; export it again")
        return check_voices(self._manifest, values, len(hops)), tuple(after)


def open_engine(artifact: Artifact) -> Engine:
    """The engine of a `.pt`. Raises `EngineUnavailable` without torch, `ArtifactError` if it cannot be loaded.

    The program runs once on silence, so one that does not fit its manifest is refused here and not in the first frame.
    """
    try:
        import torch
    except ImportError as error:
        raise EngineUnavailable(
            f"this artefact needs PyTorch, which is not installed ({error}): {pip_install('play')}"
        ) from error
    del torch
    module = load_module(artifact.path)
    silence = np.zeros(artifact.manifest.window_samples, dtype=np.float32)
    if artifact.manifest.kind == "stream":
        stream = TorchscriptStreamEngine(artifact.manifest, module)
        stream.step(silence[None], stream.start(1))
        return stream
    engine = TorchscriptEngine(artifact.manifest, module)
    engine.run(silence)
    return engine


def load_module(path: Path, device: str = "cpu") -> Any:
    """The module in a `.pt`, ready to run. Raises `ArtifactError` if it cannot be loaded, or calls what it may not."""
    import torch

    load: Any = torch.jit.load
    try:
        with checked_program(path) as program, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript as a whole is deprecated
            module = load(str(program), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(f"{path}: TorchScript cannot load it ({error}); export it again") from error
    check_graph(path, module)
    return module


def _call(module: Any, inputs: list[np.ndarray], lock: threading.Lock) -> list[np.ndarray]:
    """Run `module` on float32 arrays. Raises `ArtifactError` if it fails or gives anything but tensors."""
    import torch

    tensors = [torch.tensor(array) for array in inputs]  # copies: the caller's arrays may be read-only
    try:
        with GATE.inside(), lock, torch.inference_mode(), one_thread():
            outputs = module(*tensors)
    except RuntimeError as error:
        raise ArtifactError(f"the TorchScript program failed to run: {error}") from error
    several = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    if not all(isinstance(output, torch.Tensor) for output in several) or len(several) != len(inputs):
        raise ArtifactError(
            f"the TorchScript program gave {type(outputs).__name__}, not {len(inputs)} tensors; export it again"
        )
    return [output.numpy() for output in several]
