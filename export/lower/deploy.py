"""The student in the layout that lowers whole and runs small: same weights, same function, a third less workspace.

The largest tensor of a student is its first layer's output (C x 1637 columns), and the norm behind it needs that tensor
twice: for its statistics and to be normalised. Holding both costs half of the workspace, so three things differ here.

1.  The first convolution (10 wide, 5 apart) reads the window as 5 rows of 1638: 2 taps instead of 10 in the delegate's
    table of inputs.
2.  It runs twice, once for the statistics and once for the result; in between nothing large is alive. It is under 5 %
    of the work, and saves the time of moving a tensor of that size.
3.  The variance is E[y^2] - E[y]^2, which needs no centred copy. That form cancels badly when the mean is large; but
    the norm takes out whatever is constant over time, so the window's own mean is subtracted first and the bias is
    left out, which changes nothing but the rounding.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.layers import decompose_norms
from distill.students.spec import Baseline, Student
from distill.students.stream import StreamStudent
from distill.students.window import WindowStudent
from export.lower.deploy_stream import DeployedStream
from sdk.errors import ConfigError


def deploy(student: Student) -> DeployedStudent | DeployedStream:
    """The deployment layout of a student of either family. Raises `ConfigError` for a baseline, which has none."""
    if isinstance(student, Baseline):
        raise ConfigError(
            f"a {type(student).__name__} is a baseline to measure against and is not lowered to a .pte: "
            "make a .pt of its checkpoint with `python -m export.torchscript`"
        )
    return DeployedStream(student) if isinstance(student, StreamStudent) else DeployedStudent(student)


class DeployedStudent(nn.Module):
    """(1, 1, window) -> (1, channels): what `student` computes, from a copy of its weights, within rounding."""

    def __init__(self, student: WindowStudent) -> None:
        super().__init__()
        self.student = copy.deepcopy(student).eval()
        decompose_norms(self.student)
        first = self.student.first
        self.stride = first.stride[1]
        self.taps = first.kernel_size[1] // self.stride
        weight = first.weight.detach().reshape(-1, self.taps, self.stride)
        # (C, rows, 1, taps): sample `stride * tap + row` of the kernel
        self.weight = nn.Parameter(weight.transpose(1, 2).unsqueeze(2).contiguous(), requires_grad=False)

    def forward(self, window: Tensor) -> Tensor:
        """(1, 1, window) -> (1, channels) in -1..1."""
        student = self.student
        x = functional.gelu(self._first(window))
        for layer in student.strided:
            x = functional.gelu(layer(x))
        return torch.tanh(student.features(student.linear(student.linear_norm(x)))[2])

    def inputs(self, voices: int = 1) -> tuple[Tensor, ...]:
        """Example inputs: a window of silence. Window programs run one voice a call."""
        return (torch.zeros(voices, 1, self.student.window_samples),)

    def _first(self, window: Tensor) -> Tensor:
        """First convolution and its norm: (1, 1, window) -> (1, C, 1, columns)."""
        norm = self.student.first_norm
        columns = (window.shape[-1] - self.taps * self.stride) // self.stride + self.taps
        audio = window.reshape(1, 1, 1, window.shape[-1])
        audio = audio - audio.mean((2, 3), keepdim=True)
        rows = audio[..., : self.stride * columns].reshape(1, 1, columns, self.stride).permute(0, 3, 1, 2)
        y = functional.conv2d(rows, self.weight)
        mean = y.mean((2, 3), keepdim=True)
        variance = functional.relu((y * y).mean((2, 3), keepdim=True) - mean * mean)
        scale = torch.rsqrt(variance + norm.eps) * norm.weight.reshape(1, -1, 1, 1)
        shift = norm.bias.reshape(1, -1, 1, 1) - mean * scale
        return functional.conv2d(rows, self.weight) * scale + shift
