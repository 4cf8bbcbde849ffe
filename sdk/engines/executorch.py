"""Runs a sealed `.pte` with the ExecuTorch runtime of the pip wheel, on one thread."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

from sdk.artifact import Artifact
from sdk.engines.base import Engine, check_values, check_window
from sdk.errors import ArtifactError, EngineUnavailable
from sdk.manifest import Manifest

_FLOAT = 6  # ExecuTorch's ScalarType


class ExecutorchEngine:
    """One loaded program. A lock lets voices on several threads share it."""

    def __init__(self, manifest: Manifest, method: Any, program: Any) -> None:
        self._manifest = manifest
        self._method = method
        self._program = program  # the method lives in it
        self._lock = threading.Lock()

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def run(self, window: np.ndarray) -> np.ndarray:
        """See `Engine.run`."""
        import torch

        tensor = torch.tensor(check_window(self._manifest, window)).reshape(1, 1, -1)
        try:
            with self._lock:
                (values,) = self._method([tensor])
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(f"the ExecuTorch program failed to run: {error}") from error
        return check_values(self._manifest, values.numpy())


def open_engine(artifact: Artifact) -> Engine:
    """The engine of a `.pte`. Raises `EngineUnavailable` without the runtime, `ArtifactError` if it cannot load it."""
    runtime = _runtime()
    # Several threads cost more than they bring at this size. The pool can only be changed before a program is loaded;
    # asking first makes this happen once.
    if runtime._threadpool_get_thread_count() != 1:
        runtime._unsafe_reset_threadpool(1)
    try:
        program = runtime._load_program(str(artifact.path))  # mapped: no second copy of the file in memory
        method = program.load_method("forward")
        meta = method.method_meta()
    except RuntimeError as error:
        raise ArtifactError(
            f"{artifact.path}: ExecuTorch cannot load it ({error}); it may come from another version or need a backend "
            "that is not in this wheel. Export it again with the installed executorch"
        ) from error
    _check_shapes(artifact, meta)
    return ExecutorchEngine(artifact.manifest, method, program)


def _check_shapes(artifact: Artifact, meta: Any) -> None:
    wanted = ((1, 1, artifact.manifest.window_samples), _FLOAT), ((1, len(artifact.manifest.names)), _FLOAT)
    found: Any = f"{meta.num_inputs()} inputs and {meta.num_outputs()} outputs"
    if meta.num_inputs() == meta.num_outputs() == 1:
        ends = meta.input_tensor_meta(0), meta.output_tensor_meta(0)
        found = tuple((tuple(end.sizes()), int(end.dtype())) for end in ends)
    if found != wanted:
        raise ArtifactError(
            f"{artifact.path}: the program takes and gives {found}, its manifest says {wanted} "
            f"(shape, {_FLOAT} is float32): they do not belong together; export it again"
        )


def _runtime() -> Any:
    """The runtime's binding. Its public module also imports the exporter: six seconds and much noise on stderr."""
    try:
        import torch  # noqa: F401  (brings the shared libraries the binding links to)

        if sys.platform == "win32":  # this module adds the folder of the DLLs
            from executorch.extension.pybindings import portable_lib as runtime
        else:
            from executorch.extension.pybindings import _C as runtime
    except ImportError as error:
        raise EngineUnavailable(
            f"this artefact needs ExecuTorch, which is not installed ({error}): pip install 'tinyface[play]'"
        ) from error
    return runtime
