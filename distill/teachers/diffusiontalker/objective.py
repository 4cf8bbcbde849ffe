"""What training asks of a DiffusionTalker, beside the truth: contrasts of styles, lips, and what its teacher knew."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def contrast(told: Tensor, table: Tensor, who: Tensor, sharpness: Tensor) -> Tensor:
    """Cross entropy both ways between vectors `told` (B, S) from sound and a table (K, S), of which row `who` (B,) is
    right: each sound must find its row, each row its sounds."""
    scores = told @ functional.normalize(table, dim=1).T * sharpness.clamp(max=4.0).exp()
    right = functional.one_hot(who, len(table)).to(scores.dtype)
    back = (torch.log_softmax(scores, 0) * right).sum(0) / right.sum(0).clamp(min=1)
    return 0.5 * functional.cross_entropy(scores, who) - 0.5 * back[right.any(0)].mean()


def among(one: Tensor, other: Tensor, same: Tensor) -> Tensor:
    """Contrast within a batch: vectors (B, S) of length 1 must find those that they belong with, `same` (B, B) bool."""
    scores = one @ other.T / 0.2
    share = same.to(scores.dtype) / same.sum(1, keepdim=True)
    there, back = torch.log_softmax(scores, 1), torch.log_softmax(scores.T, 1)
    return -0.5 * ((there * share).sum(1).mean() + (back * share).sum(1).mean())


class Enhancer(nn.Module):
    """The personalizer enhancer: the personal embedding must be told by how the mouth and how the upper face moves.

    Used in training only. regions: places of channels, one tuple a region; with meshes there is one region, all.
    """

    def __init__(self, regions: list[list[int]], width: int, size: int = 32) -> None:
        super().__init__()
        self.regions = regions
        self.watch = nn.ModuleList(nn.Conv1d(len(region), 2 * size, 5, padding=2) for region in regions)
        self.seen = nn.ModuleList(nn.Linear(4 * size, size) for _ in regions)
        self.known = nn.ModuleList(nn.Linear(width, size) for _ in regions)

    def forward(self, motion: Tensor, personal: Tensor, same: Tensor) -> Tensor:
        """Of normalised motion (B, N, channels) and personal (B, N, W); same (B, B): who has the same style."""
        losses = []
        for region, watch, seen, known in zip(self.regions, self.watch, self.seen, self.known, strict=True):
            moves = functional.gelu(watch(motion[..., region].transpose(1, 2)))
            face = seen(torch.cat([moves.mean(2), moves.std(2)], 1))
            voice = known(personal.mean(1))
            losses.append(among(functional.normalize(face, dim=1), functional.normalize(voice, dim=1), same))
        return torch.stack(losses).mean()


def weighed(error: Tensor, weight: Tensor) -> Tensor:
    """Mean squared `error` (B, N, channels), each clip weighed by `weight` (B,)."""
    return (error.square().mean((1, 2)) * weight).mean()


def lips(label_gap: Tensor, gap: Tensor) -> Tensor:
    """Squared error of the lip gap in cm, three times as heavy where the label's lips are shut (below 0.15 cm)."""
    return ((label_gap - gap).square() * (1 + 2 * (label_gap < 0.15))).mean()
