"""Builds the C library alone for other systems, one command each, with the compiler that `pip install ziglang` brings.

python -m sdk.c.targets --target windows-x86_64 [--static] --out build/targets
python -m sdk.c.targets --list
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from sdk.errors import EngineUnavailable, TinyfaceError, pip_install
from sdk.tools.command import building, list_files
from sdk.tools.programs import run_tool

HERE = Path(__file__).resolve().parent
TOOLS = {"zig-cc": "cc", "zig-c++": "c++", "zig-ar": "ar", "zig-ranlib": "ranlib", "zig-rc": "rc"}


class TargetFailed(TinyfaceError):
    """The target is unknown, or cmake or the compiler stopped; the message ends in what they said."""


@dataclass(frozen=True)
class Target:
    """One system: what zig calls it, what CMake calls it, and how far it is proved where this was written."""

    triple: str
    system: str
    processor: str
    flags: str = ""
    proved: str = "linked, not run"
    link: str = ""  # what only the linker is told


# zig has no headers of Android's. Those of musl declare the same for all that we call (the kernel's structs and
# numbers, a mutex of 40 zero bytes) but the name behind `errno`; libc and libm are stand-ins that hold names alone.
ANDROID = "-mno-outline-atomics -fno-builtin-bcmp -D__errno_location=__errno"
BIONIC = "-nostdlib {stubs}/libc.so {stubs}/libm.so -Wl,-z,max-page-size=16384"
BIONIC_NAMES = {
    "libc.so": "malloc free memchr memcmp memcpy memmove memset strcmp strlen strerror vsnprintf abort "
    "open close fstat mmap munmap __errno pthread_mutex_lock pthread_mutex_unlock pthread_mutex_destroy "
    "__cxa_finalize __cxa_atexit",
    "libm.so": "sin fmin sqrt sqrtf floor",
}
IOS = "-isystem {zig}/lib/libc/include/any-darwin-any"  # zig finds its headers of Apple's for macOS alone
GLIBC = "2.27"  # the oldest that the libraries ask for: Ubuntu 18.04, Debian 10
TARGETS = {
    "linux-x86_64": Target(f"x86_64-linux-gnu.{GLIBC}", "Linux", "x86_64", "", "run here"),
    "linux-aarch64": Target(f"aarch64-linux-gnu.{GLIBC}", "Linux", "aarch64", "", "run here under emulation"),
    "linux-armv7": Target(
        f"arm-linux-gnueabihf.{GLIBC}", "Linux", "armv7", "-mcpu=cortex_a7", "run here under emulation"
    ),
    "linux-riscv64": Target(f"riscv64-linux-gnu.{GLIBC}", "Linux", "riscv64", "", "a recipe, not built here"),
    "windows-x86_64": Target("x86_64-windows-gnu", "Windows", "AMD64", "", "run here under Wine"),
    "windows-aarch64": Target("aarch64-windows-gnu", "Windows", "ARM64", "", "a recipe, not built here"),
    "macos-x86_64": Target("x86_64-macos.11.0", "Darwin", "x86_64"),
    "macos-aarch64": Target("aarch64-macos.11.0", "Darwin", "arm64"),
    "ios-aarch64": Target("aarch64-ios.13.0", "Darwin", "arm64", IOS, "compiled, not linked"),
    "ios-simulator-aarch64": Target("aarch64-ios.14.0-simulator", "Darwin", "arm64", IOS, "compiled, not linked"),
    "ios-simulator-x86_64": Target("x86_64-ios.14.0-simulator", "Darwin", "x86_64", IOS, "compiled, not linked"),
    "android-aarch64": Target(
        "aarch64-linux-musl", "Linux", "aarch64", ANDROID, "linked against stand-ins, not run", BIONIC
    ),
    "wasm32": Target("wasm32-wasi", "WASI", "wasm32", "-mcpu=generic+simd128", "run here"),
    "wasm32-scalar": Target("wasm32-wasi", "WASI", "wasm32", "-mcpu=generic", "run here"),
}


def find_zig() -> str:
    """The compiler inside the wheel `ziglang`, without importing it. Raises `EngineUnavailable` if there is none."""
    spec = importlib.util.find_spec("ziglang")
    for folder in spec.submodule_search_locations or () if spec else ():
        for name in ("zig", "zig.exe"):
            if (Path(folder) / name).is_file():
                return str(Path(folder) / name)
    found = shutil.which("zig")
    if not found:
        raise EngineUnavailable(f"there is no zig compiler: {pip_install('targets')}")
    return found


def build_target(name: str, out: Path, *, static: bool = False, exceptions: bool = False, jobs: int = 2) -> Path:
    """Build the library, and the smallest program in C beside it, into `out`/`name`; returns that folder.

    static: an archive instead of a shared library (always so for WebAssembly, whose module is `tinyface.wasm`).
    exceptions: report out of memory as a status; the binary then carries the unwinder. Raises `TargetFailed` for an
    unknown name or with the tools' output, `EngineUnavailable` without zig or cmake.
    """
    if name not in TARGETS:
        raise TargetFailed(f"{name} is no target: choose one of {', '.join(TARGETS)}")
    if not shutil.which("cmake"):
        raise EngineUnavailable("cmake is not installed: apt install cmake, or pip install cmake")
    target, folder = TARGETS[name], (out / (f"{name}-static" if static else name)).resolve()
    tools = _write_tools(folder / "tools", find_zig(), target)
    wasm, android = target.system == "WASI", "{stubs}" in target.link
    program = not (wasm or android or name.startswith("ios"))  # nothing here links one for those
    if android:
        _write_stand_ins(tools)
    flags = {
        "CMAKE_SYSTEM_NAME": target.system,
        "CMAKE_SYSTEM_PROCESSOR": target.processor,
        "CMAKE_C_COMPILER": tools / "zig-cc",
        "CMAKE_CXX_COMPILER": tools / "zig-c++",
        "CMAKE_AR": tools / "zig-ar",
        "CMAKE_RANLIB": tools / "zig-ranlib",
        "CMAKE_RC_COMPILER": tools / "zig-rc",
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_BUILD_TYPE": "Release",
        "TINYFACE_RUNTIME": "none",
        "BUILD_SHARED_LIBS": "OFF" if static or wasm else "ON",
        "FRAME_STREAM_EXCEPTIONS": "ON" if exceptions else "OFF",
        "FRAME_STREAM_EXAMPLES": "OFF",
        "FRAME_STREAM_TESTS": "ON" if program else "OFF",  # the smallest program in C
        "CMAKE_INSTALL_NAME_TOOL": "true",  # a Mac's: there is nothing to rename
    }
    run_tool(
        ["cmake", "-S", str(HERE), "-B", str(folder), *(f"-D{key}={value}" for key, value in flags.items())],
        TargetFailed,
    )
    run_tool(["cmake", "--build", str(folder), "--parallel", str(jobs)], TargetFailed)
    return folder


def _write_tools(folder: Path, zig: str, target: Target) -> Path:
    """Programs of one word each, as cmake wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    for tool, verb in TOOLS.items():
        flags = target.flags.format(zig=Path(zig).parent)
        aim = f"-target {target.triple} {flags}" if verb in ("cc", "c++") else ""
        words = ["#!/bin/sh"]
        if aim:  # the library calls nothing of the C++ library: its headers alone, which need a word for "never"
            aim += " '-D_LIBCPP_VERBOSE_ABORT(...)=__builtin_trap()'" if verb == "c++" else ""
            link = (
                f"-nostdlib++ {target.link.format(stubs=folder)}" if verb == "c++" else target.link.format(stubs=folder)
            )
            words.append(f'case " $* " in *" -c "*|*" -E "*) ;; *) set -- "$@" {link} ;; esac')
        script = folder / tool
        script.write_text("\n".join([*words, f'exec "{zig}" {verb} {aim} "$@"', ""]), "utf-8")
        script.chmod(0o755)
    return folder


