"""A stream student with styles as a program: the neutral one's, and the style head beside its last layers.

hop (V, 1, 320), *state, style (V, styles, 1, 1) -> values (V, channels), *state, style as it was

The head is of convolutions of one column, as all of a deployed student is, so that a delegate takes them whole.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.stream import HOP_SAMPLES
from distill.students.styled import StyledStream, shift
from export.lower.deploy_stream import DeployedStream
from sdk.faces.face import CLOSED_CM


class DeployedStyled(nn.Module):
    """What `styled.step` computes, from a copy of its weights."""

    def __init__(self, styled: StyledStream) -> None:
        super().__init__()
        self.start = styled.initial_state
        self.student = DeployedStream(styled.neutral).student
        head = styled.head
        self.hear = _column(head.hear.weight, head.hear.bias)
        self.gate, self.move, self.hold = (_column(x.weight) for x in (head.gate, head.move, head.hold))
        self.gap, self.close = _column(head.lips.row.T, head.lips.offset), _column(head.lips.close[:, None])

    def forward(self, hop: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        features, after = self.student.hop_features(hop, state[:-1])
        style = state[-1]
        moved = self.move(functional.gelu(self.hear(features[1])) * self.gate(style)) + self.hold(style)
        neutral, styled = torch.tanh(features[2]), torch.tanh(features[2] + moved)
        before = self.gap(torch.relu(neutral))
        shut = (before * (-1 / CLOSED_CM) + 3.0).clamp(0.0, 1.0)  # no number less a tensor: it would not delegate
        opened = torch.relu(self.gap(torch.relu(styled)) - before) * shut
        values = shift(styled, self.close(opened)).reshape(hop.shape[0], -1)
        return (values, *after, style * 1.0)  # a program may not give an input back as it is

    def inputs(self, voices: int) -> tuple[Tensor, ...]:
        """Example inputs: silence and the state before the first sample."""
        return (torch.zeros(voices, 1, HOP_SAMPLES), *self.start(voices))


def _column(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """A convolution of one column with the weights (outputs, inputs) of a linear layer."""
    made = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None)
    made.weight = nn.Parameter(weight.detach()[:, :, None, None].clone(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return made
