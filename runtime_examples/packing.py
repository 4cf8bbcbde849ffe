"""What packing for every engine has in common: the folder that is made new, and the command line."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from sdk.errors import TinyfaceError


class PackFailed(TinyfaceError):
    """A folder that holds no native library, one (or two) that has no place there, or an `out` that is not ours."""


def clear(out: Path, mark: str, what: str) -> None:
    """Remove the package in `out`, known by its file `mark`; `PackFailed`, which says `what`, where it is another."""
    if out.exists() and not (out / mark).is_file() and any(out.iterdir()):
        raise PackFailed(f"{out}: holds something that is {what}: give a folder that may be replaced")
    shutil.rmtree(out, ignore_errors=True)


def each_once(libraries: Iterable[tuple[Path, str]]) -> None:
    """`PackFailed` where two of these libraries go to one place: the second would replace the first without a word."""
    held: dict[str, Path] = {}
    for library, place in libraries:
        if place not in held:
            held[place] = library
            continue
        other = held[place]
        join = f", or join them: lipo -create {other} {library} -output {library.name}" if place == "Mac" else ""
        raise PackFailed(f"{other} and {library}: both are for {place}, where there is room for one: give one{join}")


def command(module: str, about: str, thing: str, pack: Callable[[list[Path], Path], Path]) -> int:
    """Pack as the command line says and list what was made; returns the exit status. thing: what `out` will hold."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about.split("\n")[0])
    parser.add_argument("--libraries", type=Path, action="append", required=True, help="folder of built libraries")
    parser.add_argument("--out", type=Path, required=True, help=f"folder of the {thing}; one that is there is replaced")
    options = parser.parse_args()
    try:
        folder = pack(options.libraries, options.out)
    except TinyfaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        print(f"{file.stat().st_size:>10,}  {file.relative_to(folder)}")
    return 0
