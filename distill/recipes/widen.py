"""A finished student whose mouth rounds and spreads as far as the labels do (`distill/students/spread.py`).

    python -m distill.recipes.widen checkpoints/s6.pt --corpus build/corpus --out build/s6.pt

A training whose plan says `spread` does it by itself. The weights are others afterwards: score them, and quantise anew.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint, model_card
from distill.files.disk import atomic_write_text, check_writable
from distill.files.halves import halved
from distill.training.plan import trained_by
from distill.training.student import spread_as_labels
from sdk.tools.command import at_least, dated_command, ending, list_files


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.widen", description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="the student")
    parser.add_argument("--corpus", type=Path, required=True, help="what it learned from")
    parser.add_argument("--share", type=at_least(0, float), default=0.5, help="of what is missing, half by default")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write, its card beside it")
    options = parser.parse_args(arguments)
    with ending() as end:
        check_writable(options.out)
        before = Checkpoint.load(options.checkpoint)
        plan = replace(trained_by(before), spread=options.share)
        made = spread_as_labels(before, plan, load_shards(options.corpus, "train"))
        told = {**dated_command("distill.recipes.widen", arguments), "of": before.weights_sha256}
        made = replace(made, state=halved(made.state), training={**made.training, "widened": told})
        made.save(options.out)
        atomic_write_text(options.out.with_suffix(".md"), model_card(made))
        list_files([options.out])
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
