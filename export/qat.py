"""Quantisation-aware fine-tuning: the student goes on learning from its teacher while it feels its own rounding.

    python -m export.qat --checkpoint checkpoints/s7.pt --corpus build/corpus [--out checkpoints/s7-int8.twin]
                         [--steps 400] [--learning-rate 0.0001]

Grids are chosen on the corpus first and stay; then the weights move under the losses that trained them
(`distill/recipes/feeds.py`), every convolution rounded as it will ship, gradients going straight through. What comes
out is an int8 twin that `export.build --precision int8` takes without training. Killed at any moment, the same command
goes on from the last `<out>.resume`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from distill.checkpoint import Checkpoint
from distill.data.augment import Augment
from distill.data.files import atomic_write_text, check_writable
from distill.recipes.feeds import feed_of
from distill.recipes.heterogeneous import load_shards
from distill.recipes.plan import PLAN_OPTIONS, Plan
from distill.recipes.run import Run
from distill.students.spec import Student
from distill.students.window import WindowStudent
from distill.twin import Twin, twin_card, twin_path
from export.quantise import KEEP, calibrate, corpus_rows, freeze, to_twin, with_grids
from sdk.errors import TinyfaceError

DEFAULTS = {"steps": 400, "exact_steps": 60, "learning_rate": 1e-4, "exact_learning_rate": 5e-5, "ema": 0.99}


def fine_tune(
    parent: Checkpoint,
    plan: Plan,
    corpus: Path,
    out: Path,
    augment: Augment,
    note: Mapping[str, object],
    keep: Sequence[str] = KEEP,
) -> Twin:
    """Fine-tune the int8 self of `parent` by `plan` and write the twin to `out`.

    keep: layers that stay float32. Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if the
    resume file is of other weights, and `DataError` before the first step if `out` cannot be written.
    """
    check_writable(out)
    shards = load_shards(corpus, "train")
    feed = feed_of(parent.spec, plan, shards, augment)
    student = training_mode(calibrate(with_grids(parent.student(), keep), corpus_rows(shards, augment)))
    settings = asdict(plan) | {"parent_sha256": parent.weights_sha256, "keep": list(keep)}
    run = Run.begin(parent.spec, settings, student)
    resume_file = out.with_name(out.name + ".resume")
    if resume_file.exists():
        run.resume(resume_file)
    run.go(feed.total, lambda random, step: feed.loss(student, random, step), plan.rate, resume_file)
    student.load_state_dict(run.average)
    training = {
        "recipe": "quantisation-aware fine-tuning", "teacher": "articulatory", "plan": asdict(plan),
        "keep": list(keep), "corpus_hours": round(feed.corpus_hours, 2), "train_minutes": round(run.seconds / 60, 1),
        "final_loss": round(float(run.smooth_loss or 0.0), 5), **note,
    }  # fmt: skip
    twin = to_twin(parent, freeze(student), training)
    twin.save(out)
    atomic_write_text(out.with_suffix(".md"), twin_card(twin))
    resume_file.unlink(missing_ok=True)
    return twin


def training_mode(student: Student) -> Student:
    """`student` ready to learn: only its shortcut past the wide convolution, which would not feel the grids, is off."""
    student.train()
    if isinstance(student, WindowStudent):
        student.wide.eval()
    return student


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.qat", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by distill.data.corpus")
    parser.add_argument("--out", type=Path, help="twin to write; beside the checkpoint by default")
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    for name, kind in PLAN_OPTIONS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, help=f"default {DEFAULTS.get(name, 'as trained')}"
        )
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    given = {name: getattr(options, name) for name in PLAN_OPTIONS if getattr(options, name) is not None}
    command = f"python -m export.qat {shlex.join(sys.argv[1:] if arguments is None else arguments)}"
    out = options.out or twin_path(options.checkpoint)
    try:
        parent = Checkpoint.load(options.checkpoint)
        plan = plan_of(parent, given)
        augment = Augment.from_folders(options.noise, options.rooms)
        note = {"date": time.strftime("%Y-%m-%d"), "command": command}
        fine_tune(parent, plan, options.corpus, out, augment, note)
    except TinyfaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {out}.resume", file=sys.stderr)
        return 130
    return 0


def plan_of(parent: Checkpoint, given: Mapping[str, object]) -> Plan:
    """How `parent` was trained as far as it says so, but short and gentle, changed by what is `given`.

    Closures weigh from the first step what they weighed at the end of training.
    """
    names = Plan.__dataclass_fields__
    trained = {name: value for name, value in parent.training.get("plan", {}).items() if name in names}
    settings = trained | DEFAULTS
    if "shut_final" in settings:
        settings["shut_weight"] = settings["shut_final"]
    return Plan(**(settings | dict(given)))  # type: ignore[arg-type]


if __name__ == "__main__":
    raise SystemExit(main())
