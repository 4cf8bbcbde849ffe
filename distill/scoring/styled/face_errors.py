"""LVE, FDD, EVE and MVE, each as the code that the field compares by computes it; truth first, prediction second.

    on meshes, (N, V, 3)                                  on rig coefficients, (N, channels)
    lve   mean of the worst lip vertex, squared           lve   mean norm over the mouth's channels
    fdd   spread of the upper face's motion, signed       fdd   the same of the channels' summed squares
    mve   mean distance of all vertices                   mve   mean norm over all channels

Mesh LVE and FDD are CodeTalker's (`main/cal_metric.py`): LVE over the frames of all sequences together, FDD a sequence
at a time. MVE, the absolute FDD and all of the coefficients' are FaceDiffuser's (`evaluation/compute_objective_metrics
*.py`): a sequence at a time, and LVE neither squared nor of the worst. EVE is DiffusionTalker's, whose code is not to
be had: here it is LVE over the upper face. What carries the same name on meshes and on coefficients is not one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.teachers.regions import UPPER
from sdk.errors import DataError
from sdk.faces.face import Face

Tracks = Sequence[np.ndarray]


@dataclass(frozen=True)
class FaceErrors:
    """Errors of one set of sequences. Squared cm for a mesh's `lve`, `eve`, `fdd`; cm for its `mve`; rig units else."""

    lve: float
    eve: float
    fdd: float
    abs_fdd: float
    mve: float
    frames: int


def mesh_errors(
    truth: Tracks, predicted: Tracks, neutral: np.ndarray, lips: np.ndarray, upper: np.ndarray
) -> FaceErrors:
    """Of meshes, sequences of `(N, V, 3)` that move from `neutral` `(V, 3)`; `lips`, `upper`: vertices.

    Raises `DataError` for nothing to compare and for meshes of other sizes. The longer of a pair is cut.
    """
    pairs = _pairs(truth, predicted)
    spreads = [_mesh_spread(a - neutral, upper) - _mesh_spread(b - neutral, upper) for a, b in pairs]
    return FaceErrors(
        lve=_worst_vertex(pairs, lips),
        eve=_worst_vertex(pairs, upper),
        fdd=float(np.mean(spreads)),
        abs_fdd=float(np.mean(np.abs(spreads))),
        mve=float(np.mean([np.linalg.norm(a - b, axis=2).mean() for a, b in pairs])),
        frames=sum(len(a) for a, _ in pairs),
    )


def coefficient_errors(
    truth: Tracks, predicted: Tracks, mouth: Sequence[int] | np.ndarray, upper: Sequence[int] | np.ndarray
) -> FaceErrors:
    """Of rig curves, sequences of `(N, channels)`; `mouth`, `upper`: places of channels. Raises as `mesh_errors`."""
    pairs = _pairs(truth, predicted)
    mouth, upper = np.asarray(mouth), np.asarray(upper)
    spreads = [float(np.square(a[:, upper]).sum(1).std() - np.square(b[:, upper]).sum(1).std()) for a, b in pairs]
    return FaceErrors(
        lve=_mean_norm(pairs, mouth),
        eve=_mean_norm(pairs, upper),
        fdd=float(np.mean(spreads)),
        abs_fdd=float(np.mean(np.abs(spreads))),
        mve=_mean_norm(pairs, np.arange(pairs[0][0].shape[1])),
        frames=sum(len(a) for a, _ in pairs),
    )


def lip_vertices(face: Face, reach_cm: float = 1.0) -> np.ndarray:
    """Vertices of the lips: what lies within `reach_cm` of either lip's middle in height and depth, and moves with one
    of the mouth's shapes by a millimetre or more."""
    middle = face.neutral_cm[[face.upper_lip, face.lower_lip]]
    near = (np.abs(face.neutral_cm[:, None, 1:] - middle[None, :, 1:]) <= (reach_cm, 1.5 * reach_cm)).all(2).any(1)
    return np.flatnonzero(near & _moves(face, "mouth"))


def upper_vertices(face: Face) -> np.ndarray:
    """Vertices of the upper face: those that brows, lids, cheeks or nose wings move by a millimetre or more, from a
    centimetre above the upper lip."""
    above = face.neutral_cm[:, 1] > face.neutral_cm[face.upper_lip, 1] + 1.0
    return np.flatnonzero(above & np.any([_moves(face, beginning) for beginning in UPPER], axis=0))


def _moves(face: Face, beginning: str) -> np.ndarray:
    shapes = [i for i, name in enumerate(face.names) if name.startswith(beginning)]
    if not shapes:
        return np.zeros(len(face.neutral_cm), dtype=bool)
    moved: np.ndarray = np.linalg.norm(face.deltas_cm[shapes], axis=2).max(0) >= 0.1
    return moved


def _pairs(truth: Tracks, predicted: Tracks) -> list[tuple[np.ndarray, np.ndarray]]:
    if not truth or len(truth) != len(predicted):
        raise DataError(f"{len(truth)} true sequences and {len(predicted)} predicted ones cannot be compared")
    pairs = []
    for number, (a, b) in enumerate(zip(truth, predicted, strict=True)):
        count = min(len(a), len(b))
        if not count or a.shape[1:] != b.shape[1:]:
            raise DataError(f"sequence {number}: shapes {a.shape} and {b.shape} cannot be compared")
        pairs.append((np.asarray(a[:count], np.float64), np.asarray(b[:count], np.float64)))
    return pairs


def _worst_vertex(pairs: Sequence[tuple[np.ndarray, np.ndarray]], vertices: np.ndarray) -> float:
    worst = [np.square(a[:, vertices] - b[:, vertices]).sum(2).max(1) for a, b in pairs]
    return float(np.concatenate(worst).mean())


def _mesh_spread(motion: np.ndarray, upper: np.ndarray) -> float:
    return float(np.square(motion[:, upper]).sum(2).std(0).mean())


def _mean_norm(pairs: Sequence[tuple[np.ndarray, np.ndarray]], places: np.ndarray) -> float:
    return float(np.mean([np.linalg.norm(a[:, places] - b[:, places], axis=1).mean() for a, b in pairs]))
