"""Small students with random weights that still answer to what they hear."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distill.files.checkpoint import Checkpoint
from distill.students.spec import Student, load_variant


def lively(student: Student, seed: int = 0) -> Student:
    """Variance-preserving random weights: with torch's default a net this deep says the same to every window."""
    torch.manual_seed(seed)
    for layer in student.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=(1.7 / layer.weight[0].numel()) ** 0.5)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1)
    return student.eval()


def make_checkpoint(name: str, channels: int, recall: float | None, fc_width: int = 24) -> Checkpoint:
    spec = load_variant(name, {"channels": channels, "fc_width": fc_width})
    scores = {} if recall is None else {"human": {"recall_at_2pct": recall}, "espeak": {"recall_at_2pct": recall}}
    return Checkpoint(spec, lively(spec.build()).state_dict(), {"recipe": "none", "seed": 0}, scores)


def make_stream_checkpoint(seed: int = 0, loudness: float = 0.1, **changes: Any) -> Checkpoint:
    """A small stream student, scored 0.9; `changes` to its spec. loudness: standard deviation of its last weights."""
    shape = {
        "channels": 24, "fc_width": 16, "spectrum": [], "front": [[8, 20, 10], [16, 8, 4], [16, 8, 4], [24, 4, 2]],
        "context": [4, 2], "dilations": [1], **changes,
    }  # fmt: skip
    spec = load_variant("s6", shape)
    student = lively(spec.build(), seed)
    nn.init.normal_(student.fc3.weight, std=loudness)
    return Checkpoint(spec, student.state_dict(), {"recipe": "none"}, {"human": {"recall_at_2pct": 0.9}})


@dataclass(frozen=True)
class Built:
    """A finished build: its folder, its report, the checkpoint it came from, what was said."""

    out: Path
    report: dict[str, Any]
    checkpoint: Checkpoint
    said: list[str]
