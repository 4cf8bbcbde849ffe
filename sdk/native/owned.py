"""Handles of the native library that find their way back, and its statuses as errors of this package."""

from __future__ import annotations

import ctypes as c
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sdk.errors import ArtifactError, AudioError, ConfigError, ManifestError, TinyfaceError
from sdk.native import abi

_ERRORS: dict[int, type[TinyfaceError]] = {
    abi.BAD_ARGUMENT: ConfigError, abi.BAD_RATE: ConfigError, abi.BAD_AUDIO: AudioError, abi.FINISHED: AudioError,
    abi.NO_FILE: ArtifactError, abi.BAD_FILE: ArtifactError, abi.BAD_MANIFEST: ManifestError,
    abi.UNSUPPORTED: ArtifactError, abi.BAD_PROGRAM: ArtifactError, abi.RUN_FAILED: ArtifactError,
}  # fmt: skip


class Owned:
    """A handle that is made by one function of the library and given back by another, once."""

    def __init__(self, library: abi.Library, make: str, give_back: str, *arguments: object) -> None:
        self._handle = c.c_void_p()
        library.call(make, *arguments, c.byref(self._handle))
        free: Callable[[c.c_void_p], None] = getattr(library.calls, give_back)
        self.close = weakref.finalize(self, free, self._handle)

    def handle(self, what: str) -> c.c_void_p:
        if not self.close.alive:
            raise ArtifactError(f"{what} was closed: make a new one")
        return self._handle


@contextmanager
def in_words() -> Iterator[None]:
    """A status as the error that the rest of this package raises for the same mistake."""
    try:
        yield
    except abi.StatusError as error:
        raise _ERRORS.get(error.status, ArtifactError)(error.message) from error
