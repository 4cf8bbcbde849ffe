"""Voice2Face's network (appendix A, figure 13): speech around a frame, and a latent for the rest, to a mesh.

    features (B, bins, F), a window of T bins a frame
      --frequency convolutions, F -> 1--> (C, T) --time convolutions, T -> 1--> C
      --LSTM over the frames t-1, t, t+1--> fully connected --> speech (B, N, H)
    mesh encoder:  mesh code + speech --> mean and log variance of the latent      training only
    mesh decoder:  speech + latent + quality tag --> mesh code (`mesh_space.py`)
    at inference the latent stands still and the tag says the best quality: only speech moves the face

The tags are Villanueva Aylagas et al.'s data quality: one network learns from labels of several kinds, and is told
which kind to imitate. The first frequency convolution takes up the features' width, whatever the encoder; what follows
is the same for 39 cepstra and for 1280 hidden states.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.teachers.voice2face.mesh_space import MeshSpace
from distill.teachers.voice2face.speech_encoder import EncoderSpec, SpeechEncoder, build_encoder, on_grid
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError
from sdk.rig import RigLayout

FPS = 30
_FIRST_ROWS = 20  # what the first frequency convolution makes of any width: half the original's 39


@dataclass(frozen=True)
class Voice2FaceSpec:
    """The network's shape. features: width of the encoder's rows; 0 in a settings file: as the encoder has it.

    bins: T, a power of two; bins_per_frame: of 1/30 s. frequency: channels of the frequency convolutions, which halve
    20 rows until one is left. time, recurrent, fc: widths of what follows. latent: of the variational encoder.
    components: numbers a mesh is told by. tags: kinds of labels; tag: the kind to imitate at inference.
    """

    name: str
    encoder: EncoderSpec
    features: int
    bins: int
    bins_per_frame: int
    frequency: list[int]
    time: int
    recurrent: int
    fc: int
    latent: int
    components: int
    dropout: float
    tags: list[str]
    tag: str
    rig: str

    def __post_init__(self) -> None:
        sizes = ("bins_per_frame", "time", "recurrent", "fc", "latent", "components")
        problems = [f"{name} {getattr(self, name)} is below 1" for name in sizes if getattr(self, name) < 1]
        if self.bins < 2 or self.bins & (self.bins - 1):
            problems.append(f"bins {self.bins} is no power of two from 2, so they cannot be halved to one")
        if len(self.frequency) != _frequency_layers():
            problems.append(f"frequency {self.frequency} names {len(self.frequency)} of {_frequency_layers()} layers")
        if self.tag not in self.tags:
            problems.append(f"tag {self.tag!r} is none of {', '.join(self.tags)}")
        if problems:
            raise ConfigError(f"teacher {self.name!r}: " + "; ".join(problems))

    @property
    def layout(self) -> RigLayout:
        return RigLayout.named(self.rig)

    @property
    def fps(self) -> Fraction:
        return Fraction(FPS)

    def grid(self, frames: int, first: int = 0) -> Tensor:
        """The samples `(M,)` of all bins that frames `first` to `first + frames` look at, neighbours' bins included."""
        step = SAMPLE_RATE_HZ / FPS / self.bins_per_frame
        count = (frames + 1) * self.bins_per_frame + self.bins
        begin = (first - 1) * SAMPLE_RATE_HZ / FPS - (self.bins - 1) / 2 * step
        return begin + step * torch.arange(count, dtype=torch.float64)


