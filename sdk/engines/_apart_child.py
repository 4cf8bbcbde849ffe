"""The inside of the process that `sdk.engines._apart` starts: opens one artefact within its bounds, and answers.

What is said between the two stands in `sdk/engines/_apart.py`. A program that never returns is ended by who asked for
it; where that one was killed meanwhile, by an alarm: between two questions this process ends because nobody asks more.
"""

from __future__ import annotations

import os
import signal
import struct
from typing import BinaryIO

import numpy as np

from sdk.artifact import open_artifact
from sdk.engines import open_engine
from sdk.engines._apart import LONGEST_MESSAGE_BYTES, PATIENCE_S, ROOM_BYTES, START_S, write
from sdk.engines.base import Engine, StreamEngine, WindowEngine
from sdk.engines.executorch import load_runtime
from sdk.errors import EngineUnavailable, TinyfaceError

_LATE_S = 5.0  # more patience than whoever asked has


def main(path: str) -> None:
    """The inside of the other process: answers until its parent is gone."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # of the system's own: a runtime may hold Python's lock for ever
    signal.setitimer(signal.ITIMER_REAL, START_S + _LATE_S)
    asked, told = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(2, 1)  # what a runtime prints is no answer
    try:
        engine = _open_bounded(path)
        write(told, memoryview(b"\1"))
        signal.setitimer(signal.ITIMER_REAL, 0)
        while head := asked.read(4):
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S + _LATE_S)
            answer = _answer_of(engine, struct.unpack("<I", head)[0], asked)
            write(told, memoryview(b"\1"))
            for array in answer:
                write(told, memoryview(np.ascontiguousarray(array, "<f4").data).cast("B"))
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (TinyfaceError, MemoryError) as error:
        text = (str(error) or "there is not enough memory").encode("utf-8")[:LONGEST_MESSAGE_BYTES]
        write(told, memoryview(b"\0" + struct.pack("<I", len(text)) + text))


def _answer_of(engine: Engine, voices: int, asked: BinaryIO) -> list[np.ndarray]:
    manifest = engine.manifest

    def read(*shape: int) -> np.ndarray:
        return np.frombuffer(asked.read(4 * int(np.prod(shape))), "<f4").reshape(shape)

    if not voices:
        assert isinstance(engine, WindowEngine)
        return [engine.run(read(manifest.window_samples))]
    assert isinstance(engine, StreamEngine)
    hops = read(voices, manifest.window_samples)
    values, state = engine.step(hops, tuple(read(voices, *shape) for shape in manifest.state))
    return [values, *state]


def _open_bounded(path: str) -> Engine:
    """Opens the file once its runtime is loaded and the room beside that is bounded, and runs it on silence."""
    manifest = open_artifact(path).manifest
    if manifest.runtime == "executorch":
        load_runtime()
    else:
        import torch  # noqa: F401
    _bound()
    engine = open_engine(path, trusted=True)  # whoever asked for this process was asked before
    if isinstance(engine, WindowEngine):
        engine.run(np.zeros(manifest.window_samples, np.float32))
    elif isinstance(engine, StreamEngine):
        for voices in {1, max(manifest.crowd_voices, 1)}:
            engine.step(np.zeros((voices, manifest.window_samples), np.float32), engine.start(voices))
    return engine


def _bound() -> None:
    """From here on this process may take `ROOM_BYTES` more. Raises `EngineUnavailable` where that cannot be said."""
    try:
        import resource

        with open("/proc/self/status", encoding="ascii") as stream:
            taken = next(int(line.split()[1]) * 1024 for line in stream if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (taken + ROOM_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, StopIteration, ValueError) as error:
        raise EngineUnavailable(
            f"apart=True bounds the memory of a process, which this system does not do ({error}): play it in a virtual "
            "machine, or export it for our own kernels (--backend tinyface)"
        ) from error
