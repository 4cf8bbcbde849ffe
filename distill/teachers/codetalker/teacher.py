"""CodeTalker as a teacher: a whole utterance to meshes through learned codes, and to the rig that makes those meshes.

    sound --ears--> rows at 30 fps --codes, frame by frame--> components of meshes --Mesh2Rig--> rig curves

A file of ours holds both stages; `released.py` reads the authors' own checkpoints, whose motion is vertices of FLAME.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.files.teacher import TeacherFile, Trained
from distill.teachers.closing import label_of
from distill.teachers.codetalker.network import CodeTalker, CodeTalkerSpec
from distill.teachers.diffusiontalker.ears import frame_samples
from distill.teachers.pretrained_ears import ROW_SAMPLES, large_ears
from distill.teachers.track import RigTrack
from distill.teachers.voice2face.speech_encoder import SpeechEncoder, fitting, hear, on_grid
from sdk.errors import CheckpointError

FPS = 30
_LONGEST_S = 20.0  # of the periodic positions


def _about(trained: Trained[CodeTalker]) -> tuple[str, dict[str, str]]:
    spec = trained.spec
    own = sum(value.numel() for value in trained.network().parameters())
    text = (
        f"CodeTalker (Xing et al. 2023), reduced: a whole utterance of 16 kHz speech in, meshes of {spec.motion.size} "
        f"components at {FPS} fps out, and the {len(trained.layout)} rig channels that make them. It hears with "
        f"{spec.ears}, which is not in the file. A teacher: it labels speech for students."
    )
    return text, {"parameters": f"{own:,}"}


FILE = TeacherFile(
    "codetalker", "CodeTalker", Path(__file__).parent, CodeTalkerSpec,
    lambda trained: CodeTalker(trained.spec, len(trained.layout)), _about, "distill.recipes.codetalker",
    float32=("mesh.",),
)  # fmt: skip


class CodeTalkerTeacher:
    """Whole utterance -> RigTrack at 30 fps, as the spec's `speaker` speaks.

    encoder: the encoder, if the caller has it already. Raises `CheckpointError` where the file or the encoder that it
    names cannot be used, or where its motion is bare vertices, which no rig here makes.
    """

    fps = Fraction(FPS)

    def __init__(
        self, checkpoint: Path | Trained[CodeTalker] = FILE.shipped, encoder: SpeechEncoder | None = None
    ) -> None:
        trained = FILE.open(checkpoint)
        if trained.spec.vertices:
            raise CheckpointError(
                f"{trained.spec.name} moves vertices of a face that has no shapes here: use `released.vertices`, or "
                "train on components with `python -m distill.recipes.codetalker`"
            )
        self.layout, self.weights_sha256, self.spec = trained.layout, trained.weights_sha256, trained.spec
        self.network = trained.network()
        ears = encoder or large_ears(trained.spec.ears)
        self._encoder = fitting(ears, trained.spec.ears, trained.spec.features)
        self._shut_cm = trained.shut_cm

    def label(self, waveform: np.ndarray) -> RigTrack:
        """16 kHz mono float32 `(n,)` -> track at 30 fps, `(ceil(30 n / 16000), channels)`."""
        assert self.network.mesh is not None
        curves = self.network.mesh.rig(self.components(waveform), self.layout)
        return RigTrack(label_of(curves, self.layout, self._shut_cm), self.fps, self.layout)

    def components(self, waveform: np.ndarray) -> Tensor:
        """The meshes `(frames, components)`, as codes of the network's mesh space."""
        samples = max(-(-len(waveform) // ROW_SAMPLES), 2) * ROW_SAMPLES
        audio = torch.from_numpy(np.pad(np.asarray(waveform, np.float32), (0, samples - len(waveform))))[None]
        with torch.inference_mode():
            rows, instants = hear(self._encoder, audio, _LONGEST_S)
            person = torch.tensor([self.spec.people.index(self.spec.speaker)])
            return self.network.speak(on_grid(rows.float(), instants, frame_samples(len(waveform))), person)[0]


TEACHER = CodeTalkerTeacher
