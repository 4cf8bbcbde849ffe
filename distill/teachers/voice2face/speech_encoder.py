"""What Voice2Face hears with: HuBERT's hidden states (`transformers`), or the original's 13 MFCC and 26 centroids.

    source `small`            HuBERT's own class, narrow, trained with the teacher and kept in its file
    source a name or folder   a pretrained HuBERT of the hub or of a disk, frozen; its weights stay where they are
    source `mfcc`             Villanueva Aylagas et al. 2022: cepstra and spectral subband centroids, nothing to train

Each feature row describes an instant: the middle of what the convolutions see of the audio (sample 320 j + 199.5 for
HuBERT). `on_grid` reads the rows at any other instants, linearly between them (3.1.1: 50 to 30 fps).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor, nn

from distill.speech.mel import BINS, FFT, ROW_SAMPLES, WINDOW_SAMPLES, mel_bands, power
from distill.students.torchaudio_cpu import load_torchaudio
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import CheckpointError, ConfigError, EngineUnavailable, pip_install

SMALL, CEPSTRA = "small", "mfcc"
_KERNELS, _STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)  # HuBERT's seven convolutions
_CEPSTRA, _CENTROIDS = 13, 26


@dataclass(frozen=True)
class EncoderSpec:
    """Where the speech features come from. source: `small`, `mfcc`, or a pretrained HuBERT by hub name or folder.

    layer: whose hidden states, from the end: -2 is the penultimate layer (appendix A). longest_s: recordings that
    last longer are halved until none does. The rest is the shape of `small`: width, layers, heads, feed_forward,
    convolutions (channels of the seven), positions (taps of the positional convolution), dropout.
    """

    source: str
    layer: int
    longest_s: float
    width: int
    layers: int
    heads: int
    feed_forward: int
    convolutions: list[int]
    positions: int
    dropout: float

    def __post_init__(self) -> None:
        problems = []
        if len(self.convolutions) != len(_KERNELS):
            problems.append(f"convolutions {self.convolutions} are {len(self.convolutions)}, not HuBERT's seven")
        if self.heads < 1 or self.width % max(self.heads, 1) or self.width % 16:
            problems.append(f"width {self.width} is no multiple of 16 and of the {self.heads} heads")
        if self.layer >= 0 or (self.source == SMALL and -self.layer > self.layers + 1):
            problems.append(f"layer {self.layer} does not count from the end of {self.layers} layers")
        if self.longest_s < 1:
            problems.append(f"longest_s {self.longest_s} is below a second")
        if problems:
            raise ConfigError("speech encoder: " + "; ".join(problems))

    @property
    def trained_here(self) -> bool:
        """Whether its weights learn with the teacher and live in the teacher's file."""
        return self.source == SMALL


class SpeechEncoder(nn.Module):
    """Audio (B, n) at 16 kHz -> features (B, rows, size); row j describes sample `first + stride j`."""

    size: int
    first: float
    stride: int
    least_samples: int

    def instants(self, rows: int) -> Tensor:
        """The sample `(rows,)` float64 that each row describes."""
        return self.first + self.stride * torch.arange(rows, dtype=torch.float64)


class Hubert(SpeechEncoder):
    """Hidden states of layer `layer` of a `transformers` HuBERT; every recording is heard at mean 0, variance 1."""

    def __init__(self, model: nn.Module, layer: int) -> None:
        super().__init__()
        self.model, self.layer = model, layer
        config: Any = model.config
        if -layer > config.num_hidden_layers + 1:
            raise ConfigError(f"layer {layer} does not count from the end of {config.num_hidden_layers} layers")
        self.size, self.stride, reach = int(config.hidden_size), 1, 1
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            reach += (kernel - 1) * self.stride
            self.stride *= stride
        self.first, self.least_samples = (reach - 1) / 2, reach

    def forward(self, audio: Tensor) -> Tensor:
        heard = audio - audio.mean(1, keepdim=True)
        heard = heard / (heard.square().mean(1, keepdim=True) + 1e-7).sqrt()
        states = self.model(heard, output_hidden_states=True).hidden_states
        chosen: Tensor = states[self.layer]
        return chosen


