"""Other ways to spend fewer bits, measured beside int8 and not offered: why not is what `export.study` writes down.

weight-only    int8 weights, float32 arithmetic on what they mean
half-weights   float16 weights, float32 arithmetic on what they mean
half           float16 weights and arithmetic, float32 at the ends of the program

Each is a student in deployment layout with other convolutions. They are tried on the same backend by the same rule:
one delegate, nothing outside it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.ao.quantization.fx._decomposed  # registers the operators that delegates know
from torch import Tensor, nn
from torch.nn import functional

from distill.students.spec import Student
from export.lower.deploy import DeployedStudent, deploy
from export.lower.deploy_stream import DeployedStream
from export.quantise.grids import WEIGHT_HIGH, conv_shape, rounded
from export.quantise.keep import KEEP
from export.quantise.rounding import layer_names

Deployed = DeployedStudent | DeployedStream


class StoredConv(nn.Module):
    """A convolution whose weights are stored in fewer bits and taken back to float32 by the program itself."""

    weight: Tensor
    scales: Tensor
    zeros: Tensor

    def __init__(self, conv: nn.Conv2d, half: bool) -> None:
        super().__init__()
        self.shape, self.half_bits = conv_shape(conv), half
        weight = conv.weight.detach()
        integers, scales = rounded(weight)
        self.register_buffer("weight", weight.half() if half else integers)
        self.register_buffer("scales", scales)
        self.register_buffer("zeros", torch.zeros(len(scales), dtype=torch.int64))
        self.bias = conv.bias

    def stored(self) -> Tensor:
        """The weights as float32."""
        if self.half_bits:
            return self.weight.to(torch.float32)
        return _per_channel(self.weight, self.scales, self.zeros)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, 1, T) -> (B, outputs, 1, T')."""
        return functional.conv2d(x, self.stored(), self.bias, *self.shape)


class Halved(nn.Module):
    """A deployed student in float16, with float32 at its ends."""

    def __init__(self, deployed: Deployed) -> None:
        super().__init__()
        self.inner = copy.deepcopy(deployed).half()

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        result = self.inner(*(tensor.to(torch.float16) for tensor in given))
        parts = result if isinstance(result, tuple) else (result,)
        return tuple(tensor.to(torch.float32) for tensor in parts)


def _per_channel(weight: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
    result: Tensor = torch.ops.quantized_decomposed.dequantize_per_channel(
        weight, scales, zeros, 0, -WEIGHT_HIGH, WEIGHT_HIGH, torch.int8
    )
    return result


def _with(student: Student, make: Callable[[nn.Conv2d], nn.Module]) -> Deployed:
    deployed = deploy(student)
    for name in layer_names(deployed.student, KEEP):  # type: ignore[arg-type]
        above, _, last = name.rpartition(".")
        parent = deployed.student.get_submodule(above)
        layer = getattr(parent, last)
        assert isinstance(layer, nn.Conv2d)
        setattr(parent, last, make(layer))
    return deployed


ALTERNATIVES: dict[str, Callable[[Student], nn.Module]] = {
    "weight-only": lambda student: _with(student, lambda conv: StoredConv(conv, half=False)),
    "half-weights": lambda student: _with(student, lambda conv: StoredConv(conv, half=True)),
    "half": lambda student: Halved(deploy(student)),
}
