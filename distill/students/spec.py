"""What a student is, in one value: the fields of `variants/*.yaml`, one dataclass for each family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from distill.students.hubert_cnn import HubertCnnStudent
from distill.students.mfcc import FRAME_SAMPLES, MfccStudent
from distill.students.stream import ACTIVATIONS, HOP_SAMPLES, StreamStudent
from distill.students.window import LONGEST_SAMPLES, SHORTEST_SAMPLES, WindowStudent
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError
from sdk.rig import RigLayout
from sdk.tools.strict import load, load_yaml, overlay
from sdk.window import WindowSpec

VARIANTS = Path(__file__).parent.parent / "variants"
MOST_WIDE, MOST_DEEP, MOST_WEIGHTS = (
    8192,
    64,
    1 << 26,
)  # limits of a shape that a file asks for: width of a layer, layers, weights of a layer
LONGEST_FUTURE_MS = 256  # limit of a stream student's look-ahead, by which its labels are delayed


class _Family(Protocol):
    """What follows from fields that every family has."""

    future_ms: int
    rig: str

    @property
    def future_samples(self) -> int:
        return self.future_ms * SAMPLE_RATE_HZ // 1000

    @property
    def layout(self) -> RigLayout:
        return RigLayout.named(self.rig)


class _WindowFamily(_Family, Protocol):
    """What follows from fields of the families that hear one window a call."""

    window_samples: int

    @property
    def input_samples(self) -> int:
        """What the program takes a call: the window."""
        return self.window_samples

    @property
    def window(self) -> WindowSpec:
        return WindowSpec(self.window_samples, self.future_samples)


@dataclass(frozen=True)
class WindowStudentSpec(_WindowFamily):
    """A window student's shape. name: variant. family: `window`. channels: C of Table 1. future_ms: d of 3.1.2.

    window_samples: input length. groups: of the 64-wide convolution. fc_width: hidden FC width.
    rig: `arkit`, or the path of a layout file. fps: frames a second `[numerator, denominator]`.
    ensemble: weights of eq. 8, or `[]`.
    """

    name: str
    family: str
    channels: int
    future_ms: int
    window_samples: int
    groups: int
    fc_width: int
    rig: str
    fps: list[int]
    ensemble: list[float]

    def __post_init__(self) -> None:
        problems = _common_problems(self) + _window_problems(self, "window")
        if self.channels < 1 or self.groups < 1 or self.channels % self.groups:
            problems.append(f"channels {self.channels} cannot be split into {self.groups} groups")
        _refuse(self.name, problems)

    def build(self, layout: RigLayout | None = None) -> WindowStudent:
        """A fresh student of this shape for `layout` (its own rig by default), with torch's random initialisation."""
        rig_channels = len(layout or self.layout)
        return WindowStudent(self.channels, rig_channels, self.groups, self.fc_width, self.window_samples)


