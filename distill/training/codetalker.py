"""How CodeTalker is trained: the book of motion first, then sound to its codes; the first stage is then frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.corpus.styled.clips import Clip
from distill.teachers.codetalker.network import CodeTalker
from distill.teachers.diffusiontalker.ears import frame_weights
from distill.teachers.pretrained_ears import ROW_SAMPLES
from distill.training.plan import check_plan, later, warm_cosine
from sdk.errors import DataError


@dataclass(frozen=True)
class CodeTalkerPlan:
    """book_steps of stage 1, steps of stage 2; batch: clips a step, of `seconds`. The losses' weights are the
    original's: L1 and the book's loss; squared error of motion and of the vectors. alone: share of the clips that
    stage 2 hears without the true frames so far; in the original none."""

    book_steps: int = 600
    steps: int = 600
    batch: int = 8
    seconds: float = 2.6
    learning_rate: float = 1e-3
    ema: float = 0.99
    alone: float = later(0.8, before=0.0)
    seed: int = 1

    def __post_init__(self) -> None:
        check_plan(self, counts=("book_steps", "steps", "batch"), shares=("ema", "alone"), lengths=("seconds",))

    @property
    def total(self) -> int:
        return self.book_steps + self.steps

    def rate(self, step: int) -> float:
        """Learning rate: warm-up, then cosine to a twentieth, in each stage."""
        first, count = (0, self.book_steps) if step < self.book_steps else (self.book_steps, self.steps)
        return warm_cosine(self.learning_rate, step - first, count, 50, 0.05)


class CodeClips:
    """Draws stretches of clips: rows of the ears at frames (B, N, F), motion (B, N, D), places of people (B,)."""

    def __init__(self, clips: Sequence[Clip], motions: Sequence[np.ndarray], people: list[str], seconds: float) -> None:
        if not clips or any(clip.rows is None for clip in clips):
            raise DataError("no clips that an encoder has heard; make a corpus with distill.recipes.styled_corpus")
        self.frames = max(round(30 * seconds), 2)
        self.motions = motions
        self.people = [people.index(clip.person) for clip in clips]
        self.rows = [
            (frame_weights(len(clip.audio) // ROW_SAMPLES, len(motion)).numpy() @ np.float32(clip.rows))
            for clip, motion in zip(clips, motions, strict=True)
            if clip.rows is not None
        ]

    def batch(self, random: np.random.Generator, size: int) -> tuple[Tensor, Tensor, Tensor]:
        picked = random.integers(len(self.motions), size=size)
        rows, motion = [], []
        for i in picked:
            first = int(random.integers(0, len(self.motions[i]) - self.frames + 1))
            rows.append(self.rows[i][first : first + self.frames])
            motion.append(self.motions[i][first : first + self.frames])
        people = torch.tensor([self.people[i] for i in picked])
        return torch.from_numpy(np.stack(rows)), torch.from_numpy(np.stack(motion)), people


def seed_book(network: CodeTalker, motion: Tensor) -> None:
    """Put the book's codes on vectors that the encoder makes of `motion`: one that begins elsewhere is never used."""
    book = network.autoencoder.quantize.embedding.weight
    with torch.no_grad():
        vectors = network.autoencoder.encoder(motion).reshape(-1, book.shape[1])
        picked = torch.linspace(0, len(vectors) - 1, len(book)).long()
        book.copy_(vectors[picked] + 0.01 * torch.randn_like(book))


def book_loss(network: CodeTalker, motion: Tensor) -> Tensor:
    """Of a step of stage 1."""
    spoken, loss, _ = network.autoencoder(motion)
    return functional.l1_loss(spoken, motion) + loss


def code_loss(network: CodeTalker, rows: Tensor, motion: Tensor, people: Tensor, alone: float) -> Tensor:
    """Of a step of stage 2. alone: as the plan has it."""
    frozen: nn.Module = network.autoencoder.requires_grad_(False)
    moved, vectors = network.losses(rows, motion, people, round(alone * len(rows)))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    return moved + vectors
