"""Train a student by a plan: from labels alone, or with a trained student that supervises its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from distill.corpus.shards import Shard
from distill.corpus.shelf import MEMORY_BYTES, load_shards
from distill.files.checkpoint import Checkpoint
from distill.files.disk import check_writable
from distill.speech.augment import Augment
from distill.students.spec import StudentSpec
from distill.training.feeds import Feed, feed_of
from distill.training.plan import Plan
from distill.training.run import Run, initialise
from distill.training.watch import watching, writer_class
from sdk.errors import CheckpointError


def train(
    spec: StudentSpec,
    plan: Plan,
    corpus: Path,
    out: Path,
    augment: Augment | None,
    made: Mapping[str, object],
    init: Checkpoint | None = None,
    second: Checkpoint | None = None,
    recipe: str = "heterogeneous",
    curves: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> Checkpoint:
    """Train `spec` by `plan`, from `init` if given, and write the checkpoint to `out`.

    made: what the checkpoint shall keep of how it was made, beside the plan. second: a trained student of the same
    family that supervises features (`hybrid.py`). recipe: the name that the checkpoint keeps.
    curves: folder for TensorBoard's (`watch.py`). memory_bytes: a larger corpus stays on disk (`shelf.py`), and gives
    the same weights.

    Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if `init` or the resume file is of
    another student, and before the first step `DataError` if `out` cannot be written, `EngineUnavailable` if there
    shall be curves and TensorBoard is missing.
    """
    check_writable(out)
    if curves:
        writer_class()
    shards = load_shards(corpus, "train", memory_bytes)
    feed = feed_of(spec, plan, shards, augment, second)
    student = spec.build().train()
    if init is None:
        initialise(student, plan.seed)
    elif replace(init.spec, name=spec.name) == spec:
        student.load_state_dict(init.state)
    else:
        raise CheckpointError(f"cannot begin {spec} from a checkpoint of {init.spec}: give one of the same shape")
    run = Run.begin(spec, asdict(plan), student)
    resume_file = out.with_name(out.name + ".resume")
    if resume_file.exists():
        run.resume(resume_file)

    def valid() -> Feed | None:
        there = any((corpus / "shards").glob("valid-*.npz"))
        return feed_of(spec, plan, load_shards(corpus, "valid", memory_bytes), None) if there else None

    with watching(curves, run, feed.objective, feed.total, spec.layout, valid) as watch:
        run.go(feed.total, lambda random, step: feed.loss(student, random, step), plan.rate, resume_file, watch)
    training = {
        **provenance(recipe, plan, shards, feed, run, second), **made,
        **({"processes": run.accelerator.num_processes} if run.accelerator.num_processes > 1 else {}),
        **({"init": init.training} if init else {}),
    }  # fmt: skip
    checkpoint = Checkpoint(spec=spec, state=at_rest(run.average), training=training, scores={})
    run.end(lambda: checkpoint.save(out), resume_file)
    return checkpoint


def provenance(
    recipe: str, plan: Plan, shards: Sequence[Shard], feed: Feed, run: Run, second: Checkpoint | None
) -> dict[str, Any]:
    """What the weights of any run keep of how it learned; `recipe`: its name."""
    return {
        "recipe": recipe, "teacher": ", ".join(sorted({shard.teacher for shard in shards})), "plan": asdict(plan),
        "corpus_hours": round(feed.corpus_hours, 2), "train_minutes": round(run.seconds / 60, 1),
        "final_loss": round(float(run.smooth_loss or 0.0), 5),
        **({"second_teacher": f"{second.spec.name}, weights {second.weights_sha256}"} if second else {}),
    }  # fmt: skip


def at_rest(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as a file keeps them: real numbers in float16, half the size; a student has them in float32 again."""
    return {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
