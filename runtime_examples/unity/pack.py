"""Puts the Unity package together: the components, the one C# binding, and the libraries that were built.

python -m runtime_examples.unity.pack --libraries build/native/lib --out build/com.tinyface.speech-face

The binding lives in `runtime_examples/csharp` alone; this copies it in. Give `--libraries` once for each platform: the
folder that a build left its library in, or FrameStream.xcframework for iOS. What is packed again has the GUIDs it had.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from runtime_examples.packing import PackFailed, clear, command, each_once
from runtime_examples.platforms import Platform, libraries_in, platform_of
from runtime_examples.unity.meta import write_metas

HERE = Path(__file__).resolve().parent
BINDING = ("FrameStream.cs", "Native.cs", "Track.cs", "Crowd.cs")
PHONE = "ios-arm64"  # the slice of an xcframework that a phone runs


def pack(libraries: list[Path], out: Path) -> Path:
    """The package in `out`, made new; `libraries` are folders of built libraries. Raises `PackFailed`."""
    found = [_read(folder) for folder in libraries]
    each_once((files[0], f"{platform.system}/{platform.processor}") for files, platform in found)
    clear(out, "package.json", "no Unity package")
    runtime = out / "Runtime"
    shutil.copytree(HERE / "Runtime", runtime)
    for name in ("package.json", "README.md"):
        shutil.copy2(HERE / name, out / name)
    (runtime / "Binding").mkdir()
    for name in BINDING:
        shutil.copy2(HERE.parent / "csharp" / name, runtime / "Binding" / name)
    platforms = {}
    for files, platform in found:
        target = out / "Plugins" / platform.system / platform.processor
        target.mkdir(parents=True, exist_ok=True)
        for library in files:
            shutil.copy2(library, target / library.name)
            platforms[(target / library.name).relative_to(out).as_posix()] = platform
    write_metas(out, platforms)
    return out


def _read(folder: Path) -> tuple[list[Path], Platform]:
    """The libraries of a folder, and what they are for."""
    files = libraries_in(folder) or sorted((folder / PHONE).glob("*.a"))
    ours = [file for file in files if "frame_stream" in file.name and "runtime" not in file.name]
    if not ours:
        raise PackFailed(
            f"{folder}: holds no libframe_stream: build it with `python -m sdk.c.build` or `sdk.c.targets`, and give "
            "the folder that the library is in"
        )
    platform = platform_of(ours[0])
    if platform is None:
        raise PackFailed(f"{ours[0]}: is no library that Unity has a place for (x86-64, arm64, armv7)")
    return files, platform


def main() -> int:
    """Pack as the command line says; returns the exit status."""
    return command("runtime_examples.unity.pack", __doc__, "package", pack)


if __name__ == "__main__":
    sys.exit(main())
