"""What DiffusionTalker hears with: a large pretrained encoder, frozen, or a compact one that learned from it.

    source `compact`          log-mel rows by a fixed convolution, then a few dilated convolutions; part of the network
    any other                 pretrained: `distill/teachers/pretrained_ears.py`

All give a row every 20 ms; row j describes sample 320 j (HuBERT: 320 j + 199.5).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.speech import mel
from distill.teachers.pretrained_ears import ROW_SAMPLES
from distill.teachers.voice2face.speech_encoder import SpeechEncoder

COMPACT = "compact"
_BANDS = 40


class CompactEars(SpeechEncoder):
    """Audio (B, n), n a multiple of 320 -> rows (B, n / 320, size). Convolutions alone, so it lowers whole."""

    spectrum: Tensor
    bands: Tensor

    def __init__(self, width: int, blocks: int, size: int) -> None:
        super().__init__()
        self.size, self.first, self.stride, self.least_samples = size, 0.0, ROW_SAMPLES, ROW_SAMPLES
        self.register_buffer("spectrum", torch.from_numpy(mel.waves())[:, None], persistent=False)
        self.register_buffer("bands", torch.from_numpy(mel.mel_bands(_BANDS)), persistent=False)
        self.enter = nn.Conv1d(_BANDS, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=2 ** (i % 4), dilation=2 ** (i % 4)) for i in range(blocks)
        )
        self.leave = nn.Conv1d(width, size, 1)

    def log_mel(self, audio: Tensor) -> Tensor:
        """Log energies (B, bands, n / 160), about 0 with spread 1 for speech; not levelled: loudness tells mood."""
        count = audio.shape[1] // mel.ROW_SAMPLES
        padded = functional.pad(audio[:, None], (mel.WINDOW_SAMPLES // 2, mel.WINDOW_SAMPLES // 2))
        waves = functional.conv1d(padded, self.spectrum, stride=mel.ROW_SAMPLES)[..., :count]
        power = waves[:, : mel.BINS] * waves[:, : mel.BINS] + waves[:, mel.BINS :] * waves[:, mel.BINS :]
        return (torch.matmul(self.bands, power) + 1e-6).log() * 0.2 + 1.0

    def forward(self, audio: Tensor) -> Tensor:
        x = functional.gelu(self.enter(self.log_mel(audio)))
        for block in self.blocks:
            x = x + functional.gelu(block(x))
        rows: Tensor = self.leave(x).transpose(1, 2)
        return rows


def frame_weights(rows: int, frames: int, fps: int = 30, first: float = 0.0) -> Tensor:
    """The matrix `(frames, rows)` that reads rows of 20 ms, the first of them at sample `first`, at frames of `fps`:
    linear between two, held beyond the ends."""
    at = np.clip((np.arange(frames) * (16000 / fps) - first) / ROW_SAMPLES, 0, rows - 1)
    below = np.minimum(at.astype(int), max(rows - 2, 0))
    found = np.zeros((frames, rows), np.float32)
    share = at - below
    found[np.arange(frames), below] = 1 - share
    found[np.arange(frames), np.minimum(below + 1, rows - 1)] += share
    return torch.from_numpy(found)


def frame_samples(samples: int, fps: int = 30) -> Tensor:
    """At which sample each frame of a recording of `samples` lies, `(frames,)` float64."""
    return torch.arange(frames_of(samples, fps), dtype=torch.float64) * (16000 / fps)


def frames_of(samples: int, fps: int = 30) -> int:
    """How many frames of `fps` a recording of so many samples has."""
    return max(math.ceil(samples * fps / 16000 - 1e-9), 1)
