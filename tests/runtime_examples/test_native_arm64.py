"""64-bit Arm from this machine: cross-built as `aarch64-linux-gnu.cmake` says, run under qemu, the frames of Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from native_tools import TOLERANCE, largest_difference, read_line, wav_frames

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "sdk" / "c"
WHEEL = "TINYFACE_ARM64_WHEEL"  # environment variable: the folder `executorch` of an unpacked aarch64 wheel
SYSROOT = Path("/usr/aarch64-linux-gnu")


@pytest.fixture(scope="module")
def cpp_wav() -> list[str]:
    """The words that start the cross-built program here."""
    wheel = Path(os.environ.get(WHEEL, ROOT / "build" / "arm64" / "executorch"))
    for tool in ("cmake", "aarch64-linux-gnu-g++", "qemu-aarch64"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed: apt install cmake g++-aarch64-linux-gnu qemu-user")
    if not (wheel / "share/cmake/executorch-config.cmake").is_file():
        pytest.skip(f"no executorch for aarch64 in {wheel}: see sdk/c/cmake/aarch64-linux-gnu.cmake, or set {WHEEL}")
    out = ROOT / "build" / "native-arm64"
    options = [f"-DCMAKE_PREFIX_PATH={wheel}", f"-DCMAKE_TOOLCHAIN_FILE={NATIVE / 'cmake' / 'aarch64-linux-gnu.cmake'}"]
    subprocess.run(["cmake", "-S", NATIVE, "-B", out, *options], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", out, "--parallel", "2", "--target", "cpp_wav"], check=True, capture_output=True)
    # a core without SME: qemu 7.2 computes its outer products of int8 wrongly
    return ["qemu-aarch64", "-cpu", "cortex-a76", "-L", str(SYSROOT), str(out / "bin" / "cpp_wav")]


def test_frames_on_arm_are_pythons(cpp_wav: list[str], any_kind: Path, wav: Path) -> None:
    done = subprocess.run([*cpp_wav, any_kind, wav], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    frames = [read_line(line) for line in done.stdout.splitlines()[2:]]
    assert largest_difference(frames, wav_frames(any_kind, wav)) <= TOLERANCE
