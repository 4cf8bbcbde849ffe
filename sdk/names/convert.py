"""From our channels to another convention's and back, by name, never by position.

out = convention("unity").from_arkit(values)      # (..., 52) in ARKit's order -> (..., 52), alphabetical, 0..100
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from sdk.errors import RigError, few
from sdk.names import metahuman, orders, visemes
from sdk.rig import ARKIT_52, RigLayout

_JAW, _CLOSE = ARKIT_52.index("jawOpen"), ARKIT_52.index("mouthClose")


@dataclass(frozen=True, eq=False)
class Convention:
    """Names in order, `scale` (what full weight is called, 1 or 100), and the sums that make them from ARKit's 52."""

    name: str
    mix: orders.Mix
    scale: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.mix)

    @cached_property
    def matrix(self) -> np.ndarray:
        """`(52, channels)`: how much of each ARKit channel goes into each channel here, at scale 1."""
        out = np.zeros((len(ARKIT_52), len(self.mix)), np.float32)
        for column, parts in enumerate(self.mix.values()):
            for channel, weight in parts.items():
                out[ARKIT_52.index(channel), column] = weight
        return out

    @property
    def lacking(self) -> tuple[str, ...]:
        """The ARKit channels that this convention cannot carry, in ARKit's order."""
        return tuple(name for name, row in zip(ARKIT_52, self.matrix, strict=True) if not row.any())

    def from_arkit(self, values: np.ndarray) -> np.ndarray:
        """ARKit values `(..., 52)` as this convention's `(..., channels)`, each at most `scale`."""
        out: np.ndarray = np.clip(np.asarray(values, np.float32) @ self.matrix, 0.0, 1.0) * np.float32(self.scale)
        return out

    def to_arkit(self, values: np.ndarray) -> np.ndarray:
        """The way back, `(..., 52)`; a channel that was split is the mean of its parts, one that is lacking is 0."""
        back = np.linalg.pinv(self.matrix.astype(np.float64))
        out = np.asarray(values, np.float64) / self.scale @ back
        return np.clip(out, 0.0, 1.0).astype(np.float32)


class _MetaHuman(Convention):
    """Sums, and the lips: `mouthLipsTogether*` undoes a share of what the jaw opened. See `metahuman.py`."""

    @property
    def lacking(self) -> tuple[str, ...]:
        return ()

    def from_arkit(self, values: np.ndarray) -> np.ndarray:
        values, out = np.asarray(values, np.float32), super().from_arkit(values)
        share = values[..., _CLOSE] / np.maximum(values[..., _JAW], metahuman.LEAST_JAW)
        out[..., -len(metahuman.TOGETHER) :] = np.clip(share, 0.0, 1.0)[..., None]
        return out

    def to_arkit(self, values: np.ndarray) -> np.ndarray:
        out = super().to_arkit(values)
        together = np.asarray(values, np.float32)[..., -len(metahuman.TOGETHER) :].mean(axis=-1)
        out[..., _CLOSE] = together * np.maximum(out[..., _JAW], metahuman.LEAST_JAW)
        return out


@dataclass(frozen=True, eq=False)
class _Visemes(Convention):
    """Poses of the mouth instead of muscles; eyelids where the convention has them (`lids`: ours -> theirs)."""

    poses: tuple[str, ...] = ()
    silence: bool = False

    @property
    def lacking(self) -> tuple[str, ...]:
        """Channels outside the mouth that have no name here; of the mouth, the poses keep what they can."""
        mouth = {name for name, row in zip(ARKIT_52, _all_poses(), strict=True) if row.any()}
        lids = {name for parts in self.mix.values() for name in parts}
        return tuple(name for name in ARKIT_52 if name not in mouth | lids)

    def from_arkit(self, values: np.ndarray) -> np.ndarray:
        out = super().from_arkit(values)
        shares = visemes.as_open_as(visemes.weights(values, self.poses), values, self.poses)
        shares = visemes.with_silence(shares) if self.silence else shares
        out[..., : shares.shape[-1]] = shares * np.float32(self.scale)
        return out

    def to_arkit(self, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values, np.float32)
        start = 1 if self.silence else 0
        lips = visemes.blend(values[..., start : start + len(self.poses)] / self.scale, self.poses)
        return np.clip(super().to_arkit(values) + lips, 0.0, 1.0)


def _all_poses() -> np.ndarray:
    return np.stack([visemes.pose(name) for name in visemes.OVR_15], axis=1)


