"""CodeTalker's first stage: motion as codes of a learned book, a VQ-VAE over time (Xing et al. 2023, 3.2).

    motion (B, N, D) --linear, convolution over time, transformer--> (B, N, codes x width)
                     --each of N x codes vectors to its nearest in the book--> the same shape
                     --convolution, transformer, linear--> motion (B, N, D)

The parts bear the names that the released checkpoints' tensors have (`encoder.vertice_mapping.0.weight`, ...), so those
load as they are; the code is our own. Sizes there: D 15,069 (VOCASET), hidden 1024, 6 layers, 8 heads, 1536 between,
book 256 x 64, 16 codes a frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdk.errors import ConfigError

COMMITMENT = 0.25


@dataclass(frozen=True)
class CodesSpec:
    """Shape of the first stage. size: D, numbers that make a frame; book, width: codes there are and their length;
    codes: of a frame. slope: of the leaky units; affine: whether norms over time have weights."""

    size: int
    hidden: int
    layers: int
    heads: int
    between: int
    book: int
    width: int
    codes: int
    slope: float = 0.2
    affine: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.hidden != self.codes * self.width:
            problems.append(f"hidden {self.hidden} is not {self.codes} codes of {self.width}")
        if self.hidden % self.heads or self.hidden % 2:
            problems.append(f"hidden {self.hidden} is odd or no multiple of {self.heads} heads")
        if min(self.size, self.layers, self.book) < 1:
            problems.append("size, layers and book must be 1 or more")
        if problems:
            raise ConfigError("motion codes: " + "; ".join(problems))


class Attention(nn.Module):
    """Every frame asks every frame. Scores are over the root of the whole width, as in the original."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(size, 3 * size, bias=False)
        self.to_out = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, size = x.shape
        parts = self.to_qkv(x).reshape(batch, count, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], scale=size**-0.5)
        out: Tensor = self.to_out(found.transpose(1, 2).reshape(batch, count, size))
        return out


class Mlp(nn.Module):
    """Two linear layers."""

    def __init__(self, size: int, between: int) -> None:
        super().__init__()
        self.l1, self.l2 = nn.Linear(size, between), nn.Linear(between, size)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.l2(functional.gelu(self.l1(x)))
        return out


class _Normed(nn.Module):
    def __init__(self, size: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(size), fn

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fn(self.norm(x))
        return out


class Residual(nn.Module):
    """x + fn(norm(x)), the tensors named `fn.norm` and `fn.fn`."""

    def __init__(self, size: int, fn: nn.Module) -> None:
        super().__init__()
        self.fn = _Normed(size, fn)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.fn(x)
        return out


class Layers(nn.Module):
    """Attention and MLP by turns."""

    def __init__(self, spec: CodesSpec) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for _ in range(spec.layers):
            blocks += [Residual(spec.hidden, Attention(spec.hidden, spec.heads))]
            blocks += [Residual(spec.hidden, Mlp(spec.hidden, spec.between))]
        self.net = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class _Embedding(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.net = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class Positions(nn.Module):
    """The original's sines, added by the *batch's* place and not by the frame's: its code takes `pe[:x.size(0)]` of a
    batch-first tensor, and trained so. The buffer is 5000 x 1 x size in a checkpoint."""

    pe: Tensor

    def __init__(self, size: int, longest: int = 5000) -> None:
        super().__init__()
        self.register_buffer("pe", sines(longest, size)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[0]


def sines(count: int, size: int) -> Tensor:
    """Sines and cosines by turns `(count, size)`."""
    at = torch.arange(count, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, size, 2).float() * (-math.log(10000.0) / size))
    found = torch.zeros(count, size)
    found[:, 0::2], found[:, 1::2] = torch.sin(at * rates), torch.cos(at * rates)
    return found


def _over_time(spec: CodesSpec) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(spec.hidden, spec.hidden, 5, padding=2, padding_mode="replicate"),
        nn.LeakyReLU(spec.slope),
        nn.InstanceNorm1d(spec.hidden, affine=spec.affine),
    )


class Encoder(nn.Module):
    """Motion (B, N, D) -> (B, N, hidden)."""

    def __init__(self, spec: CodesSpec) -> None:
        super().__init__()
        self.vertice_mapping = nn.Sequential(nn.Linear(spec.size, spec.hidden), nn.LeakyReLU(spec.slope))
        self.squasher = nn.Sequential(_over_time(spec))
        self.encoder_linear_embedding, self.encoder_pos_embedding = _Embedding(spec.hidden), Positions(spec.hidden)
        self.encoder_transformer = Layers(spec)

    def forward(self, motion: Tensor) -> Tensor:
        x = self.squasher(self.vertice_mapping(motion).transpose(1, 2)).transpose(1, 2)
        out: Tensor = self.encoder_transformer(self.encoder_pos_embedding(self.encoder_linear_embedding(x)))
        return out


class Decoder(nn.Module):
    """Quantised (B, N, hidden) -> motion (B, N, D)."""

    def __init__(self, spec: CodesSpec) -> None:
        super().__init__()
        self.expander = nn.ModuleList([_over_time(spec)])
        self.decoder_linear_embedding, self.decoder_pos_embedding = _Embedding(spec.hidden), Positions(spec.hidden)
        self.decoder_transformer = Layers(spec)
        self.vertice_map_reverse = nn.Linear(spec.hidden, spec.size)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.expander[0](codes.transpose(1, 2)).transpose(1, 2)
        x = self.decoder_transformer(self.decoder_pos_embedding(self.decoder_linear_embedding(x)))
        out: Tensor = self.vertice_map_reverse(x)
        return out


class Book(nn.Module):
    """The codes there are, `embedding` (book, width)."""

    def __init__(self, spec: CodesSpec) -> None:
        super().__init__()
        self.embedding = nn.Embedding(spec.book, spec.width)
        nn.init.uniform_(self.embedding.weight, -1 / spec.book, 1 / spec.book)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors (..., width) -> the nearest codes, through which gradients pass as if they were the vectors; what
        book and encoder are asked to do about the difference; which codes (...)."""
        flat = vectors.reshape(-1, vectors.shape[-1])
        places = torch.cdist(flat, self.embedding.weight).argmin(1)
        near = self.embedding(places).view_as(vectors)
        loss = COMMITMENT * (near.detach() - vectors).square().mean() + (near - vectors.detach()).square().mean()
        return vectors + (near - vectors).detach(), loss, places.view(vectors.shape[:-1])


class MotionCodes(nn.Module):
    """The VQ-VAE of `spec`."""

    def __init__(self, spec: CodesSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder, self.decoder, self.quantize = Encoder(spec), Decoder(spec), Book(spec)

    def encode(self, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Motion (B, N, D) -> quantised (B, N, hidden), the book's loss, places in the book (B, N, codes)."""
        return self.quantised(self.encoder(motion))

    def quantised(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, hidden) -> as `encode`."""
        near, loss, places = self.quantize(x.reshape(*x.shape[:2], self.spec.codes, self.spec.width))
        return near.reshape(x.shape), loss, places

    def decode(self, codes: Tensor) -> Tensor:
        """Quantised (B, N, hidden) -> motion (B, N, D)."""
        motion: Tensor = self.decoder(codes)
        return motion

    def forward(self, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Motion -> motion through the book, its loss, places."""
        codes, loss, places = self.encode(motion)
        return self.decode(codes), loss, places
