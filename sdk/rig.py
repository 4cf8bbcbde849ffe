"""The rig: ordered, named channels with ranges, and one frame of their values.

The default is ARKit's 52 blendshapes by Apple's names, in the order in which Live Link sends them. Any other rig
(78 production channels, say) is a `RigLayout` read from a file. Order is never assumed: frames carry their layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sdk.errors import RigError, few
from sdk.tools.limits import LARGEST_MANIFEST_BYTES, LARGEST_VALUE, MOST_CHANNELS, read_text

ARKIT_52: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip


@dataclass(frozen=True)
class RigLayout:
    """Ordered channel names with a range and a neutral value each. Raises `RigError` when they do not fit."""

    names: tuple[str, ...]
    minimum: tuple[float, ...] = ()
    maximum: tuple[float, ...] = ()
    neutral: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.names)
        for field, default in (("minimum", 0.0), ("maximum", 1.0), ("neutral", 0.0)):
            if not getattr(self, field):
                object.__setattr__(self, field, (default,) * count)
        problems = []
        if not count:
            problems.append("it has no channels")
        if count > MOST_CHANNELS:
            raise RigError(f"rig layout: {count:,} channels; a rig has {MOST_CHANNELS:,} at most")
        twice = sorted(name for name, times in Counter(self.names).items() if times > 1)
        if twice:
            problems.append(f"channels named twice: {', '.join(twice)}")
        for field in ("minimum", "maximum", "neutral"):
            if len(getattr(self, field)) != count:
                problems.append(f"{field} has {len(getattr(self, field))} values for {count} channels")
        if not problems:
            rows = zip(self.names, self.minimum, self.neutral, self.maximum, strict=True)
            problems = [
                f"{name}: needs minimum <= neutral <= maximum, all finite and within {LARGEST_VALUE:,.0f} of 0"
                for name, low, middle, high in rows
                if not -LARGEST_VALUE <= low <= middle <= high <= LARGEST_VALUE  # false for NaN too
            ]
        if problems:
            raise RigError("rig layout: " + "; ".join(problems))

    @classmethod
    def arkit(cls) -> RigLayout:
        """The 52 ARKit channels in Live Link order, each 0..1, neutral 0."""
        return cls(ARKIT_52)

    @classmethod
    def from_file(cls, path: Path | str) -> RigLayout:
        """A rig from a text file: one channel a line, `name [minimum maximum [neutral]]`; `#` starts a comment.

        Raises `RigError` that names the file, with up to five bad lines at once.
        """
        names, low, high, mid, problems = [], [], [], [], []
        lines = read_text(Path(path), RigError, LARGEST_MANIFEST_BYTES).splitlines()
        for number, line in enumerate(lines, 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            try:
                numbers = [float(word) for word in words[1:]]
                if len(numbers) not in (0, 2, 3):
                    raise ValueError("expected `name`, `name min max` or `name min max neutral`")
            except ValueError as error:
                problems.append(f"line {number}: {error}")
                continue
            names.append(words[0])
            low.append(numbers[0] if numbers else 0.0)
            high.append(numbers[1] if numbers else 1.0)
            mid.append(numbers[2] if len(numbers) == 3 else min(max(0.0, low[-1]), high[-1]))
        if problems:
            raise RigError(f"{path}: {few(problems)}")
        try:
            return cls(tuple(names), tuple(low), tuple(high), tuple(mid))
        except RigError as error:
            raise RigError(f"{path}: {error}") from None

    @classmethod
    def named(cls, name: str) -> RigLayout:
        """`arkit`, or else the rig in the text file at that path. Raises as `from_file`."""
        return cls.arkit() if name == "arkit" else cls.from_file(name)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """Position of a channel. Raises `RigError` naming the channels there are."""
        try:
            return self._positions[name]
        except KeyError:
            raise RigError(f"no channel {name!r} in this rig; it has: {', '.join(self.names)}") from None

    def vector(self, values: Mapping[str, float]) -> np.ndarray:
        """Neutral float32 `(channels,)` with the named values set."""
        out = np.array(self.neutral, dtype=np.float32)
        for name, value in values.items():
            out[self.index(name)] = value
        return out

    def clamp(self, values: np.ndarray) -> np.ndarray:
        """`values` `(..., channels)` limited to each channel's range, float32."""
        low, high = np.array(self.minimum, np.float32), np.array(self.maximum, np.float32)
        return np.clip(values, low, high).astype(np.float32, copy=False)

    def select(self, values: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """The columns `names` of `values` `(..., channels)`, in that order."""
        return values[..., [self.index(name) for name in names]]


@dataclass(frozen=True)
class Frame:
    """One animation frame: its index, its absolute sample at 16 kHz, its values `(channels,)` by name."""

    index: int
    sample: int
    values: np.ndarray
    layout: RigLayout

    def __getitem__(self, name: str) -> float:
        return float(self.values[self.layout.index(name)])

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return ((name, float(value)) for name, value in zip(self.layout.names, self.values, strict=True))

    def as_dict(self) -> dict[str, float]:
        """Channel name -> value."""
        return dict(self)
