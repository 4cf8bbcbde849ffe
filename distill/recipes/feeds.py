"""What one training step looks at: batches of a family's data, the student's pass over them, and their loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from distill import losses
from distill.checkpoint import Checkpoint
from distill.data.augment import Augment
from distill.data.corpus import Shard
from distill.data.streams import StreamRows
from distill.data.windows import Batch, Stretches
from distill.recipes.plan import Plan
from distill.students.spec import StreamStudentSpec, Student, StudentSpec, WindowStudentSpec
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.students.window import COLUMN_SAMPLES, WindowStudent
from distill.teachers.bidirectional import TeacherSpec
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError
from sdk.face import Face

FRAME_SAMPLES = SAMPLE_RATE_HZ / 30  # the losses weigh as 30 fps frames would


_SLACK_HOPS = 3  # 60 ms: the two frames that PBM accuracy forgives


class Objective:
    """Eq. 4 plus the lip losses on the default face, whose gap is linear in the rig: offset + rig @ row.

    A rig that the face does not know (no jawOpen) can only be trained without them: `alpha_lip` 0, else `FaceError`.
    """

    def __init__(self, spec: StudentSpec | TeacherSpec, plan: Plan) -> None:
        self.plan = plan
        if plan.alpha_lip:
            offset, row = Face.default().lip_gap_row(spec.layout)
            self.offset, self.row = offset, torch.from_numpy(np.float32(row))

    def __call__(
        self, label: Tensor, predicted: Tensor, steps_per_frame: float, done: float = 0.0, slack_steps: int = 2
    ) -> Tensor:
        """Loss of (B, N, rig) when `done` of the run lies behind; `slack_steps`: how early or late a closure may be."""
        plan = self.plan
        loss = plan.alpha_rec * losses.reconstruction(label, predicted)
        loss = loss + plan.alpha_vel * losses.velocity(label, predicted, steps_per_frame)
        if plan.alpha_lip:
            gaps = (self.offset + label @ self.row, self.offset + predicted @ self.row)
            loss = loss + plan.alpha_lip * losses.lip_distance(*gaps, slack_steps, plan.shut(done))
            loss = loss + plan.alpha_acc * losses.acceleration(*gaps, steps_per_frame)
        return loss


class Feed(Protocol):
    """Steps of one family: how many there are, how much speech stands behind them, and the loss of one."""

    total: int
    corpus_hours: float

    def loss(self, student: Student, random: np.random.Generator, step: int) -> Tensor: ...


class WindowFeed:
    """Two stages: `plan.steps` over stretches that share the trunk, then `plan.exact_steps` over true windows."""

    def __init__(self, spec: WindowStudentSpec, plan: Plan, shards: Sequence[Shard], augment: Augment | None) -> None:
        self.plan = plan
        self.data = Stretches(shards, spec.window, plan.mix, augment, spec.layout.names)
        self.objective = Objective(spec, plan)
        self.total = plan.steps + plan.exact_steps
        self.corpus_hours = self.data.seconds / 3600

    def loss(self, student: Student, random: np.random.Generator, step: int) -> Tensor:
        """Of step `step`, which draws its batch from `random`."""
        plan, shared = self.plan, step < self.plan.steps
        assert isinstance(student, WindowStudent)
        if shared:
            batch = self.data.batch(random, plan.batch, plan.frames, COLUMN_SAMPLES)
        else:
            batch = self.data.batch(random, plan.exact_batch, plan.exact_frames, FRAME_SAMPLES)
        steps_per_frame = FRAME_SAMPLES / COLUMN_SAMPLES if shared else 1.0
        predicted = window_frames(student, batch, shared)
        return self.objective(torch.from_numpy(batch.rig), predicted, steps_per_frame, step / self.total)


class StreamFeed:
    """`plan.steps` over rows of continuous speech, each from an empty state to its end in one pass.

    second: a trained stream student, frozen, whose features supervise those of the same width (eq. 5 to 7). Raises
    `ConfigError` if it looks another way ahead: its features would describe other instants.
    """

    def __init__(
        self,
        spec: StreamStudentSpec,
        plan: Plan,
        shards: Sequence[Shard],
        augment: Augment | None,
        second: Checkpoint | None = None,
    ) -> None:
        if second and second.spec.future_samples != spec.future_samples:
            raise ConfigError(
                f"{second.spec.name} looks {second.spec.future_ms} ms ahead and {spec.name} {spec.future_ms} ms: "
                "a second teacher of streams must look as far ahead as its student"
            )
        self.second = second.student() if second else None
        self.plan = plan
        self.data = StreamRows(shards, HOP_SAMPLES, spec.future_samples, plan.mix, augment, spec.layout.names)
        self.objective = Objective(spec, plan)
        self.total = plan.steps
        self.corpus_hours = self.data.picker.seconds / 3600

    def loss(self, student: Student, random: np.random.Generator, step: int) -> Tensor:
        """Of step `step`, which draws its rows from `random`."""
        rows = self.data.batch(random, self.plan.rows, self.plan.row_hops)
        assert isinstance(student, StreamStudent)
        audio, label = torch.from_numpy(rows.audio), torch.from_numpy(rows.rig)
        features = student.features(audio)
        steps_per_frame, done = FRAME_SAMPLES / HOP_SAMPLES, step / self.total
        loss = self.objective(label, torch.tanh(features[2]), steps_per_frame, done, _SLACK_HOPS)
        if isinstance(self.second, StreamStudent):
            with torch.no_grad():
                theirs = self.second.features(audio)
            pairs = [(a, b) for a, b in zip(theirs, features, strict=True) if a.shape == b.shape]
            loss = loss + self.plan.alpha_feat * losses.features([a for a, _ in pairs], [b for _, b in pairs])
        return loss


def feed_of(
    spec: StudentSpec,
    plan: Plan,
    shards: Sequence[Shard],
    augment: Augment | None,
    second: Checkpoint | None = None,
) -> Feed:
    """The feed of the spec's family. Raises `ConfigError` for a second teacher of another family."""
    if second and not (isinstance(spec, StreamStudentSpec) and isinstance(second.spec, StreamStudentSpec)):
        raise ConfigError(f"{second.spec.name} cannot teach {spec.name}: a second teacher and its student are streams")
    if isinstance(spec, WindowStudentSpec):
        return WindowFeed(spec, plan, shards, augment)
    return StreamFeed(spec, plan, shards, augment, second)


def window_frames(student: WindowStudent, batch: Batch, shared: bool) -> Tensor:
    """Predictions (B, frames, rig) of a batch: one pass over the stretch, or one window at a time."""
    audio = torch.from_numpy(batch.audio)
    if shared:
        return torch.tanh(student.sequence(audio)[2])
    size = student.window_samples
    windows = torch.stack([audio[:, :, start : start + size] for start in batch.starts], 1).flatten(0, 1)
    values: Tensor = student(windows)
    return values.view(len(audio), len(batch.starts), -1)
