"""Where a build is made and how it arrives: in a temporary folder on the disk of its place, moved when it is whole.

A folder that is there already may be a disk of its own (a mount, a volume of Docker), or a link to one: what is to
replace files in it is made inside it. One that is not there yet is made beside its place and becomes it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdk.errors import DataError
from sdk.tools.signature import beside
from sdk.tools.whole import is_report_of, sweep

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# moved in this order: a report never describes files yet to come
FILES = ("model.pte", "model.pt", "model.md", "report.html", "report.json")
# of whoever signed an earlier build: this one they do not speak for
SIGNATURES = tuple(beside(Path(name)).name for name in FILES[:2])


@contextmanager
def workshop(out: Path) -> Iterator[Path]:
    """A temporary folder on the disk of `out`, gone afterwards. Raises `DataError` if nothing can be written there."""
    out = _place(out)
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; --out names a folder")
    if is_report_of(out / "report.json", "cases"):
        raise DataError(f"{out}: holds the report of a profile, which would be written over: choose another --out")
    made = [parent for parent in (out.parent, *out.parent.parents) if not parent.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # by the number of this process the next build sweeps what kill -9 left
        beside, inside = (out.parent, f".{out.name}"), (out, ".build")
        for place, name in (beside, inside):
            sweep(place, rf"{re.escape(name)}\.(\d+)")
        place, name = inside if out.exists() else beside
        folder = place / f"{name}.{os.getpid()}"
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

    Deliveries into one folder come one after the other, so its files are always those of one build. Raises `DataError`
    where they cannot be put there; what was there before then is again.
    """
    out = _place(out)
    try:
        with _alone(out.parent):
            _move(folder, out)
    except OSError as error:
        raise DataError(f"{out}: cannot put the finished files there: {error.strerror or error}") from error


def _place(out: Path) -> Path:
    """What `out` is or leads to. Raises `DataError` for a link that leads round in a circle."""
    place = Path(os.path.realpath(out))
    if place.is_symlink():
        raise DataError(f"{out}: is a link that leads back to itself; choose another --out")
    return place


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
    earlier = folder / ".earlier"
    earlier.mkdir()
    there = [name for name in (*SIGNATURES, *FILES) if (out / name).is_file()]
    for name in there:
        shutil.copy2(out / name, earlier / name)
    try:
        _replace(folder, out)
    except OSError:
        for name in (*SIGNATURES, *FILES):  # the report last again
            with suppress(OSError):
                os.replace(earlier / name, out / name) if name in there else (out / name).unlink()
        raise


def _replace(folder: Path, out: Path) -> None:
    (out / "report.json").unlink(missing_ok=True)  # a report never describes other files than those beside it
    for name in (*SIGNATURES, *FILES):
        if (folder / name).exists():
            os.replace(folder / name, out / name)
        else:
            (out / name).unlink(missing_ok=True)  # of an earlier build, which this one has no part in
