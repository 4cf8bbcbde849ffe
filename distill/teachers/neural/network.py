"""The neural teacher's network: a whole utterance at once, from both of its ends; no budget, and never shipped.

    audio (B, n) --log-mel, 100 rows a second--> strided convolution --+
        |                                                              +--> (B, C, 1, T), 50 columns a second
        +--ears, a frozen stream student: features, and rig before tanh+
        +--a pretrained speech encoder, frozen: features --------------+
    residual blocks (dilated, looking both ways) --> a recurrent layer from either end --> residual blocks
    --> rig (B, T, channels) = tanh(the ears' rig + what the whole utterance says otherwise)
    --> and, as a training aid, which phone class is spoken (B, T, classes)

Column t describes sample 320 t. Speech is normalised over the utterance: each mel band loses its mean over the loud
rows, so microphone, room and level fall out before anything is learned. Ears are optional: what a student learned in
hours need not be learned again, and a teacher begins as good as the student that it hears with. So is the encoder,
which learned from more speech than we have; its weights stay where they are (`pretrained_ears.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.speech.mel import WINDOW_SAMPLES, mel_bands, power
from distill.students.spec import StreamStudentSpec
from distill.students.stream import HOP_SAMPLES, BatchNorm, StreamStudent, fold_norms
from distill.teachers.pretrained_ears import Listener
from distill.teachers.voice2face.speech_encoder import on_grid
from sdk.errors import ConfigError
from sdk.rig import RigLayout

COLUMN_SAMPLES = 320
_RANGE_DB = 60.0  # rows are cut this far below the loud ones: what lies deeper is the microphone's floor
_LOUD_DB = 30.0  # rows this close to the loudest count for the mean


@dataclass(frozen=True)
class TeacherSpec:
    """The network's shape. name: of the teacher. mels: bands of 60 Hz to 7.6 kHz. channels: C.

    kernel: taps of the blocks; before, after: their dilations on either side of the recurrent layer, whose width is
    `recurrent` a direction.
    fc_width: of the layer before the outputs. dropout: in training. rig: `arkit`, or the path of a layout file.
    ears: the stream student inside, if any. encoder: a pretrained speech encoder, as `pretrained_ears.py` names it,
    whose rows are `features` wide; empty and 0 without. speeds: at how many it hears an utterance (`teacher.py`).
    """

    name: str
    mels: int
    channels: int
    kernel: int
    before: list[int]
    recurrent: int
    after: list[int]
    fc_width: int
    dropout: float
    rig: str
    ears: StreamStudentSpec | None = None
    encoder: str = ""
    features: int = 0
    speeds: int = 3

    def __post_init__(self) -> None:
        sizes = {k: getattr(self, k) for k in ("mels", "channels", "kernel", "recurrent", "fc_width")}
        problems = [f"{name} {size} is below 1" for name, size in sizes.items() if size < 1]
        if self.kernel % 2 == 0:
            problems.append(f"kernel {self.kernel} is even: it could not look as far ahead as back")
        if any(dilation < 1 for dilation in [*self.before, *self.after]):
            problems.append(f"dilations {self.before}, {self.after} are not all from 1")
        if bool(self.encoder) != (self.features > 0):
            problems.append(f"the encoder {self.encoder!r} has features of {self.features}: give both or neither")
        if not 1 <= self.speeds <= 3:
            problems.append(f"speeds {self.speeds} is not 1 to 3")
        if not 0 <= self.dropout < 1:
            problems.append(f"dropout {self.dropout} is not within 0 to 1")
        if problems:
            raise ConfigError(f"teacher {self.name!r}: " + "; ".join(problems))

    @property
    def layout(self) -> RigLayout:
        return RigLayout.named(self.rig)


class Around(nn.Module):
    """A residual block that looks both ways: x + act(norm(conv(x))). (B, C, 1, T) -> (B, C, 1, T)."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        pad = (kernel - 1) // 2 * dilation
        self.conv = nn.Conv2d(channels, channels, (1, kernel), padding=(0, pad), dilation=(1, dilation))
        self.norm = BatchNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.dropout(functional.gelu(self.norm(self.conv(x))))
        return y


@dataclass(frozen=True)
class Heard:
    """What the network hears in each column: `rig` (B, T, channels) in -1..1, `classes` (B, T, classes) logits."""

    rig: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Told:
    """What those inside say of audio, none of which learns: the stream student's F_-4 `student` (B, fc, 1, T) and its
    `rig` before tanh (B, T, channels), the encoder's `encoded` (B, features, 1, T); None where there is none of it."""

    student: Tensor | None = None
    rig: Tensor | None = None
    encoded: Tensor | None = None

    def to(self, place: torch.dtype | torch.device) -> Told:
        """The same in another type or place."""
        parts = (self.student, self.rig, self.encoded)
        return Told(*(None if part is None else part.to(place) for part in parts))


