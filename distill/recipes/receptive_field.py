"""What a teacher owes to hearing the whole utterance (4.6.1): its scores, and those of T_512, which hears 512 ms.

    python -m distill.recipes.receptive_field checkpoints/neural.teacher --aligned ../shared/data/speech/ljspeech

Both in one run, on the same recordings and conditions (`conditions.py`). T_512 hears every frame's window anew, 15
times the sound; `--limit` for a first impression.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.files.disk import atomic_write_text
from distill.scoring.conditions import CONDITIONS, Item, check_conditions, conditions, read_sets
from distill.scoring.report import table
from distill.scoring.tally import score
from distill.scoring.trackers import teacher_tracker
from distill.teachers.registry import teacher_kind
from distill.teachers.track import Teacher
from distill.teachers.windowed import Windowed
from distill.training.options import add_threads, set_threads
from sdk.errors import DataError
from sdk.faces.face import Face
from sdk.tools.command import ending, say


def compare(
    teacher: Teacher, sets: Mapping[str, list[Item]], wanted: Sequence[str], face: Face
) -> dict[str, dict[str, Any]]:
    """Scores of the teacher (`T human`, `T human_10db`, ...) and of itself on 512 ms (`T_512 human`, ...)."""
    found = {}
    for name, judged in (("T", teacher), ("T_512", Windowed(teacher))):
        for key, _, items in conditions(dict(sets), wanted):
            say(f"{name} {key}")
            found[f"{name} {key}"] = score(items, judged.layout, face, teacher_tracker(judged))
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.receptive_field", description=__doc__.split("\n")[0]
    )
    parser.add_argument("teacher", type=Path, help="a `.teacher` file of any kind")
    parser.add_argument("--aligned", type=Path, help="folder of recordings with TextGrids")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--conditions", default="quiet,10db", help=f"of {', '.join(CONDITIONS)}; default: %(default)s")
    parser.add_argument("--limit", type=int, help="only the first so many recordings of each set")
    add_threads(parser)
    parser.add_argument("--json", type=Path, help="file to write the scores to")
    options = parser.parse_args(arguments)
    set_threads(options)
    with ending() as end:
        wanted = check_conditions(options.conditions.split(","))
        sets = read_sets({"human": options.aligned, "espeak": options.synthetic})
        if not sets:
            raise DataError("nothing to score on: give --aligned, --synthetic or both")
        sets = {name: items[: options.limit] for name, items in sets.items()}
        scores = compare(teacher_kind(options.teacher).teacher(options.teacher), sets, wanted, Face.default())
        print(table(scores))
        if options.json:
            atomic_write_text(options.json, json.dumps(scores, indent=1))
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
