"""Layers in the layout that lowers whole: time on the last axis of (B, C, 1, T), norms that a delegate accepts.

A convolution over time is a Conv2d with a (1, k) kernel: the XNNPACK lowering wraps every Conv1d in a transpose.
Norms come in two twins with equal results: the fused operator (fast to train) and plain arithmetic (`decompose`,
which delegates whole where `native_group_norm` would stay outside).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def in_float32(device_type: str) -> AbstractContextManager[object]:
    """Autocast switched off for what half the digits would spoil. Nothing where it is off already: an exported program
    would hold the switch."""
    on = torch.is_autocast_enabled(device_type)
    return torch.autocast(device_type, enabled=False) if on else nullcontext()


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution over time without padding: (B, inputs, 1, T) -> (B, outputs, 1, T')."""
    return nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), groups=groups)


class TimeNorm(nn.Module):
    """Group norm with one group a channel: each channel to zero mean and unit variance over time (Table 1, "GN")."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps
        self.decompose = False

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, T)."""
        if not self.decompose:
            return functional.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)
        centred = x - x.mean((2, 3), keepdim=True)
        variance = (centred * centred).mean((2, 3), keepdim=True)
        scale = torch.rsqrt(variance + self.eps) * self.weight.reshape(1, -1, 1, 1)
        return centred * scale + self.bias.reshape(1, -1, 1, 1)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each column (Table 1, "LN")."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps
        self.decompose = False

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, T)."""
        channels = x.shape[1]
        if not self.decompose:
            return functional.layer_norm(x.transpose(1, 3), (channels,), self.weight, self.bias, self.eps).transpose(
                1, 3
            )
        # a mean over channels is a 1x1 convolution with weights 1/C: the only form of it that delegates
        averaging = torch.full((1, channels, 1, 1), 1.0 / channels, dtype=x.dtype, device=x.device)
        centred = x - functional.conv2d(x, averaging)
        variance = functional.conv2d(centred * centred, averaging)
        normal = centred * torch.rsqrt(variance + self.eps)
        return normal * self.weight.reshape(1, -1, 1, 1) + self.bias.reshape(1, -1, 1, 1)


class WideConv(nn.Module):
    """A convolution over `columns` positions with zeros around them, wider than they are (Table 1: kernel 64 on 25).

    32 zeros on either side would give one column too many for an even kernel; the last is dropped. More than half of
    the taps meet zeros, so in training the same sum is a dense product with a Toeplitz matrix: seven times faster.
    """

    def __init__(self, channels: int, columns: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.conv = conv(channels, channels, kernel, groups=groups)
        positions = torch.arange(columns)
        # taps[t, s]: with which tap of the kernel output column t meets input column s
        self.register_buffer("taps", positions[None, :] - positions[:, None] + kernel // 2, persistent=False)
        # inside[k, j]: 1 where product j of a column's 2 * columns - 1 lies in the window that has k columns before it
        inside = torch.arange(2 * columns - 1)[None, :] - positions[:, None]
        self.register_buffer("inside", ((inside >= 0) & (inside < columns)).float(), persistent=False)
        self.columns = columns
        self.pads = (kernel // 2, kernel // 2 - 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, columns) -> (B, C, 1, columns)."""
        return self._dense(x) if self.training else self.conv(functional.pad(x, self.pads))

    def _dense(self, x: Tensor) -> Tensor:
        batch, channels, _, columns = x.shape
        taps: Tensor = self.taps  # type: ignore[assignment]
        groups = self.conv.groups
        width = channels // groups
        kernel = self.conv.weight.view(groups, width, width, -1)[..., taps]  # (g, out, in, t, s)
        matrix = kernel.permute(0, 2, 4, 1, 3).reshape(groups, width * columns, width * columns)
        flat = torch.bmm(x.reshape(batch, groups, -1).transpose(0, 1), matrix).transpose(0, 1)
        assert self.conv.bias is not None
        return flat.reshape(x.shape) + self.conv.bias.view(1, -1, 1, 1)

    def over(self, x: Tensor) -> Tensor:
        """Of every window of a stretch: (B, C, 1, N + columns - 1) -> (B, N, C, 1, columns).

        Windows overlap, so most products of a column and a tap belong to `columns` of them. Each is made once,

            products[a, j] = x[a + j] * kernel[j]      for the column at a, j = 1 - columns .. columns - 1

        and a window's output is the sum of those that lie inside it: a seventh of the work of separate windows.
        """
        if not self.training:
            windows = x.unfold(3, self.columns, 1).permute(0, 3, 1, 2, 4)  # (B, N, C, 1, columns)
            return self(windows.flatten(0, 1)).view(windows.shape)
        batch, channels, _, length = x.shape
        groups, columns = self.conv.groups, self.columns
        width, span, count = channels // groups, 2 * columns - 1, length - columns + 1
        first = self.pads[0] - (columns - 1)
        kernel = self.conv.weight.view(groups, width, width, -1)[..., first : first + span]  # (g, out, in, j)
        rows = x.reshape(batch, groups, width, length).permute(1, 0, 3, 2).reshape(groups, batch * length, width)
        products = torch.bmm(rows, kernel.permute(0, 2, 3, 1).reshape(groups, width, span * width))
        products = functional.pad(products.view(groups * batch, length, -1), (0, 0, columns - 1, columns - 1))
        row = span * width
        around = Strided.apply(
            products,
            (groups * batch, length, span, width),
            ((length + 2 * columns - 2) * row, row, row + width, 1),
            0,
        )
        inside: Tensor = self.inside  # type: ignore[assignment]
        sums = torch.matmul(inside.to(around.dtype), around)  # (g B, a, k, out): a = n + t, k = columns - 1 - t
        row = columns * width
        windows = Strided.apply(
            sums,
            (groups * batch, count, columns, width),
            (length * row, row, row - width, 1),
            row - width,
        )
        shape = (groups, batch, count, columns, width)
        by_channel = windows.view(shape).permute(1, 2, 0, 4, 3).reshape(batch, count, channels, 1, columns)
        assert self.conv.bias is not None
        return by_channel + self.conv.bias.view(-1, 1, 1)


class Strided(torch.autograd.Function):
    """`Tensor.as_strided` where no element is read twice, so that its gradient is a plain copy back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Tensor:
        ctx.shape, ctx.view = x.shape, (size, stride, offset)
        return x.contiguous().as_strided(size, stride, offset).contiguous()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        back = gradient.new_zeros(ctx.shape)
        back.as_strided(*ctx.view).copy_(gradient)
        return back, None, None, None


def conclude(
    x: Tensor, tail: Iterable[nn.Module], fc1: nn.Module, fc2: nn.Module, fc3: nn.Module
) -> tuple[Tensor, Tensor, Tensor]:
    """The end of every window student: the tail takes (B, C, 1, T) to one column, then the fully connected layers.

    F_-4 (B, fc), F_-3 (B, fc), F_-2 (B, rig): hidden FC layers, and the last before tanh.
    """
    for layer in tail:
        x = functional.gelu(layer(x))
    one = functional.gelu(fc1(x))
    two = functional.gelu(fc2(one))
    return one.flatten(1), two.flatten(1), fc3(two).flatten(1)


def decompose_norms(module: nn.Module, on: bool = True) -> nn.Module:
    """Switch every norm below `module` to its delegating twin (`on`) or back; returns `module`."""
    for layer in module.modules():
        if isinstance(layer, (TimeNorm, ChannelNorm)):
            layer.decompose = on
    return module
