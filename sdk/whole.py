"""Whole or not at all: a file that appears only when it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sdk.errors import TinyfaceError


@contextmanager
def whole_file(path: Path, error: type[TinyfaceError] = TinyfaceError) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well (temp file, fsync, rename).

    Raises `error` when the disk is full or not writable; what stood under `path` before is then untouched.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as failure:
        raise error(f"cannot write {path}: {failure.strerror or failure}; nothing was changed") from failure
    finally:
        with suppress(OSError):  # where nothing could be made, nothing can be unlinked; the error above says why
            temporary.unlink()
