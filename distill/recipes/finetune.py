"""Fine-tuning (3.3.1): a trained student goes on, slowly, on clean speech as a microphone in a studio hears it.

    python -m distill.recipes.finetune --checkpoint checkpoints/table2/s4_plus.pt --corpus build/studio \\
        --out build/s4_plus-studio.pt

Nothing is added to the sound, and windows are exact from the first step; the rate is the paper's 1e-6 (4.1.3) and does
not warm up to more. The corpus is any folder of shards: a studio's own recordings, labelled by `pseudo_label`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from distill.files.checkpoint import Checkpoint
from distill.training.options import add_training_options, conduct_of, corpus_of, given, note
from distill.training.plan import plan_after
from distill.training.student import train
from sdk.tools.command import ending


def main(arguments: list[str] | None = None) -> int:
    about = __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.finetune", description=about, allow_abbrev=False)
    parser.add_argument("--checkpoint", type=Path, required=True, help="trained student to go on from")
    parser.add_argument("--second-teacher", type=Path, help="checkpoint of the student that supervised it, if one did")
    add_training_options(parser, sound=False)
    options = parser.parse_args(arguments)
    with ending(f"stopped; the same command goes on from {options.out}.resume") as end:
        parent = Checkpoint.load(options.checkpoint)
        second = Checkpoint.load(options.second_teacher) if options.second_teacher else None
        made = note("distill.recipes.finetune", arguments, options)
        plan = plan_after(parent, given(options))
        train(
            parent.spec, plan, corpus_of(options), options.out, None, made, parent, second, "fine-tuning",
            conduct_of(options),
        )  # fmt: skip
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
