"""DiffusionTalker as a teacher: a whole utterance in a voice's own style, or in one that is given (seed 004).

A file holds the network in float16 with all it needs but a large encoder, which it names. The noise that a motion
begins as comes from the sound itself, so the same recording always gets the same face.
"""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.files.teacher import TeacherFile, Trained
from distill.teachers.closing import label_of
from distill.teachers.diffusiontalker.ears import frame_samples, frame_weights, frames_of
from distill.teachers.diffusiontalker.network import FPS, Talker, TalkerSpec
from distill.teachers.diffusiontalker.voice import Voice
from distill.teachers.pretrained_ears import LONGEST_S, ROW_SAMPLES, large_ears
from distill.teachers.track import RigTrack
from distill.teachers.voice2face.speech_encoder import SpeechEncoder, fitting, hear, on_grid

_SILENT_RMS = 1e-4  # -80 dB of full scale


def _about(trained: Trained[Talker]) -> tuple[str, dict[str, str]]:
    spec = trained.spec
    own = sum(value.numel() for value in trained.network().parameters())
    hears = "its own compact ears" if spec.compact else f"{spec.ears}, which is not in the file"
    text = (
        f"DiffusionTalker (seed 004): a whole utterance of 16 kHz speech in, {len(trained.layout)} rig channels out at "
        f"{FPS} fps, by {spec.steps} steps of DDIM. It hears with {hears}. A teacher: "
        "it labels speech for students."
    )
    return text, {"parameters": f"{own:,}"}


FILE = TeacherFile(
    "talker", "DiffusionTalker", Path(__file__).parent, TalkerSpec,
    lambda trained: Talker(trained.spec, len(trained.layout)), _about, "distill.recipes.diffusiontalker train",
    float32=("mean", "spread", "mesh."),  # what turns numbers into centimetres
)  # fmt: skip


class DiffusionTalkerTeacher:
    """Whole utterance -> RigTrack at 30 fps. voice: the style to speak in (`voice.py`); the recording's own by default.

    encoder: the large encoder, if the caller has it already. steps: of the sampler, the file's own by default. Raises
    `CheckpointError` where the file, the encoder that it names, or a voice of other weights cannot be used.
    """

    fps = Fraction(FPS)

    def __init__(
        self,
        checkpoint: Path | Trained[Talker] = FILE.shipped,
        encoder: SpeechEncoder | None = None,
        voice: Voice | None = None,
        steps: int = 0,
    ) -> None:
        trained = FILE.open(checkpoint)
        self.layout, self.weights_sha256 = trained.layout, trained.weights_sha256
        self.network, self.spec, self.steps = trained.network(), trained.spec, steps
        self._encoder = None
        if not trained.spec.compact:
            ears = encoder or large_ears(trained.spec.ears)
            self._encoder = fitting(ears, trained.spec.ears, trained.spec.features)
        self._voice = voice.checked(self.weights_sha256, trained.spec) if voice else None
        self._shut_cm = trained.shut_cm

    def label(self, waveform: np.ndarray) -> RigTrack:
        """16 kHz mono float32 `(n,)` -> track at 30 fps, `(ceil(30 n / 16000), channels)`; rest where all is still."""
        count = frames_of(len(waveform))
        if not len(waveform) or float(np.sqrt(np.mean(np.square(waveform)))) < _SILENT_RMS:
            rest = np.tile(np.array(self.layout.neutral, np.float32), (count, 1))
            return RigTrack(rest, self.fps, self.layout)
        label = label_of(self.curves(waveform)[:count], self.layout, self._shut_cm)
        return RigTrack(label, self.fps, self.layout)

    def curves(self, waveform: np.ndarray) -> np.ndarray:
        """Rig values before nearly shut lips are closed."""
        with torch.inference_mode():
            features = self.features(waveform)
            style = self._voice.tensors if self._voice else self.network.style(features)
            seed = zlib.crc32(np.ascontiguousarray(waveform, np.float32).tobytes())
            shape = (1, features.shape[1], len(self.network.mean))
            noise = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32))
            motion = self.network.motion(features, self.network.personal(features, style), noise, self.steps)[0]
            if self.network.mesh is not None:
                return self.network.mesh.rig(motion, self.layout)
            values: np.ndarray = motion.numpy()
            return values

    def features(self, waveform: np.ndarray) -> Tensor:
        """What the network makes of a waveform `(n,)`: (1, frames, W)."""
        samples = max(-(-len(waveform) // ROW_SAMPLES), 2) * ROW_SAMPLES
        audio = torch.from_numpy(np.pad(np.asarray(waveform, np.float32), (0, samples - len(waveform))))[None]
        if self._encoder is None:
            return self.network.features(audio, frame_weights(samples // ROW_SAMPLES, frames_of(samples), FPS))
        rows, instants = hear(self._encoder, audio, LONGEST_S)
        features: Tensor = self.network.project(on_grid(rows.float(), instants, frame_samples(samples)))
        return features

    def enrol(self, waveform: np.ndarray, name: str) -> Voice:
        """The voice of whoever speaks in `waveform`, five seconds or so: kept in a file, it speaks anything after."""
        with torch.inference_mode():
            identity, emotion = self.network.style(self.features(waveform))
        return Voice(name, self.weights_sha256, tuple(identity[0].tolist()), tuple(emotion[0].tolist()))


TEACHER = DiffusionTalkerTeacher
