"""Stream students: the layers of Table 1 as a causal stream: a hop in, a rig vector out, state given and returned.

    hop (B, 1, 320) --gain--> front: strided convolutions, 320 samples a column --> (B, C, 1, 1)
                              wide context, dilated residual blocks, three FC layers --> (B, rig)

Every convolution looks back only, over a state of its last input columns, so a voice costs one hop of work for a hop of
speech, where a window student does 94 % of its work again at each frame. The future context of the paper is a delay of
the label: the values that come out with hop j describe the instant `future` samples before its end. Norms are batch
norms (folded at export). The level is taken out by a causal gain, because a stream has no window to normalise over.

`forward` runs a whole stream in one pass and is the judge of `step`, which runs it hop by hop; before sample 0 every
state is zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

HOP_SAMPLES = 320
GAIN_DECAY = 0.985  # of the held energy in one hop: it halves in 0.92 s
GAIN_FLOOR = 1e-5  # mean square below which (-50 dB) sound is not raised to full level

State = tuple[Tensor, ...]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": functional.gelu, "relu": functional.relu}


class BatchNorm(nn.Module):
    """Batch norm over (B, C, 1, T). Torch's own also counts batches, an integer that no average of weights can hold."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.momentum, self.eps = momentum, eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, C, 1, T)."""
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    def folded_into(self, conv: nn.Conv2d) -> nn.Conv2d:
        """A convolution that does what `conv` and then this norm do in inference."""
        weights = nn.utils.fusion.fuse_conv_bn_weights(
            conv.weight, conv.bias, self.running_mean, self.running_var, self.eps, self.weight, self.bias
        )
        conv.weight, conv.bias = weights
        return conv


class CausalConv(nn.Module):
    """Convolution over time that looks back only, then batch norm. (B, inputs, 1, T) -> (B, outputs, 1, T / stride).

    Its state is the last `left` input columns. separable: depthwise over time, then across channels.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.left = (kernel - 1) * dilation + 1 - stride
        if separable:
            self.depth: nn.Conv2d | None = nn.Conv2d(
                inputs, inputs, (1, kernel), (1, stride), dilation=(1, dilation), groups=inputs, bias=False
            )
            self.conv = nn.Conv2d(inputs, outputs, 1)
        else:
            self.depth = None
            self.conv = nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), dilation=(1, dilation), groups=groups)
        self.norm: nn.Module = BatchNorm(outputs)

    def initial(self, batch: int, device: torch.device | None = None) -> State:
        """Zeros `(B, inputs, 1, left)`; no tensor at all where nothing is looked back on."""
        return (torch.zeros(batch, self.inputs, 1, self.left, device=device),) if self.left else ()

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Columns that `x` completes, and the state after it."""
        if self.left:
            x = torch.cat([state[0], x], 3)
            state = (x[..., x.shape[3] - self.left :],)
        if self.depth is not None:
            x = self.depth(x)
        return self.norm(self.conv(x)), state


