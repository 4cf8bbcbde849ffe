"""Builds the program for the board, plays a wav on it in QEMU, and reads what it said."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdk.errors import EngineUnavailable, TinyfaceError
from sdk.tools.programs import run_tool

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS = {
    "cmake": "apt install cmake",
    "arm-none-eabi-g++": "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib",
    "qemu-system-arm": "apt install qemu-system-arm",
}
# The board's clock in QEMU is 32 MHz of virtual time, of which an instruction takes 2^SHIFT ns.
CLOCK_HZ, SHIFT = 32_000_000, 5
TICKS_PER_INSTRUCTION = CLOCK_HZ * (1 << SHIFT) / 1e9


class BoardFailed(TinyfaceError):
    """The tools stopped, or the program on the board did; the message ends in what they said."""


@dataclass(frozen=True)
class Took:
    """What a take took on the board. Memory in bytes; `ram_bytes` is all of it: static, heap at its most, stack."""

    flash_bytes: int
    model_bytes: int
    ram_bytes: int
    heap_bytes: int
    stack_bytes: int
    blocks_in_loop: int
    instructions_to_open: int
    instructions_a_second: int  # of sound
    most_instructions: int  # for one piece of 20 ms, with its frames

    @classmethod
    def read(cls, line: str) -> Took:
        """From the line of JSON that main.c says at its end."""
        said = json.loads(line)

        def instructions(ticks: float) -> int:
            return round(ticks / TICKS_PER_INSTRUCTION)

        return cls(
            flash_bytes=said["flash_bytes"], model_bytes=said["model_bytes"],
            ram_bytes=said["static_bytes"] + said["heap_most_bytes"] + said["stack_bytes"],
            heap_bytes=said["heap_bytes"], stack_bytes=said["stack_bytes"], blocks_in_loop=said["blocks_in_loop"],
            instructions_to_open=instructions(said["open_ticks"]),
            instructions_a_second=instructions(said["ticks"] * said["rate_hz"] / said["samples"]),
            most_instructions=instructions(said["most_ticks"]),
        )  # fmt: skip


def missing_tool() -> str:
    """Why this cannot be built or played here, or ""."""
    for tool, remedy in TOOLS.items():
        if not shutil.which(tool):
            return f"{tool} is not installed: {remedy}"
    return ""


def build_board(model: Path, out: Path, jobs: int = 2) -> Path:
    """board.elf in `out`, with `model` inside. Raises `EngineUnavailable` without the tools, `BoardFailed`."""
    if reason := missing_tool():
        raise EngineUnavailable(reason)
    toolchain = ROOT / "sdk/c/cmake/cortex-m55.cmake"
    words = ["cmake", "-S", HERE, "-B", out, f"-DCMAKE_TOOLCHAIN_FILE={toolchain}", f"-DMODEL={model.resolve()}"]
    run_tool([str(word) for word in words], BoardFailed)
    run_tool(["cmake", "--build", str(out), "--target", "board", "--parallel", str(jobs)], BoardFailed)
    return out / "board.elf"


def play(board: Path, wav: Path) -> tuple[np.ndarray, Took]:
    """The frames `(frames, channels)` that `board` makes of a mono 16-bit wav, and what it took.

    Instructions are QEMU's count, a clock that goes on by one each; they are no cycles. Raises `BoardFailed`.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(wav, Path(folder) / "speech.wav")
        # fmt: off
        command = [
            "qemu-system-arm", "-M", "mps3-an547", "-display", "none", "-monitor", "none", "-serial", "none",
            "-semihosting-config", "enable=on,target=native", "-icount", f"shift={SHIFT},sleep=off",
            "-kernel", str(board.resolve()),
        ]
        # fmt: on
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise BoardFailed(f"the board stopped with {done.returncode}: {done.stderr[-2000:]}")
    rows = [line.split() for line in done.stdout.splitlines()]
    if [int(row[0]) for row in rows] != list(range(len(rows))):
        raise BoardFailed("the board left frames out")
    bits = np.array([[int(word, 16) for word in row[1:]] for row in rows], np.uint32)
    return bits.view(np.float32), Took.read(done.stderr.splitlines()[-1])
