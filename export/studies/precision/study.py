"""Every student at every precision, in one table: bytes, memory, time, lips, curves; what was tried and lost as well.

    python -m export.study --out build/study --corpus build/corpus --synthetic build/espeak-heldout \\
        --aligned ../shared/data/speech/ljspeech --doc docs/quantisation.md [--students s2 s7] [--precisions fp32 mixed]

Each point is built, measured and scored by itself and kept in `--out`; the same command goes on where it was stopped,
and makes again only what has other weights than the point in the folder. Then all programs are timed together, in
turns, in fresh processes, because only times of one run compare (`--rounds 0` leaves that out). `--doc` writes the
table, and beside it the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sdk
from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint, plain_facts
from distill.files.disk import atomic_write_text
from distill.files.twin import TWIN_PRECISIONS, Twin, twin_path
from distill.scoring.conditions import Item, read_sets
from distill.scoring.tally import score_sets
from distill.speech.augment import Augment
from export.deliver.delivery import write
from export.deliver.manifest import manifest
from export.load.checkpoints import CHECKPOINTS
from export.lower.program import Lowered, lower
from export.lower.trace import trace
from export.quantise.keep import KEEP
from export.quantise.precision import Point, float_point, rounded_point, twin_point
from export.quantise.rounding import corpus_rows, post_training
from export.studies.precision.alternatives import ALTERNATIVES
from export.studies.precision.table import COLUMNS, markdown
from profiles.measure.harness import measure, run_fresh
from profiles.measure.steps import state_bytes, step_frames
from sdk.artifact import open_artifact, seal
from sdk.errors import CheckpointError, DataError
from sdk.faces.face import Face
from sdk.tools.command import ending, say

PRECISIONS = ("fp32", "int8-ptq", "int8-qat", "mixed", "dynamic", *ALTERNATIVES)
_RUNS = 200  # of a program in one turn


@dataclass(frozen=True)
class Given:
    """What every point is made from: speech to calibrate on, test sets, the face to measure on."""

    rows: Sequence[np.ndarray]
    sets: dict[str, list[Item]]
    face: Face


def point_of(path: Path, checkpoint: Checkpoint, precision: str, rows: Sequence[np.ndarray]) -> Point:
    """The student that the column `precision` means. Raises `CheckpointError` where a twin or a sweep is missing."""
    if precision == "int8-ptq":
        return twin_point(checkpoint, post_training(checkpoint, rows, keep=KEEP))
    if precision == "int8-qat":
        if not twin_path(path).exists():
            raise CheckpointError(f"no twin beside {path.name}: make it with `python -m export.qat`")
        return twin_point(checkpoint, Twin.load(twin_path(path), checkpoint))
    if precision in TWIN_PRECISIONS:
        return rounded_point(path, checkpoint, precision, rows)
    return float_point(checkpoint)


def lowered(point: Point, precision: str) -> Lowered:
    """Its program. Raises whatever the exporter raises for what it cannot lower."""
    instead = ALTERNATIVES[precision](point.student).eval() if precision in ALTERNATIVES else None
    return lower(trace(point.student, instead))


def make(path: Path, precision: str, folder: Path, given: Given, say: Callable[[str], None]) -> dict[str, Any]:
    """One point's row, made in `folder` unless it is there. What cannot be lowered has the reason in its row."""
    checkpoint = Checkpoint.load(path)
    head = {"student": checkpoint.spec.name, "precision": precision, "parent_sha256": checkpoint.weights_sha256}
    try:
        point = point_of(path, checkpoint, precision, given.rows)
    except CheckpointError as error:
        return {**head, "missing": str(error)}
    head["weights_sha256"] = point.weights_sha256
    file, conditions = folder / "row.json", sorted(given.sets)
    if file.exists():
        known = json.loads(file.read_text("utf-8"))
        if all(known.get(key) == value for key, value in head.items()) and known["sets"] == conditions:
            return dict(known)
    say(f"{checkpoint.spec.name} {precision}")
    folder.mkdir(parents=True, exist_ok=True)
    row: dict[str, Any] = {**head, "sets": conditions}
    try:
        program = lowered(point, precision)
    except Exception as error:  # the exporter fails in as many ways as it has parts; its words are the finding
        row["not_offered"] = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
    else:
        write(folder / "model.pte", seal(program.program, manifest(checkpoint, point, "executorch", "xnnpack")))
        row |= _measured(folder / "model.pte", program, given)
    atomic_write_text(file, json.dumps(plain_facts(row, "row"), indent=1))
    return row


