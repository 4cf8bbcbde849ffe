"""The paper's teacher, Voice2Face: HuBERT, a conditional VAE that makes a mesh, and Mesh2Rig (3.1.1, appendix A).

Trained by `distill/recipes/voice2face.py`. Its file holds all weights, in float16, but those of a
pretrained HuBERT, which is named there by hub name or folder and must be at hand wherever the teacher labels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.files.teacher import TeacherFile, Trained
from distill.speech.phonetics import CLASSES
from distill.teachers.closing import label_of
from distill.teachers.track import RigTrack
from distill.teachers.voice2face.network import FPS, Voice2Face, Voice2FaceSpec
from distill.teachers.voice2face.speech_encoder import SpeechEncoder, build_encoder, fitting, hear
from sdk.clock import SAMPLE_RATE_HZ


def _build(trained: Trained[Voice2Face]) -> Voice2Face:
    return Voice2Face(trained.spec, len(CLASSES) if "classes.bias" in trained.state else 0)


def _about(trained: Trained[Voice2Face]) -> tuple[str, dict[str, str]]:
    spec = trained.spec
    network = trained.network()
    own = sum(value.numel() for value in network.encoder.parameters()) if network.encoder else 0
    head = sum(value.numel() for value in network.parameters()) - own
    text = (
        f"Voice2Face (appendix A): a whole utterance of 16 kHz speech in, {len(trained.layout)} rig channels out at "
        f"{FPS} fps. Its speech encoder is "
        + ("a small HuBERT, trained with it." if own else f"{spec.encoder.source}, which is not in the file.")
        + " A teacher: it labels speech for students and is never shipped to a device."
    )
    encoder = f"{own:,}" if own else "not in the file"
    return text, {"parameters of the encoder": encoder, "parameters of the rest": f"{head:,}"}


FILE = TeacherFile(
    "voice2face", "Voice2Face", Path(__file__).parent, Voice2FaceSpec, _build, _about, "distill.recipes.voice2face",
    float32=("mesh.",),  # sums over a whole mesh
)  # fmt: skip


class Voice2FaceTeacher:
    """Whole utterance -> RigTrack at 30 fps, by the network of `checkpoint` (the shipped one by default).

    encoder: the speech encoder, if the caller has it already; else it is loaded as the file says. Raises
    `CheckpointError` where the file, or the pretrained encoder that it names, cannot be loaded.
    """

    def __init__(
        self, checkpoint: Path | Trained[Voice2Face] = FILE.shipped, encoder: SpeechEncoder | None = None
    ) -> None:
        trained = FILE.open(checkpoint)
        self.layout, self.fps = trained.layout, trained.spec.fps
        self.weights_sha256 = trained.weights_sha256
        self._spec, self._device = trained.spec, torch.device("cpu")
        self._network = trained.network()
        source = trained.spec.encoder
        ears = (self._network.encoder or encoder or build_encoder(source)).eval().to(self._device)
        self._encoder = fitting(ears, source.source, trained.spec.features)
        self._shut_cm = trained.shut_cm

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
        return label_of(self.curves(waveforms, rows), self.layout, self._shut_cm)

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


TEACHER = Voice2FaceTeacher
