"""What a training step is asked for: eq. 4 of the paper, or shapes that weigh what a person sees, and phones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.corpus.rows.classes import UNKNOWN_CLASS
from distill.speech.phonetics import CLASSES
from distill.students.spec import StudentSpec
from distill.teachers.neural.network import TeacherSpec
from distill.training import losses
from distill.training.plan import Plan
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError
from sdk.faces.face import Face

FRAME_SAMPLES = SAMPLE_RATE_HZ / 30  # samples a frame at 30 fps, whose units the losses' weights are in
HEAD = "phone_head"  # the attribute of a student that holds its phone classifier while it is trained


@dataclass(frozen=True)
class Seen:
    """What the last step looked at: `label` and `predicted` (B, N, rig), detached, `steps_per_frame` columns to a 30
    fps frame; the terms of its loss by name, as they weigh in it."""

    label: Tensor
    predicted: Tensor
    steps_per_frame: float
    parts: dict[str, Tensor]

    @property
    def speech_s(self) -> float:
        return self.label.shape[0] * self.label.shape[1] / self.steps_per_frame / 30


class Objective:
    """Eq. 4 plus our losses on the default face, whose vertices are linear in the rig.

    variance: of each channel in the labels, `(channels,)`; without it (a plan of eq. 1 to 4 alone) `alpha_own` and
    `alpha_mouth` must be 0. A rig that the face does not know (no jawOpen) can only be trained with `alpha_lip` and
    `alpha_mouth` 0, else `FaceError`.
    """

    def __init__(self, spec: StudentSpec | TeacherSpec, plan: Plan, variance: np.ndarray | None = None) -> None:
        self.plan = plan
        self.seen: Seen | None = None
        self.limits = tuple(torch.tensor(ends) for ends in (spec.layout.minimum, spec.layout.maximum))
        if plan.alpha_lip:
            offset, row = Face.default().lip_gap_row(spec.layout)
            self.offset, self.row = offset, torch.from_numpy(np.float32(row))
        if plan.alpha_own or plan.alpha_mouth:
            if variance is None:
                raise ConfigError("alpha_own and alpha_mouth weigh errors over the labels' variance: give it")
            self.weights = losses.variance_weights(torch.from_numpy(variance))
        if plan.alpha_mouth:
            root = torch.from_numpy(Face.default().mouth_root(spec.layout))
            apart = (
                torch.from_numpy(variance)[:, None] * root.square()
            ).sum()  # mean squared error of a mouth that never moves, channels taken as independent
            self.root = root / apart.clamp(min=1e-6).sqrt()

    def __call__(
        self, label: Tensor, predicted: Tensor, steps_per_frame: float, done: float = 0.0, slack_steps: int = 2
    ) -> Tensor:
        """Loss of (B, N, rig) when `done` of the run lies behind; `slack_steps`: how early or late a closure may be."""
        plan = self.plan
        with torch.autocast(predicted.device.type, enabled=False):  # bfloat16 has too few digits for a lip gap
            label, predicted = label.float(), predicted.float()
            parts: dict[str, Tensor] = {}
            if plan.alpha_rec:
                parts["rec"] = plan.alpha_rec * losses.reconstruction(label, predicted)
            if plan.alpha_vel:
                parts["vel"] = plan.alpha_vel * losses.velocity(label, predicted, steps_per_frame)
            parts |= self._shapes(label, predicted, steps_per_frame)
            if plan.alpha_lip:
                row = self.row.to(predicted.device)
                # clamped as a player clamps it: lips shut by a jaw beyond its limit would be open on the face
                shown = predicted.clamp(*(ends.to(predicted.device) for ends in self.limits))
                gaps = (self.offset + label @ row, self.offset + shown @ row)
                parts["lip"] = plan.alpha_lip * losses.lip_distance(
                    *gaps, slack_steps, plan.shut(done), plan.open_weight, plan.rest_weight
                )
                parts["acc"] = plan.alpha_acc * losses.acceleration(*gaps, steps_per_frame)
        detached = {name: part.detach() for name, part in parts.items()}
        self.seen = Seen(label.detach(), predicted.detach(), steps_per_frame, detached)
        return torch.stack(list(parts.values())).sum()

    def with_part(self, name: str, loss: Tensor, part: Tensor) -> Tensor:
        """`loss` and another term of it, which `seen` names too."""
        if self.seen:
            self.seen.parts[name] = part.detach()
        return loss + part

    def _shapes(self, label: Tensor, predicted: Tensor, steps_per_frame: float) -> dict[str, Tensor]:
        """Channels over their variance and vertices over theirs: of poses, and of moves from frame to frame."""
        plan, found = self.plan, {}
        asked, made = label.diff(dim=-2) * steps_per_frame, predicted.diff(dim=-2) * steps_per_frame
        if plan.alpha_own:
            weights = self.weights.to(predicted.device)
            error = losses.over_variance(label, predicted, weights)
            found["own"] = plan.alpha_own * (error + plan.own_velocity * losses.over_variance(asked, made, weights))
        if plan.alpha_mouth:
            root = self.root.to(predicted.device)
            error = losses.mouth(label, predicted, root)
            found["mouth"] = plan.alpha_mouth * (error + plan.own_velocity * losses.mouth(asked, made, root))
        return found


class PhoneHead(nn.Module):
    """What the last hidden features tell of the phone: (B, N, width) -> (B, N, classes). Only there while training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.classify = nn.Linear(width, len(CLASSES))

    def loss(self, features: Tensor, classes: Tensor, likely: Tensor) -> Tensor:
        """`likely_loss` of what the features tell."""
        return likely_loss(self.classify(features.float()), classes, likely)


def likely_loss(scores: Tensor, classes: Tensor, likely: Tensor) -> Tensor:
    """`phone_loss` whose targets are, where a teacher says them, how likely it holds each class (soft targets, Hinton
    et al. 2015): `likely` (B, N, classes) uint8 of 255, all 0 where only `classes` (B, N) tells."""
    told = likely.float().flatten(0, 1)
    hard = functional.one_hot(classes.flatten().clamp(min=0), len(CLASSES)) * (classes.flatten() >= 0).unsqueeze(1)
    total = told.sum(1, keepdim=True)
    wanted = torch.where(total > 0, told / total.clamp(min=1), hard.float())
    counts = wanted.sum(0)
    if not counts.any():
        return scores.sum() * 0
    weighed = wanted * _rare(counts)
    return -(weighed * scores.flatten(0, 1).log_softmax(-1)).sum() / weighed.sum()


def phone_loss(scores: Tensor, classes: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross entropy of scores (B, N, classes) over the times whose phone is known; rare phones weigh as much as
    frequent ones do by root. smoothing: of labels, of which some are wrong."""
    known = classes[classes >= 0]
    if not len(known):
        return scores.sum() * 0
    weights = _rare(torch.bincount(known, minlength=len(CLASSES)).float())
    return functional.cross_entropy(
        scores.flatten(0, 1), classes.flatten(), weights, ignore_index=UNKNOWN_CLASS, label_smoothing=smoothing
    )


def _rare(counts: Tensor) -> Tensor:
    """What each class weighs by how often it is asked for `(classes,)`: one over the root of its share."""
    return torch.where(counts > 0, (counts.clamp(min=1) / counts.sum()).rsqrt(), torch.zeros_like(counts))
