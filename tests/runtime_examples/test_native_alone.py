"""The C library without any runtime: the same frames, one small file, a host's own memory."""

from __future__ import annotations

import ctypes as c
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_cases import Case, Speech
from native_tools import animate, refused, run, values

from sdk.c.build import missing_tools
from sdk.native import NativeModel, NativePredictor, abi
from sdk.native.abi import Library

ROOT = Path(__file__).resolve().parents[2]
RUNTIME_FILES = {"kernel_backend.cpp", "program_executorch.cpp", "runtime_guard.cpp", "runtime_guard.h"}
SYSTEM = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_its_frames_are_those_of_the_other_dress(
    alone: Path,
    case: Case,
    library: Library,
    speech_like: Speech,
) -> None:
    audio = speech_like(44100, 0.5)
    here, there = (
        animate(NativePredictor(NativeModel(case.path, lib), rate_hz=44100), audio, [700, 1, 31])
        for lib in (Library(alone / "lib"), library)
    )
    assert len(here) == 15
    np.testing.assert_array_equal(values(here), values(there))


def test_one_small_file_that_needs_nothing(alone: Path) -> None:
    file = alone / "lib" / "libframe_stream.so"
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.stat().st_size < 410_000  # signatures and styles are in it
    if not shutil.which("readelf"):
        pytest.skip("readelf is not installed: apt install binutils")
    said = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"NEEDED.*\[(.*)\]", said)) <= SYSTEM
    symbols = subprocess.run(["readelf", "--dyn-syms", "-W", file], capture_output=True, text=True, check=True).stdout
    exported = set(re.findall(r"(?:FUNC|OBJECT) +GLOBAL DEFAULT +\d+ (\w+)", symbols))
    header = (ROOT / "sdk/c/include/frame_stream.h").read_text("utf-8")
    assert exported == set(re.findall(r"^FP_API .*?(fp_\w+)\(", header, re.M))


def test_a_project_gets_the_build_that_it_asks_for(tmp_path: Path) -> None:
    """What the linker will be told, of the same folder asked in several ways."""
    if reason := missing_tools():
        pytest.skip(reason)

    def link_line(**flags: str) -> str:
        words = [f"-D{name}={value}" for name, value in flags.items()]
        command = ["cmake", "-G", "Unix Makefiles", "-S", ROOT / "sdk/c", "-B", tmp_path, "-DTINYFACE_RUNTIME=none"]
        subprocess.run([*command, "-DFRAME_STREAM_EXAMPLES=OFF", *words], check=True, capture_output=True)
        return (tmp_path / "CMakeFiles/frame_stream.dir/link.txt").read_text("utf-8")

    assert "-Wl,-s " in link_line(CMAKE_BUILD_TYPE="Release")
    debug = link_line(CMAKE_BUILD_TYPE="Debug")
    assert "-Wl,-s " not in debug
    assert " -g " in debug
    assert "-soname,libframe_stream.so " in debug, "plug-ins want one file"
    version = re.search(r"^Version: (\d+)\.", (tmp_path / "frame_stream.pc").read_text("utf-8"), re.M)
    assert version
    assert f"-soname,libframe_stream.so.{version[1]} " in link_line(FRAME_STREAM_SOVERSION="ON")
    assert " libframe_stream.a " in link_line(BUILD_SHARED_LIBS="OFF")


