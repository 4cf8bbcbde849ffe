"""What an artefact says about itself: everything that is needed to run it, and how it came to be.

There are no defaults: a missing fact is an error, because a guessed frame rate or channel order animates a face
wrongly without a word. Stored as JSON inside the artefact (`sdk/artifact.py`).
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sdk.errors import ConfigError, ManifestError, RigError
from sdk.hops import HopSpec
from sdk.rig import RigLayout
from sdk.tools import limits, strict
from sdk.window import WindowSpec

SCHEMA = 2
STYLES = "styles"  # the fact of training that names them


@dataclass(frozen=True)
class Manifest:
    """Facts of one artefact; the fields are the JSON keys.

    student: variant name (`s5`). kind: `window` (the paper's family) or `stream`. runtime: the engine that runs it
    (`executorch`, `torchscript`). backend: the kernels inside (`xnnpack`, `tinyface`, ...). precision: `fp32`, ...
    sample_rate_hz: of the input. window_samples: what the program takes a call, a window or a hop. future_samples: of
    it (a stream's may exceed its hop). state: shape of each state tensor of one voice, `[]` for a window student;
    crowd_voices: voices that the program's method `crowd` runs in one call, 0 without it. fps: native frame rate
    `[numerator, denominator]`.
    ensemble: weights of eq. 8 `[a1, a2, a3]`, or `[]` for none. history: what stands before sample 0 (`zeros`).
    names, minimum, maximum, neutral: the rig. parameters: count. weights_sha256: of the checkpoint's weights.
    tools: versions that made the file. training: provenance. scores: measured quality of the checkpoint.
    """

    schema: int
    student: str
    kind: str
    runtime: str
    backend: str
    precision: str
    sample_rate_hz: int
    window_samples: int
    future_samples: int
    state: list[list[int]]
    crowd_voices: int
    fps: list[int]
    ensemble: list[float]
    history: str
    names: list[str]
    minimum: list[float]
    maximum: list[float]
    neutral: list[float]
    parameters: int
    weights_sha256: str
    tools: dict[str, str]
    training: dict[str, Any]
    scores: dict[str, Any]

    def __post_init__(self) -> None:
        problems = []
        if self.schema != SCHEMA:
            problems.append(f"schema {self.schema} (this version reads {SCHEMA})")
        if self.kind not in ("window", "stream"):
            problems.append(f"kind {self.kind!r} is neither window nor stream")
        if self.sample_rate_hz != 16000:
            problems.append(f"sample_rate_hz {self.sample_rate_hz} is not 16000")
        if len(self.fps) != 2 or min(self.fps) < 1 or max(self.fps) > 1e6 or not 1 <= Fraction(*self.fps) <= 240:
            problems.append(f"fps {self.fps} is not [numerator, denominator] of 1 to 240 frames a second")
        weights = self.ensemble
        if weights and (len(weights) != 3 or min(weights) < 0 or abs(sum(weights) - 1) > 1e-6):
            problems.append(f"ensemble {weights} is not three weights from 0 that sum to 1")
        if self.history != "zeros":
            problems.append(f"history {self.history!r} is not 'zeros'")
        if not len(self.names) == len(self.minimum) == len(self.maximum) == len(self.neutral):
            problems.append("minimum, maximum and neutral do not have a value for each channel")
        else:
            try:
                RigLayout(tuple(self.names), tuple(self.minimum), tuple(self.maximum), tuple(self.neutral))
            except RigError as error:
                problems.append(str(error))
        problems += self._timing_problems()
        if problems:
            raise ManifestError("manifest: " + "; ".join(problems))

    @property
    def layout(self) -> RigLayout:
        return RigLayout(tuple(self.names), tuple(self.minimum), tuple(self.maximum), tuple(self.neutral))

    def _timing_problems(self) -> list[str]:
        longest = self.window_samples if self.kind == "window" else limits.LONGEST_DELAY_SAMPLES
        if self.window_samples > limits.LONGEST_WINDOW_SAMPLES or self.crowd_voices > limits.MOST_CROWD_VOICES:
            most = f"{limits.LONGEST_WINDOW_SAMPLES} and {limits.MOST_CROWD_VOICES}"
            return [f"window_samples {self.window_samples} or crowd_voices {self.crowd_voices} is beyond {most}"]
        if self.window_samples < 1 or not 0 <= self.future_samples <= longest:
            return [f"future_samples {self.future_samples} is not within 0 to {longest}, or there is no input at all"]
        if self.kind == "window" and (self.state or self.crowd_voices):
            return ["a window student has neither state nor crowd"]
        if self.kind == "stream" and (not self.state or not self._sane_state()):
            return [f"state {str(self.state)[:200]} is not the shapes of a stream's state"]
        return [f"crowd_voices {self.crowd_voices} is below 0"] if self.crowd_voices < 0 else []

    def _sane_state(self) -> bool:
        shaped = all(1 <= len(row) <= limits.MOST_STATE_DIMENSIONS and min(row) >= 1 for row in self.state)
        floats = sum(math.prod(row) for row in self.state)
        return shaped and len(self.state) <= limits.MOST_STATE_TENSORS and floats <= limits.MOST_STATE_FLOATS

    @property
    def window(self) -> WindowSpec:
        """Of a window student."""
        return WindowSpec(self.window_samples, self.future_samples)

    @property
    def hop(self) -> HopSpec:
        """Of a stream student."""
        return HopSpec(self.window_samples, self.future_samples)

    @property
    def timing(self) -> WindowSpec | HopSpec:
        """What a frame waits for: the window around it, or the hops up to it."""
        return self.hop if self.kind == "stream" else self.window

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of a student's styles, a number each in its last state tensor, which comes back from a hop as it went
        in and is neutral at zeros; none for most. Raises `ManifestError` where they do not fit that tensor."""
        names = self.training.get(STYLES, [])
        if not names:
            return ()
        worded = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not worded or len(set(names)) < len(names) or not self.state or self.state[-1] != [len(names), 1, 1]:
            raise ManifestError(f"manifest: styles {str(names)[:200]} are not names for its last state tensor")
        return tuple(names)

    @property
    def frame_rate(self) -> Fraction:
        return Fraction(*self.fps)

    def to_json(self) -> str:
        """As it is sealed. Raises `ManifestError` for a number that JSON has not: no reader would take the file."""
        try:
            return json.dumps(dataclasses.asdict(self), ensure_ascii=False, sort_keys=True, allow_nan=False)
        except ValueError as error:
            raise ManifestError(f"manifest: NaN or infinity among its numbers ({error}): score it again") from error

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Parse; raises `ManifestError` listing missing, unknown and mistyped fields together."""
        if len(text) > limits.LARGEST_MANIFEST_BYTES:
            raise ManifestError(f"manifest: {len(text):,} bytes; it has {limits.LARGEST_MANIFEST_BYTES:,} at most")
        raw = limits.read_json(text, "manifest", ManifestError)
        try:
            return strict.load(cls, raw, where="manifest")
        except ConfigError as error:
            raise ManifestError(f"{error}. Export the artefact again.") from error
