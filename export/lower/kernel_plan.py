"""A student as a plan for our own kernels: a chain of convolutions with packed weights, in one block of bytes.

    | header: 16 words | a layer: 32 words, each | arrays, each at a multiple of 64 bytes |

Everything between the convolutions is a property of one of them: what is done to its input (`Prepare`), its
activation, what it remembers, whether its input is added to its result. Styles are three layers behind the chain and,
in the header, what keeps lips shut. Weights lie as the kernels read them, in
panels of 16 outputs, so that a player uses them where the file has them. The reader is
`sdk/c/kernels/plan.cpp`; words are little-endian, the fields in the order of `_Layer`.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from distill.students.layers import ChannelNorm
from distill.students.spec import Student
from distill.students.stream import DRIFT, GAIN_DECAY, GAIN_FLOOR, HOP_SAMPLES, CausalConv, StreamStudent, fold_norms
from distill.students.styled import StyledStream, StyleHead
from distill.students.window import WindowStudent
from export.quantise.grids import HIGH, LOW, Int8Conv, conv_shape
from sdk.errors import VerificationError
from sdk.faces.face import CLOSED_CM

MAGIC, VERSION, STYLED_VERSION = 0x504B4654, 1, 2
PANEL, QUAD = 16, 4
_HEADER_BYTES, _LAYER_BYTES, _ALIGN = 64, 128, 64
Field = np.ndarray | float | int


class Prepare(enum.IntEnum):
    """What is done to a layer's input: the causal level, the first norm of a window, a norm over channels."""

    NONE, GAIN, WINDOW, CHANNELS = range(4)


class Activation(enum.IntEnum):
    NONE, GELU, RELU, TANH, SQUARE, LOG_ENERGY = range(6)


@dataclass
class _Layer:
    """The fields of a layer, in their order; arrays are stored by where they begin. left, right: columns beside the
    input, zeros or (remembers) those before it. adds: the layer's input to its result."""

    inputs: int
    outputs: int
    taps: int
    stride: int
    dilation: int
    groups: int
    left: int
    right: int
    remembers: bool
    adds: bool
    int8: bool
    activation: Activation
    prepare: Prepare
    weights: np.ndarray
    bias: np.ndarray
    start: np.ndarray
    scale: np.ndarray
    inverse: np.ndarray
    norm_weight: np.ndarray
    norm_bias: np.ndarray
    eps: float
    decay: float
    zero: float
    grid: float
    lowest: float
    highest: float
    drift: float


def plan(student: Student | StyledStream) -> bytes:
    """The plan of a student of either family, float32 or int8, with its styles if it has some. Raises
    `VerificationError` for a layer unknown here."""
    if isinstance(student, StyledStream):
        layers, more = _stream(student.neutral), _styles(student.head)
        layers[-1].activation = Activation.NONE  # a style adds to the values before tanh
        lips = student.head.lips
        ends: list[Field] = [
            len(student.head.spec.styles),
            _array(lips.row[:, 0]),
            _array(lips.close),
            float(lips.offset),
            CLOSED_CM,
        ]
        return _packed(STYLED_VERSION, HOP_SAMPLES, layers, more, ends)
    if isinstance(student, StreamStudent):
        return _packed(VERSION, HOP_SAMPLES, _stream(student))
    return _packed(VERSION, student.window_samples, _window(student))


def _packed(
    version: int, samples: int, layers: list[_Layer], more: Sequence[_Layer] = (), ends: Sequence[Field] = ()
) -> bytes:
    """The bytes of a chain of layers, of more behind it, and of what `ends` the header."""
    base = _HEADER_BYTES + _LAYER_BYTES * (len(layers) + len(more))
    arrays = _Arrays(base + -base % _ALIGN)
    records = b"".join(
        arrays.record([getattr(layer, field.name) for field in dataclasses.fields(layer)]).ljust(_LAYER_BYTES, b"\0")
        for layer in (*layers, *more)
    )
    head = struct.pack("<5I", MAGIC, version, len(layers), samples, layers[-1].outputs) + arrays.record(ends)
    return head.ljust(_HEADER_BYTES, b"\0") + records + b"\0" * (-base % _ALIGN) + arrays.bytes + b"\0" * _ALIGN


