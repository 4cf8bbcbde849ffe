"""Quantisation-aware fine-tuning: the student goes on learning from its teacher while it feels its own rounding.

    python -m export.qat --checkpoint checkpoints/s7.pt --corpus build/corpus [--precision int8|mixed]
                         [--second-teacher checkpoints/s6.pt] [--steps 400] [--learning-rate 0.0001]
    python -m export.qat --checkpoint checkpoints/s7.pt --corpus build/corpus --control build/s7-control.pt

Grids are chosen on the corpus first and stay; then the weights move under the losses that trained them
(`distill/training/feeds.py`), every convolution rounded as it will ship, gradients going straight through. What comes
out is a twin that `export.build --precision int8` (or `mixed`) takes without training. Killed at any moment, the same
command goes on from the last `<out>.resume`.

`--control` makes the same steps on the same batches without any rounding and writes a float checkpoint: what a twin has
gained over its parent may be the training's doing, and only the difference to that checkpoint is the rounding's.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_write_text, check_writable
from distill.files.twin import Twin, twin_card, twin_path
from distill.speech.augment import Augment
from distill.students.spec import Student
from distill.students.stream import BatchNorm, StreamStudent, fold_norms
from distill.students.window import WindowStudent
from distill.training.begin import inputs_of
from distill.training.feeds import Feed, feed_of
from distill.training.options import add_plan_options, add_sound_options, add_threads, given
from distill.training.plan import Plan, trained_by
from distill.training.run import Run
from distill.training.student import provenance
from export.quantise.keep import KEEP, kept
from export.quantise.rounding import calibrate, corpus_rows, freeze, to_twin, with_grids
from sdk.errors import ConfigError
from sdk.tools.command import dated_command, ending

DEFAULTS = {"steps": 400, "exact_steps": 60, "learning_rate": 1e-4, "exact_learning_rate": 5e-5, "ema": 0.99}


def fine_tune(
    parent: Checkpoint,
    plan: Plan,
    corpus: Path,
    out: Path,
    augment: Augment,
    note: Mapping[str, object],
    keep: Sequence[str] = KEEP,
    second: Checkpoint | None = None,
) -> Twin:
    """Fine-tune the int8 self of `parent` by `plan` and write the twin to `out`.

    keep: layers that stay float32. second: a trained stream student that supervises the features (eq. 5 to 7), of the
    same or another size. Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if the resume
    file is of other weights, and `DataError` before the first step if `out` cannot be written.
    """
    shards = load_shards(corpus, "train")
    student = training_mode(calibrate(with_grids(parent.student(), keep), corpus_rows(shards, augment)))
    feed = feed_of(parent.spec, plan, shards, augment, second)
    run = _tune(student, parent, plan, feed, out, list(keep), inputs_of(shards, augment, second=second))
    made = provenance("quantisation-aware fine-tuning", plan, shards, feed, run, second)
    twin = to_twin(parent, freeze(student), {**made, **note, "keep": list(keep)})
    twin.save(out)
    atomic_write_text(out.with_suffix(".md"), twin_card(twin))
    run.file.unlink(missing_ok=True)
    return twin


def control(
    parent: Checkpoint,
    plan: Plan,
    corpus: Path,
    out: Path,
    augment: Augment,
    note: Mapping[str, object],
    second: Checkpoint | None = None,
) -> Checkpoint:
    """The float checkpoint after the steps of `fine_tune` without its rounding, written to `out`; raises as that does.

    Its norms are folded, as a twin's are: they hold still, and do nothing more.
    """
    student = parent.student()
    if isinstance(student, StreamStudent):
        fold_norms(student)
    shards = load_shards(corpus, "train")
    feed = feed_of(parent.spec, plan, shards, augment, second)
    run = _tune(training_mode(student), parent, plan, feed, out, None, inputs_of(shards, augment, second=second))
    made = provenance("fine-tuning without rounding", plan, shards, feed, run, second)
    training = {**made, **note, "init": parent.training}
    checkpoint = Checkpoint(parent.spec, unfolded(parent, student), training, {}, parent.layout)
    checkpoint.save(out)
    run.file.unlink(missing_ok=True)
    return checkpoint


def unfolded(parent: Checkpoint, folded: Student) -> dict[str, torch.Tensor]:
    """The weights of `folded`, a student of `parent`'s with its norms folded, by the names of one with norms."""
    fresh = parent.spec.build(parent.layout)
    for layer in fresh.modules():
        if isinstance(layer, BatchNorm):
            layer.running_var.fill_(1 - layer.eps)  # so that it divides by one
    state = fresh.state_dict() | folded.state_dict()
    return {name: value.detach() for name, value in state.items()}


def _tune(
    student: Student,
    parent: Checkpoint,
    plan: Plan,
    feed: Feed,
    out: Path,
    keep: list[str] | None,
    inputs: Mapping[str, str],
) -> Run:
    """Make the steps of `plan` on `student` and leave it with the average of its weights; `keep` None: no rounding."""
    check_writable(out)
    also = {"parent_sha256": parent.weights_sha256, "keep": keep}
    run = Run.begin(parent.spec, plan, student, out, inputs, also=also)
    run.go(feed.total, partial(feed.loss, student), plan.rate, draw=feed.draw)
    student.load_state_dict(run.average)
    return run


def training_mode(student: Student) -> Student:
    """`student` ready to learn: only its shortcut past the wide convolution, which would not feel the grids, is off."""
    student.train()
    if isinstance(student, WindowStudent):
        student.wide.eval()
    return student


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.qat", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by distill.recipes.corpus")
    parser.add_argument("--out", type=Path, help="twin to write; beside the checkpoint by default")
    parser.add_argument("--precision", choices=("int8", "mixed"), default="int8", help="mixed: as a sweep has found")
    parser.add_argument("--control", type=Path, help="make the same steps without rounding: float checkpoint to write")
    parser.add_argument("--second-teacher", type=Path, help="stream checkpoint that supervises features (eq. 5 to 7)")
    add_sound_options(parser)
    add_threads(parser)
    add_plan_options(parser, Plan, DEFAULTS)
    options = parser.parse_args(arguments)
    out = options.control or options.out or twin_path(options.checkpoint, options.precision)
    with ending(f"stopped; the same command goes on from {out}.resume") as end:
        if options.control and options.out:
            raise ConfigError("--control FILE is written instead of a twin: leave --out out")
        parent = Checkpoint.load(options.checkpoint)
        plan = replace(trained_by(parent), **{**DEFAULTS, **given(options)})  # type: ignore[arg-type]
        augment = Augment.from_folders(options.noise, options.rooms)
        second = Checkpoint.load(options.second_teacher) if options.second_teacher else None
        note = dated_command("export.qat", arguments)
        if options.control:
            control(parent, plan, options.corpus, out, augment, note, second)
        else:
            keep = kept(options.checkpoint, parent, options.precision)
            note["precision"] = options.precision
            fine_tune(parent, plan, options.corpus, out, augment, note, keep, second)
    return end.status
