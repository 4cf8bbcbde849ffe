"""Which system and processor a built library is for, read off its first bytes: engine packages file it by that."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_ELF = {62: "x86_64", 183: "arm64", 40: "armv7"}
_PE = {0x8664: "x86_64", 0xAA64: "arm64"}
_MACHO = {0x01000007: "x86_64", 0x0100000C: "arm64"}


@dataclass(frozen=True)
class Platform:
    """Windows, Linux, Android, macOS or iOS, and x86_64, arm64, armv7, or universal where one file has several."""

    system: str
    processor: str


def platform_of(library: Path) -> Platform | None:
    """What `library` runs on; None for a file that is no library, or for a processor that no engine package has."""
    head = library.read_bytes()
    if library.suffix == ".a" and ".xcframework" in str(library):
        return Platform("iOS", "arm64")
    if head[:4] == b"\x7fELF" and len(head) >= 20:
        processor = _ELF.get(int.from_bytes(head[18:20], "little"))
        # Android's C library is the one without a number
        system = "Android" if b"\0libc.so\0" in head and b"\0libc.so.6\0" not in head else "Linux"
        return Platform(system, processor) if processor else None
    if head[:2] == b"MZ" and len(head) > 0x40:
        at = struct.unpack_from("<I", head, 0x3C)[0]
        processor = _PE.get(int.from_bytes(head[at + 4 : at + 6], "little"))
        return Platform("Windows", processor) if processor else None
    if head[:4] == b"\xca\xfe\xba\xbe":
        return Platform("macOS", "universal")
    if head[:4] == b"\xcf\xfa\xed\xfe":
        processor = _MACHO.get(int.from_bytes(head[4:8], "little"))
        return Platform("macOS", processor) if processor else None
    return None


def libraries_in(folder: Path) -> list[Path]:
    """The shared libraries of ours, and of the runtime beside them, that lie in `folder`."""
    found = [file for file in folder.iterdir() if file.suffix in (".so", ".dylib", ".dll")] if folder.is_dir() else []
    return sorted(file for file in found if "frame_stream" in file.name or "executorch" in file.name)
