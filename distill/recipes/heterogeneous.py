"""Heterogeneous distillation (3.1): a student learns rig labels that a teacher of another kind made for real speech.

    python -m distill.recipes.heterogeneous --variant s2 --corpus build/corpus --out checkpoints/s2.pt

Window students in two stages. *Shared*: a stretch of about a second goes through the trunk once and the head at every
column; the norm's statistics are then those of the stretch. *Exact*: true 8192-sample windows at 30 fps, as at
inference, at a lower rate. Stream students in one: rows of continuous speech, a row in one pass. The weights kept are
an exponential moving average. Killed at any moment, the same command goes on from the last `<out>.resume`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from distill.checkpoint import Checkpoint
from distill.data.augment import Augment
from distill.data.corpus import Shard, read_shard
from distill.data.files import check_writable
from distill.recipes.feeds import feed_of
from distill.recipes.plan import PLAN_OPTIONS, Plan
from distill.recipes.run import Run, initialise
from distill.students.spec import StudentSpec, load_variant
from sdk.errors import CheckpointError, DataError, TinyfaceError


def load_shards(corpus: Path, split: str) -> list[Shard]:
    """All shards of a split below `corpus/shards`; damaged ones are named and left out. `DataError` if none is left."""
    shards = []
    for path in sorted((corpus / "shards").glob(f"{split}-*.npz")):
        try:
            shards.append(read_shard(path))
        except DataError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not shards:
        raise DataError(f"{corpus}: no usable {split} shards; build them with `python -m distill.data.corpus`")
    return shards


def train(
    spec: StudentSpec,
    plan: Plan,
    corpus: Path,
    out: Path,
    augment: Augment,
    note: Mapping[str, object],
    init: Checkpoint | None = None,
    second: Checkpoint | None = None,
) -> Checkpoint:
    """Train `spec` by `plan`, from `init` if given, and write the checkpoint to `out`.

    second: a trained stream student that supervises the features of a smaller one (hybrid distillation, eq. 5 to 7).

    Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if `init` or the resume file is of
    another student, and `DataError` before the first step if `out` cannot be written.
    """
    check_writable(out)
    shards = load_shards(corpus, "train")
    feed = feed_of(spec, plan, shards, augment, second)
    student = spec.build().train()
    if init is None:
        initialise(student, plan.seed)
    elif init.spec == spec:
        student.load_state_dict(init.state)
    else:
        raise CheckpointError(f"cannot begin {spec} from a checkpoint of {init.spec}: give one of the same variant")
    run = Run.begin(spec, asdict(plan), student)
    resume_file = out.with_name(out.name + ".resume")
    if resume_file.exists():
        run.resume(resume_file)
    run.go(feed.total, lambda random, step: feed.loss(student, random, step), plan.rate, resume_file)
    provenance = {
        "recipe": "hybrid" if second else "heterogeneous",
        "teacher": ", ".join(sorted({shard.teacher for shard in shards})), "plan": asdict(plan),
        "corpus_hours": round(feed.corpus_hours, 2), "train_minutes": round(run.seconds / 60, 1),
        "final_loss": round(float(run.smooth_loss or 0.0), 5), **note,
        **({"init": init.training} if init else {}),
        **({"second_teacher": f"{second.spec.name}, weights {second.weights_sha256}"} if second else {}),
    }  # fmt: skip
    checkpoint = Checkpoint(spec=spec, state=run.average, training=provenance, scores={})
    checkpoint.save(out)
    resume_file.unlink(missing_ok=True)
    return checkpoint


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.heterogeneous", description=__doc__.split("\n")[0])
    parser.add_argument("--variant", required=True, help="student variant, such as s2")
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by distill.data.corpus")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--init", type=Path, help="checkpoint of the same variant to go on from")
    parser.add_argument(
        "--second-teacher", type=Path, help="checkpoint of a larger stream student (hybrid, eq. 5 to 7)"
    )
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")
    parser.add_argument("--data", nargs="*", help="what the corpus is made of and its licences, for the model card")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    for name, kind in PLAN_OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    changes = {name: getattr(options, name) for name in PLAN_OPTIONS if getattr(options, name) is not None}
    command = f"python -m distill.recipes.heterogeneous {shlex.join(sys.argv[1:] if arguments is None else arguments)}"
    note = {"date": time.strftime("%Y-%m-%d"), "command": command, "data": "; ".join(options.data or ["not stated"])}
    try:
        augment = Augment.from_folders(options.noise, options.rooms)
        init = Checkpoint.load(options.init) if options.init else None
        second = Checkpoint.load(options.second_teacher) if options.second_teacher else None
        spec = load_variant(options.variant)
        train(spec, Plan(**changes), options.corpus, options.out, augment, note, init, second)
    except TinyfaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {options.out}.resume", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
