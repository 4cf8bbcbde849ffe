"""Stream students: the layers of Table 1 as a causal stream: a hop in, a rig vector out, state given and returned.

    hop (B, 1, 320) --level--> front: strided convolutions, 320 samples a column --> (B, C, 1, 1)
                               wide context, dilated residual blocks, three FC layers --> (B, rig)

Every convolution looks back only, over a state of its last input columns, so a voice costs one hop of work for a hop of
speech, where a window student does 94 % of its work again at each frame. The future context of the paper is a delay of
the label: the values that come out with hop j describe the instant `future` samples before its end. Norms are batch
norms (folded at export). A stream has no window to normalise over, so `level` takes out what drifts and how loud it is:

    drift_j = DRIFT drift_(j-1) + (1 - DRIFT) mean(x_j)        y = x - the line from drift_(j-1) to drift_j over the hop
    held_j  = max(variance(y_j), GAIN_DECAY held_(j-1))        out = y / sqrt(held_j + GAIN_FLOOR)

The first line is a high-pass of one pole a hop (5.5 Hz) without a step at any hop's edge; both are a few operations on
a hop of 320 samples, so they lie inside the program and every player gets them.

`forward` runs a whole stream in one pass and is the judge of `step`, which runs it hop by hop; before sample 0 every
state is zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.layers import in_float32
from sdk.clock import SAMPLE_RATE_HZ

HOP_SAMPLES = 320
GAIN_DECAY = 0.985  # what a hop leaves of the energy held before it: half of it is gone in 0.92 s
GAIN_FLOOR = 1e-7  # mean square below which (-70 dB) sound is not raised to full level
DRIFT = 0.5  # how much of the offset known so far stays at each hop: a new one is followed to a thousandth in 0.2 s

COARSE = 1e-3
LEVEL_STATES = 2  # held energy and drift, the first tensors of a state

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


class Spectrum(nn.Module):
    """Log energies of bands on the mel scale, not learned: (B, 1, 1, T) -> (B, bands, 1, T / stride).

        waves   a convolution of `waves` pairs of windowed cosines and sines, evenly from 0 to 8 kHz
        bands   the energies of a pair added, and those of neighbours: triangles on the mel scale
        out     LOG_SCALE log(energy + QUIET) + LOG_SHIFT, about -1 to 1

    A few narrow layers on the waveform (the paper's first layer hears 10 samples) cannot tell /u/ from /i/ in a tenth
    of a megabyte; with these energies before them they need not learn what an ear does.
    """

    QUIET, LOG_SCALE, LOG_SHIFT = 1e-5, 0.2, 1.2

    def __init__(self, waves: int, taps: int, stride: int, bands: int) -> None:
        super().__init__()
        self.waves = CausalConv(1, 2 * waves, taps, stride)
        self.bands = CausalConv(2 * waves, bands, 1)
        for layer in (self.waves, self.bands):
            layer.norm = nn.Identity()
            layer.requires_grad_(False)

    def initialise(self) -> None:
        """The weights of a mel spectrum."""
        count, taps = self.waves.conv.out_channels // 2, self.waves.conv.kernel_size[1]
        hz = (torch.arange(count) + 0.5) * SAMPLE_RATE_HZ / 2 / count
        angle = 2 * math.pi * hz[:, None] * torch.arange(taps) / SAMPLE_RATE_HZ
        window = torch.hann_window(taps, periodic=False)
        pairs = torch.cat([angle.cos(), angle.sin()]) * window * (2 / window.sum())
        mel = lambda f: 1127 * torch.log1p(f / 700)  # noqa: E731
        bands = self.bands.conv.out_channels
        edges = torch.linspace(float(mel(torch.tensor(60.0))), float(mel(torch.tensor(7800.0))), bands + 2)
        width = torch.maximum(edges[2:] - edges[1:-1], (mel(hz + 60) - mel(hz - 60)).max() / 4)[:, None]
        triangles = (1 - (mel(hz)[None, :] - edges[1:-1, None]).abs() / width).clamp(min=0)
        nearest = torch.nn.functional.one_hot((mel(hz)[None, :] - edges[1:-1, None]).abs().argmin(1), count)
        triangles = torch.where(triangles.sum(1, keepdim=True) > 0.1, triangles, nearest.float())
        with torch.no_grad():
            self.waves.conv.weight.copy_(pairs[:, None, None])
            self.bands.conv.weight.copy_(torch.cat([triangles, triangles], 1)[..., None, None])
            for layer in (self.waves.conv, self.bands.conv):
                assert layer.bias is not None
                layer.bias.zero_()

    def compress(self, energies: Tensor) -> Tensor:
        """Log energies of what `bands` made."""
        return torch.log(functional.relu(energies) + self.QUIET) * self.LOG_SCALE + self.LOG_SHIFT


class StreamStudent(nn.Module):
    """spectrum: `(waves, taps, stride, bands)` of a `Spectrum` before the front, or nothing. front: `(channels, kernel,
    stride)` of each strided layer; strides, the spectrum's too, multiply to 320. context: `(taps, groups)` of the wide
    layer over columns. dilations: of the residual blocks behind it (kernel 3). separable: depthwise convolutions in
    all but the first layer. activation: a name of `ACTIVATIONS`."""

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
        spectrum: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if math.prod([*(stride for _, _, stride in front), *spectrum[2:3]]) != HOP_SAMPLES:
            raise ValueError(
                f"strides of the spectrum {list(spectrum)} and the front {list(front)} are not {HOP_SAMPLES}"
            )
        self.activation = activation
        self.ramp: Tensor
        self.register_buffer("ramp", torch.arange(1, HOP_SAMPLES + 1) / HOP_SAMPLES, persistent=False)
        self.spectrum = Spectrum(*spectrum) if spectrum else None
        widths = [spectrum[3] if spectrum else 1, *(width for width, _, _ in front)]
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
        """The state before sample 0, on `device`: held energy and drift `(B, 1, 1, 1)`, then a tensor a layer that
        looks back."""
        states = (layer.initial(batch, device)[0] for layer in self._stateful)
        return (*(torch.zeros(batch, 1, 1, 1, device=device) for _ in range(LEVEL_STATES)), *states)

    def step(self, hop: Tensor, state: State) -> tuple[Tensor, State]:
        """hop (B, 1, 320), state as `initial_state` -> (B, rig) in -1..1 and the next state."""
        features, after = self.hop_features(hop, state)
        return torch.tanh(features[2]).reshape(hop.shape[0], -1), after

    def hop_features(self, hop: Tensor, state: State) -> tuple[tuple[Tensor, Tensor, Tensor], State]:
        """Of `step`: F_-4, F_-3 and F_-2 of the hop, (B, width, 1, 1), and the next state."""
        x = hop.reshape(hop.shape[0], 1, 1, HOP_SAMPLES)
        # + COARSE - COARSE rounds an offset below 1e-10 to zero: halved hop by hop it would become a denormal number,
        # which processors multiply far slower
        drift = state[1] * DRIFT + x.mean((2, 3), keepdim=True) * (1 - DRIFT) + COARSE - COARSE
        x = x - (state[1] + (drift - state[1]) * self.ramp)
        mean = x.mean((2, 3), keepdim=True)
        held = torch.maximum((x * x).mean((2, 3), keepdim=True) - mean * mean, state[0] * GAIN_DECAY)
        features, rest = self._columns(x * torch.rsqrt(held + GAIN_FLOOR), state[LEVEL_STATES:])
        return features, (held, drift, *rest)

    def features(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A whole stream (B, 1, 320 N) -> F_-4 (B, N, fc), F_-3 (B, N, fc), F_-2 (B, N, rig), the last before tanh."""
        x = self._level(audio.reshape(audio.shape[0], 1, 1, audio.shape[-1]))
        columns, _ = self._columns(x, self.initial_state(len(x), x.device)[LEVEL_STATES:])
        one, two, last = (feature.squeeze(2).transpose(1, 2) for feature in columns)
        return one, two, last

    def forward(self, audio: Tensor) -> Tensor:
        """A whole stream in one pass: (B, 1, 320 N) -> (B, N, rig) in -1..1."""
        return torch.tanh(self.features(audio)[2])

    def _level(self, x: Tensor) -> Tensor:
        """(B, 1, 1, 320 N) as `step` hears it hop by hop: without drift, and raised to full level."""
        with in_float32(x.device.type):  # bfloat16 has too few digits for a level
            hops = x.float().reshape(x.shape[0], -1, HOP_SAMPLES)
            drift = _drift(hops.mean(2))
            before = functional.pad(drift, (1, -1))
            hops = hops - (before[..., None] + (drift - before)[..., None] * self.ramp)
            energy = hops.square().mean(2) - hops.mean(2).square()
            # max(energy, held * decay) hop by hop, at once: in logarithms less the decay's line it is a running maximum
            decay = torch.arange(energy.shape[1], dtype=torch.float64, device=x.device) * math.log(GAIN_DECAY)
            held = ((energy.double().clamp(min=1e-30).log() - decay).cummax(1).values + decay).exp()
            return (hops * torch.rsqrt(held.to(x.dtype) + GAIN_FLOOR)[..., None]).reshape(x.shape)

    def _columns(self, x: Tensor, state: State) -> tuple[tuple[Tensor, Tensor, Tensor], State]:
        act, waiting = ACTIVATIONS[self.activation], list(state)
        after: list[Tensor] = []

        def run(layer: CausalConv, x: Tensor) -> Tensor:
            y, new = layer(x, (waiting.pop(0),) if layer.left else ())
            after.extend(new)
            return y

        if self.spectrum is not None:
            with in_float32(x.device.type):  # quiet bands lie below bfloat16's digits of loud ones
                waves = run(self.spectrum.waves, x)
                x = self.spectrum.compress(run(self.spectrum.bands, waves * waves))
        for layer in self.front:
            x = act(run(layer, x))  # type: ignore[arg-type]
        columns = run(self.linear, x)
        x = columns + act(run(self.wide, columns))
        for block in self.blocks:
            x = x + act(run(block, x))  # type: ignore[arg-type]
        one = act(self.fc1(x))
        two = act(self.fc2(one))
        return (one, two, self.fc3(two)), tuple(after)


def _drift(means: Tensor) -> Tensor:
    """Means of hops `(B, N)` -> the drift after each, `(B, N)`: the recursion of `step` as a sum of its last terms."""
    terms = 48  # later terms are below the digits that a double has: 0.5 ** 48
    weights = (1 - DRIFT) * DRIFT ** torch.arange(terms, dtype=torch.float64, device=means.device).flip(0)
    padded = functional.pad(means.double(), (terms - 1, 0))
    return functional.conv1d(padded[:, None], weights[None, None]).squeeze(1).to(means.dtype)


def fold_norms(student: StreamStudent) -> StreamStudent:
    """Batch norms folded into the convolutions before them, in place, for inference; returns `student`."""
    student.eval()
    for layer in student.modules():
        if isinstance(layer, CausalConv) and isinstance(layer.norm, BatchNorm):
            layer.conv, layer.norm = layer.norm.folded_into(layer.conv), nn.Identity()
    return student
