"""The neural teacher: a network that hears the whole utterance, trained by `distill/recipes/teacher.py`.

Its file (`trained_file.py`) has the weights in float16. `TrainedTeacher.load` reads any such file, a studio's own too;
the shipped one is the default.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from distill.files.checkpoint import weights_sha256
from distill.files.teacher import TeacherFile, card, with_weights
from distill.speech.phonetics import CLASSES
from distill.teachers.closing import can_close, close_lips
from distill.teachers.neural.network import COLUMN_SAMPLES, Bidirectional, TeacherSpec
from distill.teachers.track import RigTrack
from sdk import strict
from sdk.clock import SAMPLE_RATE_HZ
from sdk.faces.face import CLOSED_CM
from sdk.rig import RigLayout

SHIPPED = Path(__file__).resolve().parents[3] / "checkpoints" / "neural.teacher"
SETTINGS = Path(__file__).with_suffix(".yaml")
# (resampled length, original, first sample): other pitches, and columns between the columns
VIEWS = ((1, 1, 0), (10, 9, 0), (9, 8, 160))
_MIRRORED_SAMPLES = 12800
_FILE = TeacherFile("teacher", TeacherSpec, "trained teacher of tinyface")


def load_settings(path: Path = SETTINGS) -> TeacherSpec:
    """The network's shape as its YAML says. Raises `ConfigError` with every mistake."""
    return strict.load(TeacherSpec, strict.load_yaml(path), where=path.name)


@dataclass(frozen=True, eq=False)
class TrainedTeacher:
    """Weights of a network of `spec` for the rig `layout`, how they were trained and how well they do.

    shut_cm: lip gap that its curves mean closed lips by (`closing.py`).
    """

    spec: TeacherSpec
    state: dict[str, Tensor]
    layout: RigLayout
    shut_cm: float = CLOSED_CM
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        return weights_sha256(self.state)

    def network(self) -> Bidirectional:
        """The network in eval mode. Raises `CheckpointError` if the weights do not fit."""
        return with_weights(Bidirectional(self.spec, len(self.layout), len(CLASSES)), self.state, self.spec.name)

    def save(self, path: Path | str) -> None:
        """Write whole or not at all. Raises `CheckpointError` for what cannot be stored, `DataError` for a bad disk."""
        _FILE.write(Path(path), self)

    @classmethod
    def load(cls, path: Path | str) -> TrainedTeacher:
        """Read and check. Raises `CheckpointError`: unreadable, foreign, damaged."""
        return _FILE.read(Path(path), cls)


class NeuralTeacher:
    """Whole utterance -> RigTrack, by the network of `checkpoint` (the shipped one by default), in any language.

    The utterance is heard several times, as it is and at other speeds (`VIEWS`), and the curves' mean is the label.
    """

    fps = Fraction(SAMPLE_RATE_HZ, COLUMN_SAMPLES)

    def __init__(self, checkpoint: Path | TrainedTeacher = SHIPPED) -> None:
        trained = checkpoint if isinstance(checkpoint, TrainedTeacher) else TrainedTeacher.load(checkpoint)
        self.layout = trained.layout
        self.weights_sha256 = trained.weights_sha256
        self._network = trained.network()
        self._device = torch.device("cpu")
        self._shut_cm = trained.shut_cm if can_close(trained.layout) else None

    def to(self, device: torch.device | str) -> NeuralTeacher:
        """From now on it works on `device`; what it takes and gives stays numpy."""
        self._device = torch.device(device)
        self._network.to(self._device)
        return self

    def label(self, waveform: np.ndarray) -> RigTrack:
        """16 kHz mono float32 `(n,)` -> track at 50 fps, `(ceil(n / 320), channels)`."""
        return RigTrack(self.label_many(np.asarray(waveform)[None])[0], self.fps, self.layout)

    def label_many(self, waveforms: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """The labels `(B, columns, channels)` of recordings of one length `(B, n)`, heard together; those in `rows`."""
        values = self._curves_many(waveforms)[:, rows]
        if self._shut_cm is not None:
            flat = close_lips(values.reshape(-1, values.shape[-1]), self.layout, self._shut_cm)
            values = flat.reshape(values.shape)
        return self.layout.clamp(values)

    def curves(self, waveform: np.ndarray) -> np.ndarray:
        """What the network says before nearly shut lips are closed: the mean over the views, clamped."""
        return self._curves_many(np.asarray(waveform)[None])[0]

    def _curves_many(self, waveforms: np.ndarray) -> np.ndarray:
        """`curves` of recordings of one length `(B, n)`: `(B, rows, channels)`."""
        count = max(-(-waveforms.shape[1] // COLUMN_SAMPLES), 1)
        views = [self._view(waveforms, count, *view) for view in VIEWS]
        return self.layout.clamp(np.mean(views, axis=0))

    def _view(self, waveforms: np.ndarray, count: int, up: int, down: int, phase: int) -> np.ndarray:
        """Curves `(B, count, channels)` of waveforms `(B, n)`, `up / down` as long, heard from sample `phase` on.

        Before its beginning and after its end a waveform is mirrored: a clip that is cut at a vowel begins with an
        open mouth.
        """
        long_enough = waveforms.shape[1] > 1
        around = np.asarray(waveforms if long_enough else np.zeros((len(waveforms), 2)), dtype=np.float32)
        around = np.pad(around, ((0, 0), (_MIRRORED_SAMPLES, _MIRRORED_SAMPLES)), mode="reflect")[:, phase:]
        heard = around if up == down else resample_poly(around, up, down, axis=1).astype(np.float32)
        columns = -(-heard.shape[1] // COLUMN_SAMPLES)
        audio = np.zeros((len(heard), columns * COLUMN_SAMPLES), dtype=np.float32)
        audio[:, : heard.shape[1]] = heard
        with torch.inference_mode():
            rig = self._network(torch.from_numpy(audio).to(self._device)).rig.cpu().numpy()
        times = (np.arange(count) * COLUMN_SAMPLES + _MIRRORED_SAMPLES - phase) * (up / down) / SAMPLE_RATE_HZ
        return np.stack([RigTrack(row, self.fps, self.layout).at(times) for row in rig])


def teacher_card(trained: TrainedTeacher) -> str:
    """A Markdown page about a trained teacher: what it is, how it was trained, how well it does."""
    ears = trained.spec.ears
    parameters = sum(value.numel() for value in trained.network().parameters())
    about = (
        f"A teacher: a whole utterance of 16 kHz speech in, {len(trained.layout)} rig channels out at 50 fps. "
        "It hears from both ends and is never shipped to a device; it labels speech for students."
        + (f" Inside it listens a frozen stream student, {ears.name}." if ears else "")
    )
    return card(trained, about, {"parameters": f"{parameters:,}"})


TEACHER = NeuralTeacher
MARK, TRAINED, CARD = _FILE.mark, TrainedTeacher, teacher_card  # how its files are known, read and described
