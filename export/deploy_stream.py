"""The stream student as programs with explicit state: norms folded, the state's tensors in and out.

forward   hop (1, 1, 320) and state  -> values (1, channels) and state     one voice
crowd     the same for 16 voices in one call: most of a small layer's cost is calling it
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from distill.students.stream import HOP_SAMPLES, StreamStudent, fold_norms

CROWD_VOICES = 16  # above it a call's outputs leave the cache, and little more is saved


class DeployedStream(nn.Module):
    """(V, 1, 320), *state -> (V, channels), *state: what `student.step` computes, from a copy of its weights."""

    def __init__(self, student: StreamStudent) -> None:
        super().__init__()
        self.student = fold_norms(copy.deepcopy(student))

    def forward(self, hop: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        values, after = self.student.step(hop, state)
        return (values, *after)

    def inputs(self, voices: int) -> tuple[Tensor, ...]:
        """Example inputs: silence and the state before the first sample."""
        return (torch.zeros(voices, 1, HOP_SAMPLES), *self.student.initial_state(voices))
