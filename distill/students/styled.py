"""A stream student with a style: what an emotion adds to its frames, told by a small vector that may change at any hop.

    features --A--> h (rank)      style --V--> gate (rank)
    values before tanh = the neutral student's + U (h x gate) + W style
    then, where the neutral student shuts the lips, mouthClose takes back what the style opened there

Neither U, V nor W has a bias, so a style of zeros adds zeros: the frames are the neutral student's, to the bit. The
style travels in the state, unchanged, as its last tensor; whatever runs a stream student (state given and returned)
runs this one, and a style is set by writing it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.stream import HOP_SAMPLES, State, StreamStudent
from sdk.errors import ConfigError
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

_STEEP = 1000.0  # a raise of 0.001 begins at what is shown already, and one of 0 moves nothing


@dataclass(frozen=True)
class StyleSpec:
    """The styles' names in the order of the vector, and the width of what they gate."""

    styles: list[str]
    rank: int

    def __post_init__(self) -> None:
        if not self.styles or len(set(self.styles)) != len(self.styles) or self.rank < 1:
            raise ConfigError(f"styles {self.styles} of rank {self.rank}: name each once, with a rank of 1 or more")

    def vector(self, **strengths: float) -> Tensor:
        """A style `(styles,)`: `vector(anger=0.5)`. Raises `ConfigError` for a name that is none of them."""
        if unknown := [name for name in strengths if name not in self.styles]:
            raise ConfigError(f"no style {', '.join(unknown)}; there are: {', '.join(self.styles)}")
        return torch.tensor([float(strengths.get(name, 0.0)) for name in self.styles])


def shift(values: Tensor, by: Tensor) -> Tensor:
    """Values raised by `by`, 0 or more, as they are shown: one below 0 is shown as 0, and raised from there. Where `by`
    is 0 they come back to the bit."""
    return values + by + torch.minimum(torch.relu(-values), by * _STEEP)


class LipKeeper(nn.Module):
    """What a style opens of lips that the neutral student shuts, taken back by `mouthClose`: all of it below a neutral
    gap of twice CLOSED_CM, nothing from three times that. Frames are drawn between hops, so a hop beside a closure
    must not open either; styled labels are made in the same way (`corpus/styled/expression.py`).

    Closures are no matter of what a head has learned then. Where a style opens nothing, values come back to the bit.
    """

    row: Tensor
    offset: Tensor
    close: Tensor

    def __init__(self, layout: RigLayout) -> None:
        super().__init__()
        if any(layout.minimum) or any(high != 1 for high in layout.maximum):
            raise ConfigError("styles need a rig whose channels go from 0 to 1: a lip gap is told of what is shown")
        offset, row = Face.default().lip_gap_row(layout)
        close = torch.zeros(len(layout))
        close[layout.index("mouthClose")] = -1 / float(row[layout.index("mouthClose")])
        self.register_buffer("row", torch.from_numpy(np.float32(row))[:, None])
        self.register_buffer("offset", torch.tensor([offset], dtype=torch.float32))
        self.register_buffer("close", close)

    def gap_cm(self, values: Tensor) -> Tensor:
        """(..., rig) as a student gives them -> the lip gap that is shown, (..., 1)."""
        return torch.relu(values) @ self.row + self.offset

    def forward(self, neutral: Tensor, styled: Tensor) -> Tensor:
        """Values of the neutral student and of the style (..., rig) -> the style's, its lips as shut as the other's."""
        before = self.gap_cm(neutral)
        shut = (3 - before / CLOSED_CM).clamp(0, 1)
        return shift(styled, torch.relu(self.gap_cm(styled) - before) * shut * self.close)


class StyleHead(nn.Module):
    """What a style adds to a student's values before tanh: features (..., width), style (..., S) -> (..., rig)."""

    def __init__(self, spec: StyleSpec, width: int, layout: RigLayout) -> None:
        super().__init__()
        self.spec = spec
        self.hear = nn.Linear(width, spec.rank)
        self.gate = nn.Linear(len(spec.styles), spec.rank, bias=False)
        self.move = nn.Linear(spec.rank, len(layout), bias=False)
        self.hold = nn.Linear(len(spec.styles), len(layout), bias=False)
        self.lips = LipKeeper(layout)
        nn.init.zeros_(self.hold.weight)
        nn.init.normal_(self.move.weight, std=0.02)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        moved: Tensor = self.move(functional.gelu(self.hear(features)) * self.gate(style)) + self.hold(style)
        return moved

    def values(self, features: Tensor, last: Tensor, style: Tensor) -> Tensor:
        """Rig values (..., rig) in the style: of features, and of the neutral values before tanh, `last` (..., rig)."""
        kept: Tensor = self.lips(torch.tanh(last), torch.tanh(last + self(features, style)))
        return kept

    def leave_alone(self, channels: Sequence[int]) -> None:
        """Make channels such that no style moves them."""
        with torch.no_grad():
            for layer in (self.move, self.hold):
                layer.weight[list(channels)] = 0


class StyledStream(nn.Module):
    """`neutral` with a style head; the student's own weights are never touched."""

    def __init__(self, neutral: StreamStudent, head: StyleHead) -> None:
        super().__init__()
        self.neutral, self.head = neutral.requires_grad_(False), head

    def initial_state(self, batch: int = 1, device: torch.device | None = None) -> State:
        """The neutral student's, then the style (B, S, 1, 1): zeros, which is neutral."""
        style = torch.zeros(batch, len(self.head.spec.styles), 1, 1, device=device)
        return (*self.neutral.initial_state(batch, device), style)

    def step(self, hop: Tensor, state: State) -> tuple[Tensor, State]:
        """hop (B, 1, 320), state as `initial_state` -> (B, rig) in -1..1 and the next state, its style as it was."""
        features, after = self.neutral.hop_features(hop, state[:-1])
        style = state[-1]
        values = self.head.values(features[1].flatten(1), features[2].reshape(hop.shape[0], -1), style.flatten(1))
        return values, (*after, style)

    def forward(self, audio: Tensor, style: Tensor) -> Tensor:
        """A whole stream in one pass: (B, 1, 320 N) and style (B, S), or one a hop (B, N, S) -> (B, N, rig)."""
        _, two, last = self.neutral.features(audio)
        every = style[:, None].expand(-1, two.shape[1], -1) if style.ndim == 2 else style
        return self.head.values(two, last, every)

    @property
    def cost(self) -> float:
        """Multiply-adds of the style a hop, over the neutral student's."""
        own = sum(layer.weight.numel() for layer in self.head.children() if isinstance(layer, nn.Linear))
        lips = 4 * len(self.head.lips.close)  # two gaps, and what is taken back
        return (own + lips) / hop_products(self.neutral)


def hop_products(student: StreamStudent) -> int:
    """Multiply-adds of one hop of a stream student."""
    total = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += module.weight.numel() * output.shape[2] * output.shape[3]

    hooks = [m.register_forward_hook(count) for m in student.modules() if isinstance(m, nn.Conv2d)]  # type: ignore[arg-type]
    with torch.inference_mode():
        student.step(torch.zeros(1, 1, HOP_SAMPLES), student.initial_state())
    for hook in hooks:
        hook.remove()
    return total
