"""`make families`: window and stream students side by side, one run, one core, as a Markdown table.

    python -m tests.families [--seconds 10] [--out build/families] [--window s5]

Every shipped stream student in each of its precisions, and the windowed student in its best lowering, are built, then
played by the native library on one thread: N voices one by one, and together as a crowd. Time is CPU time for a second
of speech, frames at 30 a second; quality is what the checkpoint's own scores say; memory is the build's report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from distill.scoring.cost import macs_per_second
from export.load.checkpoints import CHECKPOINTS, Wanted
from export.pipeline import build as build_artefact
from sdk.artifact import open_artifact
from sdk.c.build import build as build_native

VOICES = (1, 8, 64, 256)


def artefacts(out: Path, window: str) -> list[tuple[str, Path, Checkpoint]]:
    """(title, folder of the build, checkpoint) of everything compared, the windowed student first."""
    made = []
    streams = [p.stem for p in sorted(CHECKPOINTS.glob("*.pt")) if Checkpoint.load(p).spec.family == "stream"]
    for name in (window, *streams):
        path = CHECKPOINTS / f"{name}.pt"
        twin = path.with_name(f"{name}-int8.twin")
        for precision in ("fp32", *(["int8"] if name != window and twin.exists() else [])):
            folder = out / f"{name}-{precision}"
            if not (folder / "report.json").exists():
                build_artefact(64_000_000, folder, Wanted(checkpoint=path, precision=precision))
            made.append((f"{name} {precision}", folder, Checkpoint.load(path)))
    return made


def play(tool: Path, paths: list[Path], seconds: float) -> list[dict[str, Any]]:
    """What the native library takes for each artefact, N and way."""
    counts = ",".join(map(str, VOICES))
    command = [str(tool), "--voices", counts, "--seconds", str(seconds), *map(str, paths)]
    rows: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return rows


COLUMNS = (
    "student", "multiply-adds, M/s", "parameters", "file, KB", "memory, KB", "a voice more, KB", "CPU, ms/s of speech",
    "less work", "64 voices: each", "less work", "voices a core", "256 voices: tick p99, ms", "PBM, human/espeak",
    "open vowels shut", "recall at 2 %", "jitter",
)  # fmt: skip


def table(made: list[tuple[str, Path, Checkpoint]], rows: list[dict[str, Any]]) -> str:
    """Markdown: a line for each artefact; "less work" is against the first, one voice."""

    def best(path: Path, voices: int) -> dict[str, Any]:
        """The cheaper way of running so many voices."""
        own = [row for row in rows if row["artifact"] == str(path) and row["voices"] == voices]
        return min(own, key=lambda row: float(row["cpu_us_per_voice_tick"]))

    def figure(scores: dict[str, Any], key: str, form: str) -> str:
        return "/".join(form.format(scores[name][key]) for name in ("human", "espeak") if name in scores)

    slow = best(made[0][1] / "model.pte", 1)["cpu_us_per_voice_tick"]
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for title, folder, checkpoint in made:
        path = folder / "model.pte"
        report = json.loads((folder / "report.json").read_text("utf-8"))
        scores = open_artifact(path).manifest.scores
        one, many, most = (best(path, voices) for voices in (1, 64, 256))
        alone_us, each_us = one["cpu_us_per_voice_tick"], many["cpu_us_per_voice_tick"]
        cells = (
            title, f"{macs_per_second(checkpoint.student()) / 1e6:,.1f}", f"{checkpoint.parameters:,}",
            f"{path.stat().st_size / 1e3:,.0f}", f"{report['memory']['counted_bytes'] / 1e3:,.0f}",
            f"{one['voice_bytes'] / 1e3:,.0f}", f"{alone_us * 0.05:.2f}", f"{slow / alone_us:.1f} x",
            f"{each_us * 0.05:.3f}", f"{slow / each_us:.0f} x", f"{most['voices_per_core']:,.0f}",
            f"{most['tick_ms']['p99']:.1f}", figure(scores, "pbm", "{:.1%}"), figure(scores, "false_closure", "{:.1%}"),
            figure(scores, "recall_at_2pct", "{:.1%}"), figure(scores, "jitter", "{:.3f}"),
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.families", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10, help="of audio for each artefact, N and way")
    parser.add_argument("--out", type=Path, default=Path("build/families"))
    parser.add_argument("--window", default="s5", help="the windowed student to compare with")
    options = parser.parse_args()
    made = artefacts(options.out, options.window)
    build_native(options.out / "native", tests=True)
    tool = next((options.out / "native").rglob("voices"))
    rows = play(tool, [folder / "model.pte" for _, folder, _ in made], options.seconds)
    (options.out / "voices.json").write_text(json.dumps(rows, indent=1), "utf-8")
    print(table(made, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
