"""What Xcode takes for iOS, put together without a Mac: its plist, its headers, two processors in one file."""

from __future__ import annotations

import plistlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from sdk.c.xcframework import LIBRARY, NAME, SLICES, join_fat, make_xcframework

HEADER = Path(__file__).resolve().parents[2] / "sdk/c/include/frame_stream.h"


def check_xcframework(made: Path) -> None:
    """As Xcode reads it: every slice that the plist names is there, and nothing that it does not name."""
    said = plistlib.loads((made / "Info.plist").read_bytes())
    assert (said["CFBundlePackageType"], said["XCFrameworkFormatVersion"]) == ("XFWK", "1.0")
    slices = {one["LibraryIdentifier"]: one for one in said["AvailableLibraries"]}
    assert {path.name for path in made.iterdir()} == {"Info.plist", *slices}
    for name, one in slices.items():
        assert one["SupportedPlatform"] == "ios"
        assert name == "-".join(
            filter(None, ["ios", "_".join(one["SupportedArchitectures"]), one.get("SupportedPlatformVariant")])
        )
        assert (made / name / one["LibraryPath"]).is_file()
        headers = made / name / one["HeadersPath"]
        assert (headers / "frame_stream.h").read_bytes() == HEADER.read_bytes()
        assert 'header "frame_stream.h"' in (headers / "module.modulemap").read_text("utf-8"), "Swift imports it"
    assert [one.get("SupportedPlatformVariant") for one in slices.values()] == [None, "simulator"]


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, Path]:
    """An archive for each target, of bytes that tell them apart."""
    names = [target for parts, _ in SLICES.values() for target in parts.values()]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(b"!<arch>\n" + bytes([number]) * (9000 * (number + 1)))
    return {name: tmp_path / name for name in names}


def test_it_is_what_xcode_takes(archives: dict[str, Path], tmp_path: Path) -> None:
    made = make_xcframework(archives, tmp_path / "out")
    assert made.name == NAME
    check_xcframework(made)
    assert (made / "ios-arm64" / LIBRARY).read_bytes() == archives["ios-aarch64"].read_bytes()
    (made / "stale").touch()
    check_xcframework(make_xcframework(archives, tmp_path / "out"))


def test_two_processors_in_one_file(archives: dict[str, Path], tmp_path: Path) -> None:
    parts = {
        "arm64": archives["ios-simulator-aarch64"].read_bytes(),
        "x86_64": archives["ios-simulator-x86_64"].read_bytes(),
    }
    fat = join_fat(parts)
    magic, count = struct.unpack_from(">II", fat)
    assert (magic, count) == (0xCAFEBABE, 2)
    for number, archive in enumerate(parts.values()):
        kind, _, at, size, align = struct.unpack_from(">5I", fat, 8 + 20 * number)
        assert kind == (0x0100000C, 0x01000007)[number]
        assert at % (1 << align) == 0
        assert fat[at : at + size] == archive
    assert len(fat) == at + size
    if not shutil.which("file"):
        return
    path = tmp_path / "fat.a"
    path.write_bytes(fat)
    said = subprocess.run(["file", path], capture_output=True, text=True, check=True).stdout
    assert "2 architectures" in said
