"""Runs a sealed `.pte` with the ExecuTorch runtime of the pip wheel, on one thread."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
import threading
from typing import Any

import numpy as np

from sdk.artifact import Artifact
from sdk.engines.base import Engine, EngineState, check_hops, check_values, check_voices, check_window, zero_state
from sdk.errors import ArtifactError, EngineUnavailable, pip_install
from sdk.manifest import Manifest
from sdk.tools.forking import GATE

OWN_KERNELS = "tinyface"  # the backend that only the native library has
_FLOAT = 6  # ExecuTorch's ScalarType
_Shapes = list[tuple[int, ...]]


class ExecutorchEngine:
    """One loaded window program. A lock lets voices on several threads share it."""

    def __init__(self, manifest: Manifest, method: Any, program: Any) -> None:
        self._manifest = manifest
        self._method = method
        self._program = program  # the method lives in it
        self._lock = threading.Lock()

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def run(self, window: np.ndarray) -> np.ndarray:
        """See `WindowEngine.run`."""
        (values,) = _call(self._method, [check_window(self._manifest, window).reshape(1, 1, -1)], self._lock)
        return check_values(self._manifest, values)


class ExecutorchStreamEngine:
    """One loaded stream program: its method `forward` for one voice, and `crowd` for many in one call.

    `crowd` is loaded when it is first needed: it has its own copy of the weights. A few voices run one by one, many in
    calls of `crowd_voices` with empty places, whichever is less work.
    """

    def __init__(self, manifest: Manifest, method: Any, program: Any) -> None:
        self._manifest = manifest
        self._single = method
        self._program = program
        self._crowd: Any = None
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
        size = self._manifest.crowd_voices
        made: list[list[np.ndarray]] = []
        at = 0
        while at < len(hops):
            left = len(hops) - at
            count = min(left, size) if size and left * _CROWD_PAYS >= size else 1
            made.append(self._run(hops[at : at + count], [array[at : at + count] for array in state]))
            at += count
        values, *after = made[0] if len(made) == 1 else (np.concatenate(column) for column in zip(*made, strict=True))
        return check_voices(self._manifest, values, len(hops)), tuple(after)

    def _run(self, hops: np.ndarray, state: list[np.ndarray]) -> list[np.ndarray]:
        """One call, with empty places filled up: values and state of the voices given."""
        voices, size = len(hops), 1
        method = self._single
        if voices > 1:
            method, size = self._crowd_method(), self._manifest.crowd_voices
        inputs = [hops[:, None], *state]
        if size > voices:
            inputs = [np.concatenate([a, np.zeros((size - voices, *a.shape[1:]), a.dtype)]) for a in inputs]
        return [output[:voices] for output in _call(method, inputs, self._lock)]

    def _crowd_method(self) -> Any:
        with GATE.inside(), self._lock:
            if self._crowd is None:
                self._crowd = self._program.load_method("crowd")
        return self._crowd


_CROWD_PAYS = 4  # a call for 16 voices costs about as much as 4 calls for one


def open_engine(artifact: Artifact) -> Engine:
    """The engine of a `.pte`. Raises `EngineUnavailable` without the runtime, `ArtifactError` if it cannot load it."""
    if artifact.manifest.backend == OWN_KERNELS:
        raise ArtifactError(
            f"{artifact.path}: Python's ExecuTorch cannot load it: it is for our own kernels, which only the native "
            "library has. Play it with sdk.NativeModel, or export it for the backend xnnpack"
        )
    runtime = load_runtime()
    _take_one_thread(runtime)
    manifest = artifact.manifest
    stream = manifest.kind == "stream"
    try:
        with GATE.inside():
            program = runtime._load_program(str(artifact.path))  # mapped: no second copy of the file in memory
            method = program.load_method("forward")
            _check_shapes(artifact, method.method_meta(), 1)
            if stream and manifest.crowd_voices:
                _check_shapes(artifact, program.method_meta("crowd"), manifest.crowd_voices)
    except RuntimeError as error:
        raise ArtifactError(
            f"{artifact.path}: ExecuTorch cannot load it ({error}); it may come from another version or need a backend "
            "that is not in this wheel. Export it again with the installed executorch"
        ) from error
    return (ExecutorchStreamEngine if stream else ExecutorchEngine)(manifest, method, program)


def _call(method: Any, inputs: list[np.ndarray], lock: threading.Lock) -> list[np.ndarray]:
    """Run `method` on float32 arrays. Raises `ArtifactError` if it fails."""
    import torch

    # only read, so shared where torch shares: it refuses arrays that are read-only
    tensors = [torch.from_numpy(array if array.flags.writeable else array.copy()) for array in inputs]
    try:
        with GATE.inside(), lock:
            outputs = method(tensors)
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(f"the ExecuTorch program failed to run: {error}") from error
    return [output.numpy() for output in outputs]


def _check_shapes(artifact: Artifact, meta: Any, voices: int) -> None:
    manifest = artifact.manifest
    state: _Shapes = [(voices, *shape) for shape in manifest.state]
    wanted = ([(voices, 1, manifest.window_samples), *state], [(voices, len(manifest.names)), *state])
    found = (
        [_shape(meta.input_tensor_meta(i)) for i in range(meta.num_inputs())],
        [_shape(meta.output_tensor_meta(i)) for i in range(meta.num_outputs())],
    )
    if found != wanted:
        raise ArtifactError(
            f"{artifact.path}: the program takes and gives {found}, its manifest says {wanted} "
            "(shapes of float32): they do not belong together; export it again"
        )


def _shape(meta: Any) -> tuple[int, ...]:
    """The shape of a float32 end; one that is not float32 has no shape that fits."""
    return tuple(meta.sizes()) if int(meta.dtype()) == _FLOAT else (-1,)


@functools.cache
def _take_one_thread(runtime: Any) -> None:
    """Several threads cost more than they bring at this size. The pool can only be changed before a program is loaded,
    so this happens once; what the runtime logs of processor and pool on the way is nothing for who plays a file."""
    with contextlib.redirect_stderr(io.StringIO()):
        if runtime._threadpool_get_thread_count() != 1:
            runtime._unsafe_reset_threadpool(1)


def load_runtime() -> Any:
    """The runtime's binding. Its public module also imports the exporter: six seconds, much noise, and heap not ours.

    Raises `EngineUnavailable` where it is not installed.
    """
    try:
        import torch  # noqa: F401  (brings the shared libraries the binding links to)

        if sys.platform == "win32":  # this module adds the folder of the DLLs
            from executorch.extension.pybindings import portable_lib as runtime
        else:
            from executorch.extension.pybindings import _C as runtime
    except ImportError as error:
        raise EngineUnavailable(
            f"this artefact needs ExecuTorch, which is not installed ({error}): {pip_install('play')}"
        ) from error
    return runtime