class Bidirectional(nn.Module):
    """The network of `spec` for a rig of `rig_channels`, with `classes` phone classes."""

    mel: Tensor
    window: Tensor

    def __init__(self, spec: TeacherSpec, rig_channels: int, classes: int) -> None:
        super().__init__()
        width = spec.channels
        self.register_buffer("mel", torch.from_numpy(mel_bands(spec.mels)), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES), persistent=False)
        self.stem = nn.Conv2d(spec.mels, width, (1, 5), (1, 2), padding=(0, 2))
        self.stem_norm = BatchNorm(width)
        self.ears: StreamStudent | None = None
        if spec.ears:
            self.ears = fold_norms(spec.ears.build()).requires_grad_(False)
            self.future_samples = spec.ears.future_samples
            self.heard = nn.Conv2d(spec.ears.fc_width, width, 1)
        self.listener: Listener | None = None
        if spec.encoder:
            self.listener = Listener(spec.encoder, spec.features)
            self.encoded = nn.Conv2d(spec.features, width, 1)
        self.before = self._blocks(spec, spec.before)
        self.recurrent = nn.GRU(width, spec.recurrent, batch_first=True, bidirectional=True)
        self.joined = nn.Conv2d(2 * spec.recurrent, width, 1)
        self.after = self._blocks(spec, spec.after)
        self.fc = nn.Conv2d(width, spec.fc_width, 1)
        self.rig = nn.Conv2d(spec.fc_width, rig_channels, 1)
        self.classes = nn.Conv2d(spec.fc_width, classes, 1)
        self.dropout = nn.Dropout(spec.dropout)

    @staticmethod
    def _blocks(spec: TeacherSpec, dilations: Sequence[int]) -> nn.ModuleList:
        return nn.ModuleList(Around(spec.channels, spec.kernel, dilation, spec.dropout) for dilation in dilations)

    def train(self, mode: bool = True) -> Bidirectional:
        """As `nn.Module.train`; the ears stay as they are."""
        super().train(mode)
        if self.ears:
            self.ears.eval()
        return self

    def initialise(self, seed: int, ears: StreamStudent | None = None) -> None:
        """He initialisation; the mouth starts at rest, or as the `ears` move it.

        ears: a trained student of the spec's shape; its norms are folded here.
        """
        torch.manual_seed(seed)
        if self.ears and ears:
            self.ears.load_state_dict(fold_norms(ears).state_dict())
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and not name.startswith("ears."):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        self.recurrent.reset_parameters()  # as torch does at its making, but from this seed
        nn.init.zeros_(self.rig.weight)
        nn.init.normal_(self.classes.weight, std=0.005)

    def forward(self, audio: Tensor) -> Heard:
        """Whole utterances (B, n), n a multiple of 320 -> what is heard in each of their n / 320 columns."""
        return self.hear(self.rows(audio), self.features(audio))

    def rows(self, audio: Tensor) -> Tensor:
        """Normalised log-mel rows (B, mels, n / 160) of audio (B, n); row k is centred on sample 160 k."""
        energy = self.mel @ power(audio, self.window)
        level = 10 * torch.log10(energy.sum(1, keepdim=True).clamp(min=1e-9))
        loud = level.quantile(0.98, dim=2, keepdim=True)  # not the maximum: that may be a click
        floor = 10 ** ((loud - _RANGE_DB) / 10) / self.mel.shape[0]
        rows = 10 * torch.log10(energy + floor)
        counts = (level > loud - _LOUD_DB).to(rows.dtype)
        mean = (rows * counts).sum(2, keepdim=True) / counts.sum(2, keepdim=True).clamp(min=1)
        return (rows - mean) / 15.0

    def features(self, audio: Tensor) -> Told:
        """What those inside make of audio (B, 320 T)."""
        wanted = torch.arange(audio.shape[-1] // COLUMN_SAMPLES, dtype=torch.float64) * COLUMN_SAMPLES
        student, rig = self._student(audio, wanted)
        encoded = None
        if self.listener:
            rows = self.listener(audio, wanted)
            encoded = functional.layer_norm(rows, rows.shape[-1:]).transpose(1, 2).unsqueeze(2)
        return Told(student, rig, encoded)

    def _student(self, audio: Tensor, wanted: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """At the samples `wanted`, each between two of the student's columns: its j describes 320 (j + 1) - future."""
        if self.ears is None:
            return None, None
        extra = -(-self.future_samples // HOP_SAMPLES)
        with torch.no_grad():
            one, _, rig = self.ears.features(functional.pad(audio, (0, extra * HOP_SAMPLES)).unsqueeze(1))
        instants = torch.arange(1, one.shape[1] + 1, dtype=torch.float64) * HOP_SAMPLES - self.future_samples
        one, rig = (on_grid(x, instants, wanted) for x in (one, rig))
        return one.transpose(1, 2).unsqueeze(2), rig

    def hear(self, rows: Tensor, told: Told) -> Heard:
        """(B, mels, 2T) rows and what those inside say -> T columns."""
        x = self.stem(rows.unsqueeze(2))
        if told.student is not None:
            x = x + self.heard(told.student)
        if told.encoded is not None:
            x = x + self.encoded(told.encoded)
        x = functional.gelu(self.stem_norm(x))
        for block in self.before:
            x = block(x)
        across, _ = self.recurrent(x.squeeze(2).transpose(1, 2))
        x = x + self.joined(self.dropout(across).transpose(1, 2).unsqueeze(2))
        for block in self.after:
            x = block(x)
        x = functional.gelu(self.fc(x))
        rig, classes = (head(x).squeeze(2).transpose(1, 2) for head in (self.rig, self.classes))
        return Heard(torch.tanh(rig if told.rig is None else told.rig + rig), classes)
