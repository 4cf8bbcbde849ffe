"""CodeTalker as a teacher: a whole utterance to meshes through learned codes, and to the rig that makes those meshes.

    sound --ears--> rows at 30 fps --codes, frame by frame--> components of meshes --Mesh2Rig--> rig curves

A file of ours holds both stages; `released.py` reads the authors' own checkpoints, whose motion is vertices of FLAME.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.files.checkpoint import weights_sha256
from distill.files.teacher import TeacherFile, card, with_weights
from distill.teachers.closing import can_close, close_lips
from distill.teachers.codetalker.network import CodeTalker, CodeTalkerSpec
from distill.teachers.diffusiontalker.ears import ROW_SAMPLES, frame_samples, large_ears
from distill.teachers.track import RigTrack
from distill.teachers.voice2face.speech_encoder import SpeechEncoder, hear, on_grid
from sdk.errors import CheckpointError
from sdk.faces.face import CLOSED_CM
from sdk.rig import RigLayout

FPS = 30
SHIPPED = Path(__file__).resolve().parents[3] / "checkpoints" / "codetalker.teacher"
_FILE = TeacherFile("codetalker", CodeTalkerSpec, "trained CodeTalker of tinyface")
_LONGEST_S = 20.0  # of the periodic positions


@dataclass(frozen=True, eq=False)
class TrainedCodeTalker:
    """Weights of a network of `spec` for the rig `layout`, how they were trained and how well they do."""

    spec: CodeTalkerSpec
    state: dict[str, Tensor]
    layout: RigLayout
    shut_cm: float = CLOSED_CM
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        return weights_sha256(self.state)

    def network(self) -> CodeTalker:
        """The network in eval mode. Raises `CheckpointError` if the weights do not fit."""
        return with_weights(CodeTalker(self.spec, len(self.layout)), self.state, self.spec.name)

    def save(self, path: Path | str) -> None:
        """Write whole or not at all. Raises `CheckpointError` for what cannot be stored, `DataError` for a bad disk."""
        _FILE.write(Path(path), self)

    @classmethod
    def load(cls, path: Path | str) -> TrainedCodeTalker:
        """Read and check. Raises `CheckpointError`: unreadable, foreign, damaged."""
        if not Path(path).exists() and Path(path) == SHIPPED:
            raise CheckpointError(
                f"{path}: no CodeTalker teacher is shipped; train one with `python -m distill.recipes.codetalker` and "
                "give its file, or use the neural teacher"
            )
        return _FILE.read(Path(path), cls)


class CodeTalkerTeacher:
    """Whole utterance -> RigTrack at 30 fps, as the spec's `speaker` speaks.

    encoder: the encoder, if the caller has it already. Raises `CheckpointError` where the file or the encoder that it
    names cannot be used, or where its motion is bare vertices, which no rig here makes.
    """

    fps = Fraction(FPS)

    def __init__(self, checkpoint: Path | TrainedCodeTalker = SHIPPED, encoder: SpeechEncoder | None = None) -> None:
        trained = checkpoint if isinstance(checkpoint, TrainedCodeTalker) else TrainedCodeTalker.load(checkpoint)
        if trained.spec.vertices:
            raise CheckpointError(
                f"{trained.spec.name} moves vertices of a face that has no shapes here: use `released.vertices`, or "
                "train on components with `python -m distill.recipes.codetalker`"
            )
        self.layout, self.weights_sha256, self.spec = trained.layout, trained.weights_sha256, trained.spec
        self.network = trained.network()
        self._encoder = encoder or large_ears(trained.spec.ears)
        if self._encoder.size != trained.spec.features:
            raise CheckpointError(
                f"{trained.spec.ears} gives features of {self._encoder.size}, {trained.spec.name} was trained on "
                f"{trained.spec.features}: it is another encoder. Give the one that it was trained with"
            )
        self._shut_cm = trained.shut_cm if can_close(trained.layout) else None

    def label(self, waveform: np.ndarray) -> RigTrack:
        """16 kHz mono float32 `(n,)` -> track at 30 fps, `(ceil(30 n / 16000), channels)`."""
        assert self.network.mesh is not None
        values = self.network.mesh.rig(self.components(waveform), self.layout)
        if self._shut_cm is not None:
            values = close_lips(values, self.layout, self._shut_cm)
        return RigTrack(self.layout.clamp(values), self.fps, self.layout)

    def components(self, waveform: np.ndarray) -> Tensor:
        """The meshes `(frames, components)`, as codes of the network's mesh space."""
        samples = max(-(-len(waveform) // ROW_SAMPLES), 2) * ROW_SAMPLES
        audio = torch.from_numpy(np.pad(np.asarray(waveform, np.float32), (0, samples - len(waveform))))[None]
        with torch.inference_mode():
            rows, instants = hear(self._encoder, audio, _LONGEST_S)
            person = torch.tensor([self.spec.people.index(self.spec.speaker)])
            return self.network.speak(on_grid(rows.float(), instants, frame_samples(len(waveform))), person)[0]


def codetalker_card(trained: TrainedCodeTalker) -> str:
    """A Markdown page about a trained CodeTalker: what it is, how it was trained, how well it does."""
    spec = trained.spec
    own = sum(value.numel() for value in trained.network().parameters())
    about = (
        f"CodeTalker (Xing et al. 2023), reduced: a whole utterance of 16 kHz speech in, meshes of {spec.motion.size} "
        f"components at {FPS} fps out, and the {len(trained.layout)} rig channels that make them. It hears with "
        f"{spec.ears}, which is not in the file. A teacher: it labels speech for students."
    )
    return card(trained, about, {"parameters": f"{own:,}"})


TEACHER = CodeTalkerTeacher
MARK, TRAINED, CARD = _FILE.mark, TrainedCodeTalker, codetalker_card  # how its files are known, read and described
