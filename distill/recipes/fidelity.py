"""Which of several trainings came nearest to its labels: checkpoints beside the first of them, on validation speakers.

    python -m distill.recipes.fidelity checkpoints/s9.pt build/s9-again.pt --corpus build/corpus

Tables as of `distill/scoring/fidelity.py`, a condition each, with the controls: scores, and below what each scores more
than the first, with 95 % intervals over speakers. Errors are better below, the AUC above. `--side held` reports on
speakers that no choice was made by.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.corpus.shelf import load_shards
from distill.files.disk import atomic_write_text
from distill.scoring.conditions import CONDITIONS, USUAL, check_conditions
from distill.scoring.controls import CONTROLS
from distill.scoring.fidelity import COLUMNS, Answers, Fidelity, clips_of
from distill.scoring.trackers import open_judged
from distill.scoring.whole import whole_table
from sdk.errors import DataError
from sdk.tools.command import ending, list_files


def rows_of(ruler: Fidelity, answers: Mapping[str, Answers], judged: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Scores of everybody who answered, with their `intervals`; then of the `judged` less those of their first."""
    scores = {name: ruler.scores(one) for name, one in answers.items()}
    rows = {name: {**scores[name], "intervals": ruler.interval(one)} for name, one in answers.items()}
    first, *others = judged
    for name in others:
        more = {column: scores[name][column] - scores[first][column] for column in COLUMNS}
        rows[f"{name} - {first}"] = {**more, "intervals": ruler.interval(answers[name], answers[first])}
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.fidelity", description=__doc__.split("\n")[0])
    parser.add_argument("systems", nargs="+", help="checkpoints, artefacts or teachers' files; others less the first")
    parser.add_argument("--trust", action="store_true", help="compare sealed .pt too: you know who made them")
    parser.add_argument("--corpus", type=Path, required=True, help="corpus whose labels are asked for")
    parser.add_argument("--side", choices=("valid", "held"), default="valid", help="default: %(default)s")
    parser.add_argument(
        "--conditions", default=",".join(USUAL), help=f"of {', '.join(CONDITIONS)}; default: %(default)s"
    )
    parser.add_argument("--json", type=Path, help="file to write the tables to")
    options = parser.parse_args(arguments)
    with ending() as end:
        wanted = check_conditions(options.conditions.split(","))
        shards = load_shards(options.corpus, options.side)
        ruler = Fidelity(clips_of(shards), shards[0].layout)
        judged = {Path(name).name: open_judged(name, options.trust) for name in options.systems}
        if len(judged) < len(options.systems):
            raise DataError("two of the systems have one file name, by which their rows are called: rename one")
        if wrong := [name for name, (layout, *_) in judged.items() if layout.names != ruler.layout.names]:
            raise DataError(f"{wrong[0]} has another rig than the labels of {options.corpus}")
        trackers = {name: track for name, (_, track, _) in judged.items()}
        trackers |= {f"*{name}*": control() for name, control in CONTROLS.items()}
        found = {}
        for condition in wanted:
            answers = {name: ruler.ask(track, CONDITIONS[condition]) for name, track in trackers.items()}
            found[condition] = rows_of(ruler, answers, list(judged))
            told = whole_table(found[condition], COLUMNS)
            print(f"{condition}, {options.side}, {len(ruler.clips)} clips\n\n{told}\n")
        if options.json:
            atomic_write_text(options.json, json.dumps(found, indent=1))
            list_files([options.json])
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
