"""What one training step looks at: batches of a family's data, the student's pass over them, and their loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from distill.corpus.rows.streams import Rows, StreamRows
from distill.corpus.rows.windows import Batch, Stretches
from distill.corpus.shards import Shard
from distill.files.checkpoint import Checkpoint
from distill.speech.augment import Augment
from distill.students.spec import Baseline, BaselineSpec, StreamStudentSpec, Student, StudentSpec, WindowStudentSpec
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.students.window import COLUMN_SAMPLES, WindowStudent
from distill.training import losses
from distill.training.objective import FRAME_SAMPLES, HEAD, Objective, PhoneHead, Seen
from distill.training.plan import Plan
from sdk.errors import ConfigError
from sdk.window import WindowSpec

_SLACK_HOPS = 2  # 40 ms: what labels may be early or late


class Feed(Protocol):
    """Steps of one family: how many there are, how much speech stands behind them, what one looks at, and its loss.

    `draw` needs neither weights nor a device, so that other processes can do it (`readers.py`).
    """

    total: int
    corpus_hours: float
    objective: Objective

    def draw(self, random: np.random.Generator, step: int) -> Any: ...

    def loss(self, student: Student, drawn: Any, step: int) -> Tensor: ...


class WindowFeed:
    """Two stages: `plan.steps` over stretches that share the trunk, then `plan.exact_steps` over true windows.

    second: a trained window student, frozen, whose features supervise the student's: down-scaling supervision (eq. 5)
    if it is wider, predictive supervision (eq. 6) if it hears more of the future, or both. It hears each frame in its
    own window, and as the plan says without the augmentation (4.4.4): the student learns to hear through the noise.
    Raises `ConfigError` if its features are of other widths.
    """

    def __init__(
        self,
        spec: WindowStudentSpec | BaselineSpec,
        plan: Plan,
        shards: Sequence[Shard],
        augment: Augment | None,
        second: Checkpoint | None = None,
    ) -> None:
        self.plan = plan
        windows = [spec.window]
        self.second: WindowStudent | None = None
        if second:
            teacher = second.student()
            assert isinstance(teacher, WindowStudent)
            assert isinstance(second.spec, WindowStudentSpec)
            if second.spec.fc_width != spec.fc_width or second.layout.names != spec.layout.names:
                raise ConfigError(
                    f"{second.spec.name} cannot teach {spec.name}: its last layers are of other widths or another rig"
                )
            self.second = teacher.requires_grad_(
                False
            ).train()  # `train` only makes its wide layer fast; there is no dropout
            windows.append(second.spec.window)
        span = spanning(windows)
        self.margins = [margins(span, window) for window in windows]
        self.data = Stretches(shards, span, plan.mix, augment, spec.layout.names, plan.hours)
        self.objective = Objective(spec, plan, self.data.picker.variance())
        self.total = plan.steps + plan.exact_steps
        self.corpus_hours = self.data.seconds / 3600

    def draw(self, random: np.random.Generator, step: int) -> Batch:
        """The stretches of step `step`."""
        plan = self.plan
        if step < plan.steps:
            return self.data.batch(random, plan.batch, plan.frames, COLUMN_SAMPLES)
        return self.data.batch(random, plan.exact_batch, plan.exact_frames, FRAME_SAMPLES)

    def loss(self, student: Student, drawn: Batch, step: int) -> Tensor:
        """Of what step `step` drew."""
        plan, shared = self.plan, step < self.plan.steps
        assert not isinstance(student, StreamStudent)
        steps_per_frame = FRAME_SAMPLES / COLUMN_SAMPLES if shared else 1.0
        device = device_of(student)
        features = window_features(student, cut(drawn.audio, self.margins[0]).to(device), drawn.starts, shared)
        label = torch.from_numpy(drawn.rig).to(device)
        loss = self.objective(label, torch.tanh(features[2].float()), steps_per_frame, step / self.total)
        loss = with_phones(self.objective, loss, student, features[1], drawn)
        if self.second:
            with torch.no_grad():
                heard = drawn.clean if plan.second_hears == "clean" else drawn.audio
                audio = cut(heard, self.margins[1]).to(device)
                theirs = window_features(self.second.to(device), audio, drawn.starts, shared)
            feat = plan.alpha_feat * losses.features([f.float() for f in theirs], [f.float() for f in features])
            loss = self.objective.with_part("feat", loss, feat)
        return loss


class StreamFeed:
    """`plan.steps` over rows of continuous speech, each from an empty state to its end in one pass.

    second: a trained stream student, frozen, whose features supervise those of the same width (eq. 5 to 7). Raises
    `ConfigError` if it looks another way ahead or moves another rig: its features would describe other instants or
    other channels.
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
        if second and second.layout.names != spec.layout.names:
            raise ConfigError(f"{second.spec.name} cannot teach {spec.name}: its channels are another rig's")
        if plan.steps < 1:
            raise ConfigError(f"steps is {plan.steps}; a stream student trains by steps alone: give 1 or more")
        self.second = second.student() if second else None
        self.plan = plan
        self.data = StreamRows(
            shards, HOP_SAMPLES, spec.future_samples, plan.mix, augment, spec.layout.names, plan.hours, plan.noise_alone
        )
        self.objective = Objective(spec, plan, self.data.picker.variance())
        self.total = plan.steps
        self.corpus_hours = self.data.picker.seconds / 3600

    def draw(self, random: np.random.Generator, step: int) -> Rows:
        """The rows of any step."""
        return self.data.batch(random, self.plan.rows, self.plan.row_hops)

    def loss(self, student: Student, drawn: Rows, step: int) -> Tensor:
        """Of what step `step` drew."""
        assert isinstance(student, StreamStudent)
        device = device_of(student)
        audio, label = torch.from_numpy(drawn.audio).to(device), torch.from_numpy(drawn.rig).to(device)
        features = student.features(audio)
        steps_per_frame, done = FRAME_SAMPLES / HOP_SAMPLES, step / self.total
        loss = self.objective(label, torch.tanh(features[2].float()), steps_per_frame, done, _SLACK_HOPS)
        loss = with_phones(self.objective, loss, student, features[1], drawn)
        if isinstance(self.second, StreamStudent):
            with torch.no_grad():
                heard = drawn.clean if self.plan.second_hears == "clean" else drawn.audio
                theirs = self.second.to(device).features(torch.from_numpy(heard).to(device))
            pairs = [(a.float(), b.float()) for a, b in zip(theirs, features, strict=True) if a.shape == b.shape]
            feat = self.plan.alpha_feat * losses.features([a for a, _ in pairs], [b for _, b in pairs])
            loss = self.objective.with_part("feat", loss, feat)
        return loss


