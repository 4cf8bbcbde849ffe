"""Puts the Unity package together: the component, the one C# binding, and the libraries that were built.

python -m runtime_examples.unity.pack --libraries build/native/lib --out build/com.tinyface.speech-face

The binding lives in `runtime_examples/csharp` alone; this copies it in. Give `--libraries` once for each platform.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from sdk.errors import TinyfaceError

HERE = Path(__file__).resolve().parent
BINDING = ("FrameStream.cs", "Native.cs", "Track.cs")
_ELF_MACHINES = {62: "x86_64", 183: "arm64"}


class PackFailed(TinyfaceError):
    """A folder that holds no native library, or one for a machine that Unity has no folder for."""


def pack(libraries: list[Path], out: Path) -> Path:
    """The package in `out`, made new; `libraries` are folders of built libraries. Raises `PackFailed`."""
    places = [(folder, _place(folder)) for folder in libraries]
    if out.exists() and not (out / "package.json").is_file() and any(out.iterdir()):
        raise PackFailed(f"{out}: holds something that is no Unity package: give a folder that may be replaced")
    shutil.rmtree(out, ignore_errors=True)
    runtime = out / "Runtime"
    shutil.copytree(HERE / "Runtime", runtime)
    for name in ("package.json", "README.md"):
        shutil.copy2(HERE / name, out / name)
    (runtime / "Binding").mkdir()
    for name in BINDING:
        shutil.copy2(HERE.parent / "csharp" / name, runtime / "Binding" / name)
    for folder, place in places:
        target = out / "Plugins" / place
        target.mkdir(parents=True, exist_ok=True)
        for library in _libraries(folder):
            shutil.copy2(library, target / library.name)
    return out


def _libraries(folder: Path) -> list[Path]:
    found = [file for file in folder.glob("lib*") if file.suffix in (".so", ".dylib")]
    return sorted(file for file in found if "frame_stream" in file.name or "executorch" in file.name)


def _place(folder: Path) -> str:
    """Where Unity looks for libraries of that machine."""
    names = {file.name: file for file in _libraries(folder)}
    if "libframe_stream.dylib" in names:
        return "macOS"
    if "libframe_stream.so" not in names:
        raise PackFailed(
            f"{folder}: holds no libframe_stream: build it with `python -m sdk.c.build`, and give its lib folder"
        )
    head = names["libframe_stream.so"].read_bytes()[:20]
    machine = _ELF_MACHINES.get(int.from_bytes(head[18:20], "little")) if head[:4] == b"\x7fELF" else None
    if machine is None:
        raise PackFailed(f"{names['libframe_stream.so']}: is no ELF library for x86-64 or arm64")
    return f"Linux/{machine}"


def main() -> int:
    """Pack as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runtime_examples.unity.pack", description=__doc__.split("\n")[0])
    parser.add_argument("--libraries", type=Path, action="append", required=True, help="folder of built libraries")
    parser.add_argument("--out", type=Path, required=True, help="folder of the package; one that is there is replaced")
    options = parser.parse_args()
    try:
        folder = pack(options.libraries, options.out)
    except TinyfaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        print(f"{file.stat().st_size:>10,}  {file.relative_to(folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