class _Arrays:
    """Arrays one behind the other, each at a multiple of 64 bytes, the first at `start`."""

    def __init__(self, start: int) -> None:
        self.start, self.bytes = start, b""

    def record(self, values: Sequence[Field]) -> bytes:
        """A word for each value; of an array, where it was put."""
        made = b""
        for value in values:
            if isinstance(value, np.ndarray):
                self.bytes += b"\0" * (-len(self.bytes) % _ALIGN)
                made += struct.pack("<I", self.start + len(self.bytes))
                self.bytes += value.tobytes()
            else:
                made += struct.pack("<f" if isinstance(value, float) else "<I", value)
        return made


def _styles(head: StyleHead) -> list[_Layer]:
    """Features through `hear`, a style through `gate`; their product and the style through `move`."""
    move = torch.cat([head.move.weight, head.hold.weight], 1)
    return [
        _linear(head.hear.weight, head.hear.bias, Activation.GELU),
        _linear(head.gate.weight, None, Activation.NONE),
        _linear(move, None, Activation.NONE),
    ]


def _linear(weight: torch.Tensor, bias: torch.Tensor | None, activation: Activation) -> _Layer:
    made = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None)
    made.weight = nn.Parameter(weight.detach()[:, :, None, None])
    if bias is not None:
        made.bias = nn.Parameter(bias.detach())
    return _layer(made, activation)


def _stream(given: StreamStudent) -> list[_Layer]:
    student = fold_norms(given)
    act = Activation[student.activation.upper()]
    layers = []
    if student.spectrum is not None:
        layers.append(_causal(student.spectrum.waves, Activation.SQUARE))
        layers.append(_causal(student.spectrum.bands, Activation.LOG_ENERGY))
    layers += [_causal(layer, act) for layer in student.front]
    layers.append(_causal(student.linear, Activation.NONE))
    layers += [_causal(layer, act, adds=True) for layer in (student.wide, *student.blocks)]
    layers += _full(student, act)
    first = layers[0]
    first.prepare, first.eps, first.decay, first.drift = Prepare.GAIN, GAIN_FLOOR, GAIN_DECAY, DRIFT
    return layers


def _window(student: Student) -> list[_Layer]:
    assert isinstance(student, WindowStudent)
    gelu = Activation.GELU
    first = _layer(student.first, gelu)
    norm = student.first_norm
    first.prepare, first.eps = Prepare.WINDOW, norm.eps
    first.norm_weight, first.norm_bias = _padded(_array(norm.weight), 1), _padded(_array(norm.bias), 1)
    wide = _layer(student.wide.conv, gelu)
    (wide.left, wide.right), wide.adds = student.wide.pads, True
    return [
        first,
        *(_layer(conv, gelu) for conv in student.strided),
        _normed(_layer(student.linear, Activation.NONE), student.linear_norm),
        wide,
        _normed(_layer(student.tail[0], gelu), student.tail_norm),
        *(_layer(conv, gelu) for conv in student.tail[1:]),
        *_full(student, gelu),
    ]


def _full(student: Student, act: Activation) -> list[_Layer]:
    """The three fully connected layers; the last gives the values."""
    return [_layer(student.fc1, act), _layer(student.fc2, act), _layer(student.fc3, Activation.TANH)]


def _causal(layer: nn.Module, act: Activation, adds: bool = False) -> _Layer:
    assert isinstance(layer, CausalConv)
    if layer.depth is not None:
        raise VerificationError(
            "our own kernels have no depthwise convolution, and this student is `separable: true`: "
            "build it for XNNPACK, or train it with `separable: false`"
        )
    made = _layer(layer.conv, act)
    made.left, made.remembers, made.adds = layer.left, layer.left > 0, adds
    return made


