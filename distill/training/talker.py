"""How a DiffusionTalker is trained, halved and made compact: the loss of one step (`recipes/diffusiontalker.py`).

    train    noise at any t, the truth asked                                    N steps of a large encoder
    halve    z_t of the student's times; where the teacher's two steps land     N -> N / 2, the same ears
    compact  the teacher's answer at the same z_t, from its own ears            large -> compact ears, the same N

Halving and compacting are guided by the personalizer: the student's features, identity, emotion and personal embedding
stay its teacher's, and the enhancer ties the embedding to what the face then does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from distill.corpus.styled.clips import Clip
from distill.teachers.diffusiontalker.diffusion import add_noise, halved_target, weight
from distill.teachers.diffusiontalker.network import RIG, Talker, TalkerSpec, reading_of
from distill.teachers.diffusiontalker.objective import Enhancer, among, contrast, lips, weighed
from distill.teachers.pretrained_ears import ROW_SAMPLES
from distill.teachers.regions import MOUTH, UPPER, channels
from distill.training.plan import check_plan, warm_cosine
from sdk.errors import ConfigError, DataError
from sdk.faces.face import Face
from sdk.rig import RigLayout

_SMALLEST_SPREAD = 0.04  # of a channel: one that hardly moves must not be blown up
_NAMED = 0.3  # how often a style is given by name and not by sound, while the large model is trained


@dataclass(frozen=True)
class TalkerPlan:
    """How long and how hard. alphas weigh, beside the error of motion (1): velocity, lips (cm^2), the personalizer's
    contrasts, guidance by the teacher's personalizer, its audio features, the enhancer, and the truth beside the
    teacher's answer. seconds: of a clip; batch: clips a step."""

    steps: int = 2000
    batch: int = 12
    seconds: float = 2.6
    learning_rate: float = 1.5e-3
    alpha_velocity: float = 1.0
    alpha_lips: float = 6.0
    alpha_contrast: float = 0.1
    alpha_guide: float = 1.0
    alpha_features: float = 0.3
    alpha_enhance: float = 0.03
    alpha_truth: float = 0.3
    ema: float = 0.995
    seed: int = 1

    def __post_init__(self) -> None:
        check_plan(self, counts=("steps", "batch"), shares=("ema",), lengths=("seconds",))

    def rate(self, step: int) -> float:
        """Learning rate: warm-up, then cosine to a twentieth."""
        return warm_cosine(self.learning_rate, step, self.steps, 50, 0.05)


@dataclass(frozen=True, eq=False)
class TalkerBatch:
    """Stretches of clips: `audio` (B, n), `rows` (B, n / 320, F) or None, `motion` (B, N, channels), places of people
    and emotions (B,)."""

    audio: Tensor
    rows: Tensor | None
    motion: Tensor
    people: Tensor
    emotions: Tensor

    @property
    def same(self) -> Tensor:
        """Who has the same style (B, B)."""
        return (self.people[:, None] == self.people) & (self.emotions[:, None] == self.emotions)


