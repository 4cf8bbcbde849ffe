"""What a student is, in one value: the fields of `variants/*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from distill.students.window import LONGEST_SAMPLES, SHORTEST_SAMPLES, WindowStudent
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError
from sdk.rig import RigLayout
from sdk.strict import load, load_yaml, overlay
from sdk.window import WindowSpec

VARIANTS = Path(__file__).parent.parent / "variants"


@dataclass(frozen=True)
class StudentSpec:
    """A student's shape. name: variant. family: `window`. channels: C of Table 1. future_ms: d of section 3.1.2.

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
        problems = []
        if self.family != "window":
            problems.append(f"family {self.family!r} is unknown; known: window")
        if self.channels < 1 or self.groups < 1 or self.channels % self.groups:
            problems.append(f"channels {self.channels} cannot be split into {self.groups} groups")
        if not 0 <= self.future_ms * SAMPLE_RATE_HZ // 1000 <= self.window_samples:
            problems.append(f"future_ms {self.future_ms} does not fit a window of {self.window_samples} samples")
        if not SHORTEST_SAMPLES <= self.window_samples <= LONGEST_SAMPLES:
            problems.append(
                f"window_samples {self.window_samples} does not leave one column behind the tail: "
                f"give {SHORTEST_SAMPLES} to {LONGEST_SAMPLES}"
            )
        if self.fc_width < 1:
            problems.append(f"fc_width {self.fc_width} is below 1")
        if len(self.fps) != 2 or min(self.fps) < 1 or not 1 <= Fraction(*self.fps) <= 240:
            problems.append(f"fps {self.fps} is not [numerator, denominator] of 1 to 240 frames a second")
        if self.ensemble and (len(self.ensemble) != 3 or min(self.ensemble) < 0 or abs(sum(self.ensemble) - 1) > 1e-6):
            problems.append(f"ensemble {self.ensemble} is not three weights from 0 that sum to 1")
        if problems:
            raise ConfigError(f"student {self.name!r}: " + "; ".join(problems))

    @property
    def window(self) -> WindowSpec:
        return WindowSpec(self.window_samples, self.future_ms * SAMPLE_RATE_HZ // 1000)

    @property
    def layout(self) -> RigLayout:
        return RigLayout.arkit() if self.rig == "arkit" else RigLayout.from_file(self.rig)

    def build(self) -> WindowStudent:
        """A fresh student of this shape, with torch's random initialisation."""
        return WindowStudent(self.channels, len(self.layout), self.groups, self.fc_width, self.window_samples)


def variant_names() -> list[str]:
    """Names of all variants in the folder, without `base`."""
    return sorted(path.stem for path in VARIANTS.glob("*.yaml") if path.stem != "base")


def load_variant(name: str, changes: Mapping[str, Any] | None = None) -> StudentSpec:
    """`variants/base.yaml` overlaid with `variants/<name>.yaml` and then with `changes`. Raises `ConfigError`."""
    if name not in variant_names():
        raise ConfigError(f"no student variant {name!r}; there are: {', '.join(variant_names())}")
    settings = overlay(load_yaml(VARIANTS / "base.yaml"), load_yaml(VARIANTS / f"{name}.yaml"))
    return load(StudentSpec, overlay(settings, dict(changes or {})), where=f"variants/{name}.yaml")
