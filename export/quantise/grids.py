"""int8 convolutions: weights on one grid a channel, input and output each on a grid of their own, all known beforehand.

    calibrate:   GridConv, grids off, observers watching          float weights, float results
    fine-tune:   GridConv, grids on (fake quantisation)           float weights that feel their rounding
    ship:        Int8Conv, quantise -> dequantise around it       int8 weights; the delegate runs it in integers

Where one column goes through a matrix (kernel 1), a few loud channels would leave the rest no steps: there each input
channel is divided by its own `spread` first and the weights take it back (SmoothQuant, arXiv 2211.10438).

Only convolutions are quantised, by taking each one's place in the student: what lies between them (activations, sums,
norms, the gain, a stream's state) stays float32 inside the delegate. It costs next to nothing there, keeps the
residual sums from rounding at every block, and a state that is float32 is exact whatever the chunking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LOW, HIGH = -128, 127  # of activations
WEIGHT_HIGH = 127  # weights are symmetric: -127..127
GELU_FLOOR = -4.0  # below it GELU gives nothing, so a grid needs no steps there

Grid = tuple[float, int]  # value = (integer - zero) * scale


class Watcher(nn.Module):
    """Where an activation lies: remembers a histogram while `watching`, rounds to the grid chosen from it while `on`.

    floor: values below it mean nothing to whoever reads the activation. The range is the one of least squared error.
    """

    scale: Tensor
    zero: Tensor

    def __init__(self, floor: float | None = None) -> None:
        super().__init__()
        from torchao.quantization.pt2e.observer import HistogramObserver

        self.floor = floor
        self.on = False
        self.deaf = False  # while watching: only let through
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("zero", torch.zeros(()))  # a float, so that averages of weights can hold it
        self.watching: Any = HistogramObserver(
            dtype=torch.int8, quant_min=LOW, quant_max=HIGH, qscheme=torch.per_tensor_affine
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.watching is not None and not self.deaf:
            self.watching(x.detach() if self.floor is None else x.detach().clamp(min=self.floor))
        if not self.on:
            return x
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero.to(torch.int32), LOW, HIGH)

    def settle(self) -> None:
        """Take the grid from what was seen, and stop watching."""
        scale, zero = self.watching.calculate_qparams()
        self.scale.copy_(scale.reshape(()))
        self.zero.copy_(zero.reshape(()))
        self.watching = None


class GridConv(nn.Module):
    """A float convolution that can feel its int8 self. into: grid of its input, or None where that lies on one.

    floor: as of `Watcher`, for its output. The spread is one until `equalise` is told how loud its inputs are.
    """

    spread: Tensor

    def __init__(self, conv: nn.Conv2d, has_input: bool, floor: float | None) -> None:
        super().__init__()
        self.conv = conv
        self.into = Watcher() if has_input else None
        self.out = Watcher(floor)
        self.on = False
        self.matrix = has_input and conv.kernel_size == (1, 1) and conv.groups == 1
        if self.matrix:
            self.register_buffer("spread", torch.ones(1, conv.in_channels, 1, 1))

    def equalise(self, loudest: Tensor) -> None:
        """Choose `spread` so that inputs of the given largest sizes `(inputs,)` become half way equal (SmoothQuant)."""
        heaviest = self.conv.weight.detach().abs().amax((0, 2, 3))
        spread = (loudest.clamp(min=1e-3) / heaviest.clamp(min=1e-3)).sqrt()
        self.spread.copy_((spread / spread.mean()).view_as(self.spread))

    def forward(self, x: Tensor) -> Tensor:
        """What the convolution gives, between its grids."""
        conv, weight = self.conv, self.conv.weight
        if self.matrix:
            x, weight = x * (1 / self.spread), weight * self.spread
        if self.on:
            scales, zeros = weight_scales(weight), torch.zeros(len(weight), dtype=torch.int32)
            weight = torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -WEIGHT_HIGH, WEIGHT_HIGH)
        x = x if self.into is None else self.into(x)
        y = functional.conv2d(x, weight, conv.bias, *conv_shape(conv))
        result: Tensor = self.out(y)
        return result

    def watchers(self) -> list[Watcher]:
        return [w for w in (self.into, self.out) if w is not None]

    def switch(self, on: bool) -> None:
        """Round weights and activations (`on`), or nothing."""
        self.on = on
        for watcher in self.watchers():
            watcher.on = on

    def frozen(self) -> Int8Conv:
        """The int8 convolution that this one stands for."""
        conv, weight = self.conv, self.conv.weight.detach()
        weight = weight * self.spread if self.matrix else weight
        integers, scales = rounded(weight)
        bias = torch.zeros(len(scales)) if conv.bias is None else conv.bias.detach().clone()
        grids = torch.stack([torch.stack([watcher.scale, watcher.zero]) for watcher in self.watchers()])
        inverse = 1 / self.spread if self.matrix else None
        return Int8Conv(integers, scales, bias, grids.clone(), conv_shape(conv), inverse)


class Int8Conv(nn.Module):
    """An int8 convolution as the delegate knows one: quantise, dequantise and a convolution on what comes of it.

    scales `(outputs,)`: steps of `weight`. grids `(2, 2)`: scale and zero of the input's grid and of the output's, or
    `(1, 2)`: of the output's alone, where the input lies on a grid already. shape: as `conv_shape`. inverse: of the
    spread, `(1, inputs, 1, 1)`, where there is one.
    """

    weight: Tensor
    scales: Tensor
    bias: Tensor
    grids: Tensor
    zeros: Tensor
    inverse: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        scales: Tensor,
        bias: Tensor,
        grids: Tensor,
        shape: Sequence[Any],
        inverse: Tensor | None = None,
    ) -> None:
        super().__init__()
        import torch.ao.quantization.fx._decomposed  # registers the operators that delegates know

        for name, value in (("weight", weight), ("scales", scales), ("bias", bias), ("grids", grids)):
            self.register_buffer(name, value)
        self.register_buffer("inverse", inverse)
        self.register_buffer("zeros", torch.zeros(len(scales), dtype=torch.int64), persistent=False)
        found: list[Grid] = [(float(scale), int(zero)) for scale, zero in grids]
        self.into, self.out = (found[0] if len(found) == 2 else None), found[-1]
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, 1, T) -> (B, outputs, 1, T'), float32 on the output's grid."""
        return self.product(self.enter(x))

    def enter(self, x: Tensor) -> Tensor:
        """(B, inputs, 1, T) spread and on the input's grid; what lies on it already stays where it is."""
        x = x if self.inverse is None else x * self.inverse
        return x if self.into is None else _on_grid(x, self.into)

    def product(self, x: Tensor) -> Tensor:
        """What `forward` gives of `x` that has entered."""
        weight = torch.ops.quantized_decomposed.dequantize_per_channel(
            self.weight, self.scales, self.zeros, 0, -WEIGHT_HIGH, WEIGHT_HIGH, torch.int8
        )
        return _on_grid(functional.conv2d(x, weight, self.bias, *self.shape), self.out)


