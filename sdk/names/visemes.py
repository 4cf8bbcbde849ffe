"""Visemes out of a face: how much of each mouth pose, none negative, together at most one.

A pose is what a calm speaker's mouth does at the middle of such a sound, in ARKit's channels. The weights of a frame
are the non-negative ones whose blend of poses is nearest to its mouth; what is left to one is silence. So a viseme
rig shows what the frame shows, with the frame's own coarticulation, and nobody has to recognise a phone.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sdk.rig import ARKIT_52

OVR_15 = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
OVR_OTHER_SPELLING = {"ih": "I", "oh": "O", "ou": "U"}  # how other programs spell these three
VOWELS = ("aa", "ih", "ou", "ee", "oh")  # VRM 1; VRM 0 says A, I, U, E, O

# jaw, close, funnel, pucker, stretch, lower, upper, smile, roll lower, roll upper, shrug, tongue
_CHANNELS = (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthStretch", "mouthLowerDown", "mouthUpperUp",
    "mouthSmile", "mouthRollLower", "mouthRollUpper", "mouthShrugUpper", "tongueOut",
)  # fmt: skip
_POSES = {
    "PP": (0.10, 0.10, 0.00, 0.04, 0.00, 0.00, 0.00, 0.00, 0.15, 0.15, 0.0, 0.00),
    "FF": (0.09, 0.03, 0.00, 0.00, 0.02, 0.00, 0.18, 0.00, 0.40, 0.00, 0.0, 0.00),
    "TH": (0.12, 0.00, 0.00, 0.00, 0.04, 0.16, 0.08, 0.00, 0.00, 0.00, 0.0, 0.22),
    "DD": (0.11, 0.00, 0.00, 0.00, 0.06, 0.17, 0.08, 0.00, 0.00, 0.00, 0.0, 0.05),
    "kk": (0.15, 0.00, 0.00, 0.00, 0.02, 0.12, 0.06, 0.00, 0.00, 0.00, 0.0, 0.00),
    "CH": (0.08, 0.00, 0.30, 0.35, 0.00, 0.12, 0.12, 0.00, 0.00, 0.00, 0.0, 0.00),
    "SS": (0.06, 0.00, 0.00, 0.00, 0.12, 0.24, 0.12, 0.04, 0.00, 0.00, 0.0, 0.00),
    "nn": (0.10, 0.00, 0.00, 0.00, 0.03, 0.13, 0.05, 0.00, 0.00, 0.00, 0.0, 0.10),
    "RR": (0.11, 0.00, 0.12, 0.32, 0.00, 0.12, 0.06, 0.00, 0.00, 0.00, 0.0, 0.00),
    "aa": (0.38, 0.00, 0.00, 0.00, 0.00, 0.22, 0.10, 0.00, 0.00, 0.00, 0.0, 0.00),
    "E": (0.24, 0.00, 0.00, 0.00, 0.18, 0.20, 0.10, 0.12, 0.00, 0.00, 0.0, 0.00),
    "ih": (0.13, 0.00, 0.00, 0.00, 0.24, 0.17, 0.09, 0.18, 0.00, 0.00, 0.0, 0.00),
    "oh": (0.27, 0.00, 0.22, 0.30, 0.00, 0.12, 0.06, 0.00, 0.00, 0.00, 0.0, 0.00),
    "ou": (0.10, 0.00, 0.16, 0.68, 0.00, 0.05, 0.03, 0.00, 0.00, 0.00, 0.0, 0.00),
}
_POSES["ee"] = _POSES["E"]
# the lips' gap on our head, over that of jawOpen (`Face.lip_gap_row`): not only mouthClose shuts
OPENING = {
    "jawOpen": 1.0, "jawForward": 0.04, "mouthClose": -1.128, "mouthFunnel": 0.396, "mouthPucker": -0.032,
    "mouthRollLower": -0.079, "mouthRollUpper": 0.067, "mouthShrugLower": -0.21, "mouthShrugUpper": 0.155,
    "mouthPressLeft": -0.037, "mouthPressRight": -0.037, "mouthLowerDownLeft": 0.104, "mouthLowerDownRight": 0.104,
    "mouthUpperUpLeft": 0.107, "mouthUpperUpRight": 0.107, "noseSneerLeft": 0.091, "noseSneerRight": 0.091,
}  # fmt: skip
_LEAST_OPENING = 1e-6
_RIDGE = 1e-9  # two poses that are alike share their weight instead of failing


def pose(viseme: str) -> np.ndarray:
    """The mouth of a viseme, `(52,)` in ARKit's order; zeros for silence."""
    out = np.zeros(len(ARKIT_52), np.float32)
    for channel, value in zip(_CHANNELS, _POSES.get(viseme, ()), strict=False):
        for name in (channel, f"{channel}Left", f"{channel}Right"):
            if name in ARKIT_52:
                out[ARKIT_52.index(name)] = value
    return out