class StreamStudent(nn.Module):
    """front: `(channels, kernel, stride)` of each strided layer, strides multiplying to 320; context: `(taps, groups)`
    of the wide layer over columns; dilations: of the residual blocks behind it (kernel 3); separable: depthwise
    convolutions in all but the first layer; activation: a name of `ACTIVATIONS`."""

    def __init__(
        self,
        channels: int,
        rig_channels: int,
        front: Sequence[Sequence[int]],
        context: tuple[int, int],
        dilations: Sequence[int],
        fc_width: int,
        separable: bool = False,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        if math.prod(stride for _, _, stride in front) != HOP_SAMPLES:
            raise ValueError(f"strides of the front {list(front)} do not multiply to {HOP_SAMPLES}")
        self.activation = activation
        widths = [1, *(width for width, _, _ in front)]
        self.front = nn.ModuleList(
            CausalConv(before, width, kernel, stride, separable=separable and before > 1)
            for before, (width, kernel, stride) in zip(widths, front, strict=False)
        )
        self.linear = CausalConv(widths[-1], channels, 1)
        self.wide = CausalConv(channels, channels, context[0], groups=context[1])
        self.blocks = nn.ModuleList(
            CausalConv(channels, channels, 3, dilation=dilation, separable=separable) for dilation in dilations
        )
        self.fc1 = nn.Conv2d(channels, fc_width, 1)
        self.fc2 = nn.Conv2d(fc_width, fc_width, 1)
        self.fc3 = nn.Conv2d(fc_width, rig_channels, 1)

    @property
    def _stateful(self) -> list[CausalConv]:
        return [layer for layer in self.modules() if isinstance(layer, CausalConv) and layer.left]

    def initial_state(self, batch: int = 1, device: torch.device | None = None) -> State:
        """The state before sample 0, on `device`: held energy `(B, 1, 1, 1)`, then a tensor a layer that looks back."""
        states = (layer.initial(batch, device)[0] for layer in self._stateful)
        return (torch.zeros(batch, 1, 1, 1, device=device), *states)

    def step(self, hop: Tensor, state: State) -> tuple[Tensor, State]:
        """hop (B, 1, 320), state as `initial_state` -> (B, rig) in -1..1 and the next state."""
        x = hop.reshape(hop.shape[0], 1, 1, HOP_SAMPLES)
        held = torch.maximum((x * x).mean((2, 3), keepdim=True), state[0] * GAIN_DECAY)
        features, rest = self._columns(x * torch.rsqrt(held + GAIN_FLOOR), state[1:])
        return torch.tanh(features[2]).reshape(hop.shape[0], -1), (held, *rest)

    def features(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A whole stream (B, 1, 320 N) -> F_-4 (B, N, fc), F_-3 (B, N, fc), F_-2 (B, N, rig), the last before tanh."""
        x = audio.reshape(audio.shape[0], 1, 1, audio.shape[-1])
        gained, _ = self._columns(x * self._gain(x), self.initial_state(len(x), x.device)[1:])
        one, two, last = (feature.squeeze(2).transpose(1, 2) for feature in gained)
        return one, two, last

    def forward(self, audio: Tensor) -> Tensor:
        """A whole stream in one pass: (B, 1, 320 N) -> (B, N, rig) in -1..1."""
        return torch.tanh(self.features(audio)[2])

    def _gain(self, x: Tensor) -> Tensor:
        """Of every sample (B, 1, 1, n): what `step` finds hop by hop, as one running maximum in logarithms."""
        energy = x.reshape(x.shape[0], -1, HOP_SAMPLES).square().mean(2)
        decay = torch.arange(energy.shape[1], dtype=torch.float64, device=x.device) * math.log(GAIN_DECAY)
        held = ((energy.double().clamp(min=1e-30).log() - decay).cummax(1).values + decay).exp()
        gain = torch.rsqrt(held.to(x.dtype) + GAIN_FLOOR)
        return gain.repeat_interleave(HOP_SAMPLES, 1).reshape(x.shape)

    def _columns(self, x: Tensor, state: State) -> tuple[tuple[Tensor, Tensor, Tensor], State]:
        act, waiting = ACTIVATIONS[self.activation], list(state)
        after: list[Tensor] = []

        def run(layer: CausalConv, x: Tensor) -> Tensor:
            y, new = layer(x, (waiting.pop(0),) if layer.left else ())
            after.extend(new)
            return y

        for layer in self.front:
            x = act(run(layer, x))  # type: ignore[arg-type]
        columns = run(self.linear, x)
        x = columns + act(run(self.wide, columns))
        for block in self.blocks:
            x = x + act(run(block, x))  # type: ignore[arg-type]
        one = act(self.fc1(x))
        two = act(self.fc2(one))
        return (one, two, self.fc3(two)), tuple(after)


def fold_norms(student: StreamStudent) -> StreamStudent:
    """Batch norms folded into the convolutions before them, in place, for inference; returns `student`."""
    student.eval()
    for layer in student.modules():
        if isinstance(layer, CausalConv) and isinstance(layer.norm, BatchNorm):
            layer.conv, layer.norm = layer.norm.folded_into(layer.conv), nn.Identity()
    return student
