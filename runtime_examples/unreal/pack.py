"""Puts the Unreal plugin together: its source, the header, and the libraries that were built for each platform.

python -m sdk.c.targets --target windows-x86_64 --target linux-x86_64 --out build/targets
python -m runtime_examples.unreal.pack --out YourProject/Plugins/Tinyface \
    --libraries build/targets/windows-x86_64/bin --libraries build/targets/linux-x86_64/lib

`--libraries`: the folder that a build left its library in, or FrameStream.xcframework for iOS.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from runtime_examples.packing import PackFailed, clear, command, each_once
from runtime_examples.platforms import Platform, libraries_in, platform_of

HERE = Path(__file__).resolve().parent
HEADERS = HERE.parents[1] / "sdk" / "c" / "include"
# Where Tinyface.Build.cs looks.
PLACES = {
    Platform("Windows", "x86_64"): "Win64", Platform("Linux", "x86_64"): "Linux",
    Platform("Linux", "arm64"): "LinuxArm64", Platform("Android", "arm64"): "Android/arm64-v8a",
    Platform("iOS", "arm64"): "IOS",
    # Unreal asks for a Mac's library under one name: of one processor, or joined for both
    Platform("macOS", "x86_64"): "Mac", Platform("macOS", "arm64"): "Mac", Platform("macOS", "universal"): "Mac",
}  # fmt: skip
IMPORTS = "frame_stream.lib"  # what Windows' linker reads in place of the DLL


def pack(libraries: list[Path], out: Path) -> Path:
    """The plugin in `out`, made new; `libraries` are folders of built libraries. Raises `PackFailed`."""
    found = [_read(folder) for folder in libraries]
    each_once((files[0], place) for files, place in found)
    clear(out, "Tinyface.uplugin", "not this plugin")
    shutil.copytree(HERE / "Tinyface", out)
    third = out / "ThirdParty" / "frame_stream"
    shutil.copytree(HEADERS, third / "include")
    for files, place in found:
        target = third / "lib" / place
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy2(
                file, target / (IMPORTS if file.suffix == ".lib" or file.name.endswith(".dll.a") else file.name)
            )
    return out


def _read(folder: Path) -> tuple[list[Path], str]:
    """What is shipped or linked of a folder, and its place."""
    files = libraries_in(folder) or sorted((folder / "ios-arm64").glob("*.a"))
    ours = [file for file in files if "frame_stream" in file.name]
    if not ours:
        raise PackFailed(f"{folder}: holds no libframe_stream: give the folder that a build left it in")
    place = PLACES.get(platform_of(ours[0]) or Platform("", ""))
    if place is None:
        raise PackFailed(f"{ours[0]}: is no library for {', '.join(sorted(set(PLACES.values())))}")
    if place != "Win64":
        return files, place
    beside = [*folder.glob("*frame_stream*.lib"), *folder.glob("*frame_stream*.dll.a")]
    beside += [*folder.parent.glob("*frame_stream*.lib"), *folder.parent.glob("*frame_stream*.dll.a")]
    if not beside:
        raise PackFailed(
            f"{folder}: has no import library beside frame_stream.dll: build it with `python -m sdk.c.targets`"
        )
    return [*files, beside[0]], place


def main() -> int:
    """Pack as the command line says; returns the exit status."""
    return command("runtime_examples.unreal.pack", __doc__, "plugin", pack)


if __name__ == "__main__":
    sys.exit(main())
