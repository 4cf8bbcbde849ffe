"""The paper's teacher, Voice2Face: HuBERT, a conditional VAE that makes a mesh, and Mesh2Rig (3.1.1, appendix A).

Trained by `distill/recipes/voice2face.py`. A file (`trained_file.py`) holds all weights, in float16, but those of a
pretrained HuBERT, which is named there by hub name or folder and must be at hand wherever the teacher labels.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.files.checkpoint import weights_sha256
from distill.files.teacher import TeacherFile, card, with_weights
from distill.speech.phonetics import CLASSES
from distill.teachers.closing import can_close, close_lips
from distill.teachers.track import RigTrack
from distill.teachers.voice2face.network import FPS, Voice2Face, Voice2FaceSpec
from distill.teachers.voice2face.speech_encoder import SpeechEncoder, build_encoder, hear
from sdk import strict
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import CheckpointError
from sdk.faces.face import CLOSED_CM
from sdk.rig import RigLayout

SHIPPED = Path(__file__).resolve().parents[3] / "checkpoints" / "voice2face.teacher"
SETTINGS = Path(__file__).with_suffix(".yaml")
_FILE = TeacherFile("voice2face", Voice2FaceSpec, "trained Voice2Face teacher of tinyface")


def load_settings(path: Path = SETTINGS) -> Voice2FaceSpec:
    """The network's shape as its YAML says. Raises `ConfigError` with every mistake."""
    return strict.load(Voice2FaceSpec, strict.load_yaml(path), where=path.name)


def half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float16; the mesh space stays in float32, where sums over a whole mesh need it."""
    return {k: v if k.startswith("mesh.") else v.half() for k, v in state.items()}


@dataclass(frozen=True, eq=False)
class TrainedVoice2Face:
    """Weights of a network of `spec` for the rig `layout`, how they were trained and how well they do.

    shut_cm: lip gap that its curves mean closed lips by (`closing.py`).
    """

    spec: Voice2FaceSpec
    state: dict[str, Tensor]
    layout: RigLayout
    shut_cm: float = CLOSED_CM
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        return weights_sha256(self.state)

    def network(self) -> Voice2Face:
        """The network in eval mode. Raises `CheckpointError` if the weights do not fit."""
        classes = len(CLASSES) if "classes.bias" in self.state else 0
        return with_weights(Voice2Face(self.spec, classes), self.state, self.spec.name)

    def save(self, path: Path | str) -> None:
        """Write whole or not at all. Raises `CheckpointError` for what cannot be stored, `DataError` for a bad disk."""
        _FILE.write(Path(path), self)

    @classmethod
    def load(cls, path: Path | str) -> TrainedVoice2Face:
        """Read and check. Raises `CheckpointError`: unreadable, foreign, damaged."""
        if not Path(path).exists() and Path(path) == SHIPPED:
            raise CheckpointError(
                f"{path}: no Voice2Face teacher is shipped; train one with `python -m distill.recipes.voice2face` and "
                "give its file, or use the neural teacher"
            )
        return _FILE.read(Path(path), cls)


class Voice2FaceTeacher:
    """Whole utterance -> RigTrack at 30 fps, by the network of `checkpoint` (the shipped one by default).

    encoder: the speech encoder, if the caller has it already; else it is loaded as the file says. Raises
    `CheckpointError` where the file, or the pretrained encoder that it names, cannot be loaded.
    """

    def __init__(self, checkpoint: Path | TrainedVoice2Face = SHIPPED, encoder: SpeechEncoder | None = None) -> None:
        trained = checkpoint if isinstance(checkpoint, TrainedVoice2Face) else TrainedVoice2Face.load(checkpoint)
        self.layout, self.fps = trained.layout, trained.spec.fps
        self.weights_sha256 = trained.weights_sha256
        self._spec, self._device = trained.spec, torch.device("cpu")
        self._network = trained.network()
        self._encoder = (
            (self._network.encoder or encoder or build_encoder(trained.spec.encoder)).eval().to(self._device)
        )
        if self._encoder.size != trained.spec.features:
            raise CheckpointError(
                f"{trained.spec.encoder.source} gives features of {self._encoder.size}, the teacher was trained on "
                f"{trained.spec.features}: it is another encoder. Give the one that it was trained with"
            )
        self._shut_cm = trained.shut_cm if can_close(trained.layout) else None

    def to(self, device: torch.device | str) -> Voice2FaceTeacher:
        """From now on it works on `device`; what it takes and gives stays numpy."""
        self._device = torch.device(device)
        self._network.to(self._device)
        self._encoder.to(self._device)
        return self

    def label(self, waveform: np.ndarray) -> RigTrack:
        """16 kHz mono float32 `(n,)` -> track at 30 fps, `(ceil(30 n / 16000), channels)`."""
        values = self.label_many(waveform[None])[0]
        return RigTrack(values, self.fps, self.layout)

    def label_many(self, waveforms: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """The labels `(B, frames, channels)` of recordings of one length `(B, n)`; only those in `rows`."""
        values = self.curves(waveforms, rows)
        if self._shut_cm is not None:
            flat = close_lips(values.reshape(-1, values.shape[-1]), self.layout, self._shut_cm)
            values = flat.reshape(values.shape)
        return self.layout.clamp(values)

    def curves(self, waveforms: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """Rig values of recordings `(B, n)` before nearly shut lips are closed: what Mesh2Rig makes of the meshes."""
        codes = self.codes(waveforms)[:, rows]
        poses: np.ndarray = self._network.mesh.rig(codes.flatten(0, 1), self.layout)
        return poses.reshape(*codes.shape[:2], -1)

    def codes(self, waveforms: np.ndarray) -> Tensor:
        """The meshes `(B, frames, components)` of recordings `(B, n)`, as codes of the network's mesh space."""
        audio = torch.from_numpy(np.array(waveforms, dtype=np.float32, ndmin=2)).to(self._device)
        frames = max(-(-audio.shape[1] * FPS // SAMPLE_RATE_HZ), 1)
        with torch.inference_mode():
            features, instants = hear(self._encoder, audio, self._spec.encoder.longest_s)
            codes: Tensor = self._network(features, instants, frames)
        return codes


def voice2face_card(trained: TrainedVoice2Face) -> str:
    """A Markdown page about a trained Voice2Face: what it is, how it was trained, how well it does."""
    spec = trained.spec
    network = trained.network()
    own = sum(value.numel() for value in network.encoder.parameters()) if network.encoder else 0
    head = sum(value.numel() for value in network.parameters()) - own
    about = (
        f"Voice2Face (appendix A): a whole utterance of 16 kHz speech in, {len(trained.layout)} rig channels out at "
        f"{FPS} fps. Its speech encoder is "
        + ("a small HuBERT, trained with it." if own else f"{spec.encoder.source}, which is not in the file.")
        + " A teacher: it labels speech for students and is never shipped to a device."
    )
    encoder = f"{own:,}" if own else "not in the file"
    return card(trained, about, {"parameters of the encoder": encoder, "parameters of the rest": f"{head:,}"})


TEACHER = Voice2FaceTeacher
MARK, TRAINED, CARD = _FILE.mark, TrainedVoice2Face, voice2face_card  # how its files are known, read and described
