"""Student -> TorchScript `.pt`, traced and frozen: for tools and as a second opinion on the `.pte`.

`export.build` writes a float one beside every program; this writes one of any precision, sealed and verified. Both load
in libtorch and in torch without any package of ours, on any device that torch has. A rounded student keeps its weights
in int8; its integers and grids are those of its twin, and it multiplies them as floats that hold whole numbers.

Not by torch's own quantised convolutions, which give other numbers on other processors: oneDNN's grouped one is wrong
by whole grids where there is AMX, and without VNNI its sums of pairs of products stop at 16 bits.

TorchScript is deprecated in PyTorch; it works in 2.13, and nothing that ships in an engine should depend on it.
"""

from __future__ import annotations

import copy
import io
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.spec import Student
from distill.students.stream import CausalConv, StreamStudent
from export.lower.deploy_stream import DeployedStream
from export.quantise.grids import HIGH, LOW, DynamicConv, Grid, Int8Conv
from sdk.errors import ConfigError


def torchscript(student: Student) -> bytes:
    """The bytes of a frozen module: (1, 1, window) -> (1, channels), or of a stream, hop and state for any voices."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # every shape is fixed here
        module, inputs = _module(in_integers(student))
        traced = torch.jit.trace(module.eval(), inputs, check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), buffer)
    return buffer.getvalue()


def _module(student: Student) -> tuple[nn.Module, tuple[Tensor, ...]]:
    if isinstance(student, StreamStudent):
        deployed = DeployedStream(student)
        return deployed, deployed.inputs(2)
    return student, (torch.zeros(1, 1, student.window_samples),)


def in_integers(student: Student) -> Student:
    """`student` itself, or a copy whose int8 layers are of plain operators. Raises `ConfigError` for a dynamic one."""
    if any(isinstance(layer, DynamicConv) for layer in student.modules()):
        raise ConfigError("a .pt cannot choose its grids at every call: give precision int8, mixed or fp32")
    if not any(isinstance(layer, Int8Conv) for layer in student.modules()):
        return student
    copied = copy.deepcopy(student)
    for name, layer in list(student.named_modules()):
        if isinstance(layer, Int8Conv):
            above, _, last = name.rpartition(".")
            setattr(copied.get_submodule(above), last, WholeConv(layer, _grid_of_input(student, above, layer)))
    return copied.eval()


def _grid_of_input(student: Student, above: str, layer: Int8Conv) -> Grid:
    """The grid on which the input of `layer` lies: its own, or that of the depthwise layer before it."""
    if layer.into is not None:
        return layer.into
    block = student.get_submodule(above)
    assert isinstance(block, CausalConv)
    assert isinstance(block.depth, Int8Conv)
    return block.depth.out


class WholeConv(nn.Module):
    """An `Int8Conv` in whole numbers that floats hold: the same on every processor, whatever order it adds in.

    A sum of products is exact below 2^24, which only a wide layer's could pass; above, it rounds by 1e-7 of itself.
    """

    inverse: Tensor | None
    weight: Tensor
    step: Tensor
    bias: Tensor

    def __init__(self, layer: Int8Conv, into: Grid) -> None:
        super().__init__()
        self.into, self.out, self.shape = into, layer.out, layer.shape
        self.register_buffer("inverse", layer.inverse)
        self.register_buffer("weight", layer.weight.contiguous())
        self.register_buffer("step", (layer.scales * into[0]).view(1, -1, 1, 1))
        self.register_buffer("bias", layer.bias.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, 1, T) -> (B, outputs, 1, T'), float32 on the output's grid."""
        x = x if self.inverse is None else x * self.inverse
        # `type_as` and no constant type: freezing would fold the weights to floats, four times the file
        sums = functional.conv2d(_steps(x, self.into), self.weight.type_as(x), None, *self.shape)
        return _steps(sums * self.step + self.bias, self.out) * self.out[0]


def _steps(x: Tensor, grid: Grid) -> Tensor:
    """How many steps of `grid` each value of `x` is from zero: whole numbers."""
    scale, zero = grid
    return torch.round(x * (1 / scale)).clamp(LOW - zero, HIGH - zero)
