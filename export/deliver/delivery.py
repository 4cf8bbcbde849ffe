"""Where a build is made and how it arrives: in a temporary folder beside its place, moved there when it is whole."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdk.errors import DataError
from sdk.tools.whole import sweep

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# moved in this order: a report never describes files yet to come
FILES = ("model.pte", "model.pt", "model.md", "report.html", "report.json")


@contextmanager
def workshop(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out`, gone afterwards. Raises `DataError` if nothing can be written there."""
    out = out.absolute()
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; --out names a folder")
    made = [parent for parent in (out.parent, *out.parent.parents) if not parent.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sweep(out.parent, rf"\.{re.escape(out.name)}\.(\d+)")
        folder = out.parent / f".{out.name}.{os.getpid()}"  # by this number the next build sweeps what kill -9 left
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise DataError(f"{out}: cannot write there: {error.strerror or error}; choose another --out") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not out.exists():
            for parent in made:  # innermost first; a folder that is not empty any more stays
                with suppress(OSError):
                    parent.rmdir()


def write(path: Path, data: bytes) -> None:
    """Write and sync a file of the workshop. Raises `DataError` when the disk is full."""
    try:
        with path.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise DataError(f"cannot write {path.name}: {error.strerror or error}; nothing was changed") from error


def deliver(folder: Path, out: Path) -> None:
    """Move the finished files to `out`: one rename where it is new; file by file, the report last, where it exists.

    Deliveries into one folder come one after the other, so its files are always those of one build.
    """
    try:
        with _alone(out.absolute().parent):
            _move(folder, out)
    except OSError as error:
        raise DataError(f"{out}: cannot put the finished files there: {error.strerror or error}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Inside, no other build delivers into `folder`; the lock leaves no file behind. Windows has none of the kind."""
    if fcntl is None:
        yield
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _move(folder: Path, out: Path) -> None:
    if not out.exists():
        mask = os.umask(0)
        os.umask(mask)
        folder.chmod(0o777 & ~mask)
        folder.rename(out)
        return
    (out / "report.json").unlink(missing_ok=True)  # a report never describes other files than those beside it
    for name in FILES:
        if (folder / name).exists():
            os.replace(folder / name, out / name)
        else:
            (out / name).unlink(missing_ok=True)  # of an earlier build, which this one has no part in