@dataclass(frozen=True)
class StreamStudentSpec(_Family):
    """A stream student's shape. name: variant. family: `stream`. channels: C of the layers behind the front.

    front: `[channels, kernel, stride]` of each strided convolution, strides multiplying to 320 (a 20 ms hop).
    spectrum: `[waves, taps, stride, bands]` of log energies before it, or `[]`; its stride counts among them.
    future_ms: from the instant that values describe to the end of the hop they come with; frames between hops wait up
    to 20 ms more. context: `[taps, groups]` of the wide convolution over columns. dilations: of the residual blocks.
    separable: depthwise convolutions. activation: `gelu` or `relu`. The rest as `WindowStudentSpec`.
    """

    name: str
    family: str
    channels: int
    front: list[list[int]]
    future_ms: int
    context: list[int]
    dilations: list[int]
    separable: bool
    activation: str
    fc_width: int
    rig: str
    fps: list[int]
    ensemble: list[float]
    spectrum: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        problems = _common_problems(self)
        if self.family != "stream":
            problems.append(f"family {self.family!r} is not stream")
        if not self.front or any(len(row) != 3 or min(row) < 1 or row[1] < row[2] for row in self.front):
            problems.append(f"front {self.front} is not rows of [channels, kernel, stride], kernel >= stride")
        elif self.spectrum and not _is_spectrum(self.spectrum):
            problems.append(f"spectrum {self.spectrum} is not [waves, taps, stride, bands], taps >= stride")
        elif math.prod([*(row[2] for row in self.front), *self.spectrum[2:3]]) != HOP_SAMPLES:
            problems.append(f"strides of {self.spectrum} and the front {self.front} do not multiply to {HOP_SAMPLES}")
        if len(self.context) != 2 or min(self.context) < 1 or self.channels % max(self.context[-1], 1):
            problems.append(f"context {self.context} is not [taps, groups] with groups that divide {self.channels}")
        if self.dilations and min(self.dilations) < 1:
            problems.append(f"dilations {self.dilations[:MOST_DEEP]} are below 1")
        if max(len(self.front), len(self.dilations)) > MOST_DEEP:
            problems.append(f"front and dilations have more than {MOST_DEEP} layers")
        elif max([1, *self.dilations, *self.context, *(size for row in self.front for size in row)]) > MOST_WIDE:
            problems.append(f"front, context or dilations are beyond {MOST_WIDE}")
        if self.activation not in ACTIVATIONS:
            problems.append(f"activation {self.activation!r} is unknown; known: {', '.join(ACTIVATIONS)}")
        if not 0 <= self.future_ms <= LONGEST_FUTURE_MS:
            problems.append(f"future_ms {self.future_ms} is not within 0 to {LONGEST_FUTURE_MS}")
        _refuse(self.name, problems)

    @property
    def input_samples(self) -> int:
        """What the program takes a call: a hop."""
        return HOP_SAMPLES

    def build(self, layout: RigLayout | None = None) -> StreamStudent:
        """A fresh student of this shape for `layout` (its own rig by default), with torch's random initialisation."""
        taps, groups = self.context
        return StreamStudent(
            self.channels, len(layout or self.layout), self.front, (taps, groups), self.dilations,
            self.fc_width, self.separable, self.activation, self.spectrum,
        )  # fmt: skip


@dataclass(frozen=True)
class MfccStudentSpec(_WindowFamily):
    """The MFCC baseline's shape (4.1.2). family: `mfcc`. channels: of every convolution. hop_samples: from one 25 ms
    frame of features to the next. The rest as `WindowStudentSpec`."""

    name: str
    family: str
    channels: int
    future_ms: int
    window_samples: int
    hop_samples: int
    fc_width: int
    rig: str
    fps: list[int]
    ensemble: list[float]

    def __post_init__(self) -> None:
        problems = _common_problems(self) + _window_problems(self, "mfcc")
        if not 16 <= self.hop_samples <= FRAME_SAMPLES:
            problems.append(f"hop_samples {self.hop_samples} is not within 16 to {FRAME_SAMPLES}")
        _refuse(self.name, problems)

    def build(self, layout: RigLayout | None = None) -> MfccStudent:
        """A fresh student of this shape for `layout` (its own rig by default), with torch's random initialisation."""
        rig_channels = len(layout or self.layout)
        return MfccStudent(self.channels, rig_channels, self.fc_width, self.window_samples, self.hop_samples)


@dataclass(frozen=True)
class HubertCnnStudentSpec(_WindowFamily):
    """The HuBERT-CNN baseline's shape (4.1.2). family: `hubert_cnn`. channels: of the encoder and the tail. encoder:
    `random`, or the name or folder of a pretrained HuBERT. The rest as `WindowStudentSpec`."""

    name: str
    family: str
    channels: int
    future_ms: int
    window_samples: int
    encoder: str
    fc_width: int
    rig: str
    fps: list[int]
    ensemble: list[float]

    def __post_init__(self) -> None:
        problems = _common_problems(self) + _window_problems(self, "hubert_cnn")
        if not self.encoder:
            problems.append("encoder is empty: give `random`, or the name or folder of a pretrained HuBERT")
        _refuse(self.name, problems)

    def build(self, layout: RigLayout | None = None) -> HubertCnnStudent:
        """A fresh student of this shape for `layout` (its own rig by default); the encoder has its frozen weights."""
        rig_channels = len(layout or self.layout)
        return HubertCnnStudent(self.channels, rig_channels, self.encoder, self.fc_width, self.window_samples)