def _frequency_layers() -> int:
    rows, layers = _FIRST_ROWS, 1
    while rows > 1:
        rows, layers = -(-rows // 2), layers + 1
    return layers


@dataclass(frozen=True)
class Posterior:
    """What the mesh encoder makes of a mesh: `mean` and `log_variance` (B, N, latent)."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        return self.mean + torch.randn_like(self.mean) * (0.5 * self.log_variance).exp()

    def divergence(self) -> Tensor:
        """KL divergence from the standard Gaussian, nats a frame, the mean over frames."""
        terms = self.mean.square() + self.log_variance.exp() - 1 - self.log_variance
        return 0.5 * terms.sum(-1).mean()


class Voice2Face(nn.Module):
    """The network of `spec`; `classes` phone classes are asked of the speech features as a training aid, 0 for none.

    A `small` encoder is part of it (`encoder`); a pretrained one stays outside and hands in its features.
    """

    def __init__(self, spec: Voice2FaceSpec, classes: int = 0) -> None:
        super().__init__()
        self.spec = spec
        self.encoder: SpeechEncoder | None = build_encoder(spec.encoder) if spec.encoder.trained_here else None
        self.norm = nn.LayerNorm(spec.features)
        step = -(-spec.features // _FIRST_ROWS)
        self.pad = step * _FIRST_ROWS - spec.features + step
        widths = [1, *spec.frequency]
        kernels = [2 * step, *[3] * (len(spec.frequency) - 1)]
        self.frequency = nn.ModuleList(
            nn.Conv2d(a, b, (k, 1), (step if n == 0 else 2, 1), padding=(0 if n == 0 else 1, 0))
            for n, ((a, b), k) in enumerate(zip(pairwise(widths), kernels, strict=True))
        )
        halvings = spec.bins.bit_length() - 1
        self.time = nn.ModuleList(
            nn.Conv1d(spec.frequency[-1] if n == 0 else spec.time, spec.time, 3, 2, padding=1) for n in range(halvings)
        )
        self.lstm = nn.LSTM(spec.time, spec.recurrent, batch_first=True)
        self.fc = nn.Linear(spec.recurrent, spec.fc)
        self.mesh = MeshSpace(spec.components, len(spec.layout))
        self.mesh_encoder = nn.Sequential(
            nn.Linear(spec.components + spec.fc, spec.fc), nn.GELU(), nn.Linear(spec.fc, 2 * spec.latent)
        )
        self.mesh_decoder = nn.Sequential(
            nn.Linear(spec.fc + spec.latent + len(spec.tags), spec.fc), nn.GELU(), nn.Linear(spec.fc, spec.components)
        )
        self.classes = nn.Linear(spec.features, classes) if classes else None
        self.dropout = nn.Dropout(spec.dropout)
        self._initialise()

    def _initialise(self) -> None:
        """He initialisation but for the encoder, whose class has its own; the face begins still. With torch's default a
        net this deep hardly depends on its input for its first hundred steps."""
        for name, module in self.named_modules():
            if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)) and not name.startswith("encoder."):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for last in (self.mesh_encoder[-1], self.mesh_decoder[-1]):
            nn.init.normal_(last.weight, std=0.02)  # type: ignore[arg-type]

    def speech(self, features: Tensor) -> Tensor:
        """Speech (B, N, fc) of N frames, from features on their grid (B, (N + 1) per_frame + bins, F)."""
        batch, count, width = features.shape
        x = functional.pad(self.norm(features), (0, self.pad)).reshape(batch, 1, count, width + self.pad)
        x = x.transpose(2, 3)
        for layer in self.frequency:
            x = functional.gelu(layer(x))
        x = self.dropout(x.squeeze(2)).unfold(2, self.spec.bins, self.spec.bins_per_frame)  # (B, C, N + 2, T)
        frames = x.shape[2] - 2
        x = x.transpose(1, 2).flatten(0, 1)
        for layer in self.time:
            x = functional.gelu(layer(x))
        three = x.view(batch, frames + 2, -1).unfold(1, 3, 1).transpose(2, 3).flatten(0, 1)  # (B N, 3, C)
        heard, _ = self.lstm(three)
        said: Tensor = functional.gelu(self.fc(heard[:, -1])).view(batch, frames, -1)
        return self.dropout(said)

    def posterior(self, speech: Tensor, code: Tensor) -> Posterior:
        """What of meshes with codes (B, N, k) speech (B, N, fc) does not say, as a distribution."""
        mean, log_variance = self.mesh_encoder(torch.cat([code, speech], -1)).chunk(2, -1)
        return Posterior(mean, log_variance.clamp(-8, 4))

    def decode(self, speech: Tensor, latent: Tensor | None = None, tag: Tensor | None = None) -> Tensor:
        """Mesh codes (B, N, k). latent (B, N, latent): fixed at the prior's mean if not given; tag (B,): the place in
        `spec.tags`, the spec's own if not given."""
        batch, frames, _ = speech.shape
        if latent is None:
            latent = speech.new_zeros(batch, frames, self.spec.latent)
        if tag is None:
            tag = torch.full((batch,), self.spec.tags.index(self.spec.tag), device=speech.device)
        known = functional.one_hot(tag, len(self.spec.tags)).to(speech.dtype)
        code: Tensor = self.mesh_decoder(torch.cat([speech, latent, known[:, None].expand(-1, frames, -1)], -1))
        return code

    def forward(self, features: Tensor, instants: Tensor, frames: int, first: int = 0) -> Tensor:
        """Mesh codes (B, N, k) of frames from `first` on, from an encoder's rows (B, rows, F) at samples `instants`."""
        return self.decode(self.speech(on_grid(features, instants, self.spec.grid(frames, first))))