@cache
def _problem(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(poses `(52, k)`, their products `(k, k)`)."""
    poses = np.stack([pose(name) for name in names], axis=1).astype(np.float64)
    return poses, poses.T @ poses


def weights(values: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Weights `(..., k)` of the poses `names` (not `sil`) in ARKit values `(..., 52)`: from 0, their sum at most 1."""
    poses, products = _problem(names)
    # channels that no pose moves (brows, eyes) change no product, so only the mouth is fitted
    wanted = np.asarray(values, np.float64) @ poses
    rows = [_row(products, row) for row in wanted.reshape(-1, len(names))]
    return np.array(rows, np.float32).reshape(wanted.shape)


def _row(products: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    found = non_negative(products, wanted)
    if found.sum() <= 1.0:
        return found
    # weights above 1 in all: fit again with the sum held at 1, by one more equation of great weight
    heavy = 100.0 * products.diagonal().max()
    found = non_negative(products + heavy, wanted + heavy)
    return found / found.sum()


def non_negative(products: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The x >= 0 that minimises x'Px / 2 - w'x, `(k,)`: Lawson and Hanson's active set, on the normal equations."""
    count = len(wanted)
    x, active = np.zeros(count), np.zeros(count, bool)
    for _ in range(3 * count):
        slope = np.where(active, -np.inf, wanted - products @ x)
        if slope.max() <= 1e-10:
            break
        active[slope.argmax()] = True
        while True:
            trial = np.zeros(count)
            trial[active] = np.linalg.solve(
                products[np.ix_(active, active)] + _RIDGE * np.eye(active.sum()), wanted[active]
            )
            if trial[active].min() > 0:
                break
            falling = active & (trial <= 0)
            x = x + (x[falling] / (x[falling] - trial[falling])).min() * (trial - x)
            active &= x > 1e-12
            if not active.any():
                trial = np.zeros(count)
                break
        x = trial
    return x


def opening(values: np.ndarray) -> np.ndarray:
    """How far the lips are apart `(...)` in ARKit values `(..., 52)`, in units of jawOpen; 0 where they meet."""
    out: np.ndarray = np.maximum(np.asarray(values, np.float32) @ opening_row(), 0.0)
    return out


@cache
def opening_row() -> np.ndarray:
    """What each ARKit channel adds to the lips' gap `(52,)`, in units of jawOpen, as on our head."""
    return np.array([OPENING.get(name, 0.0) for name in ARKIT_52], np.float32)


def as_open_as(shares: np.ndarray, values: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Weights `(..., k)` of poses, those that open the lips so far less that the mouth opens no wider than in the ARKit
    values `(..., 52)`: the nearest blend alone stays open at nine of ten /p b m/, which are shut by little things."""
    opens = np.maximum(np.stack([pose(name) for name in names]) @ opening_row(), 0.0)
    share = np.minimum(1.0, opening(values) / np.maximum(shares @ opens, _LEAST_OPENING))
    out: np.ndarray = np.where(opens > 0, shares * share[..., None], shares).astype(np.float32)
    return out


def with_silence(shares: np.ndarray) -> np.ndarray:
    """`(..., 15)`: silence first, as much as the others leave."""
    rest = np.clip(1.0 - shares.sum(axis=-1, keepdims=True), 0.0, 1.0)
    return np.concatenate([rest, shares], axis=-1).astype(np.float32)


def blend(shares: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """ARKit values `(..., 52)` of viseme weights `(..., k)`: the way back, as good as the poses are."""
    out: np.ndarray = (np.asarray(shares, np.float32) @ np.stack([pose(name) for name in names])).astype(np.float32)
    return out
