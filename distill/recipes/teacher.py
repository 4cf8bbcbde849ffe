"""Train the neural teacher: from labels of phones, exact and recognised, to a network that hears whole utterances.

    python -m distill.recipes.teacher --corpus build/corpus --out checkpoints/neural.teacher

The labels of recordings are wrong in one closure of ten, and their edges by a frame or two. The network sees every
speaker and never the words, so it learns what the labels agree on; the lip losses forgive a closure that is early or
late (`training/losses.py`), and what is spoken is asked for beside how the face moves, because a phone's class is a
sharper question than its curve. Killed at any moment, the same command goes on from the last `<out>.resume`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from distill.corpus.rows.utterances import UtteranceRows, Utterances
from distill.corpus.shelf import load_shards
from distill.corpus.store import Stored
from distill.files.checkpoint import Checkpoint
from distill.files.disk import check_writable
from distill.files.teacher import Trained
from distill.speech.augment import Augment
from distill.speech.phonetics import CLASSES
from distill.students.spec import StreamStudentSpec
from distill.students.stream import StreamStudent
from distill.teachers.neural.network import COLUMN_SAMPLES, Bidirectional, TeacherSpec, Told
from distill.teachers.neural.teacher import FILE, NeuralTeacher
from distill.teachers.pretrained_ears import large_ears
from distill.training.begin import inputs_of
from distill.training.calibration import calibrated
from distill.training.feeds import device_of
from distill.training.objective import FRAME_SAMPLES, Objective, phone_loss
from distill.training.options import USUAL, Conduct, add_training_options, conduct_of, corpus_of, note, plan_of
from distill.training.plan import Plan
from distill.training.run import Run
from distill.training.watch import check_writers, watching
from sdk.errors import ConfigError
from sdk.tools.command import ending

_SLACK_COLUMNS = 3  # 60 ms: the two frames that PBM accuracy forgives
_POOL_SEED = 7  # seeds of pooled batches have three numbers, those of steps two: they never meet
_SMOOTHING = 0.05  # of the classes' labels, of which some are wrong
_STRENGTH = 1.2  # of the augmentation: a teacher has the capacity for more of it than a student
DEFAULTS = Plan(
    steps=1500, exact_steps=0, rows=8, row_hops=400, learning_rate=1.5e-3, alpha_phone=1.0, mix_kokoro=0.4, ema=0.99,
    optimiser="adamw",  # as those that ship were trained; what Muon makes of a teacher has not been measured
)  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """A batch as the network meets it: log-mel `rows`, what those inside say of it, and its labels."""

    rows: Tensor
    told: Told
    rig: Tensor
    classes: Tensor

    def to(self, kind: torch.dtype) -> Prepared:
        """The same with its real numbers as `kind`; float16 halves what a pool of them takes."""
        return Prepared(self.rows.to(kind), self.told.to(kind), self.rig.to(kind), self.classes)

    def on(self, device: torch.device) -> Prepared:
        """The same where the network lies."""
        return Prepared(self.rows.to(device), self.told.to(device), self.rig.to(device), self.classes.to(device))


class TeacherFeed:
    """Steps over batches of `plan.rows` rows of `plan.row_hops` columns of 20 ms.

    pool: how many batches are drawn, augmented and heard by the ears, which do not learn; the steps then go round them.
    0 draws afresh at every step.
    """

    def __init__(self, spec: TeacherSpec, plan: Plan, data: Utterances, network: Bidirectional, pool: int = 0) -> None:
        self.plan, self.data, self.network = plan, data, network
        self.objective = Objective(spec, plan, data.picker.variance())
        seeds = [np.random.default_rng([plan.seed, _POOL_SEED, number]) for number in range(pool)]
        self.pool = [
            self.prepare(data.batch(seed, plan.rows, plan.row_hops)).to(torch.float16)
            for seed in tqdm(seeds, desc="pool", disable=not pool)
        ]

    def prepare(self, batch: UtteranceRows) -> Prepared:
        """What the ears hear in a batch."""
        device = device_of(self.network)
        audio, rig, classes = (torch.from_numpy(x).to(device) for x in (batch.audio, batch.rig, batch.classes))
        return Prepared(self.network.rows(audio), self.network.features(audio), rig, classes)

    def draw(self, random: np.random.Generator, step: int) -> tuple[int, UtteranceRows | None, np.random.Generator]:
        """What step `step` looks at: a seed, a batch where there is no pool, and what is left to be drawn."""
        seed = int(random.integers(2**62))
        return seed, None if self.pool else self.data.batch(random, self.plan.rows, self.plan.row_hops), random

    def loss(self, drawn: tuple[int, UtteranceRows | None, np.random.Generator], step: int) -> Tensor:
        """Of what step `step` drew."""
        seed, rows, random = drawn
        torch.manual_seed(seed)  # dropout, too, is the same after a resumption
        if rows is None:
            order = np.random.default_rng([self.plan.seed, step // len(self.pool)]).permutation(len(self.pool))
            batch = self.pool[order[step % len(self.pool)]].to(torch.float32)
        else:
            batch = self.prepare(rows)
        batch = batch.on(device_of(self.network))
        heard = self.network.hear(masked(batch.rows, random), batch.told)
        done, steps_per_frame = step / self.plan.steps, FRAME_SAMPLES / COLUMN_SAMPLES
        loss = self.objective(batch.rig, heard.rig, steps_per_frame, done, _SLACK_COLUMNS)
        spoken = self.plan.alpha_phone * phone_loss(heard.classes, batch.classes, _SMOOTHING)
        return self.objective.with_part("phone", loss, spoken)


def masked(rows: Tensor, random: np.random.Generator) -> Tensor:
    """Log-mel rows (B, mels, N) with up to two bands of each, and a few short stretches, at their mean (zero)."""
    batch, mels, count = rows.shape
    keep = torch.ones_like(rows)
    for i in range(batch):
        for _ in range(random.integers(0, 3)):
            width = int(random.integers(1, mels // 6))
            first = int(random.integers(0, mels - width))
            keep[i, first : first + width] = 0
        for _ in range(random.integers(0, max(count // 200, 1) + 1)):
            first = int(random.integers(0, count))
            keep[i, :, first : first + int(random.integers(1, 7))] = 0
    return rows * keep


def with_ears(spec: TeacherSpec, ears: Checkpoint) -> TeacherSpec:
    """The spec with a stream student inside. Raises `ConfigError` for a student of another family or rig."""
    if not isinstance(ears.spec, StreamStudentSpec) or ears.layout.names != spec.layout.names:
        raise ConfigError(f"{ears.spec.name} cannot be the ears of {spec.name}: give a stream student of the same rig")
    return replace(spec, ears=ears.spec)


def with_encoder(spec: TeacherSpec, source: str) -> TeacherSpec:
    """The spec with a pretrained encoder, as `pretrained_ears.py` names it. Raises as `large_ears`."""
    return replace(spec, encoder=source, features=large_ears(source).size)


def train(
    spec: TeacherSpec,
    plan: Plan,
    corpus: Path | Stored,
    out: Path,
    augment: Augment | None,
    made: Mapping[str, object],
    ears: Checkpoint | None = None,
    pool: int = 0,
    conduct: Conduct = USUAL,
) -> Trained[Bidirectional]:
    """Train `spec` by `plan` and write it to `out`. ears: a stream student that it hears with, as it is, from then on.
    pool: as `TeacherFeed`. conduct: as `student.train`.

    Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if the resume file is of another
    teacher or plan, and `DataError` before the first step if `out` cannot be written.
    """
    check_writable(out)
    check_writers(conduct.curves, conduct.trackers)
    if ears:
        spec = with_ears(spec, ears)
    layout = spec.layout
    shards = load_shards(corpus, "train", conduct.memory_bytes)
    data = Utterances(shards, COLUMN_SAMPLES, plan.mix, augment, layout.names, plan.hours)
    network = Bidirectional(spec, len(layout), len(CLASSES)).train()
    student = ears.student() if ears else None
    network.initialise(plan.seed, student if isinstance(student, StreamStudent) else None)
    feed = TeacherFeed(spec, plan, data, network, pool)
    inputs = inputs_of(shards, augment, ears)
    run = Run.begin(spec, plan, network, out, inputs, conduct.accumulate, {"pool": pool})
    with watching(conduct.curves, run, feed.objective, plan.steps, layout, trackers=conduct.trackers) as watch:
        run.go(plan.steps, feed.loss, plan.rate, watch, feed.draw, conduct.readers, conduct.save_every_s)
    provenance = {
        "recipe": "teacher", "plan": run.plan, "corpus_hours": round(data.picker.seconds / 3600, 2),
        **run.facts, **made,
        **({"ears": f"{ears.spec.name}, weights {ears.weights_sha256}"} if ears else {}),
    }  # fmt: skip
    trained = Trained(FILE, spec, FILE.halved(run.average), layout, training=provenance)
    teacher = NeuralTeacher(trained)
    trained = calibrated(trained, corpus, float(teacher.fps), teacher.curves)
    run.end(lambda: trained.save(out))
    return trained


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.teacher", description=__doc__.split("\n")[0])
    parser.add_argument("--settings", type=Path, default=FILE.settings, help="YAML of the network's shape")
    parser.add_argument("--ears", type=Path, help="checkpoint of a stream student to hear with (frozen)")
    parser.add_argument(
        "--encoder", help="a pretrained speech encoder to hear with: whisper, whisper:FOLDER, or a HuBERT (frozen)"
    )
    parser.add_argument("--pool", type=int, default=0, help="batches to prepare once and go round; 0 = fresh each step")
    add_training_options(parser, DEFAULTS)
    options = parser.parse_args(arguments)
    made = note("distill.recipes.teacher", arguments, options)
    with ending(f"stopped; the same command goes on from {options.out}.resume") as end:
        plan = plan_of(options, DEFAULTS)
        augment = Augment.from_folders(options.noise, options.rooms, _STRENGTH)
        ears = Checkpoint.load(options.ears) if options.ears else None
        spec = FILE.shape(options.settings)
        spec = with_encoder(spec, options.encoder) if options.encoder else spec
        train(
            spec, plan, corpus_of(options), options.out, augment, made, ears, options.pool,
            conduct_of(options),
        )  # fmt: skip
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
