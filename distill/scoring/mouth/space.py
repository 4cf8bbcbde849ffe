"""What is seen of a mouth, in centimetres on a head: five measures and a ring of lip vertices.

    width        between the corners, on x            gap    between the lips' middles, on y (4.2.2)
    protrusion   of the upper lip's middle, on z      jaw    how far the chin is below its rest, on y
    tuck         how far the lower lip's middle lies behind the upper lip's on z, what opens and shuts the jaw left out

Faces are linear in the rig, so each measure is one row of weights, and a squared distance of the lip ring is one
product with a matrix of shapes x shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sdk.errors import DataError
from sdk.faces.face import Face
from sdk.faces.shapes import canonical
from sdk.rig import RigLayout

MEASURES = ("width", "protrusion", "gap", "tuck", "jaw")
_RING = 0.3  # of a roll's largest move: what moves with it more than so is lip
_OF_THE_JAW = ("jawopen", "mouthclose")
_NEEDED = ("mouthsmile", "mouthrollupper", "mouthrolllower", *_OF_THE_JAW)


@dataclass(frozen=True, eq=False)
class MouthSpace:
    """Measures of a face with ARKit's shapes; `MouthSpace.default()` is the head that scores are taken on."""

    face: Face

    @classmethod
    def default(cls) -> MouthSpace:
        return cls(Face.default())

    @classmethod
    def of(cls, face: Face) -> MouthSpace:
        """The measures of `face`. Raises `DataError` where it lacks a shape or a chin that they are taken by."""
        space, there = cls(face), {canonical(name)[0] for name in face.names}
        if lacking := [base for base in _NEEDED if base not in there]:
            raise DataError(
                f"this face has no shape {', '.join(lacking)}, by which a whole mouth is measured; give a face with "
                "ARKit's shapes, or leave --whole or --face out"
            )
        if not space._below_the_lips.any():
            raise DataError(
                "this face has no vertex on its midline that goes with the jaw alone, by which a whole mouth is "
                "measured; leave --whole or --face out"
            )
        return space

    def shapes(self, values: np.ndarray, layout: RigLayout) -> np.ndarray:
        """Rig values `(..., channels)` -> weights of the face's shapes `(..., K)`, which all rigs share."""
        return np.asarray(values, dtype=np.float64) @ self.face.weights(layout)

    def measures(self, shapes: np.ndarray) -> np.ndarray:
        """Shape weights `(..., K)` -> the five measures in cm `(..., 5)`, in the order of `MEASURES`."""
        offset, rows = self._rows
        return np.asarray(offset + shapes @ rows)

    def ring_squared_cm2(self, shapes: np.ndarray) -> np.ndarray:
        """Mean squared length over the lip ring, in cm^2 `(...)`, of the move that shape weights `(..., K)` make."""
        return np.asarray(np.einsum("...i,ij,...j->...", shapes, self._gram, shapes))

    def largest_move_cm(self, shapes: np.ndarray) -> float:
        """How far the vertex of the lip ring goes that the move of `shapes` `(K,)` takes furthest."""
        moved = np.einsum("k,kvd->vd", shapes, self.face.deltas_cm[:, self.ring])
        return float(np.linalg.norm(moved, axis=1).max())

    def sizes(self, base: str) -> np.ndarray:
        """How far each vertex goes `(V,)` under the shape of this canonical name, both sides of it together."""
        deltas = [d for name, d in zip(self.face.names, self.face.deltas_cm, strict=True) if canonical(name)[0] == base]
        return np.linalg.norm(np.sum(deltas, axis=0), axis=1)

    @cached_property
    def ring(self) -> np.ndarray:
        """Vertices of the lips: those that rolling the lips in moves most."""
        rolls = [self.sizes(f"mouthroll{lip}") for lip in ("upper", "lower")]
        return np.flatnonzero(np.any([size > _RING * size.max() for size in rolls], axis=0))

    @cached_property
    def _gram(self) -> np.ndarray:
        moves = self.face.deltas_cm[:, self.ring].astype(np.float64).reshape(len(self.face.names), -1)
        return np.asarray(moves @ moves.T / len(self.ring))

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        neutral, deltas = self.face.neutral_cm.astype(np.float64), self.face.deltas_cm.astype(np.float64)
        smiles = self.sizes("mouthsmile")
        side = neutral[:, 0] > 0
        left, right = np.where(side, smiles, 0).argmax(), np.where(~side, smiles, 0).argmax()
        upper, lower, chin = self.face.upper_lip, self.face.lower_lip, self._chin
        jaw_free = np.array([canonical(name)[0] not in _OF_THE_JAW for name in self.face.names], dtype=np.float64)
        behind = deltas[:, upper, 2] - deltas[:, lower, 2]
        rows = [
            deltas[:, left, 0] - deltas[:, right, 0],
            deltas[:, upper, 2],
            deltas[:, upper, 1] - deltas[:, lower, 1],
            behind * jaw_free,
            -deltas[:, chin, 1],
        ]
        offset = [neutral[left, 0] - neutral[right, 0], 0.0, neutral[upper, 1] - neutral[lower, 1], 0.0, 0.0]
        return np.array(offset), np.stack(rows, axis=1)

    @cached_property
    def _chin(self) -> int:
        """The foremost vertex on the midline that goes with the jaw and not with the lips."""
        return int(np.where(self._below_the_lips, self.face.neutral_cm[:, 2], -np.inf).argmax())

    @property
    def _below_the_lips(self) -> np.ndarray:
        """Which vertices `(V,)` may be the chin."""
        jaw, lips = self.sizes("jawopen"), self.sizes("mouthclose")
        middle = np.abs(self.face.neutral_cm[:, 0]) < 0.05
        chin = middle & (jaw > 0.6 * jaw.max()) & (lips < 0.02 * lips.max())
        low = self.face.neutral_cm[:, 1] < self.face.neutral_cm[self.face.lower_lip, 1] - 2.0  # no teeth, no tongue
        return np.asarray(chin & low)
