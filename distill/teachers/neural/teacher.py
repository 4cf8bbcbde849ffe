"""The neural teacher: a network that hears the whole utterance, trained by `distill/recipes/teacher.py`.

Its file has the weights in float16. `FILE.load` reads any such file, a studio's own too; the default is the shipped
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from distill.files.pcm import stretched
from distill.files.teacher import TeacherFile, Trained
from distill.speech.phonetics import CLASSES
from distill.teachers.closing import label_of
from distill.teachers.neural.network import COLUMN_SAMPLES, Bidirectional, TeacherSpec
from distill.teachers.track import RigTrack, between
from sdk.clock import SAMPLE_RATE_HZ

# (resampled length, original, first sample): other pitches, and columns between the columns
VIEWS = ((1, 1, 0), (10, 9, 0), (9, 8, 160))
_MIRRORED_SAMPLES = 12800


def _about(trained: Trained[Bidirectional]) -> tuple[str, dict[str, str]]:
    ears, encoder = trained.spec.ears, trained.spec.encoder
    parameters = sum(value.numel() for value in trained.network().parameters())
    text = (
        f"A teacher: a whole utterance of 16 kHz speech in, {len(trained.layout)} rig channels out at 50 fps. "
        "It hears from both ends and is never shipped to a device; it labels speech for students."
        + (f" Inside it listens a frozen stream student, {ears.name}." if ears else "")
        + (f" It hears through a pretrained encoder, {encoder}, which is not in the file." if encoder else "")
    )
    return text, {"parameters": f"{parameters:,}"}


FILE = TeacherFile(
    "teacher", "neural", Path(__file__).parent, TeacherSpec,
    lambda trained: Bidirectional(trained.spec, len(trained.layout), len(CLASSES)), _about, "distill.recipes.teacher",
)  # fmt: skip


@dataclass(frozen=True)
class _Heard:
    """Curves `(B, rows, channels)`, and how likely each phone class is there `(B, rows, classes)`."""

    values: np.ndarray
    likely: np.ndarray


class NeuralTeacher:
    """Whole utterance -> RigTrack, by the network of `checkpoint` (the shipped one by default), in any language.

    The utterance is heard several times, as it is and at other speeds (`VIEWS`), and the curves' mean is the label.
    """

    fps = Fraction(SAMPLE_RATE_HZ, COLUMN_SAMPLES)

    def __init__(self, checkpoint: Path | Trained[Bidirectional] = FILE.shipped) -> None:
        trained = FILE.open(checkpoint)
        self.layout = trained.layout
        self.weights_sha256 = trained.weights_sha256
        self._network = trained.network()
        self._device = torch.device("cpu")
        self._shut_cm = trained.shut_cm
        self._views = VIEWS[: trained.spec.speeds]

    def to(self, device: torch.device | str) -> NeuralTeacher:
        """From now on it works on `device`; what it takes and gives stays numpy."""
        self._device = torch.device(device)
        self._network.to(self._device)
        return self

    def label(self, waveform: np.ndarray) -> RigTrack:
        """16 kHz mono float32 `(n,)` -> track at 50 fps, `(ceil(n / 320), channels)`, and which phones are likely."""
        heard = self._heard_many(np.asarray(waveform)[None])
        values = label_of(heard.values, self.layout, self._shut_cm)
        return RigTrack(values[0], self.fps, self.layout, heard.likely[0])

    def label_many(self, waveforms: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """The labels `(B, columns, channels)` of recordings of one length `(B, n)`, heard together; those in `rows`."""
        return label_of(self._heard_many(waveforms).values[:, rows], self.layout, self._shut_cm)

    def curves(self, waveform: np.ndarray) -> np.ndarray:
        """What the network says before nearly shut lips are closed: the mean over the views, clamped."""
        return self._heard_many(np.asarray(waveform)[None]).values[0]

    def _heard_many(self, waveforms: np.ndarray) -> _Heard:
        """What the network says of recordings of one length `(B, n)`: the mean over the views, curves clamped."""
        count = max(-(-waveforms.shape[1] // COLUMN_SAMPLES), 1)
        views = [self._view(waveforms, count, *view) for view in self._views]
        values, likely = (np.mean(part, axis=0) for part in zip(*((v.values, v.likely) for v in views), strict=True))
        return _Heard(self.layout.clamp(values), likely)

    def _view(self, waveforms: np.ndarray, count: int, up: int, down: int, phase: int) -> _Heard:
        """What it says of waveforms `(B, n)`, `up / down` as long, heard from sample `phase` on.

        Before its beginning and after its end a waveform is mirrored: a clip that is cut at a vowel begins with an
        open mouth.
        """
        long_enough = waveforms.shape[1] > 1
        around = np.asarray(waveforms if long_enough else np.zeros((len(waveforms), 2)), dtype=np.float32)
        around = np.pad(around, ((0, 0), (_MIRRORED_SAMPLES, _MIRRORED_SAMPLES)), mode="reflect")[:, phase:]
        heard = stretched(around, up, down)
        columns = -(-heard.shape[1] // COLUMN_SAMPLES)
        audio = np.zeros((len(heard), columns * COLUMN_SAMPLES), dtype=np.float32)
        audio[:, : heard.shape[1]] = heard
        with torch.inference_mode():
            said = self._network(torch.from_numpy(audio).to(self._device))
            parts = (said.rig.cpu().numpy(), said.classes.softmax(-1).cpu().numpy())
        rows = (np.arange(count) * COLUMN_SAMPLES + _MIRRORED_SAMPLES - phase) * (up / down) / COLUMN_SAMPLES
        return _Heard(*(np.stack([between(one, rows) for one in part]) for part in parts))


TEACHER = NeuralTeacher