def _normed(layer: _Layer, norm: ChannelNorm) -> _Layer:
    layer.prepare, layer.eps = Prepare.CHANNELS, norm.eps
    layer.norm_weight, layer.norm_bias = _array(norm.weight), _array(norm.bias)
    return layer


def _layer(conv: nn.Module, activation: Activation) -> _Layer:
    """A convolution without anything around it."""
    if isinstance(conv, Int8Conv):
        shape, weight = conv.shape, conv.weight
    else:
        if not isinstance(conv, nn.Conv2d):
            raise VerificationError(
                f"our own kernels have no {type(conv).__name__}: build this student for XNNPACK, or in fp32 or int8"
            )
        shape, weight = conv_shape(conv), conv.weight
    stride, padding, dilation, groups = shape
    assert tuple(padding) == (0, 0)
    none = np.zeros(0, np.float32)
    outputs, inside, _, taps = weight.shape
    layer = _Layer(
        inside * groups, outputs, taps, stride[1], dilation[1], groups, 0, 0, False, False, False, activation,
        Prepare.NONE, none, none, none, none, none, none, none, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    )  # fmt: skip
    if isinstance(conv, Int8Conv):
        _pack_int8(layer, conv)
    else:
        bias = np.zeros(outputs, np.float32) if conv.bias is None else _array(conv.bias)
        layer.weights, layer.bias = _panels(_array(weight), groups, 1), _padded(bias, groups)
    return layer


def _pack_int8(layer: _Layer, conv: Int8Conv) -> None:
    """int8 weights, and how a sum becomes a value: (start + sum) * scale + bias, clamped, rounded, * grid."""
    if conv.into is None:
        raise VerificationError("an int8 convolution without a grid of its input: our own kernels know none")
    (step, zero), (grid, out_zero) = conv.into, conv.out
    weight = conv.weight.numpy()
    inputs = layer.inputs
    inverse = np.ones(inputs) if conv.inverse is None else conv.inverse.double().numpy().reshape(-1)
    layer.int8, layer.zero, layer.grid = True, float(zero), grid
    layer.lowest, layer.highest = float(LOW - out_zero), float(HIGH - out_zero)
    layer.weights = _panels(weight, layer.groups, QUAD)
    # activations are stored unsigned, 128 higher, and the integer zero does not mean 0: both add the same to every sum,
    # which `start` takes out again
    start = -(zero - LOW) * weight.astype(np.int64).sum((1, 2, 3))
    layer.start = _padded(start.astype(np.int32), layer.groups)
    layer.scale = _padded((step * conv.scales.double().numpy() / grid).astype(np.float32), layer.groups)
    layer.bias = _padded((conv.bias.double().numpy() / grid).astype(np.float32), layer.groups)
    layer.inverse = np.pad((inverse / step).astype(np.float32), (0, -inputs % PANEL))


def _panels(weight: np.ndarray, groups: int, together: int) -> np.ndarray:
    """(outputs, inputs of a group, 1, taps) -> [group][panel][tap][inputs / together][16][together], zeros between."""
    outputs, inside, _, taps = weight.shape
    own = outputs // groups
    blocks = weight.reshape(groups, own, inside, taps)
    blocks = np.pad(blocks, ((0, 0), (0, -own % PANEL), (0, -inside % together), (0, 0)))
    blocks = blocks.reshape(groups, -1, PANEL, blocks.shape[2] // together, together, taps)
    return np.ascontiguousarray(blocks.transpose(0, 1, 5, 3, 2, 4))


def _padded(values: np.ndarray, groups: int) -> np.ndarray:
    """(outputs,) -> [group][panel][16], zeros behind each group's last output."""
    grouped = values.reshape(groups, -1)
    return np.ascontiguousarray(np.pad(grouped, ((0, 0), (0, -grouped.shape[1] % PANEL))))


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().float().numpy())
