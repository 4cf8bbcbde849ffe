"""Scores of an *artefact*, the file that ships: lips on speech that it has never heard, in quiet and in noise.

    python -m distill.recipes.evaluate build/s5/model.pte --synthetic build/espeak-heldout --workers 2 \\
        --aligned ../shared/data/speech/ljspeech --into checkpoints/s5.pt

What is scored may also be a checkpoint, which torch then runs as its artefact would (twice as slow), a teacher's file
or name, or the word `teacher`, the labels themselves: on synthetic speech its exact phones, on recordings the phones
that it *recognises*, judged by the hand-corrected ones.

Per set and condition (`conditions.py`): PBM accuracy at 0.15 cm, false closure on open vowels, recall at 2 % false
closure, AUC (`scoring/metrics.py`), MSE to the teacher's labels, jitter. On captured clips, which have no phones,
closures and openings are those of the captured mouth; the row `rest` is the share of frames with lips shut where
nobody speaks. `--whole` adds what a mouth driven by loudness cannot do (`distill/scoring/whole.py`: closures against
other consonants, legibility, shape), with 95 % intervals over speakers, and the controls beside it.
`--into` keeps the scores of sets and conditions that were not asked for now.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint, model_card
from distill.files.disk import atomic_write_text
from distill.files.teacher import SUFFIX as TEACHER_SUFFIX
from distill.files.twin import SUFFIX as TWIN_SUFFIX
from distill.files.twin import Twin, twin_card
from distill.scoring.conditions import CONDITIONS, REST, Item, check_conditions, read_sets
from distill.scoring.conditions import conditions as each_condition
from distill.scoring.controls import CONTROLS
from distill.scoring.tally import LABELS, jobs, run_jobs, score, scores_of, write_gaps
from distill.scoring.trackers import engine_tracker, open_judged, teacher_tracker
from distill.scoring.whole import COLUMNS as WHOLE_COLUMNS
from distill.scoring.whole import whole_table
from distill.teachers.neural.teacher import NeuralTeacher
from distill.teachers.registry import teacher_kind
from sdk.command import ending
from sdk.engines.base import Engine
from sdk.errors import DataError
from sdk.faces.face import Face


def evaluate(judged: Engine | NeuralTeacher, sets: dict[str, list[Item]], face: Face) -> dict[str, Any]:
    """Scores of an engine or of a trained teacher in quiet and in noise, here and now."""
    if isinstance(judged, NeuralTeacher):
        layout, tracker = judged.layout, teacher_tracker(judged)
    else:
        layout, tracker = judged.manifest.layout, engine_tracker(judged)
    return {key: score(items, layout, face, tracker) for key, _, items in each_condition(sets)}


def add_controls(scores: dict[str, Any], sets: dict[str, list[Item]], wanted: Sequence[str], workers: int) -> None:
    """Puts the scores of every control on the same items into `scores`, below `controls` of each key."""
    for name in CONTROLS:
        found = scores_of(run_jobs(jobs(name, sets, wanted, False, None, True), workers))
        for key, row in found.items():
            if "whole" in row:
                kept = {column: row["whole"][column] for column in WHOLE_COLUMNS}
                old = {column: row[column] for column in ("pbm", "recall_at_2pct", "auc", "mse")}
                scores[key].setdefault("controls", {})[name] = old | kept


COLUMNS = ("pbm", "false_closure", "recall_at_2pct", "auc", "mse", "jitter")


def table(rows: Mapping[str, Any]) -> str:
    """A Markdown table: one line a condition; below it what has other columns."""
    lines = ["| set | " + " | ".join(COLUMNS) + " | closures / vowels |", "|---" * (len(COLUMNS) + 2) + "|"]
    below = []
    for key, row in rows.items():
        if key == REST:
            shares = ", ".join(f"{name} {found['shut']:.1%}" for name, found in row.items())
            below.append(f"frames with lips shut where nobody speaks: {shares}")
            continue
        cells = " | ".join("" if row.get(c) is None else f"{row[c]:.4f}" for c in COLUMNS)
        lines.append(f"| {key} | {cells} | {row['closures']} / {row['vowels']} |")
        if "rest_shut" in row:
            below.append(f"{key}: captured rest shut {row['rest_shut']:.1%}, jaw r {row['jaw_correlation']:.3f}")
        for name, control in row.get("controls", {}).items():
            old = ", ".join(f"{c} {control[c]:.4f}" for c in ("pbm", "recall_at_2pct", "auc", "mse"))
            below.append(f"{key}, the control {name}: {old}")
    for key, row in rows.items():
        if "whole" in row:
            below += ["", whole_table({key: row["whole"], **row.get("controls", {})})]
    return "\n".join([*lines, "", *below]).rstrip()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("artefact", help=".pte, .pt or .teacher to score, a teacher's name, or the word `teacher`")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--aligned", type=Path, nargs="+", help="folders of recordings with TextGrids")
    parser.add_argument("--people", type=Path, nargs="+", help="folders of recordings with labels/NAME.phones.json")
    parser.add_argument("--mandarin", type=Path, help="folder of held-out espeak shards, all of them Mandarin")
    parser.add_argument("--facegood", type=Path, help="folder of recordings with captured curves")
    parser.add_argument("--clips", nargs="*", default=[], help="of --facegood only these, such as 2_04")
    parser.add_argument("--whole", action="store_true", help="also specificity, legibility, shape, beside the controls")
    parser.add_argument("--rest", action="store_true", help="also lips where nobody speaks: silence, noise alone")
    parser.add_argument("--conditions", default=",".join(CONDITIONS), help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--face", type=Path, help="npz or glTF face to measure on instead of the default head")
    parser.add_argument("--into", type=Path, help="checkpoint, twin or teacher to write the scores into, with its card")
    parser.add_argument("--json", type=Path, help="file to write the scores to")
    parser.add_argument("--gaps", type=Path, help="npz to write every closure to: what intervals are computed from")
    options = parser.parse_args(arguments)
    with ending() as end:
        wanted = check_conditions(options.conditions.split(","))
        folders = {
            "espeak": options.synthetic, "human": options.aligned, "people": options.people,
            "mandarin": options.mandarin, "facegood": options.facegood,
        }  # fmt: skip
        sets = read_sets(folders, options.clips)
        if not sets and not options.rest:
            raise DataError(
                "nothing to score on: give --synthetic, --aligned, --people, --mandarin, --facegood or --rest"
            )
        judged_sha256 = None if options.artefact == LABELS else open_judged(options.artefact)[2]
        into = open_weights(judged_sha256, options.into) if options.into else None
        todo = jobs(options.artefact, sets, wanted, options.rest, options.face, options.whole)
        tallies = run_jobs(todo, options.workers)
        scores = scores_of(tallies)
        if options.whole:
            add_controls(scores, sets, wanted, options.workers)
        print(table(scores))
        if options.json:
            atomic_write_text(options.json, json.dumps(scores, indent=1))
        if options.gaps:
            write_gaps(options.gaps, tallies, judged_sha256 or LABELS)
        if into:
            weights, card = into
            scored = dataclasses.replace(weights, scores={**weights.scores, **scores})
            scored.save(options.into)
            atomic_write_text(options.into.with_suffix(".md"), card(scored))
    return end.status


def open_weights(judged_sha256: str | None, path: Path) -> tuple[Any, Callable[[Any], str]]:
    """What lies at `path`, to write scores into, and how its card is written.

    Raises `DataError` unless what is judged has these very weights, and what reading the file raises.
    """
    if path.suffix == TEACHER_SUFFIX:
        kind = teacher_kind(path)
        weights, card = kind.trained.load(path), kind.card
    elif path.suffix == TWIN_SUFFIX:
        weights, card = Twin.load(path), twin_card
    else:
        weights, card = Checkpoint.load(path), model_card
    if judged_sha256 != weights.weights_sha256:
        raise DataError(
            f"{path}: what is scored was not built from these weights; build its own artefact and score that"
        )
    return weights, card


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its processes end with it
    raise SystemExit(main())
