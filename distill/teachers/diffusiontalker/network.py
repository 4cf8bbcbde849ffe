"""DiffusionTalker's network: who speaks and how, told from the sound, and a denoiser of motion conditioned on it.

    rows of the ears --linear, frames--> features (B, N, W)
    features --pooled over time--> identity, emotion           contrasted with a table of people and one of emotions
    features, identity, emotion --cross-attention--> personal (B, N, W)
    noisy motion, t, features, personal --dilated convolutions--> the motion (B, N, channels)

The seed tells the parts and what each is contrasted with; widths, depths and weights of losses are ours. The denoiser
is of convolutions, not of attention: it then takes any length, and speech moves a face within half a second. Motion
is normalised, channel by channel; it is rig values, or the components of meshes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.teachers.diffusiontalker.diffusion import sample
from distill.teachers.diffusiontalker.ears import COMPACT, CompactEars, frame_weights
from distill.teachers.voice2face.mesh_space import MeshSpace
from sdk.errors import ConfigError

FPS = 30
_TIMES = 32
RIG, MESH = "rig", "mesh"


@dataclass(frozen=True)
class TalkerSpec:
    """The network's shape. ears: as `ears.py` names them; features: width of a large encoder's rows.

    steps: N of the sampler that it was distilled to. width, blocks: of the denoiser; ears_width, ears_blocks: of
    compact ears. identity, emotion: numbers that tell a person and an emotion. people, emotions: the tables' names.
    personal: whether there is a personalizer at all. motion: `rig`, or `mesh` of `components` components.
    """

    name: str
    ears: str
    features: int
    steps: int
    width: int
    blocks: int
    ears_width: int
    ears_blocks: int
    identity: int
    emotion: int
    people: list[str]
    emotions: list[str]
    personal: bool
    motion: str
    components: int
    rig: str

    def __post_init__(self) -> None:
        problems = [
            f"{name} {getattr(self, name)} is below 1"
            for name in ("steps", "width", "blocks", "identity", "emotion", "components")
            if getattr(self, name) < 1
        ]
        if self.width % 4:
            problems.append(f"width {self.width} is no multiple of the four heads")
        if self.ears != COMPACT and self.features < 1:
            problems.append(f"features {self.features} is not the width of {self.ears}")
        if self.motion not in (RIG, MESH):
            problems.append(f"motion {self.motion!r} is neither {RIG} nor {MESH}")
        if not self.people or not self.emotions:
            problems.append("it names no people or no emotions")
        if problems:
            raise ConfigError(f"talker {self.name!r}: " + "; ".join(problems))

    @property
    def compact(self) -> bool:
        return self.ears == COMPACT


class StyleHead(nn.Module):
    """What a whole stretch of features (B, N, W) says, as a vector of length 1: mean and spread over time, weighed."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.attend = nn.Linear(width, 1)
        self.tell = nn.Linear(2 * width, size)

    def forward(self, features: Tensor) -> Tensor:
        share = torch.softmax(self.attend(features), 1)
        mean = (share * features).sum(1)
        spread = ((share * features * features).sum(1) - mean * mean).clamp(min=1e-5).sqrt()
        told: Tensor = self.tell(torch.cat([mean, spread], 1))
        return told * torch.rsqrt((told * told).sum(1, keepdim=True) + 1e-12)


class Personalizer(nn.Module):
    """Identity and emotion from sound, and both fused with it.

    `people` and `emotions` are the tables that the sound is contrasted with; a stranger is told by sound alone.
    """

    def __init__(self, spec: TalkerSpec) -> None:
        super().__init__()
        width = spec.width
        self.listen = nn.Conv1d(width, width, 5, padding=2)
        self.identity, self.emotion = StyleHead(width, spec.identity), StyleHead(width, spec.emotion)
        self.people = nn.Parameter(torch.randn(len(spec.people), spec.identity))
        self.emotions = nn.Parameter(torch.randn(len(spec.emotions), spec.emotion))
        self.sharpness = nn.Parameter(torch.tensor([2.3, 2.3]))  # logarithms of the contrasts' inverse temperatures
        self.tokens = nn.ModuleList([nn.Linear(spec.identity, 2 * width), nn.Linear(spec.emotion, 2 * width)])
        self.none = nn.Parameter(torch.zeros(2 * width))
        self.query = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)

    def hear(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, N, W) -> identity (B, I) and emotion (B, E), each of length 1."""
        heard = functional.gelu(self.listen(features.transpose(1, 2))).transpose(1, 2)
        return self.identity(heard), self.emotion(heard)

    def named(self, people: Tensor, emotions: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the tables, by place (B,)."""
        return functional.normalize(self.people[people], dim=1), functional.normalize(self.emotions[emotions], dim=1)

    def fuse(self, features: Tensor, identity: Tensor, emotion: Tensor) -> Tensor:
        """The personal embedding of every frame (B, N, W): what the sound asks of who speaks and how."""
        batch, count, width = features.shape
        parts = [self.tokens[0](identity), self.tokens[1](emotion), self.none.expand(batch, -1)]
        tokens = torch.stack(parts, 1)
        heads, size = 4, width // 4
        query = self.query(features).reshape(batch, count, heads, size).transpose(1, 2)
        key = tokens[..., :width].reshape(batch, 3, heads, size).transpose(1, 2)
        value = tokens[..., width:].reshape(batch, 3, heads, size).transpose(1, 2)
        share = torch.softmax(torch.matmul(query, key.transpose(2, 3)) / math.sqrt(size), 3)
        found = torch.matmul(share, value).transpose(1, 2).reshape(batch, count, width)
        personal: Tensor = self.leave(functional.gelu(found))
        return personal


