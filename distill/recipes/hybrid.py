"""Hybrid distillation (3.2): rig labels from the teacher, and features from a student that has learned already.

    python -m distill.recipes.hybrid --variant s5_plus --second-teacher checkpoints/table2/s0.pt \\
        --corpus build/corpus --out checkpoints/table2/s5_plus.pt

S0, frozen, says for every frame what its hidden fully connected layers and its last layer before tanh make of it. A
narrower student is drawn towards the same conclusions (down-scaling supervision, eq. 5); one that hears less of the
future is drawn towards what S0 concluded from all of it (predictive supervision, eq. 6). The loss is eq. 7, with the
lip losses of `heterogeneous.py`. Stream students are taught by wider stream students in the same way.

The paper raises alpha_vel to 9 for S2+, S4+ and S5+, whose jitter had grown (4.1.2): `--alpha-vel 9`. Ours does not
grow, for the lips' own acceleration has a loss; S2+ became a quarter calmer than its teacher with 9 (docs/table2.md).
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
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.hybrid", description=__doc__.split("\n")[0])
    parser.add_argument("--variant", required=True, help="student variant, such as s5_plus")
    parser.add_argument("--second-teacher", type=Path, required=True, help="checkpoint of the student that supervises")
    parser.add_argument("--init", type=Path, help="checkpoint of the same shape to go on from")
    add_training_options(parser)
    options = parser.parse_args(arguments)
    with ending(f"stopped; the same command goes on from {options.out}.resume") as end:
        plan = plan_of(options, Plan())
        made = note("distill.recipes.hybrid", arguments, options)
        augment = Augment.from_folders(options.noise, options.rooms)
        init = Checkpoint.load(options.init) if options.init else None
        second = Checkpoint.load(options.second_teacher)
        spec = load_variant(options.variant)
        train(
            spec, plan, options.corpus, options.out, augment, made, init, second, recipe="hybrid", **where(options)
        )  # fmt: skip
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
