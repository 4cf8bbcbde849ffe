"""Lips that are nearly shut, shut: a trained network's least gaps put where a face shows them closed.

A network that is not sure of a closure leaves a gap. How wide the gap may be before it means speech with open lips is
read off speech that it was not trained on (`training/calibration.py`); below that, poses move towards the shut pose of
the same jaw:

    gap'  |      /            gap' = gap x closed / shut up to `shut_cm`, and back on the diagonal at twice that;
    0.15 -|---./               closed: the 0.15 cm below which lips count as closed (4.2.2)
          |_./_|_____ gap
             shut_cm
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

_PARTED = ("mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight")


def can_close(layout: RigLayout) -> bool:
    """Whether `layout` has the ARKit channels that shut a mouth."""
    return {*_PARTED, "jawOpen", "mouthClose"} <= set(layout.names)


def close_lips(values: np.ndarray, layout: RigLayout, shut_cm: float) -> np.ndarray:
    """Poses `(N, channels)` whose gap on the default face is `shut_cm` or less, closed, and those near it, nearer."""
    offset, row = _gap_row(layout)
    shut = values.copy()
    shut[:, [layout.index(name) for name in _PARTED]] = 0.0
    shut[:, layout.index("mouthClose")] = shut[:, layout.index("jawOpen")]
    gap, least = offset + values @ row, offset + shut @ row
    wanted = np.interp(gap, [0.0, shut_cm, 2 * shut_cm], [0.0, CLOSED_CM, 2 * shut_cm])
    wanted = np.where((gap <= 0) | (gap >= 2 * shut_cm), gap, wanted)
    share = np.clip((gap - wanted) / np.maximum(gap - least, 1e-6), 0.0, 1.0)
    share = np.where(gap > least, share, 0.0)
    return np.asarray(values + share[:, None] * (shut - values), dtype=np.float32)


@cache
def _gap_row(layout: RigLayout) -> tuple[float, np.ndarray]:
    """As the default face has it; reading that for every utterance was a fifteenth of labelling."""
    return Face.default().lip_gap_row(layout)


def label_of(curves: np.ndarray, layout: RigLayout, shut_cm: float) -> np.ndarray:
    """A teacher's label of what its network says, `(..., channels)`: nearly shut lips shut, where the rig can shut
    them, and all within the rig's ranges."""
    if can_close(layout):
        flat = close_lips(curves.reshape(-1, curves.shape[-1]), layout, shut_cm)
        curves = flat.reshape(curves.shape)
    return layout.clamp(curves)
