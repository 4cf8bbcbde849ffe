"""A stream student with a style: what an emotion adds to its frames, told by a small vector that may change at any hop.

    features --A--> h (rank)      style --V--> gate (rank)
    values before tanh = the neutral student's + U (h x gate) + W style

Neither U, V nor W has a bias, so a style of zeros adds zeros: the frames are the neutral student's, to the bit. The
style travels in the state, unchanged, as its last tensor; whatever runs a stream student (state given and returned)
runs this one, and a style is set by writing it there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.stream import HOP_SAMPLES, State, StreamStudent
from sdk.errors import ConfigError


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


class StyleHead(nn.Module):
    """What a style adds to a student's values before tanh: features (..., width), style (..., S) -> (..., rig)."""

    def __init__(self, spec: StyleSpec, width: int, rig_channels: int) -> None:
        super().__init__()
        self.spec = spec
        self.hear = nn.Linear(width, spec.rank)
        self.gate = nn.Linear(len(spec.styles), spec.rank, bias=False)
        self.move = nn.Linear(spec.rank, rig_channels, bias=False)
        self.hold = nn.Linear(len(spec.styles), rig_channels, bias=False)
        nn.init.zeros_(self.hold.weight)
        nn.init.normal_(self.move.weight, std=0.02)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        moved: Tensor = self.move(functional.gelu(self.hear(features)) * self.gate(style)) + self.hold(style)
        return moved


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
        moved = self.head(features[1].flatten(1), style.flatten(1))
        values = torch.tanh(features[2].reshape(hop.shape[0], -1) + moved)
        return values, (*after, style)

    def forward(self, audio: Tensor, style: Tensor) -> Tensor:
        """A whole stream in one pass: (B, 1, 320 N) and style (B, S), or one a hop (B, N, S) -> (B, N, rig)."""
        _, two, last = self.neutral.features(audio)
        every = style[:, None].expand(-1, two.shape[1], -1) if style.ndim == 2 else style
        return torch.tanh(last + self.head(two, every))

    @property
    def cost(self) -> float:
        """Multiply-adds of the style a hop, over the neutral student's."""
        own = sum(layer.weight.numel() for layer in self.head.children() if isinstance(layer, nn.Linear))
        return own / hop_products(self.neutral)


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
