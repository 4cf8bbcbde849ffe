"""Builds the native library: with the `executorch` pip wheel, or alone; with cmake and a C++17 compiler.

python -m sdk.c.build --out build/native [--install PREFIX] [--private FOLDER]
python -m sdk.c.build --alone --out build/alone              our own kernels, no runtime: one library
python -m sdk.c.build --out build/native-asan --sanitize address --check model.pte
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from sdk.c.private import make_private
from sdk.errors import EngineUnavailable, TinyfaceError, pip_install
from sdk.tools.command import building, list_files
from sdk.tools.programs import run_tool

HERE = Path(__file__).resolve().parent
SANITIZERS = ("address", "thread")


class BuildFailed(TinyfaceError):
    """cmake or the compiler stopped; the message ends in what they said."""


def wheel_root() -> Path:
    """The installed `executorch` package, without importing it. Raises `EngineUnavailable` if there is none."""
    spec = importlib.util.find_spec("executorch")
    for folder in spec.submodule_search_locations or () if spec else ():
        if (Path(folder) / "share/cmake/executorch-config.cmake").is_file():
            return Path(folder)
    raise EngineUnavailable(
        f"the native library is built from the executorch wheel: {pip_install('play')}, or build it with --alone"
    )


def missing_tools() -> str:
    """Why nothing can be built here, or "" if all is there: cmake, and a C++ compiler (`CXX`, or c++, g++, clang++)."""
    compilers = [os.environ["CXX"]] if "CXX" in os.environ else ["c++", "g++", "clang++"]
    if not shutil.which("cmake"):
        return "cmake is not installed: apt install cmake, or pip install cmake"
    if not any(shutil.which(name) for name in compilers):
        return f"no C++ compiler ({', '.join(compilers)}): apt install g++"
    return ""


def build(
    out: Path,
    *,
    sanitize: str = "",
    tests: bool = False,
    check: Path | None = None,
    install: Path | None = None,
    xnnpack: bool = True,
    alone: bool = False,
    ovr: bool = False,
    examples: bool = True,
    jobs: int = 2,
) -> Path:
    """Configure and build into `out`; returns the folder of the shared libraries. A second call does what is new.

    sanitize: instrument our own code with `address` (and undefined behaviour) or `thread`. tests: also the programs
    that the tests run. check: run these with that artefact. install: put header, libraries and CMake config there.
    xnnpack: if not, the library plays artefacts of the backend tinyface alone, and ships with libexecutorch alone.
    alone: without any runtime: one library that plays artefacts of the backend tinyface and needs nothing beside it.
    ovr: also the calls of OVRLipSync, as a library in `out`/ovr. examples: also cpp_wav, profiler and voices.
    Raises `EngineUnavailable` without the wheel or the tools, `BuildFailed` with the end of the tools' output.
    """
    reason = missing_tools()
    if reason:
        raise EngineUnavailable(reason)
    out = out.resolve()
    flags = {
        "CMAKE_PREFIX_PATH": "" if alone else str(wheel_root()),
        "TINYFACE_RUNTIME": "none" if alone else "executorch",
        "CMAKE_BUILD_TYPE": "Release",
        "FRAME_STREAM_SANITIZE": sanitize,
        "FRAME_STREAM_TESTS": "ON" if tests or check else "OFF",
        "FRAME_STREAM_ARTIFACT": str(check.resolve()) if check else "",
        "FRAME_STREAM_XNNPACK": "ON" if xnnpack else "OFF",
        "FRAME_STREAM_OVR": "ON" if ovr else "OFF",
        "FRAME_STREAM_EXAMPLES": "ON" if examples else "OFF",
    }
    run_tool(
        ["cmake", "-S", str(HERE), "-B", str(out), *(f"-D{name}={value}" for name, value in flags.items())], BuildFailed
    )
    run_tool(["cmake", "--build", str(out), "--parallel", str(jobs)], BuildFailed)
    if check:
        run_tool(["ctest", "--output-on-failure"], BuildFailed, out / "tests")
    if install:
        run_tool(["cmake", "--install", str(out), "--prefix", str(install.resolve())], BuildFailed)
    return out / "lib"


def main() -> int:
    """Build as the command line says; 77 where tools are missing, which test drivers read as skipped."""
    parser = argparse.ArgumentParser(prog="python -m sdk.c.build", description="Build frame_stream.")
    parser.add_argument("--out", type=Path, default=Path("build/native"), help="build folder")
    parser.add_argument("--install", type=Path, help="install header, libraries and CMake config there")
    parser.add_argument("--tests", action="store_true", help="also build the programs that the tests run")
    parser.add_argument("--check", type=Path, metavar="MODEL", help="build them and run them with this artefact")
    parser.add_argument("--sanitize", choices=SANITIZERS, default="", help="instrument our own code")
    parser.add_argument(
        "--no-xnnpack", dest="xnnpack", action="store_false", help="only our own kernels: 0.9 MB in all"
    )
    parser.add_argument("--alone", action="store_true", help="only our own kernels and no runtime: 0.4 MB in all")
    parser.add_argument("--ovr", action="store_true", help="also the calls of OVRLipSync, a library in OUT/ovr")
    parser.add_argument("--no-examples", dest="examples", action="store_false", help="the library and no program")
    parser.add_argument(
        "--private", type=Path, metavar="FOLDER", help="copy the libraries there under names of their own"
    )
    parser.add_argument("--jobs", type=int, default=2, help="compilers at a time")
    options = vars(parser.parse_args())
    private = options.pop("private")
    with building() as end:
        folder = build(**options)
        made = make_private(folder, private) if private else []
        list_files([*sorted(folder.glob("lib*")), *made])
    return end.status


if __name__ == "__main__":
    sys.exit(main())