class Cepstra(SpeechEncoder):
    """13 MFCC and 26 spectral subband centroids (B, n / 160, 39), each at mean 0, variance 1 over the recording.

    Both come from one bank of 26 mel bands, which is why they are made here: torchaudio has no centroids.
    """

    bands: Tensor
    window: Tensor
    cosines: Tensor
    hertz: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.size, self.first, self.stride = _CEPSTRA + _CENTROIDS, 0.0, ROW_SAMPLES
        self.least_samples = WINDOW_SAMPLES
        cosines = dct(np.eye(_CENTROIDS), type=2, norm="ortho", axis=0)[:_CEPSTRA]
        self.register_buffer("bands", torch.from_numpy(mel_bands(_CENTROIDS)), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES), persistent=False)
        self.register_buffer("cosines", torch.from_numpy(cosines.astype(np.float32)), persistent=False)
        self.register_buffer("hertz", torch.arange(BINS) * (SAMPLE_RATE_HZ / FFT), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        heard = power(audio, self.window) + 1e-9
        energy = self.bands @ heard
        centroids = (self.bands * self.hertz) @ heard / energy
        rows = torch.cat([self.cosines @ energy.log(), centroids], 1)
        spread = rows.std(2, keepdim=True, correction=0).clamp(min=1e-4)
        return ((rows - rows.mean(2, keepdim=True)) / spread).transpose(1, 2)


def fitting(encoder: SpeechEncoder, source: str, features: int) -> SpeechEncoder:
    """`encoder`, which `source` names. Raises `CheckpointError` unless it gives as many features as a teacher that was
    trained with it asks for."""
    if encoder.size != features:
        raise CheckpointError(
            f"{source} gives features of {encoder.size}, the teacher was trained on {features}: it is another encoder. "
            "Give the one that it was trained with"
        )
    return encoder


def build_encoder(spec: EncoderSpec) -> SpeechEncoder:
    """The encoder of `spec`: `small` untrained, another HuBERT with its own weights.

    Raises `EngineUnavailable` without transformers, `CheckpointError` if there is no HuBERT of that name.
    """
    if spec.source == CEPSTRA:
        return Cepstra()
    kinds = transformers()
    if spec.source == SMALL:
        return Hubert(kinds.HubertModel(_small_config(spec, kinds.HubertConfig)), spec.layer)
    try:
        model = kinds.HubertModel.from_pretrained(spec.source)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        here = "" if Path(spec.source).is_dir() else " (no such folder here, so the hub was asked)"
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{spec.source}{here}: no HuBERT can be loaded: {why}. Give a folder with config.json and the weights, a "
            f"name of the hub where it can be reached, or `{SMALL}`, which is trained here"
        ) from error
    return Hubert(model.requires_grad_(False).eval(), spec.layer)


def _small_config(spec: EncoderSpec, kind: Any) -> Any:
    """HuBERT xlarge's settings at another size; with one group norm, which costs a CPU less than seven layer norms."""
    return kind(
        hidden_size=spec.width, num_hidden_layers=spec.layers, num_attention_heads=spec.heads,
        intermediate_size=spec.feed_forward, conv_dim=tuple(spec.convolutions), conv_kernel=_KERNELS,
        conv_stride=_STRIDES, num_feat_extract_layers=len(_KERNELS), feat_extract_norm="group",
        do_stable_layer_norm=True, num_conv_pos_embeddings=spec.positions, num_conv_pos_embedding_groups=16,
        apply_spec_augment=False, layerdrop=0.0, hidden_dropout=spec.dropout, feat_proj_dropout=spec.dropout,
        attention_dropout=spec.dropout, activation_dropout=0.0,
    )  # fmt: skip


def transformers() -> Any:
    """The module, which imports torchaudio wherever that is installed. Raises `EngineUnavailable` without it."""
    try:
        if importlib.util.find_spec("torchaudio"):
            load_torchaudio()
        module = importlib.import_module("transformers")
        _ = module.HubertModel
    except ImportError as error:
        raise EngineUnavailable(
            f"a HuBERT needs the package transformers, which cannot be imported ({error}); "
            f"install it with: {pip_install('train')}"
        ) from error
    return module


def pieces(samples: int, longest: int) -> list[tuple[int, int]]:
    """(start, stop) of the parts of a recording, halved until none is longer than `longest` samples (3.1.1)."""
    if samples <= longest:
        return [(0, samples)]
    middle = samples // 2
    later = [(start + middle, stop + middle) for start, stop in pieces(samples - middle, longest)]
    return [*pieces(middle, longest), *later]


def hear(encoder: SpeechEncoder, audio: Tensor, longest_s: float) -> tuple[Tensor, Tensor]:
    """Features (B, rows, size) of whole recordings (B, n) of one length, and the sample of each row `(rows,)`."""
    features, instants = [], []
    for start, stop in pieces(audio.shape[1], int(longest_s * SAMPLE_RATE_HZ)):
        part = audio[:, start:stop]
        if stop - start < encoder.least_samples:
            part = nn.functional.pad(part, (0, encoder.least_samples - (stop - start)))
        heard = encoder(part)
        features.append(heard)
        instants.append(start + encoder.instants(heard.shape[1]))
    return torch.cat(features, 1), torch.cat(instants)


def on_grid(features: Tensor, instants: Tensor, wanted: Tensor | Sequence[float]) -> Tensor:
    """Features (B, rows, size) at samples `instants` `(rows,)`, read at samples `wanted` `(M,)`: (B, M, size).

    Linear between rows, held beyond the first and the last.
    """
    at = torch.as_tensor(wanted, dtype=torch.float64).clamp(float(instants[0]), float(instants[-1]))
    if len(instants) == 1:
        return features.expand(-1, len(at), -1)
    above = torch.searchsorted(instants, at).clamp(1, len(instants) - 1)
    low, high = instants[above - 1], instants[above]
    weight = ((at - low) / (high - low)).to(features.dtype)[None, :, None].to(features.device)
    return torch.lerp(features[:, above - 1], features[:, above], weight)