@pytest.mark.parametrize("folder", ["lib", "lib64", "lib/x86_64-linux-gnu"])
def test_pkg_config_finds_what_was_installed_wherever_a_system_has_its_libraries(tmp_path: Path, folder: str) -> None:
    if reason := missing_tools() or (None if shutil.which("pkg-config") else "pkg-config is not installed"):
        pytest.skip(reason)
    command = ["cmake", "-S", ROOT / "sdk/c", "-B", tmp_path / "made", "-DTINYFACE_RUNTIME=none"]
    flags = ["-DFRAME_STREAM_EXAMPLES=OFF", f"-DCMAKE_INSTALL_LIBDIR={folder}"]
    subprocess.run([*command, *flags], check=True, capture_output=True)
    place = tmp_path / "prefix" / folder / "pkgconfig"
    place.mkdir(parents=True)
    shutil.copy(tmp_path / "made/frame_stream.pc", place)
    for name, wanted in (("libdir", folder), ("includedir", "include")):
        done = subprocess.run(
            ["pkg-config", f"--variable={name}", "frame_stream"],
            env={**os.environ, "PKG_CONFIG_PATH": str(place)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert Path(os.path.normpath(done.stdout.strip())) == tmp_path / "prefix" / wanted


def test_a_cmake_project_finds_a_dll_among_programs(tmp_path: Path) -> None:
    """The config as it is configured here, read as on Windows: nothing is linked, a folder is looked into."""
    if reason := missing_tools():
        pytest.skip(reason)
    command = ["cmake", "-S", ROOT / "sdk/c", "-B", tmp_path / "made", "-DTINYFACE_RUNTIME=none"]
    subprocess.run([*command, "-DFRAME_STREAM_EXAMPLES=OFF"], check=True, capture_output=True)
    place = tmp_path / "prefix/lib/cmake/frame_stream"
    place.mkdir(parents=True)
    shutil.copy(tmp_path / "made/frame_stream-config.cmake", place)
    (place / "frame_stream-targets.cmake").touch()
    (tmp_path / "prefix/bin").mkdir()
    (tmp_path / "prefix/bin/frame_stream.dll").touch()
    (tmp_path / "asks.cmake").write_text(
        'set(CMAKE_SHARED_LIBRARY_PREFIX "")\nset(CMAKE_SHARED_LIBRARY_SUFFIX ".dll")\n'
        f"include({(place / 'frame_stream-config.cmake').as_posix()})\n"
        'message("${FRAME_STREAM_LIBRARIES}")\n'
    )
    done = subprocess.run(["cmake", "-P", tmp_path / "asks.cmake"], capture_output=True, text=True, check=True)
    assert Path(done.stderr.strip()).resolve() == (tmp_path / "prefix/bin/frame_stream.dll").resolve()


def test_a_rate_is_read_alike_under_every_locale(tmp_path: Path) -> None:
    """A host that speaks German takes a comma for a point, and asks the C library for it."""
    compiler = shutil.which("c++")
    if not compiler:
        pytest.skip("no C++ compiler")
    (tmp_path / "rates.cpp").write_text("""
#include <clocale>
#include <cstdio>
#include "frame_stream.hpp"
extern "C" double strtod(const char* text, char** end) {  // as under such a locale, whether or not it is here
  *end = const_cast<char*>(text);
  while (**end >= '0' && **end <= '9') ++*end;
  return 29;
}
extern "C" const char* fp_status_string(fp_status) { return ""; }
int main() {
  for (const char* text : {"29.97", "23.976", "30", "30.0", "30000/1001", "12.5",  // and what are none:
                           "29,97", "29.9.7", ".", "1e2", "nan", "", "0.5"}) {
    fp_stream_config config{};
    const bool read = frame_stream::read_rate(text, &config);
    std::printf("%d %u/%u\\n", read, config.fps_numerator, config.fps_denominator);
  }
}
""")
    command = [compiler, "-std=c++17", "-O1", f"-I{ROOT / 'sdk/c/include'}", tmp_path / "rates.cpp"]
    subprocess.run([*command, "-o", tmp_path / "rates"], check=True)
    said = subprocess.run([tmp_path / "rates"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[:6] == ["1 30000/1001", "1 24000/1001", "1 30/1", "1 30000/1000", "1 30000/1001", "1 12500/1000"]
    assert said[6:] == ["0 0/0"] * 7


@pytest.mark.skipif(sys.platform == "win32", reason="makes symbolic links")
def test_it_plays_where_numpy_alone_is_installed(alone: Path, make_case: Callable[[str], Case], tmp_path: Path) -> None:
    """As after `pip install .` without an extra: 57 MB, no torch and no runtime to be found at all."""
    home = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (home / name).exists():
            (tmp_path / name).symlink_to(home / name)
    code = (
        "import sys, numpy, sdk; from importlib.util import find_spec;"
        "assert not [m for m in ('torch', 'executorch', 'scipy', 'yaml', 'soundfile') if find_spec(m)];"
        "voice = sdk.NativePredictor(sdk.NativeModel(sys.argv[1], sys.argv[2]), rate_hz=48000);"
        "print(len(voice.push(numpy.zeros(48000, numpy.int16)) + voice.finish()))"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-S", "-c", code, make_case("brook").path, alone / "lib"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("30\n", "")


def test_programs_for_a_runtime_are_refused(alone: Path, tiny: Path) -> None:
    with refused(abi.UNSUPPORTED, "--backend tinyface"):
        NativeModel(tiny, Library(alone / "lib"))


def test_damaged_programs_are_refused(alone: Path, make_case: Callable[[str], Case]) -> None:
    """The tables of the file are followed, whatever they say, behind a seal that holds."""
    for name in ("brook", "pane"):
        said = run(alone, "hostile", make_case(name).path, 300, 5, "--reseal")
        assert said.endswith("crashes 0\n"), said
        assert "bad program" in said


def test_nothing_is_allocated_in_the_loop(alone: Path, make_case: Callable[[str], Case]) -> None:
    assert run(alone, "no_alloc", make_case("brook").path, 0.05, 44100, 1) == "120\n"
    assert run(alone, "no_alloc", make_case("brook").path, 0.05, 48000, 0, 20) == f"{20 * 120}\n"


def test_a_host_gives_all_memory(alone: Path, make_case: Callable[[str], Case], speech_like: Speech) -> None:
    library = Library(alone / "lib")
    blocks: dict[int, tuple[Any, int, int]] = {}

    @c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_size_t, c.c_size_t)
    def allocate(_user: int, size: int, alignment: int) -> int:
        room = c.create_string_buffer(size + alignment)
        at = (c.addressof(room) + alignment - 1) // alignment * alignment
        blocks[at] = (room, size, alignment)
        return at

    @c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_size_t, c.c_size_t)
    def release(_user: int, memory: int, size: int, alignment: int) -> None:
        assert blocks.pop(memory)[1:] == (size, alignment)

    hooks = abi.Allocator(c.sizeof(abi.Allocator), 0, c.cast(allocate, c.c_void_p), c.cast(release, c.c_void_p), None)
    set_allocator = library.calls.fp_set_allocator
    assert set_allocator(c.byref(hooks), None) == abi.OK
    try:
        model = NativeModel(make_case("brook").path, library)
        voice = NativePredictor(model)
        made = len(blocks)
        assert made > 20
        assert set_allocator(None, None) == abi.BAD_ARGUMENT, "memory is in use"
        assert animate(voice, speech_like(16000, 0.3), [500])
        assert len(blocks) == made, "the loop takes and gives nothing"
        voice.close()
        model.close()
        assert not blocks, "all came back"
    finally:
        assert set_allocator(None, None) == abi.OK


def test_it_needs_no_exceptions() -> None:
    for path in [*(ROOT / "sdk/c/src").glob("*/*"), *(ROOT / "sdk/c/kernels").iterdir()]:
        if path.name in RUNTIME_FILES | {"kernel_backend.h", "door.h", "memory.cpp"}:  # the last two ask for them
            continue
        code = re.sub(r"//.*", "", path.read_text("utf-8"))
        assert not re.search(r"\b(throw|try|catch|dynamic_cast|typeid)\b", code), path.name


def test_the_version_names_the_dress(alone: Path, library: Library) -> None:
    for lib, dress in ((Library(alone / "lib"), "alone"), (library, "executorch, XNNPACK")):
        assert re.fullmatch(rb"\d+\.\d+\.\d+ " + dress.encode(), lib.calls.fp_version_string())


def test_another_handle_is_no_model(library: Library, tiny: Path) -> None:
    model = NativeModel(tiny, library)
    voice, info = NativePredictor(model), abi.sized(abi.ModelInfo)
    with refused(abi.BAD_ARGUMENT, "another kind of handle"):
        library.call("fp_model_get_info", voice.handle, c.byref(info))
