"""Heterogeneous distillation (3.1): a student learns rig labels that a teacher of another kind made for real speech.

    python -m distill.recipes.heterogeneous --variant s2 --corpus build/corpus --out checkpoints/s2.pt

Window students in two stages. *Shared*: a stretch of about a second goes through the trunk once and the head at every
column; the norm's statistics are then those of the stretch. *Exact*: true 8192-sample windows at 30 fps, as at
inference, at a lower rate. Stream students in one: rows of continuous speech, a row in one pass. The weights kept are
an exponential moving average. Killed at any moment, the same command goes on from the last `<out>.resume`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from distill.files.checkpoint import Checkpoint
from distill.speech.augment import Augment
from distill.students.spec import load_variant
from distill.training.options import add_training_options, note, plan_of, where
from distill.training.plan import Plan
from distill.training.student import train
from sdk.command import ending


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.heterogeneous", description=__doc__.split("\n")[0])
    parser.add_argument("--variant", required=True, help="student variant, such as s2")
    parser.add_argument("--init", type=Path, help="checkpoint of the same variant to go on from")
    add_training_options(parser)
    options = parser.parse_args(arguments)
    with ending(f"stopped; the same command goes on from {options.out}.resume") as end:
        plan = plan_of(options, Plan())
        made = note("distill.recipes.heterogeneous", arguments, options)
        augment = Augment.from_folders(options.noise, options.rooms)
        init = Checkpoint.load(options.init) if options.init else None
        train(load_variant(options.variant), plan, options.corpus, options.out, augment, made, init, **where(options))
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
