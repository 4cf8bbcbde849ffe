"""Frames into a file or stdout, by a thread of its own: a disk or a reader that stops holds nobody up.

What cannot be written yet waits; when `_MOST_WAITING_BYTES` do, newer frames are left out and counted. A disk that is
full or a reader that has gone ends the stream: the next `send`, or `close`, raises what the system said.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from sdk.errors import ConfigError
from sdk.protocols.base import FrameProtocol
from sdk.rig import Frame, RigLayout

_MOST_WAITING_BYTES = 1 << 18  # some seconds of JSON lines
_PATIENCE_S = 1.0  # at the end, a reader that takes nothing for so long is not waited for
_POLL_S = 0.01


class Stream:
    """See `Sink`; an empty `path` is stdout. Raises `ConfigError` for a file that cannot be opened."""

    def __init__(self, name: str, path: str, protocol: FrameProtocol, layout: RigLayout, header: bytes) -> None:
        self.name, self.sent, self.failed = name, 0, 0
        self._protocol, self._layout = protocol, layout
        try:
            self._stream: Any = Path(path).open("wb", buffering=0) if path else _stdout()  # noqa: SIM115
        except OSError as error:
            raise ConfigError(f"cannot write {path or 'stdout'}: {error.strerror or error}") from error
        self._waiting: deque[tuple[bytes, int]] = deque([(header, 0)])  # bytes, and how many frames they are
        self._waiting_bytes = len(header)
        self._error: OSError | None = None
        self._ending = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self._thread.start()

    def send(self, frame: Frame) -> None:
        """Raises `OSError` once nothing can be written any more."""
        if self._error:
            raise self._error
        data = self._protocol.encode(frame, self._layout)
        with self._changed:
            if self._waiting_bytes + len(data) > _MOST_WAITING_BYTES:
                self.failed += 1
                return
            self._waiting.append((data, 1))
            self._waiting_bytes += len(data)
            self._changed.notify()

    def close(self) -> None:
        """Waits until all is written, or nobody takes it any more. Raises as `send`, once."""
        if self._ending:
            return
        with self._changed:
            self._ending = True
            self._changed.notify()
        left = -1
        while self._thread.is_alive() and left != self._waiting_bytes:
            left = self._waiting_bytes
            self._thread.join(_PATIENCE_S)
        self.failed += sum(frames for _, frames in self._waiting)
        if not self._thread.is_alive() and self._stream is not getattr(sys.stdout, "buffer", None):
            self._stream.close()
        if self._error:
            raise self._error

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                data, frames = self._waiting[0]
            try:
                _write(self._stream, data)
            except OSError as error:
                self._error = error
                return
            with self._changed:
                self._waiting.popleft()
                self._waiting_bytes -= len(data)
            self.sent += frames


def _stdout() -> Any:
    """Past Python's own buffer: at its end Python waits for that one's lock, which a thread in the midst of writing to
    a reader that has stopped would keep."""
    try:
        sys.stdout.flush()
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    except io.UnsupportedOperation:  # whoever called us put something in its place that is no file
        return sys.stdout.buffer


def _write(stream: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = stream.write(rest)
        if written is None:  # whoever opened it said that writing never waits, and the reader is not ready
            time.sleep(_POLL_S)
        else:
            rest = rest[written:]
    stream.flush()
