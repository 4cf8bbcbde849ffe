"""Handles of the native library that find their way back, and its statuses as errors of this package."""

from __future__ import annotations

import ctypes as c
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sdk.errors import ArtifactError, AudioError, ConfigError, ManifestError, TinyfaceError
from sdk.native import abi
from sdk.tools.forking import GATE

_ERRORS: dict[int, type[TinyfaceError]] = {
    abi.BAD_ARGUMENT: ConfigError, abi.BAD_RATE: ConfigError, abi.BAD_AUDIO: AudioError, abi.FINISHED: AudioError,
    abi.NO_FILE: ArtifactError, abi.BAD_FILE: ArtifactError, abi.BAD_MANIFEST: ManifestError,
    abi.UNSUPPORTED: ArtifactError, abi.BAD_PROGRAM: ArtifactError, abi.RUN_FAILED: ArtifactError,
    abi.NOT_SIGNED: ArtifactError,
}  # fmt: skip


class Owned:
    """A handle that is made by one function of the library and given back by another, once."""

    def __init__(self, library: abi.Library, make: str, give_back: str, *arguments: object) -> None:
        self._handle = c.c_void_p()
        library.call(make, *arguments, c.byref(self._handle))
        free: Callable[[c.c_void_p], None] = getattr(library.calls, give_back)
        self._give_back = weakref.finalize(self, free, self._handle)
        self._lock, self._users, self._closed = threading.Lock(), 0, False

    def handle(self, what: str) -> c.c_void_p:
        """The bare handle, for calls that no other thread can close under. Raises `ArtifactError` once closed."""
        if self._closed:
            raise ArtifactError(f"{what} was closed: make a new one")
        return self._handle

    @contextmanager
    def using(self, what: str) -> Iterator[c.c_void_p]:
        """The handle, kept while it is used, whichever thread closes it. Raises `ArtifactError` once closed."""
        with GATE.inside():
            with self._lock:
                handle = self.handle(what)
                self._users += 1
            try:
                yield handle
            finally:
                with self._lock:
                    self._users -= 1
                    if self._closed and not self._users:
                        self._give_back()

    def close(self) -> None:
        """No further use; given back when the last call that is under way has returned."""
        with self._lock:
            self._closed = True
            if not self._users:
                self._give_back()


@contextmanager
def in_words() -> Iterator[None]:
    """A status as the error that the rest of this package raises for the same mistake."""
    try:
        yield
    except abi.StatusError as error:
        raise _ERRORS.get(error.status, ArtifactError)(error.message) from error