class DynamicConv(nn.Module):
    """An int8 convolution whose input's grid is chosen at every call from what each voice's input holds; its output is
    float32. It needs no speech to calibrate on, and rounds less; finding the range costs a pass over the input.

    weight, scales, bias, shape: as of `Int8Conv`. The delegate takes no depthwise ones.
    """

    weight: Tensor
    scales: Tensor
    bias: Tensor
    zeros: Tensor

    def __init__(self, weight: Tensor, scales: Tensor, bias: Tensor, shape: Sequence[Any]) -> None:
        super().__init__()
        import torch.ao.quantization.fx._decomposed  # registers the operators that delegates know

        for name, value in (("weight", weight), ("scales", scales), ("bias", bias)):
            self.register_buffer(name, value)
        self.register_buffer("zeros", torch.zeros(len(scales), dtype=torch.int64), persistent=False)
        self.shape = tuple(shape)

    @classmethod
    def of(cls, conv: nn.Conv2d) -> DynamicConv:
        """`conv` with rounded weights."""
        integers, scales = rounded(conv.weight.detach())
        bias = torch.zeros(len(scales)) if conv.bias is None else conv.bias.detach().clone()
        return cls(integers, scales, bias, conv_shape(conv))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, 1, T) -> (B, outputs, 1, T'), float32."""
        if len(x) > 1 and not torch.compiler.is_exporting():  # the delegate looks at each voice by itself
            return torch.cat([self(voice) for voice in x.split(1)])
        ops = torch.ops.quantized_decomposed
        scale, zero = ops.choose_qparams.tensor(x, LOW, HIGH, torch.finfo(torch.float32).eps, torch.int8)
        integers = ops.quantize_per_tensor.tensor(x, scale, zero, LOW, HIGH, torch.int8)
        entered = ops.dequantize_per_tensor.tensor(integers, scale, zero, LOW, HIGH, torch.int8)
        weight = ops.dequantize_per_channel(
            self.weight, self.scales, self.zeros, 0, -WEIGHT_HIGH, WEIGHT_HIGH, torch.int8
        )
        return functional.conv2d(entered, weight, self.bias, *self.shape)


def conv_shape(conv: nn.Conv2d) -> tuple[Any, ...]:
    """Stride, padding, dilation and groups, as `conv2d` takes them."""
    return conv.stride, conv.padding, conv.dilation, conv.groups


def is_int8(student: nn.Module) -> bool:
    """Whether any of its layers is."""
    return any(isinstance(layer, (Int8Conv, DynamicConv)) for layer in student.modules())


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 integers of `weight` and their steps, one a channel."""
    scales = weight_scales(weight)
    integers = torch.round(weight / scales.view(-1, 1, 1, 1)).clamp(-WEIGHT_HIGH, WEIGHT_HIGH)
    return integers.to(torch.int8), scales


def weight_scales(weight: Tensor) -> Tensor:
    """One step a channel (outputs,): the largest weight lands on the last integer."""
    return weight.detach().abs().amax((1, 2, 3)).clamp(min=1e-8) / WEIGHT_HIGH


def _on_grid(x: Tensor, grid: Grid) -> Tensor:
    """`x` rounded to a grid, by the two operators that a delegate turns into integers."""
    ops, (scale, zero) = torch.ops.quantized_decomposed, grid
    integers = ops.quantize_per_tensor(x, scale, zero, LOW, HIGH, torch.int8)
    result: Tensor = ops.dequantize_per_tensor(integers, scale, zero, LOW, HIGH, torch.int8)
    return result