def _vrm(vowels: tuple[str, ...], blink: str, left: str, right: str) -> orders.Mix:
    # VRM has one expression for both lids and one for each, and players add them up: only the single ones are driven
    return {
        **{name: {} for name in vowels},
        blink: {},
        left: {"eyeBlinkLeft": 1.0},
        right: {"eyeBlinkRight": 1.0},
    }


_MAKERS: dict[str, Callable[[], Convention]] = {
    "arkit": lambda: Convention("arkit", orders.same(ARKIT_52)),
    "livelink": lambda: Convention("livelink", orders.live_link(orders.PACKET_ORDER)),
    "iphone": lambda: Convention("iphone", orders.live_link(orders.IPHONE_ORDER)),
    "alphabetical": lambda: Convention("alphabetical", orders.same(tuple(sorted(ARKIT_52)))),
    "unity": lambda: Convention("unity", orders.same(tuple(sorted(ARKIT_52))), 100.0),
    "mediapipe": lambda: Convention("mediapipe", orders.mediapipe()),
    "ict": lambda: Convention("ict", orders.ict()),
    "cc4": lambda: Convention("cc4", orders.cc4()),
    "metahuman": lambda: _MetaHuman("metahuman", metahuman.metahuman()),
    "oculus": lambda: _Visemes(
        "oculus", {name: {} for name in visemes.OVR_15}, poses=visemes.OVR_15[1:], silence=True
    ),
    "vrm1": lambda: _Visemes(
        "vrm1", _vrm(visemes.VOWELS, "blink", "blinkLeft", "blinkRight"), poses=visemes.VOWELS
    ),
    "vrm0": lambda: _Visemes(
        "vrm0", _vrm(("A", "I", "U", "E", "O"), "Blink", "Blink_L", "Blink_R"), poses=visemes.VOWELS
    ),
}  # fmt: skip


def conventions() -> tuple[str, ...]:
    """The names that `convention` knows."""
    return tuple(_MAKERS)


@cache
def convention(name: str) -> Convention:
    """A convention by name. Raises `RigError` naming those there are."""
    if name not in _MAKERS:
        raise RigError(f"no convention {name!r}; there are: {', '.join(_MAKERS)}")
    return _MAKERS[name]()


def from_arkit(values: np.ndarray, to: str) -> np.ndarray:
    """ARKit values `(..., 52)` as another convention's. Raises `RigError`."""
    return convention(to).from_arkit(values)


def to_arkit(values: np.ndarray, of: str) -> np.ndarray:
    """Another convention's values as ARKit's `(..., 52)`. Raises `RigError`."""
    return convention(of).to_arkit(values)


def convert(values: np.ndarray, of: str, to: str) -> np.ndarray:
    """Values of one convention as another's, through ARKit's 52. Raises `RigError`."""
    return convention(to).from_arkit(convention(of).to_arkit(values))


def arkit_values(values: np.ndarray, layout: RigLayout) -> np.ndarray:
    """Our values `(..., channels)` in ARKit's order `(..., 52)`: channels that the rig lacks are 0, others dropped.

    `JawOpen` is jawOpen. A rig without any would be a face at rest: ask `check_scale` and `check_mouth` first.
    """
    out = np.zeros((*np.shape(values)[:-1], len(ARKIT_52)), np.float32)
    for place, name in enumerate(map(orders.arkit_name, layout.names)):
        if name in ARKIT_52:
            out[..., ARKIT_52.index(name)] = values[..., place]
    return out


def check_scale(layout: RigLayout, what: str) -> None:
    """Raises `RigError`, naming `what` wants them, for channels of ARKit's that go above 1 (`unity` has 0 to 100)."""
    rows = zip(layout.names, layout.maximum, strict=True)
    above = [f"{name} to {most:g}" for name, most in rows if most > 1 and orders.arkit_name(name) in ARKIT_52]
    if above:
        raise RigError(
            f"{what} takes values from 0 to 1, and here go {few(above)}: leave out --names, choose names of that "
            "scale, or send to jsonl, which says each channel's range"
        )


def check_mouth(layout: RigLayout, what: str) -> None:
    """Raises `RigError`, naming `what` wants it, for a rig that has not ARKit's mouth, from 0 to 1."""
    if "jawOpen" not in map(orders.arkit_name, layout.names):
        raise RigError(
            f"{what} is read off ARKit's mouth, and of that these channels have no jawOpen: {few(layout.names)}. Leave "
            "out --names; a rig of your own goes by jsonl, maya or ws, which take any channels"
        )
    check_scale(layout, what)
