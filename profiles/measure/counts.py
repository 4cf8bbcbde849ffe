"""Instructions and memory references of one frame, counted by valgrind over the C++ profiler: exact, and slow to make.

Valgrind runs a processor with AVX2 and without AVX-512, so these are the counts of that path, whatever this machine
has. A count is a difference of two runs that differ in frames alone: loading and starting cancel out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from profiles.measure.native import find_profiler
from sdk.errors import ArtifactError, EngineUnavailable

_FRAMES = (2, 6)
_LIMIT_S = 600


@dataclass(frozen=True)
class Counts:
    """Of one frame. Misses are those of the last cache, with nothing else in it, in lines of 64 bytes."""

    instructions: int
    data_reads: int
    data_writes: int
    last_cache_misses: int

    @property
    def memory_bytes(self) -> int:
        return self.last_cache_misses * 64


def native_counts(path: Path) -> Counts:
    """Counts of the artefact `path`, a `.pte`. Raises `EngineUnavailable` without valgrind or the C++ profiler,
    `ArtifactError` where the program does not run under it.
    """
    valgrind = shutil.which("valgrind")
    if not valgrind:
        raise EngineUnavailable("instruction counts need valgrind, which is not installed: apt install valgrind")
    few, many = (_count(valgrind, find_profiler(), path, frames) for frames in _FRAMES)
    span = _FRAMES[1] - _FRAMES[0]
    return Counts(*(round((b - a) / span) for a, b in zip(few, many, strict=True)))


def _count(valgrind: str, program: Path, path: Path, frames: int) -> tuple[int, int, int, int]:
    """Instructions, data reads and writes, misses of the last cache, of a whole run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            valgrind, "--tool=cachegrind", "--cache-sim=yes", f"--cachegrind-out-file={folder}/out", str(program),
            str(path), "--rounds", "1", "--frames", str(frames), "--seconds", "0", "--cold", "off",
            "--out", f"{folder}/result.json",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise ArtifactError(f"{path}: {frames} frames under valgrind took over {_LIMIT_S} s") from error
    said = done.stderr
    rows = [
        r"I +refs:\s+([\d,]+)",
        r"D +refs:.*\(\s*([\d,]+) rd",
        r"D +refs:.*\+\s*([\d,]+) wr",
        r"LL misses:\s+([\d,]+)",
    ]
    found = [re.search(row, said) for row in rows]
    if done.returncode or not all(found):
        raise ArtifactError(f"{path}: does not run under valgrind: {' / '.join(said.strip().splitlines()[-2:])}")
    reads = [int(match[1].replace(",", "")) for match in found if match]
    return reads[0], reads[1], reads[2], reads[3]
