"""A stream student with styles as a program: the neutral one's, and the style head beside its last layers.

hop (V, 1, 320), *state, style (V, styles, 1, 1) -> values (V, channels), *state, style as it was

The head is of convolutions of one column, as all of a deployed student is, so that a delegate takes them whole.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.stream import HOP_SAMPLES, fold_norms
from distill.students.styled import StyledStream


class DeployedStyled(nn.Module):
    """What `styled.step` computes, from a copy of its weights."""

    def __init__(self, styled: StyledStream) -> None:
        super().__init__()
        self.start = styled.initial_state
        self.student = fold_norms(copy.deepcopy(styled.neutral))
        head = styled.head
        self.hear, self.gate, self.move, self.hold = (_column(x) for x in (head.hear, head.gate, head.move, head.hold))

    def forward(self, hop: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        features, after = self.student.hop_features(hop, state[:-1])
        style = state[-1]
        moved = self.move(functional.gelu(self.hear(features[1])) * self.gate(style)) + self.hold(style)
        values = torch.tanh(features[2] + moved).reshape(hop.shape[0], -1)
        return (values, *after, style * 1.0)  # a program may not give an input back as it is

    def inputs(self, voices: int) -> tuple[Tensor, ...]:
        """Example inputs: silence and the state before the first sample."""
        return (torch.zeros(voices, 1, HOP_SAMPLES), *self.start(voices))


def _column(layer: nn.Linear) -> nn.Conv2d:
    made = nn.Conv2d(layer.in_features, layer.out_features, 1, bias=layer.bias is not None)
    made.weight = nn.Parameter(layer.weight.detach()[:, :, None, None].clone(), requires_grad=False)
    if layer.bias is not None:
        made.bias = nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
    return made
