"""The command that trains a student: `recipes/heterogeneous`, and with a second teacher `recipes/hybrid`."""

from __future__ import annotations

import argparse
from pathlib import Path

from distill.files.checkpoint import Checkpoint
from distill.speech.augment import Augment
from distill.students.spec import load_variant
from distill.training.options import add_training_options, conduct_of, corpus_of, note, plan_of
from distill.training.plan import Plan
from distill.training.student import train
from sdk.tools.command import ending


def train_command(recipe: str, about: str, arguments: list[str] | None, second: bool = False) -> int:
    """Run `python -m distill.recipes.<recipe>` with `arguments`, the process's own if None; its exit status.

    about: the recipe's docstring. second: it asks for a second teacher.
    """
    module = f"distill.recipes.{recipe}"
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about.split("\n")[0])
    parser.add_argument("--variant", required=True, help=f"student variant, such as {'s5_plus' if second else 's2'}")
    parser.add_argument("--init", type=Path, help="checkpoint to go on from: same shape, or a smaller stream student")
    if second:
        parser.add_argument("--second-teacher", type=Path, required=True, help="checkpoint of who supervises features")
    add_training_options(parser, Plan())
    options = parser.parse_args(arguments)
    with ending(f"stopped; the same command goes on from {options.out}.resume") as end:
        train(
            load_variant(options.variant),
            plan_of(options, Plan()),
            corpus_of(options),
            options.out,
            Augment.from_folders(options.noise, options.rooms),
            note(module, arguments, options),
            Checkpoint.load(options.init) if options.init else None,
            Checkpoint.load(options.second_teacher) if second else None,
            recipe,
            conduct_of(options),
        )
    return end.status
