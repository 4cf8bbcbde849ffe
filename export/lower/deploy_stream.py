"""The stream student as programs with explicit state: norms folded, the state's tensors in and out.

forward   hop (1, 1, 320) and state  -> values (1, channels) and state     one voice
crowd     the same for 16 voices in one call: most of a small layer's cost is calling it

An int8 layer's columns enter its grid before they are joined to the state: the delegate then reads the activation
before it from a table of 256 integers, joins and cuts bytes instead of floats; nothing is rounded that was not before.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from distill.students.stream import HOP_SAMPLES, CausalConv, State, StreamStudent, fold_norms
from export.quantise.grids import Int8Conv

CROWD_VOICES = 16  # above it a call's outputs leave the cache, and little more is saved


class DeployedStream(nn.Module):
    """(V, 1, 320), *state -> (V, channels), *state: what `student.step` computes, from a copy of its weights."""

    def __init__(self, student: StreamStudent) -> None:
        super().__init__()
        self.student = fold_norms(copy.deepcopy(student))
        for layer in self.student.front[1:]:  # the first hears samples or a spectrum, which no activation is before
            if isinstance(layer, CausalConv) and layer.left and isinstance(_first(layer), Int8Conv):
                layer.forward = _JoinedOnGrid(layer)  # type: ignore[method-assign]

    def forward(self, hop: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        values, after = self.student.step(hop, state)
        return (values, *after)

    def inputs(self, voices: int) -> tuple[Tensor, ...]:
        """Example inputs: silence and the state before the first sample."""
        return (torch.zeros(voices, 1, HOP_SAMPLES), *self.student.initial_state(voices))


def _first(layer: CausalConv) -> nn.Module:
    return layer.conv if layer.depth is None else layer.depth


class _JoinedOnGrid:
    """`CausalConv.forward` of an int8 layer whose input is quantised before the (quantised) state is joined to it."""

    def __init__(self, layer: CausalConv) -> None:
        self.layer = layer

    def __call__(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        layer = self.layer
        first = _first(layer)
        assert isinstance(first, Int8Conv)
        joined = first.enter(torch.cat([first.enter(state[0]), first.enter(x)], 3))
        after = first.enter(joined[..., joined.shape[3] - layer.left :])
        y = first.product(joined)
        return (y if layer.depth is None else layer.conv(y)), (after,)