class TalkerClips:
    """Draws batches from clips whose people and emotions are the spec's. Raises `DataError` without clips."""

    def __init__(self, clips: Sequence[Clip], spec: TalkerSpec, seconds: float) -> None:
        if not clips:
            raise DataError("no clips to learn from; make some with `python -m distill.recipes.styled_corpus`")
        self.clips = clips
        self.people = [spec.people.index(clip.person) for clip in clips]
        self.emotions = [spec.emotions.index(clip.emotion) for clip in clips]
        tenths = max(round(seconds * 10), 1)  # a tenth of a second is 5 rows and 3 frames
        self.rows, self.frames = 5 * tenths, 3 * tenths

    def batch(self, random: np.random.Generator, size: int) -> TalkerBatch:
        picked = random.integers(len(self.clips), size=size)
        audio, rows, motion = [], [], []
        for i in picked:
            clip = self.clips[i]
            room = len(clip.audio) // ROW_SAMPLES - self.rows
            first = 5 * int(random.integers(0, max(room // 5, 0) + 1))
            audio.append(clip.audio[first * ROW_SAMPLES : (first + self.rows) * ROW_SAMPLES])
            motion.append(clip.motion[first * 3 // 5 : first * 3 // 5 + self.frames])
            if clip.rows is not None:
                rows.append(clip.rows[first : first + self.rows].astype(np.float32))
        return TalkerBatch(
            torch.from_numpy(np.stack(audio)), torch.from_numpy(np.stack(rows)) if rows else None,
            torch.from_numpy(np.stack(motion)), torch.tensor([self.people[i] for i in picked]),
            torch.tensor([self.emotions[i] for i in picked]),
        )  # fmt: skip


@dataclass(frozen=True)
class TalkerFeatures:
    """What a network makes of a batch's sound: features, its style by sound, and the personal embedding (B, N, W)."""

    features: Tensor
    style: tuple[Tensor, Tensor]
    personal: Tensor


class Learner(nn.Module):
    """A network while it learns: with the enhancer beside it, and, if it is distilled, its teacher, which is frozen."""

    def __init__(self, network: Talker, layout: RigLayout) -> None:
        super().__init__()
        self.network = network
        rig = network.spec.motion == RIG
        every = list(range(len(network.mean)))
        regions = [channels(layout, MOUTH).tolist(), channels(layout, UPPER).tolist()] if rig else [every]
        self.enhancer = Enhancer(regions, network.spec.width)
        offset, row = Face.default().lip_gap_row(layout)
        self.gap = (offset, torch.from_numpy(np.float32(row))) if rig else None

    def fit(self, clips: Sequence[Clip]) -> None:
        """The motion's mean and spread, from all frames."""
        motion = np.concatenate([clip.motion for clip in clips])
        self.network.mean.copy_(torch.from_numpy(motion.mean(0)))
        self.network.spread.copy_(torch.from_numpy(np.maximum(motion.std(0), _SMALLEST_SPREAD)))


def hear_batch(network: Talker, batch: TalkerBatch) -> TalkerFeatures:
    """What `network` hears, by its own ears or in the rows of a large encoder. Raises `DataError` without those."""
    sound = batch.audio if network.spec.compact else batch.rows
    if sound is None:
        raise DataError(f"{network.spec.name} hears with {network.spec.ears}, and its rows are not at hand")
    rows = batch.audio.shape[1] // ROW_SAMPLES
    features = network.features(sound, reading_of(rows, batch.motion.shape[1], network.spec))
    style = network.style(features)
    return TalkerFeatures(features, style, network.personal(features, style))


def train_loss(learner: Learner, plan: TalkerPlan, batch: TalkerBatch, random: np.random.Generator) -> Tensor:
    """Of a step that has no teacher."""
    network = learner.network
    t, noise, truth = _drawn(learner, batch, random, 0)
    heard = hear_batch(network, batch)
    personal = heard.personal
    if network.personalizer is not None:
        named = torch.from_numpy(random.random(len(t)) < _NAMED)[:, None]
        by_name = network.personalizer.named(batch.people, batch.emotions)
        style = tuple(torch.where(named, a, b) for a, b in zip(by_name, heard.style, strict=True))
        personal = network.personal(heard.features, (style[0], style[1]))
    clean = network.denoiser(add_noise(truth, noise, t), t, heard.features, personal)
    loss = _motion_loss(learner, plan, truth, clean, weight(t))
    return loss + plan.alpha_contrast * _contrasts(network, heard, batch)


def distil_loss(
    learner: Learner, teacher: Talker, plan: TalkerPlan, batch: TalkerBatch, random: np.random.Generator
) -> Tensor:
    """Of a step that halves the teacher's steps or, for as many steps as it, takes its answers with other ears."""
    network, steps = learner.network, learner.network.spec.steps
    if steps not in (teacher.spec.steps, teacher.spec.steps // 2):
        raise ConfigError(f"{teacher.spec.steps} steps are distilled to half as many or as many, not to {steps}")
    t, noise, truth = _drawn(learner, batch, random, steps)
    noisy = add_noise(truth, noise, t)
    with torch.no_grad():
        theirs = hear_batch(teacher, batch)

        def answer(z: Tensor, at: Tensor) -> Tensor:
            clean: Tensor = teacher.denoiser(z, at, theirs.features, theirs.personal)
            return clean

        target = halved_target(answer, noisy, t, steps) if steps < teacher.spec.steps else answer(noisy, t)
    heard = hear_batch(network, batch)
    clean = network.denoiser(noisy, t, heard.features, heard.personal)
    loss = _motion_loss(learner, plan, target, clean, weight(t))
    if plan.alpha_truth:
        loss = loss + plan.alpha_truth * _motion_loss(learner, plan, truth, clean, weight(t))
    loss = loss + plan.alpha_features * (theirs.features - heard.features).square().mean()
    if network.personalizer is not None:
        guide = (theirs.personal - heard.personal).square().mean()
        for a, b in zip(theirs.style, heard.style, strict=True):
            guide = guide + (1 - (a * b).sum(1)).mean() + 0.05 * among(b, a, batch.same)
        loss = loss + plan.alpha_guide * guide
        loss = loss + plan.alpha_contrast * _contrasts(network, heard, batch)
        if plan.alpha_enhance:
            loss = loss + plan.alpha_enhance * learner.enhancer(clean, heard.personal, batch.same)
    return loss


def student_spec(
    teacher: TalkerSpec, compact: bool, name: str, ears_width: int = 0, ears_blocks: int = 0
) -> TalkerSpec:
    """The spec of a student: as many steps with compact ears (of other sizes, if given), or half as many steps with the
    same ears. Raises `ConfigError` where there is nothing to halve."""
    if compact:
        width, blocks = ears_width or teacher.ears_width, ears_blocks or teacher.ears_blocks
        return replace(teacher, name=name, ears="compact", features=0, ears_width=width, ears_blocks=blocks)
    if teacher.steps < 2:
        raise ConfigError(f"{teacher.name} takes one step; it cannot be halved")
    return replace(teacher, name=name, steps=teacher.steps // 2)


def begin_as(network: Talker, teacher: Talker) -> None:
    """All weights that teacher and student share; compact ears begin as they are."""
    own = network.state_dict()
    shared = {
        name: value for name, value in teacher.state_dict().items() if name in own and value.shape == own[name].shape
    }
    network.load_state_dict({**own, **shared})


def _drawn(
    learner: Learner, batch: TalkerBatch, random: np.random.Generator, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Times (B,) (of the sampler, if it has `steps`), noise, and the true motion, normalised."""
    size = len(batch.motion)
    times = random.integers(1, steps + 1, size) / steps if steps else random.uniform(0.02, 1.0, size)
    noise = random.standard_normal(batch.motion.shape, dtype=np.float32)
    return torch.from_numpy(times.astype(np.float32)), torch.from_numpy(noise), learner.network.normal(batch.motion)


def _motion_loss(learner: Learner, plan: TalkerPlan, target: Tensor, clean: Tensor, heavy: Tensor) -> Tensor:
    loss = weighed(target - clean, heavy)
    loss = loss + plan.alpha_velocity * weighed(target.diff(dim=1) - clean.diff(dim=1), heavy)
    if learner.gap is not None and plan.alpha_lips:
        offset, row = learner.gap
        network = learner.network
        gaps = [offset + (x * network.spread + network.mean) @ row for x in (target, clean)]
        loss = loss + plan.alpha_lips * lips(*gaps)
    return loss


def _contrasts(network: Talker, heard: TalkerFeatures, batch: TalkerBatch) -> Tensor:
    personalizer = network.personalizer
    if personalizer is None:
        return heard.features.new_zeros(())
    people = contrast(heard.style[0], personalizer.people, batch.people, personalizer.sharpness[0])
    emotions = contrast(heard.style[1], personalizer.emotions, batch.emotions, personalizer.sharpness[1])
    return people + emotions
