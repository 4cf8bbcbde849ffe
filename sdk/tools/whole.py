"""Whole or not at all: a file that appears only when it is complete. A pipe, a device or stdout stays what it is."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sdk.errors import DataError, TinyfaceError
from sdk.tools.limits import read_json_file

_OPEN_HERE = r"/dev/(?:stdout|stderr|fd/(\d+))|/proc/self/fd/(\d+)"  # files that this process has open already
_MOST_LINKS = 40  # as Linux has it
_TEMPORARY = r"\.(\d+)\.[0-9a-f]{8}\.part"
_OWN_FOLDER = r"tinyface\.(\d+)\.\w+\.part"


@contextmanager
def whole_file(path: Path, error: type[TinyfaceError] = TinyfaceError) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well (temp file, fsync, rename).

    A link is followed: what it points to is replaced, it stays. A pipe, device or socket is written into as bytes come,
    and so is what is open already (`/dev/stdout`): whoever opened it says whether that is its end or its beginning.
    Raises `error` when the disk is full or not writable; what stood under `path` before is then untouched.
    """
    temporary: Path | None = None
    whole = True
    try:
        if (number := _open_here(path)) is not None:
            whole = False
            sys.stdout.flush()
            with os.fdopen(os.dup(number), "wb") as stream:
                yield stream
            return
        if _is_stream(path):
            whole = False
            with path.open("wb") as stream:
                yield stream
            return
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
        if path.is_dir():  # told before the block has worked for nothing
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        sweep(path.parent, _TEMPORARY)
        # not made from `path`, whose name may already be as long as a name can be
        temporary = path.parent / f".{os.getpid()}.{os.urandom(4).hex()}.part"
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BrokenPipeError:
        raise  # the reader of a pipe has gone, which is no failure of the disk
    except OSError as failure:
        unchanged = "; nothing was changed" if whole else ""
        raise error(f"cannot write {path}: {failure.strerror or failure}{unchanged}") from failure
    finally:
        if temporary is not None:
            with suppress(OSError):  # where nothing could be made, nothing can be unlinked; the error above says why
                temporary.unlink()


@contextmanager
def own_folder() -> Iterator[Path]:
    """A new folder among the system's temporary ones for libraries that write under a name alone; gone after the block.

    What a killed process left goes when the next one asks. Raises `OSError`."""
    sweep(Path(tempfile.gettempdir()), _OWN_FOLDER)
    with tempfile.TemporaryDirectory(prefix=f"tinyface.{os.getpid()}.", suffix=".part") as name:
        yield Path(name)


def _open_here(path: Path) -> int | None:
    """The number of what this process has open under that name, straight or by links."""
    for _ in range(_MOST_LINKS):
        if match := re.fullmatch(_OPEN_HERE, path.as_posix()):
            return int(match[1] or match[2] or {"stdout": 1, "stderr": 2}[path.name])
        if not path.is_symlink():
            break
        path = path.parent / os.readlink(path)
    return None


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def sweep(folder: Path, pattern: str) -> None:
    """Take away what processes that are gone left in `folder`: names that match, whose group 1 is a process' number."""
    with suppress(OSError):
        for left in folder.iterdir():
            match = re.fullmatch(pattern, left.name)
            if not match or _lives(int(match[1])):
                continue
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                with suppress(OSError):
                    left.unlink()


def _lives(process: int) -> bool:
    """Whether a process of this number runs; where one cannot be asked (Windows), it is taken to."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def is_report_of(path: Path, fact: str) -> bool:
    """Whether there is a report in JSON with that fact: builds' have a `choice`, profiles' `cases`."""
    try:
        found = read_json_file(path, DataError)
    except DataError:
        return False
    return isinstance(found, dict) and fact in found
