"""Small students with random weights that still answer to what they hear."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distill.checkpoint import Checkpoint
from distill.students.spec import load_variant
from distill.students.window import WindowStudent


def lively(student: WindowStudent, seed: int = 0) -> WindowStudent:
    """Variance-preserving random weights: with torch's default a net this deep says the same to every window."""
    torch.manual_seed(seed)
    for layer in student.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=(1.7 / layer.weight[0].numel()) ** 0.5)
            nn.init.normal_(layer.bias, std=0.1)  # type: ignore[arg-type]
    return student.eval()


def make_checkpoint(name: str, channels: int, recall: float | None, fc_width: int = 24) -> Checkpoint:
    spec = load_variant(name, {"channels": channels, "fc_width": fc_width})
    scores = {} if recall is None else {"human": {"recall_at_2pct": recall}, "espeak": {"recall_at_2pct": recall}}
    return Checkpoint(spec, lively(spec.build()).state_dict(), {"recipe": "none", "seed": 0}, scores)


@dataclass(frozen=True)
class Built:
    """A finished build: its folder, its report, the checkpoint it came from, what was said."""

    out: Path
    report: dict[str, Any]
    checkpoint: Checkpoint
    said: list[str]