def _write_stand_ins(folder: Path) -> None:
    """Libraries that have the names of Android's and nothing behind them: a phone brings its own."""
    for library, names in BIONIC_NAMES.items():
        source = folder / f"{library}.c"
        source.write_text("".join(f"void {name}(void) {{}}\n" for name in names.split()), "utf-8")
        flags = ["-w", "-fno-builtin", "-nostdlib", "-shared", f"-Wl,-soname,{library}", "-o", str(folder / library)]
        run_tool([find_zig(), "cc", "-target", "aarch64-linux-musl", *flags, str(source)], TargetFailed)


def main() -> int:
    """Build as the command line says; 77 where tools are missing, which test drivers read as skipped."""
    parser = argparse.ArgumentParser(prog="python -m sdk.c.targets", description=__doc__.split("\n")[0])
    parser.add_argument("--target", action="append", default=[], metavar="NAME", help="a system; may be repeated")
    parser.add_argument("--list", action="store_true", help="list the systems, and how far each is proved")
    parser.add_argument("--static", action="store_true", help="an archive instead of a shared library")
    parser.add_argument("--exceptions", action="store_true", help="report out of memory as a status")
    parser.add_argument("--out", type=Path, default=Path("build/targets"), help="folder for the build folders")
    options = parser.parse_args()
    if options.list or not options.target:
        for name, target in TARGETS.items():
            print(f"{name:16} {target.triple:28} {target.proved}")
        return 0
    with building() as end:
        for name in options.target:
            folder = build_target(name, options.out, static=options.static, exceptions=options.exceptions)
            for pattern in ("lib/*frame_stream*", "bin/*frame_stream*", "bin/*.wasm", "bin/plain*"):
                list_files(sorted(folder.glob(pattern)))
    return end.status


if __name__ == "__main__":
    sys.exit(main())
