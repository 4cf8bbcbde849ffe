"""CodeTalker's second stage: sound to codes, a frame at a time (Xing et al. 2023, 3.3).

    rows of the ears --linear--> memory (B, N, W)                 frame n looks at row n alone
    frames so far --linear, + style, + periodic positions--> transformer decoder, biased towards the near past
        --> (B, N, codes x width) --nearest codes--> first stage's decoder --> motion

The names are those of the released checkpoints. Sizes there: W 1024, 6 layers, 4 heads, period 30, wav2vec2-base.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.teachers.codetalker.motion_codes import CodesSpec, MotionCodes, sines
from distill.teachers.voice2face.mesh_space import MeshSpace
from sdk.errors import ConfigError

LONGEST = 600  # frames: of the released positions and biases, 20 s


@dataclass(frozen=True)
class CodeTalkerSpec:
    """Shape of both stages. ears: as `diffusiontalker/ears.py` names them; features: width of their rows.

    width, layers, heads, between, period: of the decoder. people: names of the learned styles; speaker: whose is
    spoken. motion: its `size` counts components of a mesh space, or coordinates of vertices where `vertices`.
    """

    name: str
    ears: str
    features: int
    width: int
    layers: int
    heads: int
    between: int
    period: int
    people: list[str]
    speaker: str
    motion: CodesSpec
    vertices: bool
    rig: str

    def __post_init__(self) -> None:
        problems = []
        if self.width % self.heads or self.width % 2:
            problems.append(f"width {self.width} is odd or no multiple of {self.heads} heads")
        if self.heads & (self.heads - 1):
            problems.append(f"{self.heads} heads are no power of two, which the biases need")
        if self.speaker not in self.people:
            problems.append(f"speaker {self.speaker!r} is none of {', '.join(self.people)}")
        if problems:
            raise ConfigError(f"codetalker {self.name!r}: " + "; ".join(problems))


class _Periodic(nn.Module):
    pe: Tensor

    def __init__(self, width: int, period: int) -> None:
        super().__init__()
        self.register_buffer("pe", sines(period, width).repeat(LONGEST // period + 1, 1)[None])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[:, : x.shape[1]]


def biases(heads: int, period: int, count: int = LONGEST) -> Tensor:
    """What each head adds to its scores (heads, count, count): nothing within a period, less for each period past, and
    no look at the future (ALiBi by periods, FaceFormer 3.3)."""
    slopes = torch.tensor([2 ** (-8 / heads * (head + 1)) for head in range(heads)])
    back = torch.arange(count)[:, None] - torch.arange(count)[None]
    found = -slopes[:, None, None] * torch.div(back, period, rounding_mode="floor")
    return found.masked_fill(back < 0, -math.inf)


class CodeTalker(nn.Module):
    """The network of `spec`; with components for motion it carries their mesh space, for `channels` of a rig."""

    biased_mask: Tensor

    def __init__(self, spec: CodeTalkerSpec, channels: int) -> None:
        super().__init__()
        self.spec = spec
        self.audio_feature_map = nn.Linear(spec.features, spec.width)
        self.vertice_map = nn.Linear(spec.motion.size, spec.width)
        self.PPE = _Periodic(spec.width, spec.period)
        self.register_buffer("biased_mask", biases(spec.heads, spec.period), persistent=False)
        layer = nn.TransformerDecoderLayer(spec.width, spec.heads, spec.between, batch_first=True)
        self.transformer_decoder = nn.TransformerDecoder(layer, spec.layers)
        self.feat_map = nn.Linear(spec.width, spec.motion.hidden, bias=False)
        nn.init.zeros_(self.feat_map.weight)
        self.learnable_style_emb = nn.Embedding(len(spec.people), spec.width)
        self.autoencoder = MotionCodes(spec.motion)
        self.mesh = None if spec.vertices else MeshSpace(spec.motion.size, channels)

    def predict(self, rows: Tensor, before: Tensor, people: Tensor, speaking: bool = False) -> Tensor:
        """What comes after each of the frames `before` (B, N, D), the first of them the template, which is zeros, told
        rows (B, N, F): vectors (B, N, hidden), not yet codes.

        speaking: the first frame is then the style alone, without the map of the template: so the original speaks,
        though it learns with it.
        """
        seen = self.vertice_map(before)
        if speaking:
            seen = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, 1:]], 1)
        x = self.PPE(seen + self.learnable_style_emb(people)[:, None])
        count = x.shape[1]
        mask = self.biased_mask[:, :count, :count].repeat(len(x), 1, 1)
        only = torch.full((count, count), -math.inf, device=x.device).fill_diagonal_(0.0)
        out = self.transformer_decoder(x, self.audio_feature_map(rows), tgt_mask=mask, memory_mask=only)
        found: Tensor = self.feat_map(out)
        return found

    def losses(self, rows: Tensor, motion: Tensor, people: Tensor, alone: int = 0) -> tuple[Tensor, Tensor]:
        """Squared error of motion (B, N, D), and of the vectors against the true motion's codes; frames so far are the
        true ones (teacher forcing), but for the first `alone` clips, which have none.

        With true ones in every clip the frame before tells the next so well that sound is hardly listened to, and what
        speaks by itself has no true ones.
        """
        with torch.no_grad():
            truth, _, _ = self.autoencoder.encode(motion)
        before = functional.pad(motion[:, :-1], (0, 0, 1, 0))
        before[:alone] = 0
        vectors = self.predict(rows, before, people)
        codes, _, _ = self.autoencoder.quantised(vectors)
        spoken = self.autoencoder.decode(codes)
        return functional.mse_loss(spoken, motion), functional.mse_loss(vectors, truth)

    @torch.no_grad()
    def speak(self, rows: Tensor, people: Tensor) -> Tensor:
        """Motion (B, N, D) for rows (B, N, F), frame after frame; what is longer than 20 s in pieces."""
        pieces = [self._speak(part, people) for part in rows.split(LONGEST, 1)]
        return torch.cat(pieces, 1)

    def _speak(self, rows: Tensor, people: Tensor) -> Tensor:
        batch, count, _ = rows.shape
        before = rows.new_zeros(batch, count, self.spec.motion.size)
        motion = before
        for n in range(count):
            vectors = self.predict(rows[:, : n + 1], before[:, : n + 1], people, speaking=True)
            codes, _, _ = self.autoencoder.quantised(vectors)
            # instance norm makes a single frame zero, so it is given twice, as the original does
            motion = self.autoencoder.decode(codes if n else codes.repeat(1, 2, 1))[:, : n + 1]
            if n + 1 < count:
                before[:, n + 1] = motion[:, -1]
        return motion