def _measured(path: Path, program: Lowered, given: Given) -> dict[str, Any]:
    engine, measured = sdk.open(path, trusted=True), measure(path)
    return {
        "file_bytes": measured.file_bytes, "program_bytes": len(program.program), "delegates": program.delegates,
        "memory": asdict(measured), "voice_bytes": state_bytes(engine.manifest),
        "scores": score_sets(engine, given.sets, given.face),
    }  # fmt: skip


def timed(rows: Sequence[dict[str, Any]], out: Path, rounds: int) -> dict[str, dict[str, float]]:
    """By `student precision`, microseconds of a frame, and of one of a crowd: all in turns, in fresh processes; medians
    of `rounds`."""
    from tqdm import trange

    files = {name_of(row): out / folder_of(row) / "model.pte" for row in rows if "file_bytes" in row}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in files}
    for _ in trange(rounds, desc="timing, all in turns", unit="turn"):
        for name, file in files.items():
            manifest = open_artifact(file).manifest
            turn = {"us_per_frame": measure(file, runs=_RUNS).median_us / step_frames(manifest)}
            if manifest.crowd_voices:
                turn |= run_fresh("export.studies.precision._clock", str(file.resolve()), str(_RUNS))
            found[name].append(turn)
    return {
        name: {key: round(statistics.median(turn[key] for turn in turns), 2) for key in turns[0]}
        for name, turns in found.items()
    }


def name_of(row: dict[str, Any]) -> str:
    """`s7 int8-qat`."""
    return f"{row['student']} {row['precision']}"


def folder_of(row: dict[str, Any]) -> str:
    return f"{row['student']}-{row['precision']}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.study", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the points")
    parser.add_argument("--students", nargs="*", help="checkpoints by name; all by default")
    parser.add_argument("--precisions", nargs="*", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, help="folder of checkpoints and twins")
    parser.add_argument("--corpus", type=Path, help="folder made by distill.recipes.corpus, to calibrate int8-ptq on")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--aligned", type=Path, help="folder of recordings with TextGrids")
    parser.add_argument("--rounds", type=int, default=7, help="turns of the timing; 0 keeps the times of the last run")
    parser.add_argument("--doc", type=Path, help="Markdown file to write, with the JSON beside it")
    options = parser.parse_args(arguments)
    with ending("stopped; the same command goes on from what is done") as end:
        report = study(options)
        text = markdown(report)
        print(text)
        if options.doc:
            atomic_write_text(options.doc, text)
            atomic_write_text(options.doc.with_suffix(".json"), json.dumps(report, indent=1))
    return end.status


def study(options: argparse.Namespace) -> dict[str, Any]:
    """All points of `options`, timed together; the content of the report."""
    names = options.students or sorted(path.stem for path in options.checkpoints.glob("*.pt"))
    paths = [options.checkpoints / f"{name}.pt" for name in names]
    if not paths or not all(path.exists() for path in paths):
        raise DataError(f"{options.checkpoints}: no checkpoint of {', '.join(names) or 'any name'}")
    sets = read_sets({"espeak": options.synthetic, "human": options.aligned})
    speech = corpus_rows(load_shards(options.corpus, "train"), Augment()) if options.corpus else []
    given = Given(speech, sets, Face.default())
    pairs = [(path, precision) for path in paths for precision in options.precisions]

    rows = [make(path, precision, options.out / f"{path.stem}-{precision}", given, say) for path, precision in pairs]
    clock = options.out / "times.json"
    if options.rounds > 0:
        atomic_write_text(clock, json.dumps({"us": timed(rows, options.out, options.rounds), "date": _today()}))
    times = json.loads(clock.read_text("utf-8"))["us"] if clock.exists() else {}
    return {
        "schema": 1, "date": _today(), "machine": f"{platform.machine()}, one core", "columns": list(COLUMNS),
        "rows": [row | times.get(name_of(row), {}) for row in rows],
    }  # fmt: skip


def _today() -> str:
    return time.strftime("%Y-%m-%d")
