"""Our own kernels and XNNPACK side by side: one core, one run, taking turns, as a Markdown table.

    python -m tests.kernels [--students s2,s5,s6,s7,s8,s9] [--voices 1,64] [--seconds 5] [--out build/kernels]

Every shipped student in float32, and its int8 twin where it has one, lowered both ways and played by the native
library on one thread: N voices one by one, and a stream student's as a crowd. All four ways of a student take turns of
half a second, so that neighbours disturb them alike. Time is CPU time for 20 ms of one voice, frames at 30 a second,
everything included. Then the same plans by each instruction set alone, without the library around them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from distill.files.twin import twin_path
from export.deliver.manifest import manifest
from export.load.checkpoints import CHECKPOINTS
from export.lower.backends.base import load_backend
from export.quantise.precision import points
from sdk.artifact import seal
from sdk.c.build import build
from sdk.tools.whole import whole_file

OWN, OTHER = "tinyface", "xnnpack"
Row = dict[str, Any]


def artefacts(out: Path, students: list[str]) -> list[tuple[str, dict[str, Path]]]:
    """(student and precision, its artefact by backend); what is there already is not made again."""
    made = []
    for student in students:
        checkpoint_path = CHECKPOINTS / f"{student}.pt"
        checkpoint = Checkpoint.load(checkpoint_path)
        precisions = ["fp32"] + ["int8"] * twin_path(checkpoint_path).exists()
        for precision in precisions:
            paths = {backend: out / f"{student}-{precision}-{backend}.pte" for backend in (OWN, OTHER)}
            for backend, path in paths.items():
                if path.exists():
                    continue
                (point,) = points(checkpoint_path, checkpoint, precision)
                lowered = load_backend(backend).lower(point.student)
                with whole_file(path) as file:
                    file.write(seal(lowered.program, manifest(checkpoint, point, "executorch", backend)))
            made.append((f"{student} {precision}", paths))
    return made


def play(tool: Path, paths: dict[str, Path], voices: str, seconds: float) -> dict[tuple[str, int, str], Row]:
    """By backend, number of voices and way: what the native library took."""
    command = [tool, "--interleave", "--voices", voices, "--seconds", str(seconds), *paths.values()]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    backend = {str(path): name for name, path in paths.items()}
    return {(backend[row["artifact"]], row["voices"], row["way"]): row for row in rows}


def speed_lines(title: str, rows: dict[tuple[str, int, str], Row]) -> list[str]:
    """A line of the table for each number of voices and way."""
    lines = []
    for backend, voices, way in rows:
        if backend != OWN:
            continue
        own, other = rows[OWN, voices, way], rows[OTHER, voices, way]
        own_us, other_us = own["cpu_us_per_voice_tick"], other["cpu_us_per_voice_tick"]
        lines.append(
            f"| {title} | {voices} | {way} | {own_us:.1f} | {other_us:.1f} | {other_us / own_us:.2f} x "
            f"| {own['tick_ms']['p50']:.3f} / {own['tick_ms']['p99']:.3f} "
            f"| {other['tick_ms']['p50']:.3f} / {other['tick_ms']['p99']:.3f} |"
        )
    return lines


def unit_line(tool: Path, title: str, path: Path) -> str:
    calls = "200" if title.startswith(("s2", "s5")) else "4000"
    said = subprocess.run([tool, path, "1", calls], check=True, capture_output=True, text=True).stdout
    found = {line.split()[0]: line.split()[1] for line in said.splitlines()}
    return f"| {title} | " + " | ".join(found.get(name, "-") for name in ("base", "avx2", "avx512")) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kernels", description=__doc__.split("\n")[0])
    parser.add_argument("--students", default="s2,s5,s6,s7,s8,s9")
    parser.add_argument("--voices", default="1,64")
    parser.add_argument("--seconds", type=float, default=5, help="of audio for each backend, N and way")
    parser.add_argument("--out", type=Path, default=Path("build/kernels"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    made = artefacts(options.out, options.students.split(","))
    both = build(options.out / "native", tests=True)
    light = build(options.out / "native-light", xnnpack=False)
    print("| student | voices | way | own, us | XNNPACK, us | faster | own tick p50 / p99, ms | XNNPACK tick, ms |")
    print("|---" * 8 + "|", flush=True)
    for title, paths in made:
        rows = play(both.parent / "bin/voices", paths, options.voices, options.seconds)
        print("\n".join(speed_lines(title, rows)), flush=True)
    print("\nOne call for one voice, us:\n\n| student | base | avx2 | avx512 |\n|---|---|---|---|")
    for title, paths in made:
        print(unit_line(both.parent / "bin/units", title, paths[OWN]), flush=True)
    for name, folder in (("with XNNPACK", both), ("own kernels alone", light)):
        sizes = {file.name: file.stat().st_size for file in sorted(folder.glob("lib*"))}
        print(f"\n{name}: {sum(sizes.values()):,} bytes: " + ", ".join(f"{k} {v:,}" for k, v in sizes.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