BaselineSpec: TypeAlias = MfccStudentSpec | HubertCnnStudentSpec
Baseline: TypeAlias = MfccStudent | HubertCnnStudent
StudentSpec: TypeAlias = WindowStudentSpec | StreamStudentSpec | BaselineSpec
Student: TypeAlias = WindowStudent | StreamStudent | Baseline
FAMILIES: dict[str, type[WindowStudentSpec] | type[StreamStudentSpec] | type[BaselineSpec]] = {
    "window": WindowStudentSpec,
    "stream": StreamStudentSpec,
    "mfcc": MfccStudentSpec,
    "hubert_cnn": HubertCnnStudentSpec,
}
_BASES = {"window": "base", "stream": "base_stream", "mfcc": "base_mfcc", "hubert_cnn": "base_hubert_cnn"}


def load_spec(settings: Mapping[str, Any], where: str) -> StudentSpec:
    """The spec that `settings` describe, by its `family`. Raises `ConfigError` naming `where`."""
    family = settings.get("family")
    if family not in FAMILIES:
        raise ConfigError(f"{where}: family {family!r} is unknown; known: {', '.join(FAMILIES)}")
    return load(FAMILIES[family], dict(settings), where=where)


def variant_names() -> list[str]:
    """Names of all variants in the folder, without the bases."""
    return sorted(path.stem for path in VARIANTS.glob("*.yaml") if path.stem not in _BASES.values())


def load_variant(name: str, changes: Mapping[str, Any] | None = None) -> StudentSpec:
    """The base of its family overlaid with `variants/<name>.yaml` and then with `changes`, which alone may rename it.

    Raises `ConfigError`.
    """
    if name not in variant_names():
        raise ConfigError(f"no student variant {name!r}; there are: {', '.join(variant_names())}")
    own = load_yaml(VARIANTS / f"{name}.yaml")
    if own.setdefault("name", name) != name:
        raise ConfigError(f"variants/{name}.yaml: its name is {own['name']!r}; say {name}, or leave `name` out")
    base = load_yaml(VARIANTS / f"{_BASES.get(str(own.get('family', 'window')), 'base')}.yaml")
    return load_spec(overlay(overlay(base, own), dict(changes or {})), where=f"variants/{name}.yaml")


def _is_spectrum(numbers: list[int]) -> bool:
    return len(numbers) == 4 and min(numbers) >= 1 and numbers[1] >= numbers[2]


def _common_problems(spec: Any) -> list[str]:
    problems = []
    if spec.channels < 1:
        problems.append(f"channels {spec.channels} is below 1")
    if max(spec.channels, spec.fc_width) > MOST_WIDE or math.prod((spec.channels, spec.fc_width)) > MOST_WEIGHTS:
        problems.append(f"channels {spec.channels} or fc_width {spec.fc_width} is beyond {MOST_WIDE}")
    if spec.fc_width < 1:
        problems.append(f"fc_width {spec.fc_width} is below 1")
    if len(spec.fps) != 2 or min(spec.fps) < 1 or not 1 <= Fraction(*spec.fps) <= 240:
        problems.append(f"fps {spec.fps} is not [numerator, denominator] of 1 to 240 frames a second")
    if spec.ensemble and (len(spec.ensemble) != 3 or min(spec.ensemble) < 0 or abs(sum(spec.ensemble) - 1) > 1e-6):
        problems.append(f"ensemble {spec.ensemble} is not three weights from 0 that sum to 1")
    return problems


def _window_problems(spec: WindowStudentSpec | BaselineSpec, family: str) -> list[str]:
    problems = []
    if spec.family != family:
        problems.append(f"family {spec.family!r} is not {family}")
    if not 0 <= spec.future_samples <= spec.window_samples:
        problems.append(f"future_ms {spec.future_ms} does not fit a window of {spec.window_samples} samples")
    if not SHORTEST_SAMPLES <= spec.window_samples <= LONGEST_SAMPLES:
        problems.append(
            f"window_samples {spec.window_samples} does not leave one column behind the tail: "
            f"give {SHORTEST_SAMPLES} to {LONGEST_SAMPLES}"
        )
    return problems


def _refuse(name: str, problems: list[str]) -> None:
    if problems:
        raise ConfigError(f"student {name!r}: " + "; ".join(problems))
