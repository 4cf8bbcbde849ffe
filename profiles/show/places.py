"""Whether what a profile is to leave can be written: asked before the minutes of measuring, and not after them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from profiles.show.report import REPORTS
from sdk.errors import ProfileError
from sdk.tools.whole import is_report_of


def check_places(out: Path, files: Iterable[Path | None], read: Iterable[Path | None] = ()) -> None:
    """Raises `ProfileError` unless a report can be written into the folder `out`, and each of `files` that is given.

    out: is made where it is not there, and not yet; a file may lie in it. read: what this command reads: none of it may
    be written over, nor a report that is no profile's.
    """
    inputs = {path.resolve() for path in read if path}
    for path in [*(out / name for name in REPORTS), *filter(None, files)]:
        if path.resolve() in inputs:
            raise ProfileError(f"{path}: is read by this command and would be written over: choose another place")
    if is_report_of(out / REPORTS[0], "choice"):
        raise ProfileError(f"{out}: holds the report of a build, which would be written over: choose another --out")
    there = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    _check_folder(there, out)
    for path in [*(out / name for name in REPORTS), *filter(None, files)]:
        if path.is_dir():
            raise ProfileError(f"cannot write {path}: it is a folder; give the name of a file")
        if path.exists() and not path.is_file():
            continue  # a pipe or a device: nothing is made beside it
        folder = path.resolve().parent
        if folder != out.resolve():
            _check_folder(folder, path)


def _check_folder(folder: Path, wanted: Path) -> None:
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ProfileError(f"cannot write {wanted}: {error.strerror or error}; choose another place") from error
