"""Train a student by a plan: from labels alone, or with a trained student that supervises its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill.corpus.shards import Shard
from distill.corpus.shelf import load_shards, shard_files
from distill.corpus.store import Stored
from distill.files.checkpoint import Checkpoint
from distill.files.disk import check_writable
from distill.files.halves import halved
from distill.speech.augment import Augment
from distill.students.spec import StudentSpec
from distill.students.spread import gains, widened
from distill.students.stream import BatchNorm
from distill.training.begin import grown, initialise, inputs_of
from distill.training.feeds import Feed, feed_of, look
from distill.training.objective import HEAD, PhoneHead
from distill.training.options import USUAL, Conduct
from distill.training.plan import Plan, as_today
from distill.training.run import Run
from distill.training.watch import check_writers, watching

SETTLING_BATCHES, SETTLING_SEED = 24, 1 << 20
SPREAD_BATCHES, SPREAD_SEED = 24, 1 << 21
GENTLE_RATE = 1e-5  # at which 400 steps move weights by less than float16 tells apart: such runs keep float32


def train(
    spec: StudentSpec,
    plan: Plan,
    corpus: Path | Stored,
    out: Path,
    augment: Augment | None,
    made: Mapping[str, object],
    init: Checkpoint | None = None,
    second: Checkpoint | None = None,
    recipe: str = "heterogeneous",
    conduct: Conduct = USUAL,
) -> Checkpoint:
    """Train `spec` by `plan`, from `init` if given (a smaller stream student grows: `begin.grown`), and write the
    checkpoint to `out`.

    made: what the checkpoint shall keep of how it was made, beside the plan. second: a trained student of the same
    family that supervises features (`hybrid.py`). recipe: the name that the checkpoint keeps. conduct: where the corpus
    may lie, who reads it, how many batches a step has; the same weights for any but the last.

    Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if `init` or the resume file is of
    another student, and before the first step `DataError` if `out` cannot be written, `EngineUnavailable` if who shall
    draw the curves is missing.
    """
    check_writable(out)
    check_writers(conduct.curves, conduct.trackers)
    shards = load_shards(corpus, "train", conduct.memory_bytes)
    feed = feed_of(spec, plan, shards, augment, second)
    student = spec.build().train()
    if init is None:
        initialise(student, plan.seed)
    elif replace(init.spec, name=spec.name) == spec:
        student.load_state_dict(init.state)
    else:
        student.load_state_dict(grown(init.state, init.spec, spec, plan.seed))
    if plan.alpha_phone:
        student.add_module(HEAD, PhoneHead(spec.fc_width))
    run = Run.begin(spec, plan, student, out, inputs_of(shards, augment, init, second), conduct.accumulate)

    def valid() -> Feed | None:
        there = shard_files(corpus, "valid")
        return feed_of(spec, plan, load_shards(corpus, "valid", conduct.memory_bytes), None) if there else None

    with watching(conduct.curves, run, feed.objective, feed.total, spec.layout, valid, conduct.trackers) as watch:
        run.go(
            feed.total, partial(feed.loss, student), plan.rate, watch, feed.draw, conduct.readers, conduct.save_every_s
        )
    training = {
        **provenance(recipe, plan, shards, feed, run, second), **made,
        **({"batches_a_step": run.parts} if run.parts > 1 else {}),
        **({"init": init.training} if init else {}),
    }  # fmt: skip
    settled(run, feed)
    kept = {name: value for name, value in run.average.items() if not name.startswith(f"{HEAD}.")}
    checkpoint = spread_as_labels(Checkpoint(spec=spec, state=kept, training=training, scores={}), plan, shards)
    if plan.learning_rate > GENTLE_RATE:
        checkpoint = replace(checkpoint, state=halved(checkpoint.state))
    run.end(lambda: checkpoint.save(out))
    return checkpoint


def train_once(
    spec: StudentSpec,
    plan: Plan,
    corpus: Path | Stored,
    out: Path,
    augment: Augment | None,
    recipe: str,
    second: Checkpoint | None = None,
) -> Checkpoint:
    """`train`, or what it left at `out` before whoever asked was stopped: of this student, plan and second teacher."""
    if out.exists():
        found = Checkpoint.load(out)
        told = found.training
        asked = (spec, asdict(plan), teaching(second))
        if (found.spec, as_today(told.get("plan", {}), Plan), told.get("second_teacher")) == asked:
            return found
    return train(spec, plan, corpus, out, augment, {}, second=second, recipe=recipe)


def settled(run: Run, feed: Feed) -> None:
    """Give the average of the weights statistics of its own (Izmailov et al. 2018): an average of the norms' statistics
    is not that of the averaged weights, and a narrow student (s8) scored as if it had not learned. In float32 whatever
    the plan's precision, as a player runs it: by statistics of bfloat16 the same student was lost again."""
    norms = [layer for layer in run.student.modules() if isinstance(layer, BatchNorm)]
    if not norms:
        return
    run.student.load_state_dict(run.average)
    run.student.train()
    momenta = [norm.momentum for norm in norms]
    for number in range(SETTLING_BATCHES):
        for norm in norms:
            norm.momentum = 1 / (number + 1)
        with torch.no_grad():
            random = np.random.default_rng([run.plan["seed"], SETTLING_SEED, number])
            feed.loss(run.student, feed.draw(random, 0), 0)  # type: ignore[arg-type]
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    run.average = {name: value.clone() for name, value in run.student.state_dict().items()}


def spread_as_labels(checkpoint: Checkpoint, plan: Plan, shards: Sequence[Shard]) -> Checkpoint:
    """The student with `plan.spread` of what its rounding and spreading fall short of the labels given back
    (`students/spread.py`), by clean speech of the corpus; as it was without. What each channel gained is kept."""
    if not plan.spread:
        return checkpoint
    feed = feed_of(checkpoint.spec, plan, shards, None)
    _, seen = look(feed, checkpoint.student(), plan.steps, SPREAD_BATCHES, [plan.seed, SPREAD_SEED])
    label, predicted = seen.label.flatten(0, 1), seen.predicted.flatten(0, 1)
    found = {name: round(gain**plan.spread, 3) for name, gain in gains(label, predicted, checkpoint.layout).items()}
    state = widened(checkpoint.state, found, predicted, checkpoint.layout)
    return replace(checkpoint, state=state, training={**checkpoint.training, "spread": found}, scores={})


def provenance(
    recipe: str, plan: Plan, shards: Sequence[Shard], feed: Feed, run: Run, second: Checkpoint | None
) -> dict[str, Any]:
    """What the weights of any run keep of how it learned; `recipe`: its name."""
    return {
        "recipe": recipe, "teacher": ", ".join(sorted({shard.teacher for shard in shards})), "plan": asdict(plan),
        "corpus_hours": round(feed.corpus_hours, 2), **run.facts,
        **({"second_teacher": teaching(second)} if second else {}),
    }  # fmt: skip


def teaching(second: Checkpoint | None) -> str | None:
    """Who supervised features, as a checkpoint keeps it."""
    return f"{second.spec.name}, weights {second.weights_sha256}" if second else None
