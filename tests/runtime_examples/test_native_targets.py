"""The library for other systems: built by one command each, run here where an emulator can, one golden file for all."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import Case
from native_tools import run
from test_xcframework import check_xcframework

from sdk.c.targets import BIONIC_NAMES, GLIBC, TARGETS, build_target
from sdk.c.xcframework import LIBRARY, SLICES, make_xcframework
from sdk.errors import EngineUnavailable

ROOT = Path(__file__).resolve().parents[2]
# what compiles the library for another system: half a minute of compiler each, the first time more
pytestmark = pytest.mark.slow
EQUAL = 1e-6  # of values, on every target
RUNNERS = {  # a program of the target here: the words before it. qemu: a core without SME, which 7.2 computes wrongly
    "linux-x86_64": [],
    "linux-aarch64": ["qemu-aarch64", "-cpu", "cortex-a76", "-L", "/usr/aarch64-linux-gnu"],
    "linux-armv7": ["qemu-arm", "-cpu", "cortex-a15", "-L", "/usr/arm-linux-gnueabihf"],
    "windows-x86_64": ["wine"],
}
NOT_RUN = ["macos-x86_64", "macos-aarch64", "android-aarch64"]
CASES = ["waves", "brook", "delta", "pane", "waves-int8", "creek-int8", "bay-int8"]


@pytest.fixture(scope="session")
def built() -> Callable[..., Path]:
    """The build folder of a target; kept, so that a second run compiles nothing."""

    def build(name: str, **options: bool) -> Path:
        try:
            return build_target(name, ROOT / "build" / "targets", jobs=1, **options)
        except EngineUnavailable as error:
            pytest.skip(str(error))

    return build


def library_of(folder: Path) -> Path:
    (file,) = [path for path in folder.glob("*/*frame_stream*") if path.suffix in (".so", ".dylib", ".dll")]
    return file


def rows(said: str) -> np.ndarray:
    """`(frames, 2 + channels)` of what `plain` prints."""
    return np.array([line.split(",") for line in said.splitlines()[1:]], float)


@pytest.mark.parametrize("name", RUNNERS)
def test_frames_are_those_of_linux(
    name: str, built: Callable[[str], Path], make_case: Callable[[str], Case], alone: Path, wav: Path
) -> None:
    before = RUNNERS[name]
    if before and not shutil.which(before[0]):
        pytest.skip(f"{before[0]} is not installed: apt install qemu-user libc6-arm64-cross libc6-armhf-cross wine")
    folder = built(name)
    (program,) = [path for path in (folder / "bin").glob("plain*") if path.suffix in ("", ".exe")]
    for case in CASES:
        path = make_case(case).path
        done = subprocess.run(
            [*before, program, path, wav], capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "WINEDEBUG": "-all"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        here, there = rows(run(alone, "plain", path, wav)), rows(done.stdout)
        assert len(here) == 30
        np.testing.assert_array_equal(there[:, :2], here[:, :2])
        assert np.abs(there - here).max() <= (0 if case.endswith("-int8") else EQUAL), case


@pytest.mark.parametrize("name", [*RUNNERS, *NOT_RUN])
def test_it_exports_the_header_and_needs_the_system_alone(name: str, built: Callable[[str], Path]) -> None:
    file = library_of(built(name))
    header = (ROOT / "sdk/c/include/frame_stream.h").read_text("utf-8")
    declared = set(re.findall(r"^FP_API .*?(fp_\w+)\(", header, re.M))
    system = TARGETS[name].system
    assert file.stat().st_size < 410_000
    if system == "Windows":
        exported, needed = pe_names(file.read_bytes())
        assert exported == declared
        assert all(re.match(r"(kernel32|ntdll|api-ms-win-crt-.*)\.dll$", dll.lower()) for dll in needed), needed
    elif system == "Linux":
        assert elf_names(file, "FUNC|OBJECT|NOTYPE", defined=True) == declared
        said = subprocess.run(["readelf", "-dW", file], capture_output=True, text=True, check=True).stdout
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", said))
        assert all(re.match(r"(libc|libm|libpthread|ld-linux.*)\.so", library) for library in needed), needed
    elif system == "Darwin":
        if not shutil.which("llvm-nm"):
            pytest.skip("llvm-nm is not installed: apt install llvm")
        said = subprocess.run(["llvm-nm", "-gU", "-j", file], capture_output=True, text=True, check=True).stdout
        assert {word[1:] for word in said.split() if word.startswith("_fp_")} == declared
        assert set(said.split()) - {f"_{word}" for word in declared} <= {"___dso_handle", "__mh_dylib_header"}
        command = ["llvm-objdump", "--macho", "--dylibs-used", file]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        needed = [line.split()[0] for line in said.splitlines()[1:]]
        assert needed == ["@loader_path/libframe_stream.dylib", "/usr/lib/libSystem.B.dylib"]
    if name.startswith("linux"):
        said = subprocess.run(["readelf", "-VW", file], capture_output=True, text=True, check=True).stdout
        floors = [tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([0-9.]+)", said)]
        assert max(floors) <= tuple(map(int, GLIBC.split("."))), "it starts on older systems too"
    if name.startswith("android"):
        known = set(" ".join(BIONIC_NAMES.values()).split())
        assert elf_names(file, ".*", defined=False) <= known


def test_an_xcframework_for_phones_and_the_simulator(built: Callable[..., Path], tmp_path: Path) -> None:
    targets = [target for parts, _ in SLICES.values() for target in parts.values()]
    made = make_xcframework({name: built(name, static=True) / LIBRARY for name in targets}, tmp_path)
    check_xcframework(made)
    (phone,) = set(macho_platforms((made / "ios-arm64" / LIBRARY).read_bytes()))
    assert phone == 2, "iOS, as Mach-O says it"
    simulator = (made / "ios-arm64_x86_64-simulator" / LIBRARY).read_bytes()
    assert set(macho_platforms(simulator)) == {7}
    if shutil.which("llvm-lipo"):
        said = subprocess.run(
            ["llvm-lipo", "-archs", made / "ios-arm64_x86_64-simulator" / LIBRARY],
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(said.stdout.split()) == {"arm64", "x86_64"}


def macho_platforms(archive: bytes) -> list[int]:
    """Of every object in an archive or several joined ones: the platform that its LC_BUILD_VERSION names."""
    found = []
    for at in (match.start() for match in re.finditer(rb"\xcf\xfa\xed\xfe", archive)):
        commands, place = struct.unpack_from("<I", archive, at + 16)[0], at + 32
        for _ in range(commands):
            kind, size, platform = struct.unpack_from("<3I", archive, place)
            if kind == 0x32:
                found.append(platform)
            place += size
    assert found
    return found


def elf_names(file: Path, kind: str, *, defined: bool) -> set[str]:
    if not shutil.which("readelf"):
        pytest.skip("readelf is not installed: apt install binutils")
    said = subprocess.run(["readelf", "--dyn-syms", "-W", file], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^ +\d+: \w+ +\d+ (\w+) +(?:GLOBAL|WEAK) +DEFAULT +(\w+) (\w+)", said, re.M)
    return {name for found, where, name in rows if (where != "UND") == defined and re.fullmatch(kind, found)}


def pe_names(image: bytes) -> tuple[set[str], list[str]]:
    """What a DLL exports, and the DLLs that it imports from (64-bit, PE/COFF)."""
    head = struct.unpack_from("<I", image, 0x3C)[0]
    count, optional = struct.unpack_from("<H", image, head + 6)[0], struct.unpack_from("<H", image, head + 20)[0]
    sections = [struct.unpack_from("<4I", image, head + 24 + optional + 40 * i + 8) for i in range(count)]

    def at(address: int) -> int:
        for size, start, raw_size, raw in sections:
            if start <= address < start + max(size, raw_size):
                return raw + address - start
        raise AssertionError(f"no section holds {address:#x}")

    def text(address: int) -> str:
        place = at(address)
        return image[place : image.index(b"\0", place)].decode()

    exports, _, imports = struct.unpack_from("<3I", image, head + 24 + 112)
    names, table = (
        struct.unpack_from("<I", image, at(exports) + 24)[0],
        struct.unpack_from("<I", image, at(exports) + 32)[0],
    )
    exported = {text(struct.unpack_from("<I", image, at(table) + 4 * i)[0]) for i in range(names)}
    needed, place = [], at(imports)
    while name := struct.unpack_from("<I", image, place + 12)[0]:
        needed.append(text(name))
        place += 20
    return exported, needed