class Block(nn.Module):
    """A residual block over time: norm, told the step, dilated convolution, out again."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.step = nn.Linear(width, 2 * width)
        self.time = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.step.weight)
        nn.init.zeros_(self.step.bias)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, condition: Tensor, step: Tensor) -> Tensor:
        scale, shift = self.step(step)[:, None].chunk(2, 2)
        y = (self.norm(x) + condition) * (1 + scale) + shift
        y = functional.gelu(self.time(y.transpose(1, 2))).transpose(1, 2)
        out: Tensor = x + self.out(y)
        return out


class Denoiser(nn.Module):
    """Noisy motion (B, N, channels) at times t (B,), features and personal (B, N, W) -> the motion."""

    frequencies: Tensor

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, 6, _TIMES)), persistent=False)
        self.step = nn.Sequential(nn.Linear(2 * _TIMES, width), nn.GELU(), nn.Linear(width, width))
        self.enter = nn.Linear(channels, width)
        self.condition = nn.Linear(2 * width, width)
        self.blocks = nn.ModuleList(Block(width, 2 ** (i % 4)) for i in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, channels)

    def forward(self, noisy: Tensor, t: Tensor, features: Tensor, personal: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        step = self.step(torch.cat([torch.sin(angles), torch.cos(angles)], 1))
        condition = self.condition(torch.cat([features, personal], 2))
        x = self.enter(noisy) + condition
        for block in self.blocks:
            x = block(x, condition, step)
        clean: Tensor = self.leave(self.norm(x))
        return clean


class Talker(nn.Module):
    """The whole network of `spec` for a rig of `channels` channels; a large encoder stays outside."""

    mean: Tensor
    spread: Tensor

    def __init__(self, spec: TalkerSpec, channels: int) -> None:
        super().__init__()
        self.spec = spec
        rows = spec.width if spec.compact else spec.features
        self.ears = CompactEars(spec.ears_width, spec.ears_blocks, spec.width) if spec.compact else None
        self.project = nn.Identity() if spec.compact else nn.Sequential(nn.LayerNorm(rows), nn.Linear(rows, spec.width))
        self.personalizer = Personalizer(spec) if spec.personal else None
        self.mesh = MeshSpace(spec.components, channels) if spec.motion == MESH else None
        channels = spec.components if self.mesh is not None else channels
        self.denoiser = Denoiser(channels, spec.width, spec.blocks)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))

    def features(self, rows: Tensor, reading: Tensor) -> Tensor:
        """Rows of a large encoder (B, R, F), or sound (B, n) for compact ears -> features (B, N, W) at frames.

        reading: `frame_weights` (N, R).
        """
        heard = self.ears(rows) if self.ears is not None else rows
        found: Tensor = self.project(torch.matmul(reading, heard))
        return found

    def style(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Identity and emotion heard in features; zeros where there is no personalizer."""
        if self.personalizer is None:
            batch = len(features)
            return features.new_zeros(batch, self.spec.identity), features.new_zeros(batch, self.spec.emotion)
        identity, emotion = self.personalizer.hear(features)
        return identity, emotion

    def personal(self, features: Tensor, style: tuple[Tensor, Tensor]) -> Tensor:
        """The personal embedding (B, N, W); zeros where there is no personalizer."""
        if self.personalizer is None:
            return torch.zeros_like(features)
        found: Tensor = self.personalizer.fuse(features, *style)
        return found

    def motion(self, features: Tensor, personal: Tensor, noise: Tensor, steps: int = 0) -> Tensor:
        """Motion (B, N, channels) in its own units from `noise`, by DDIM in `steps` (0: the spec's) steps."""
        clean = sample(lambda z, t: self.denoiser(z, t, features, personal), noise, steps or self.spec.steps)
        return clean * self.spread + self.mean

    def normal(self, motion: Tensor) -> Tensor:
        """Motion in its own units as the denoiser meets it."""
        return (motion - self.mean) / self.spread


def reading_of(rows: int, frames: int, spec: TalkerSpec) -> Tensor:
    """`frame_weights` of the spec's ears; a HuBERT's rows lie in the middle of what they hear."""
    known = spec.ears == COMPACT or spec.ears.startswith("whisper")
    return frame_weights(rows, frames, FPS, 0.0 if known else 199.5)
