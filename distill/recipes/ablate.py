"""Ablations (4.6, Table 3): one student, one ingredient less or more at a time, everything else the same.

    python -m distill.recipes.ablate --corpus build/corpus --second-teacher checkpoints/table2/s0.pt \\
        --aligned ../shared/data/speech/ljspeech --synthetic build/espeak-heldout --log docs/ablation.jsonl

Every row of `ablate.yaml` is a change to a plan; each is trained from scratch for the same steps on batches of the same
seed and scored in torch. Rows that stand in the log with the same settings are kept, those of others give way to the
new, and a run that was stopped goes on. Beside the log lies the table, as Markdown.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_write_text
from distill.files.log import read_log, write_log
from distill.scoring.conditions import Item, conditions, read_sets
from distill.scoring.tally import score
from distill.scoring.trackers import student_tracker
from distill.speech.augment import Augment
from distill.students.spec import load_variant
from distill.training import student
from distill.training.options import add_threads, set_threads
from distill.training.plan import PLAN_FIELDS, Plan, as_today, plan_after
from sdk.errors import ConfigError, DataError
from sdk.faces.face import Face
from sdk.tools import strict
from sdk.tools.command import ending

ROWS = Path(__file__).parents[1] / "configs" / "ablate.yaml"
COLUMNS = ("pbm", "false_closure", "recall_at_2pct", "jitter")


@dataclass(frozen=True)
class Row:
    """One run. changes: fields of the plan. second: with the second teacher's features. augment: with noise, rooms and
    the rest. finetune: steps of fine-tuning behind it."""

    name: str
    changes: dict[str, Any]
    second: bool
    augment: bool
    finetune: int


@dataclass(frozen=True)
class Ablation:
    """What an ablation file holds: the student, the plan of all rows, and the rows, which say only what differs."""

    variant: str
    plan: dict[str, Any]
    rows: list[dict[str, Any]]


def read_rows(path: Path) -> tuple[str, list[tuple[Row, Plan]]]:
    """The variant, and each row with its plan. Raises `ConfigError` with what is wrong."""
    file = strict.load(Ablation, strict.load_yaml(path), where=str(path))
    usual = {"changes": {}, "second": False, "augment": True, "finetune": 0}
    rows = []
    for number, settings in enumerate(file.rows, 1):
        row = strict.load(Row, usual | settings, where=f"{path}: row {number}")
        unknown = sorted((file.plan.keys() | row.changes.keys()) - PLAN_FIELDS)
        if unknown:
            raise ConfigError(f"{path}: row {row.name!r}: a plan has no {', '.join(unknown)}")
        rows.append((row, Plan(**(file.plan | row.changes))))
    return file.variant, rows


def run(
    variant: str,
    row: Row,
    plan: Plan,
    corpus: Path,
    augment: Augment,
    second: Checkpoint | None,
    sets: Mapping[str, list[Item]],
    work: Path,
) -> dict[str, Any]:
    """Train and score one row; its line of the log. Can be killed and gone on with like any training."""
    if row.second and second is None:
        raise DataError(f"row {row.name!r} needs a second teacher: give --second-teacher")
    teacher = second if row.second else None
    spec, out = load_variant(variant), work / f"{variant}-{row.name.replace(' ', '-')}.pt"
    sound = augment if row.augment else None
    trained = student.train_once(spec, plan, corpus, out, sound, "ablation", teacher)
    minutes = float(trained.training["train_minutes"])
    if row.finetune:
        gentle = plan_after(trained, {"exact_steps": row.finetune})
        tuned = out.with_suffix(".tuned.pt")
        trained = student.train(spec, gentle, corpus, tuned, None, {}, init=trained, recipe="fine-tuning")
        minutes += float(trained.training["train_minutes"])
    tracker, face = student_tracker(trained.student(), spec), Face.default()
    scores = {key: score(items, spec.layout, face, tracker) for key, _, items in conditions(sets)}
    for left in work.glob(f"{out.stem}*"):
        left.unlink()
    return {
        "variant": variant, "row": dataclasses.asdict(row), "plan": dataclasses.asdict(plan),
        "second_teacher": teacher.weights_sha256 if teacher else "", "train_minutes": round(minutes, 1),
        "date": time.strftime("%Y-%m-%d"), "scores": scores,
    }  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a line a row, and the figures of `COLUMNS` on every set it was scored on."""
    keys = list(dict.fromkeys(key for row in rows for key in row["scores"]))
    head = ["run", *(f"{key} {column}" for key in keys for column in COLUMNS)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [_cell(row["scores"].get(key, {}).get(column), column) for key in keys for column in COLUMNS]
        lines.append("| " + " | ".join([row["row"]["name"], *cells]) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, column: str) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if column == "jitter" else f"{100 * value:.1f}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.ablate", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=Path, default=ROWS, help="YAML of what to leave out")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.corpus or pseudo_label")
    parser.add_argument("--second-teacher", type=Path, help="checkpoint of the student that supervises features")
    parser.add_argument("--aligned", type=Path, help="folder of recordings with TextGrids")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--log", type=Path, required=True, help="JSON lines, one a row; rows that are there are kept")
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")
    add_threads(parser)
    options = parser.parse_args(arguments)
    set_threads(options)
    with ending("stopped; the same command goes on from what is in the log") as end:
        variant, rows = read_rows(options.rows)
        sets = read_sets({"human": options.aligned, "espeak": options.synthetic})
        if not sets:
            raise DataError("nothing to score on: give --aligned, --synthetic or both")
        second = Checkpoint.load(options.second_teacher) if options.second_teacher else None
        augment = Augment.from_folders(options.noise, options.rooms)
        log = read_log(options.log)
        for row, plan in rows:
            teacher = second.weights_sha256 if row.second and second else ""
            asked = (variant, dataclasses.asdict(row), dataclasses.asdict(plan), teacher)
            if asked in [(o["variant"], o["row"], as_today(o["plan"], Plan), o["second_teacher"]) for o in log]:
                continue
            found = run(variant, row, plan, options.corpus, augment, second, sets, options.log.parent)
            log = [*(old for old in log if old["row"]["name"] != row.name), found]
            write_log(options.log, log)
        atomic_write_text(options.log.with_suffix(".md"), table(log))
        print(table(log))
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
