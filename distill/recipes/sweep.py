"""A logged search over stream students: what quality costs as channels, look-ahead, depth and front shrink (6.5).

    python -m distill.recipes.sweep --points distill/configs/sweep.yaml --corpus build/corpus --log docs/sweep.jsonl \\
        --synthetic build/espeak-heldout --aligned ../shared/data/speech/ljspeech --plot docs/sweep.png

Every point is a change to a variant, trained from scratch for the same steps on the same batches, and scored in one
pass over speech that it has never heard. A point that stands in the log with the same settings is not trained
again; one of other settings gives way to the new.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.log import read_log, write_log
from distill.scoring.conditions import Item, conditions, read_sets
from distill.scoring.cost import macs_per_second
from distill.scoring.tally import score
from distill.scoring.trackers import student_tracker
from distill.speech.augment import Augment
from distill.students.spec import StreamStudentSpec, load_variant
from distill.training.options import add_threads, set_threads
from distill.training.plan import Plan, as_today
from distill.training.student import train_once
from sdk.errors import ConfigError
from sdk.faces.face import Face
from sdk.tools import strict
from sdk.tools.command import ending


@dataclass(frozen=True)
class Point:
    """One student to try: the `variant` it begins with and the `changes` to it; `line` names its curve in the plot."""

    name: str
    line: str
    variant: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """What a sweep file holds. plan: fields of `Plan` that differ from its defaults, for every point."""

    plan: dict[str, Any]
    points: list[dict[str, Any]]


def try_point(
    point: Point, plan: Plan, corpus: Path, augment: Augment, sets: Mapping[str, list[Item]], work: Path
) -> dict[str, Any]:
    """Train and score one point; a log row. Its run can be killed and resumed like any other."""
    spec = load_variant(point.variant, {**point.changes, "name": point.name})
    if not isinstance(spec, StreamStudentSpec):
        raise ConfigError(f"{point.name}: {point.variant} is no stream student; this sweep compares streams")
    out = work / f"{point.name}.sweep.pt"
    trained = train_once(spec, plan, corpus, out, augment, "sweep")
    student = trained.student()
    tracker = student_tracker(student, spec)
    scores = {key: score(items, spec.layout, Face.default(), tracker) for key, _, items in conditions(dict(sets))}
    out.unlink()
    return {
        "point": dataclasses.asdict(point),
        "plan": dataclasses.asdict(plan),
        "parameters": sum(p.numel() for p in student.parameters()),
        "macs_per_second": macs_per_second(student),
        "future_ms": spec.future_ms,
        "train_minutes": float(trained.training["train_minutes"]),
        "date": time.strftime("%Y-%m-%d"),
        "scores": scores,
    }


def quality(row: Mapping[str, Any], figure: str = "auc") -> float:
    """Mean of a figure over human and synthetic speech, in quiet and in noise."""
    return float(np.mean([scores[figure] for scores in row["scores"].values()]))


def pareto(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows that no cheaper row equals in quality, cheapest first."""
    front: list[Mapping[str, Any]] = []
    for row in sorted(rows, key=lambda r: (r["macs_per_second"], -quality(r))):
        if not front or quality(row) > quality(front[-1]):
            front.append(row)
    return front


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Quality against cost, one colour a line, with the Pareto front; and quality against look-ahead."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 5), width_ratios=(2, 1))
    for line in dict.fromkeys(row["point"]["line"] for row in rows):
        own = [row for row in rows if row["point"]["line"] == line]
        if line == "look-ahead":
            base = {
                row["point"]["name"].rsplit("-", 1)[0] for row in own
            }  # the curve also goes through the point that the others vary
            own += [row for row in rows if row["point"]["name"] in base]
            own.sort(key=lambda row: row["future_ms"])
            right.plot([r["future_ms"] for r in own], [100 * quality(r) for r in own], "o-", color="tab:blue")
            continue
        costs, heights = [r["macs_per_second"] / 1e6 for r in own], [100 * quality(r) for r in own]
        left.plot(costs, heights, "o", label=line)
        for row, x, y in zip(own, costs, heights, strict=True):
            left.annotate(row["point"]["name"], (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
    front = pareto([row for row in rows if row["point"]["line"] != "look-ahead"])
    costs, heights = [r["macs_per_second"] / 1e6 for r in front], [100 * quality(r) for r in front]
    left.plot(costs, heights, "-", color="0.7", zorder=0)
    left.set(
        xscale="log",
        xlabel="multiply-adds for a second of speech, millions",
        ylabel="AUC of closures against open vowels, %",
    )
    left.set_title("Lip closure, mean of four test sets, by cost")
    right.set(xlabel="look-ahead, ms (frames wait up to 20 ms more)", title="The same student, d varied")
    left.legend(frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _plan(changes: Mapping[str, Any]) -> Plan:
    try:
        return dataclasses.replace(Plan(exact_steps=0), **changes)
    except TypeError as error:
        known = ", ".join(field.name for field in dataclasses.fields(Plan))
        raise ConfigError(f"plan of the sweep: {error}; known: {known}") from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.sweep", description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=Path, required=True, help="YAML: steps, and points to try")
    parser.add_argument("--corpus", type=Path, help="folder made by distill.recipes.corpus; not needed to draw only")
    parser.add_argument("--log", type=Path, required=True, help="JSON lines, one a point; rows that are there are kept")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--aligned", type=Path, help="folder of recordings with TextGrids")
    parser.add_argument("--noise", type=Path)
    parser.add_argument("--rooms", type=Path)
    parser.add_argument("--plot", type=Path)
    add_threads(parser)
    options = parser.parse_args(arguments)
    set_threads(options)
    with ending("stopped; the same command goes on from what is in the log") as end:
        sweep = strict.load(Sweep, strict.load_yaml(options.points), where=str(options.points))
        points = [strict.load(Point, point, where=f"{options.points}: {point.get('name')}") for point in sweep.points]
        plan = _plan(sweep.plan)
        rows = read_log(options.log)
        done = [(row["point"], as_today(row["plan"], Plan)) for row in rows]
        todo = [point for point in points if (dataclasses.asdict(point), dataclasses.asdict(plan)) not in done]
        if todo and options.corpus:
            sets = read_sets({"espeak": options.synthetic, "human": options.aligned})
            augment = Augment.from_folders(options.noise, options.rooms)
            for point in todo:
                found = try_point(point, plan, options.corpus, augment, sets, options.log.parent)
                rows = [*(row for row in rows if row["point"]["name"] != point.name), found]
                write_log(options.log, rows)
        if options.plot and rows:
            draw(rows, options.plot)
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
