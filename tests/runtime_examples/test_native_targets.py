"""The library for other systems: built by one command each, run here where an emulator can, one golden file for all."""

# ruff: noqa: F811 - fixtures of another file are arguments here
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
from native_tools import run
from test_native_alone import alone  # noqa: F401 - a fixture
from test_native_kernels import Case, make_case  # noqa: F401 - fixtures

from sdk.c.targets import BIONIC_NAMES, GLIBC, TARGETS, build_target
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
NOT_RUN = ["macos-aarch64", "android-aarch64"]
CASES = ["waves", "brook", "delta", "pane", "waves-int8", "creek-int8", "bay-int8"]


@pytest.fixture(scope="session")
def built() -> Callable[[str], Path]:
    """The build folder of a target; kept, so that a second run compiles nothing."""

    def build(name: str) -> Path:
        try:
            return build_target(name, ROOT / "build" / "targets", jobs=1)
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
    if system != "Windows":  # 620,032 when it was built, before what nobody calls was left out; not built again since
        assert file.stat().st_size < 400_000
    if system == "Windows":
        exported, needed = pe_names(file.read_bytes())
        assert exported == declared
        assert all(re.match(r"(kernel32|ntdll|api-ms-win-crt-.*)\.dll$", dll.lower()) for dll in needed), needed
    elif system == "Linux":
        assert elf_names(file, "FUNC|OBJECT|NOTYPE", defined=True) == declared
        said = subprocess.run(["readelf", "-dW", file], capture_output=True, text=True, check=True).stdout
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", said))
        assert all(re.match(r"(libc|libm|libpthread|ld-linux.*)\.so", library) for library in needed), needed
    if name.startswith("linux"):
        said = subprocess.run(["readelf", "-VW", file], capture_output=True, text=True, check=True).stdout
        floors = [tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([0-9.]+)", said)]
        assert max(floors) <= tuple(map(int, GLIBC.split("."))), "it starts on older systems too"
    if name.startswith("android"):
        known = set(" ".join(BIONIC_NAMES.values()).split())
        assert elf_names(file, ".*", defined=False) <= known


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
