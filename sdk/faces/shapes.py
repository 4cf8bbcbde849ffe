"""Which face shape a rig channel moves, by name, and where the lips are on a mesh that does not say.

Spellings that mean the same shape: `mouthSmileLeft`, `mouthSmile_L`, `MouthSmileLeft`, `blendShape1.mouthSmile_l`.
A shape split in two (`browInnerUp_L` + `browInnerUp_R`) is driven by the one channel, and the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from sdk.errors import FaceError

_SIDE = re.compile(r"(?:[_. ]?(Left|Right|LEFT|RIGHT)|[_. ](left|right|[lrLR])|(?<=[a-z0-9])([LR]))$")
_LIP_DEPTH_CM = 0.6


def canonical(name: str) -> tuple[str, str]:
    """(`mouthsmile`, `l`): the shape without case and separators, and its side, `""` for none."""
    name = re.split(r"[.:|/](?=.{3})", name.strip())[-1]
    match = _SIDE.search(name)
    side = next(g for g in match.groups() if g)[0].lower() if match else ""
    base = name[: match.start()] if match else name
    return re.sub(r"[^0-9a-z]", "", base.lower()), side


def mapping(channels: Sequence[str], shapes: Sequence[str]) -> np.ndarray:
    """Weights `(channels, shapes)`: how much each rig channel moves each face shape.

    The same name and side moves it whole; a channel without a side moves both halves of a split shape; a channel of
    one side moves a joint shape by half, so that both sides together move it whole.
    """
    known: dict[tuple[str, str], int] = {}
    for position, shape in enumerate(shapes):
        known.setdefault(canonical(shape), position)
    weights = np.zeros((len(channels), len(shapes)), dtype=np.float32)
    for row, channel in enumerate(channels):
        base, side = canonical(channel)
        if (base, side) in known:
            weights[row, known[base, side]] = 1.0
        elif side:
            if (base, "") in known:
                weights[row, known[base, ""]] = 0.5
        else:
            for half in "lr":
                if (base, half) in known:
                    weights[row, known[base, half]] = 1.0
    return weights


def find_lips(neutral_cm: np.ndarray, jaw_open_cm: np.ndarray) -> tuple[int, int]:
    """(upper, lower) vertex in the middle of the lips' contact line, for `(V, 3)` vertices and the jawOpen delta.

    On the midline at the front of the face, the lips are where the jaw's movement jumps from little to much between
    two vertices that nearly touch. Raises `FaceError` where there is no such pair.
    """
    drop = -jaw_open_cm[:, 1]
    if drop.max() < 1e-3:
        raise FaceError(
            "jawOpen moves nothing downwards: is y up, and is the shape empty? Give upper_lip and lower_lip"
        )
    moving = neutral_cm[drop > 0.5 * drop.max()]
    middle = (moving[:, 0].min() + moving[:, 0].max()) / 2
    for tolerance_cm in (0.02, 0.1, 0.3):
        line = np.flatnonzero(np.abs(neutral_cm[:, 0] - middle) < tolerance_cm)
        line = line[_at_front(neutral_cm[line])]
        upper, lower = line[drop[line] < 0.25 * drop.max()], line[drop[line] > 0.7 * drop.max()]
        apart = neutral_cm[upper][:, None] - neutral_cm[lower][None]
        distance = np.where(apart[..., 1] > -0.02, np.linalg.norm(apart, axis=2), np.inf)
        if distance.size and distance.min() < 1.5:
            gap = np.where(distance < 1.5 * distance.min() + 1e-6, np.abs(apart[..., 1]), np.inf)
            row, column = np.unravel_index(gap.argmin(), gap.shape)
            return int(upper[row]), int(lower[column])
    raise FaceError(
        "no pair of lip vertices found on the midline of this face: give upper_lip and lower_lip (vertex indices), "
        "and check that y is up, z is forward and the unit is the centimetre"
    )


def _at_front(points_cm: np.ndarray) -> np.ndarray:
    """Mask of the midline points that nothing covers from the front: skin, not teeth, gums or palate."""
    near = np.abs(points_cm[:, None, 1] - points_cm[None, :, 1]) < 0.3
    front = np.where(near, points_cm[None, :, 2], -np.inf).max(axis=1, initial=-np.inf)
    return points_cm[:, 2] > front - _LIP_DEPTH_CM
