"""Puts the library for iOS together as Xcode takes it: FrameStream.xcframework, for phones and for the simulator.

python -m sdk.c.xcframework --out build/targets     # pip install -e '.[targets]'; no Mac is needed

Drag it into a project, or name it as a binary target of a Swift package; `import FrameStream` has the C functions.
"""

from __future__ import annotations

import argparse
import plistlib
import shutil
import struct
import sys
from pathlib import Path

from sdk.c.targets import HERE, build_target
from sdk.tools.command import building, list_files

NAME = "FrameStream.xcframework"
LIBRARY = "libframe_stream.a"
# what Xcode calls a slice: Apple's names of its processors, our targets for them, and the platform's variant
SLICES = {
    "ios-arm64": ({"arm64": "ios-aarch64"}, ""),
    "ios-arm64_x86_64-simulator": ({"arm64": "ios-simulator-aarch64", "x86_64": "ios-simulator-x86_64"}, "simulator"),
}
_MODULE = 'module FrameStream {\n  header "frame_stream.h"\n  export *\n}\n'
_FAT = {"x86_64": (0x01000007, 3), "arm64": (0x0100000C, 0)}  # type and subtype of a processor, as Mach-O says them
_FAT_MAGIC, _FAT_ALIGN = 0xCAFEBABE, 14  # a part begins at a multiple of 2^14 bytes


def make_xcframework(libraries: dict[str, Path], out: Path) -> Path:
    """`out`/FrameStream.xcframework, made new, from the archive of each target that `SLICES` names; returns it."""
    made = out / NAME
    shutil.rmtree(made, ignore_errors=True)
    for slice_name, (parts, _) in SLICES.items():
        folder = made / slice_name
        headers = folder / "Headers"
        headers.mkdir(parents=True)
        shutil.copy2(HERE / "include" / "frame_stream.h", headers)
        (headers / "module.modulemap").write_text(_MODULE, "utf-8")
        archives = {processor: libraries[target].read_bytes() for processor, target in parts.items()}
        (folder / LIBRARY).write_bytes(next(iter(archives.values())) if len(archives) == 1 else join_fat(archives))
    (made / "Info.plist").write_bytes(plistlib.dumps(info_plist()))
    return made


def info_plist() -> dict[str, object]:
    """What Xcode reads about the slices."""
    available = []
    for name, (parts, variant) in SLICES.items():
        one: dict[str, object] = {
            "HeadersPath": "Headers", "LibraryIdentifier": name, "LibraryPath": LIBRARY, "BinaryPath": LIBRARY,
            "SupportedArchitectures": list(parts), "SupportedPlatform": "ios",
        }  # fmt: skip
        available.append({**one, "SupportedPlatformVariant": variant} if variant else one)
    return {"AvailableLibraries": available, "CFBundlePackageType": "XFWK", "XCFrameworkFormatVersion": "1.0"}


def join_fat(archives: dict[str, bytes]) -> bytes:
    """Archives for several processors as one file, as `lipo -create` makes it."""
    head, at, room = struct.pack(">II", _FAT_MAGIC, len(archives)), 0, b""
    for processor, archive in archives.items():
        at = -(-(at or 1) // (1 << _FAT_ALIGN)) << _FAT_ALIGN
        head += struct.pack(">5I", *_FAT[processor], at, len(archive), _FAT_ALIGN)
        room += bytes(at - (1 << _FAT_ALIGN) - len(room)) + archive
        at += len(archive)
    return head.ljust(1 << _FAT_ALIGN, b"\0") + room


def main() -> int:
    """Build the three archives and put them together; 77 where tools are missing."""
    parser = argparse.ArgumentParser(prog="python -m sdk.c.xcframework", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/targets"), help="folder for the build folders")
    options = parser.parse_args()
    with building() as end:
        targets = [target for parts, _ in SLICES.values() for target in parts.values()]
        libraries = {name: build_target(name, options.out, static=True) / LIBRARY for name in targets}
        made = make_xcframework(libraries, options.out)
        list_files(sorted(file for file in made.rglob("*") if file.is_file()))
    return end.status


if __name__ == "__main__":
    sys.exit(main())