def look(feed: Feed, student: Student, step: int, batches: int, seed: Sequence[int]) -> tuple[float, Seen]:
    """What `student` makes of a few batches, the same for one seed: the mean of its losses, and all that it looked at
    one after another, on the CPU; the terms of the loss are the last batch's."""
    seen: list[Seen] = []
    total = 0.0
    with torch.no_grad():
        for number in range(batches):
            total += float(feed.loss(student, feed.draw(np.random.default_rng([*seed, number]), step), step))
            assert feed.objective.seen is not None
            seen.append(feed.objective.seen)
    label, predicted = (torch.cat([getattr(one, name).cpu() for one in seen]) for name in ("label", "predicted"))
    return total / batches, replace(seen[-1], label=label, predicted=predicted)


def with_phones(
    objective: Objective, loss: Tensor, student: nn.Module, features: Tensor, drawn: Batch | Rows
) -> Tensor:
    """`loss` and what F_-3 (B, N, width) tells of the phones (B, N), where the student has a head for them."""
    head = getattr(student, HEAD, None)
    if not isinstance(head, PhoneHead):
        return loss
    said = (torch.from_numpy(part).to(features.device) for part in (drawn.classes, drawn.likely))
    wrong = head.loss(features, *said)
    return objective.with_part("phone", loss, objective.plan.alpha_phone * wrong)


def feed_of(
    spec: StudentSpec,
    plan: Plan,
    shards: Sequence[Shard],
    augment: Augment | None,
    second: Checkpoint | None = None,
) -> Feed:
    """The feed of the spec's family. Raises `ConfigError` for a second teacher of another family."""
    if second and (second.spec.family != spec.family or spec.family not in ("window", "stream")):
        raise ConfigError(
            f"{second.spec.name} ({second.spec.family}) cannot teach {spec.name} ({spec.family}): a second teacher and "
            "its student are of one family, window or stream"
        )
    if isinstance(spec, StreamStudentSpec):
        return StreamFeed(spec, plan, shards, augment, second)
    return WindowFeed(spec, plan, shards, augment, second)


def spanning(windows: Sequence[WindowSpec]) -> WindowSpec:
    """The least window around the same frame that holds all of `windows`."""
    past, future = max(w.past_samples for w in windows), max(w.future_samples for w in windows)
    return WindowSpec(past + future, future)


def margins(span: WindowSpec, window: WindowSpec) -> tuple[int, int]:
    """How many samples `span` begins before and ends after `window`, a window of the same frame."""
    return span.past_samples - window.past_samples, span.future_samples - window.future_samples


def cut(audio: np.ndarray, margin: tuple[int, int]) -> Tensor:
    """A batch's audio (B, 1, n) without the `margin` before its first and after its last sample."""
    return torch.from_numpy(audio[..., margin[0] : audio.shape[-1] - margin[1]])


def window_features(
    student: WindowStudent | Baseline, audio: Tensor, starts: np.ndarray, shared: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """F_-4, F_-3 and F_-2 (B, frames, width): one pass over the stretch, or one window at a time from `starts`."""
    if shared:
        return student.sequence(audio)
    size = student.window_samples
    windows = torch.stack([audio[:, :, start : start + size] for start in starts], 1).flatten(0, 1)
    shape = (len(audio), len(starts), -1)
    one, two, last = student.whole(windows)
    return one.view(shape), two.view(shape), last.view(shape)


def device_of(student: nn.Module) -> torch.device:
    """Where the student lies, and its batches must go."""
    return next(student.parameters()).device
