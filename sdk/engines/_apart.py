"""An artefact from a stranger, run in a process of its own: what ends or fills that process is an error in this one.

    engine = sdk.open("model.pte", apart=True)

XNNPACK does not check what it is given: a file that somebody made to do harm can end the process that loads it, or take
gigabytes. Here it may have `ROOM_BYTES` beside its runtime and `PATIENCE_S` for a call. It is no sandbox: the process
belongs to the same user, so this keeps crashes, memory and time from you, and nothing else.

    parent -> child   voices u32 (0: a window), then float32: window, or hops and state
    child -> parent   1, then float32: values, or values and state; or 0, u32, so many bytes of UTF-8: what went wrong
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from sdk.artifact import Artifact
from sdk.engines.base import (
    Engine,
    EngineState,
    check_hops,
    check_values,
    check_voices,
    check_window,
    zero_state,
)
from sdk.errors import ArtifactError
from sdk.manifest import Manifest

ROOM_BYTES = 512 << 20
PATIENCE_S = 20.0
START_S = 120.0  # a runtime is loaded before the file is
LONGEST_MESSAGE_BYTES = 1 << 16
_ROOT = Path(__file__).resolve().parents[2]
_CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from sdk.engines._apart_child import main; main(sys.argv[2])"


class ApartEngine:
    """A window student in a process of its own. Calls of several threads wait for one another."""

    def __init__(self, manifest: Manifest, child: Child) -> None:
        self.manifest, self._child = manifest, child

    def run(self, window: np.ndarray) -> np.ndarray:
        """See `WindowEngine.run`."""
        window = check_window(self.manifest, window)
        (values,) = self._child.ask(0, [window], [(len(self.manifest.names),)])
        return check_values(self.manifest, values)


class ApartStreamEngine:
    """A stream student in a process of its own. Calls of several threads wait for one another."""

    def __init__(self, manifest: Manifest, child: Child) -> None:
        self.manifest, self._child = manifest, child

    def start(self, voices: int) -> EngineState:
        """See `StreamEngine.start`."""
        return zero_state(self.manifest, voices)

    def step(self, hops: np.ndarray, state: EngineState) -> tuple[np.ndarray, EngineState]:
        """See `StreamEngine.step`."""
        hops = check_hops(self.manifest, hops, state)
        shapes = [(len(hops), len(self.manifest.names)), *(array.shape for array in state)]
        values, *after = self._child.ask(len(hops), [hops, *state], shapes)
        return check_voices(self.manifest, values, len(hops)), tuple(after)


def open_apart(artifact: Artifact) -> Engine:
    """The engine of `artifact` in a fresh process, which ends with it.

    Raises `ArtifactError` where it does not load and run once there, or ends that process.
    """
    child = Child(artifact.path)
    return (ApartStreamEngine if artifact.manifest.kind == "stream" else ApartEngine)(artifact.manifest, child)


class Child:
    """The other process, from this side: asked for one thing after another."""

    def __init__(self, path: Path) -> None:
        self._path, self._pid, self._lock = path, os.getpid(), threading.Lock()
        self._over = ""  # what ended the process, once something has
        command = [sys.executable, "-W", "ignore", "-c", _CHILD, str(_ROOT), str(path.resolve())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        weakref.finalize(self, _end, self._process)
        with self._ending():
            self._answer([], START_S)

    def ask(self, voices: int, inputs: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        """What the program makes of `inputs`: float32 of `shapes`. Raises `ArtifactError`.

        Whatever interrupts it (Ctrl-C, an alarm) ends the process: an answer that nobody took would be the next call's.
        """
        if os.getpid() != self._pid:
            raise ArtifactError(f"{self._path}: its process is that of whom this was forked from: open it again")
        with self._lock:
            if self._over:
                raise ArtifactError(
                    f"{self._path}: its process ended with an earlier call; open it again ({self._over})"
                )
            with self._ending():
                self._tell(voices, inputs)
                return self._answer(shapes, PATIENCE_S)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Whatever leaves the block early ends the process."""
        try:
            yield
        except BaseException as error:
            self._over = str(error) if isinstance(error, ArtifactError) else f"interrupted: {type(error).__name__}"
            _end(self._process)
            raise

    def _tell(self, voices: int, inputs: Sequence[np.ndarray]) -> None:
        assert self._process.stdin
        try:
            for piece in (struct.pack("<I", voices), *(np.ascontiguousarray(array).tobytes() for array in inputs)):
                write(self._process.stdin.fileno(), memoryview(piece))
        except OSError:
            raise self._ended() from None

    def _answer(self, shapes: Sequence[tuple[int, ...]], patience_s: float) -> list[np.ndarray]:
        until = time.monotonic() + patience_s
        if self._read(1, until) == b"\1":
            pieces = [self._read(4 * int(np.prod(shape)), until) for shape in shapes]
            return [np.frombuffer(data, "<f4").reshape(shape) for data, shape in zip(pieces, shapes, strict=True)]
        (length,) = struct.unpack("<I", self._read(4, until))
        raise ArtifactError(self._read(min(length, LONGEST_MESSAGE_BYTES), until).decode("utf-8", "replace"))

    def _read(self, size: int, until: float) -> bytes:
        assert self._process.stdout
        descriptor, found = self._process.stdout.fileno(), bytearray()
        while len(found) < size:
            ready = wait([descriptor], max(0.0, until - time.monotonic()))  # whatever its number, as select would not
            piece = os.read(descriptor, size - len(found)) if ready else b""
            if not piece:
                raise self._ended() if ready else self._stuck()
            found += piece
        return bytes(found)

    def _ended(self) -> ArtifactError:
        status = self._process.wait()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return ArtifactError(f"{self._path}: it ended the process that it ran in ({how}): it is damaged, or made to")

    def _stuck(self) -> ArtifactError:
        return ArtifactError(f"{self._path}: it gave no answer in time, and its process was ended: damaged, or made to")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def write(descriptor: int, data: memoryview) -> None:
    """All of it, however little a pipe takes at once."""
    while data:
        data = data[os.write(descriptor, data) :]
