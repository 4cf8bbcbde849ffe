"""The paper's Table 2 from committed checkpoints: scores, costs, findings and figures, beside the paper's own.

    python -m export.table2                       # docs/table2.md, .json and PNGs from checkpoints/table2/*.pt
    python -m export.table2 --rescore --aligned ../shared/data/speech/ljspeech --synthetic build/espeak-heldout \\
        --mandarin build/espeak-mandarin --facegood ../shared/data/speech/facegood --rest --whole --workers 2

Scores lie in the checkpoints, where `distill.recipes.evaluate --into` put them, and beside them every closure
(`--gaps`) and what lips can be read (`--whole`); `--rescore` measures them again. Costs are counted and CPU times
measured at every run, all rows in turns.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from distill.files.checkpoint import plain_facts
from distill.files.disk import atomic_write_text, load_mono
from distill.recipes.evaluate import main as evaluate
from distill.scoring.conditions import Item
from distill.scoring.trackers import open_judged
from distill.speech.phones import read_textgrid
from distill.speech.recognisers import read_labels
from export.load.checkpoints import CHECKPOINTS
from export.load.golden import SENTENCE
from export.studies.table2.figures import LIP_FIGURES, draw_bars, draw_lip_figures
from export.studies.table2.findings import Finding, Target, findings, targets
from export.studies.table2.page import page
from export.studies.table2.rows import NAMES, Paper, Row, present, read_rows, teacher_path, whole_path
from profiles.model.environment import environment
from sdk.errors import DataError
from sdk.faces.face import Face
from sdk.tools.command import at_least, ending, say

FOUND_ON = ("human", "human_10db", "espeak", "mandarin")
_SCORING = ("aligned", "synthetic", "mandarin", "facegood", "conditions", "workers")


def table2(
    folder: Path, teacher: Path, out: Path, item: Item | None = None, timed: bool = True
) -> tuple[list[Row], list[Finding], list[Target]]:
    """Write `table2.md`, `table2.json` and `table2-fig*.png` into `out`; returns what is in them.

    item: the clip of the lip figures, with its phones. Raises what reading a checkpoint raises, and `DataError` where
    there is none at all.
    """
    say("[1/3] rows")
    rows, paper = read_rows(folder, teacher, timed), Paper.load()
    if not present(rows).keys() - {"teacher"}:
        raise DataError(f"{folder}: none of its students is there ({', '.join(NAMES[1:])}); train them first")
    found, wanted = findings(rows, paper, FOUND_ON), targets(rows)
    say("[2/3] figures")
    figures = _figures(rows, folder, teacher, out, item)
    say("[3/3] page")
    atomic_write_text(out / "table2.md", page(rows, paper, found, wanted, figures, machine()))
    atomic_write_text(out / "table2.json", json.dumps(_facts(rows, paper, found, wanted), indent=1))
    return rows, found, wanted


def _figures(rows: list[Row], folder: Path, teacher: Path, out: Path, item: Item | None) -> list[str]:
    names = []
    if any(row.score("human", "pbm") is not None for row in present(rows).values()):
        draw_bars(rows, out / "table2-fig4.png")
        names.append("table2-fig4.png")
    if item is not None:
        files = {name: folder / f"{name}.pt" for _, *pair in LIP_FIGURES for name in pair} | {"teacher": teacher}
        opened = {name: open_judged(str(path))[:2] for name, path in files.items() if path.exists()}
        names += [path.name for path in draw_lip_figures(item, rows, opened, out, Face.default())]
    return names


def clip(audio: Path, phones: Path) -> Item:
    """A recording and its phones (TextGrid, or JSON rows as `distill.speech.aligned` writes). Raises `DataError`."""
    read = read_textgrid(phones) if phones.suffix == ".TextGrid" else read_labels(phones)
    return Item(audio.stem, load_mono(audio), read)


def machine() -> str:
    """The processor, in words."""
    return environment().cpu


def _facts(rows: list[Row], paper: Paper, found: list[Finding], wanted: list[Target]) -> Any:
    content = {
        "machine": machine(),
        "paper": {
            "source": paper.source,
            "rows": {name: dict(zip(paper.fields, row, strict=True)) for name, row in paper.rows.items()},
        },
        "rows": {
            row.name: {
                "label": row.label, "missing": row.missing, "future_ms": row.future_ms, "scores": row.scores,
                "cost": dataclasses.asdict(row.cost) if row.cost else None,
            }
            for row in rows
        },
        "findings": [
            {
                "first": each.first.name, "second": each.second.name, "about": each.about, "set": each.key,
                "pbm_points": dataclasses.asdict(each.pbm), "pbm_verdict": each.pbm.verdict,
                "recall_points": dataclasses.asdict(each.recall), "recall_verdict": each.recall.verdict,
                "jitter_ratio": each.jitter_ratio, "paper_pbm_points": each.paper_points, "agrees": each.agrees,
                "whole_points": dataclasses.asdict(each.whole) if each.whole else None,
            }
            for each in found
        ],
        "targets": [{**dataclasses.asdict(each), "failed": each.failed} for each in wanted],
    }  # fmt: skip
    return plain_facts(content, "table2")


def rescore(folder: Path, teacher: Path, options: argparse.Namespace) -> None:
    """Score every student again into itself, and beside it its closures and what lips of `--aligned` can be read; the
    teacher beside the students.

    Raises `DataError` where a scoring fails.
    """
    given = [word for name in _SCORING if (value := getattr(options, name)) for word in (f"--{name}", str(value))]
    given += ["--rest"] if options.rest else []
    given += ["--whole"] if options.whole else []  # without it none takes the place of scores with it
    students = [folder / f"{name}.pt" for name in NAMES]
    for path, scores in [(teacher, teacher_path(folder)), *((path, path) for path in students)]:
        if path.exists():
            say(f"scoring {path}")
            gaps = ["--gaps", str(scores.with_suffix(".gaps.npz"))]
            into = ["--json" if scores.suffix == ".json" else "--into", str(scores)]
            if evaluate([str(path), *given, *into, *gaps]):
                raise DataError(f"{path}: could not be scored; what is above says why")
            if options.whole and options.aligned:
                asked = ["--aligned", str(options.aligned), "--conditions", "quiet", "--whole", *gaps]
                kept = ["--workers", str(options.workers), "--json", str(whole_path(scores))]
                if evaluate([str(path), *asked, *kept]):
                    raise DataError(f"{path}: its lips could not be read; what is above says why")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.table2", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS / "table2", help="folder (%(default)s)")
    parser.add_argument("--teacher", type=Path, default=CHECKPOINTS / "neural-whisper.teacher", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of page and figures (%(default)s)")
    parser.add_argument("--audio", type=Path, default=SENTENCE, help="clip of the lip figures (%(default)s)")
    parser.add_argument("--phones", type=Path, help="its phones: TextGrid, or JSON; beside it if not given")
    parser.add_argument("--no-times", action="store_true", help="count only, measure no times")
    parser.add_argument("--rescore", action="store_true", help="score all again first, on the folders given below")
    for name in ("aligned", "synthetic", "mandarin", "facegood"):
        parser.add_argument(f"--{name}", type=Path, help="as distill.recipes.evaluate takes it")
    parser.add_argument("--rest", action="store_true", help="likewise")
    parser.add_argument("--whole", action="store_true", help="likewise: what lips can be read, beside the controls")
    parser.add_argument("--conditions", help="likewise")
    parser.add_argument("--workers", type=at_least(1), default=1, help="likewise")
    options = parser.parse_args(arguments)
    with ending("interrupted; pages are written whole or not at all") as end:
        if options.rescore:
            rescore(options.checkpoints, options.teacher, options)
        phones = options.phones or options.audio.with_suffix(".phones.json")
        rows, _, wanted = table2(
            options.checkpoints, options.teacher, options.out, clip(options.audio, phones), not options.no_times
        )
        missed = [f"{each.about}: {', '.join(each.failed)}" for each in wanted if each.failed]
        said = f"{len(present(rows))} of {len(rows)} rows; missed: {'; '.join(missed) or 'nothing'}"
        print(f"{options.out / 'table2.md'}: {said}")
    return end.status
