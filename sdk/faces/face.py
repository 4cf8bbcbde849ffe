"""A face to measure and to draw: neutral mesh plus one delta per shape, in centimetres ("rig2mesh").

    vertices = neutral + sum over shapes of weight * delta          y up, z out of the face, x to the face's left

Linear, so the lip gap that the paper scores (4.2.2) is one dot product of the rig: `lip_gap_row`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdk.errors import FaceError
from sdk.faces.shapes import canonical, find_lips, mapping
from sdk.rig import RigLayout
from sdk.tools.limits import MOST_CHANNELS, most_moves, read_arrays

CLOSED_CM = 0.15


@dataclass(frozen=True, eq=False)
class Face:
    """A mesh of V vertices, T triangles and K shapes. Raises `FaceError` listing all that does not fit.

    `upper_lip` and `lower_lip` index the vertices in the middle of the lips. `colours` `(V, 3)` in 0..1 are for drawing
    only; a face without them is drawn in the colour of skin.
    """

    names: tuple[str, ...]
    neutral_cm: np.ndarray
    deltas_cm: np.ndarray
    triangles: np.ndarray
    upper_lip: int
    lower_lip: int
    colours: np.ndarray | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "names", tuple(str(name) for name in self.names))
        for field, kind in (("neutral_cm", np.float32), ("deltas_cm", np.float32), ("triangles", np.int32)):
            put(self, field, np.ascontiguousarray(getattr(self, field), dtype=kind))
        if self.colours is not None:
            put(self, "colours", np.ascontiguousarray(self.colours, dtype=np.float32))
        if problems := self._problems():
            raise FaceError("face: " + "; ".join(problems))

    def _problems(self) -> list[str]:
        vertices, shapes = len(self.neutral_cm), len(self.names)
        expected = {
            "neutral_cm": (vertices, 3),
            "deltas_cm": (shapes, vertices, 3),
            "triangles": (len(self.triangles), 3),
        }
        if self.colours is not None:
            expected["colours"] = (vertices, 3)
        problems = [
            f"{field} has shape {getattr(self, field).shape}, not {shape}"
            for field, shape in expected.items()
            if getattr(self, field).shape != shape
        ]
        if problems or not vertices or not shapes:
            return problems or ["it has no vertices or no shapes"]
        if not (np.isfinite(self.neutral_cm).all() and np.isfinite(self.deltas_cm).all()):
            problems.append("some coordinates are NaN or infinite")
        if self.triangles.size and not 0 <= self.triangles.min() <= self.triangles.max() < vertices:
            problems.append(f"triangles name vertices outside 0..{vertices - 1}")
        for field in ("upper_lip", "lower_lip"):
            if not 0 <= getattr(self, field) < vertices:
                problems.append(f"{field} {getattr(self, field)} is no vertex of {vertices}")
        if ("jawopen", "") not in map(canonical, self.names):
            problems.append(
                f"no shape named jawOpen, so nothing can be measured on it; it has: {', '.join(self.names)}"
            )
        return problems

    @classmethod
    def build(
        cls,
        names: Sequence[str],
        neutral_cm: np.ndarray,
        deltas_cm: np.ndarray,
        triangles: np.ndarray,
        lips: tuple[int, int] | None = None,
        colours: np.ndarray | None = None,
    ) -> Face:
        """A `Face` whose lip vertices, when not given, are found on the mesh. Raises `FaceError`."""
        unknown = cls(tuple(names), neutral_cm, deltas_cm, triangles, 0, 0, colours)
        jaw = [canonical(name) for name in unknown.names].index(("jawopen", ""))
        upper, lower = lips if lips is not None else find_lips(unknown.neutral_cm, unknown.deltas_cm[jaw])
        return cls(
            unknown.names, unknown.neutral_cm, unknown.deltas_cm, unknown.triangles, upper, lower, unknown.colours
        )

    @classmethod
    def default(cls) -> Face:
        """The embedded head: all 52 ARKit shapes, coloured; made by `python -m sdk.faces.assets.make_head`."""
        return cls.from_npz(Path(__file__).parent / "assets" / "head.npz")

    @classmethod
    def from_file(cls, path: Path | str) -> Face:
        """A face by the file's suffix: `.npz`; `.gltf`, `.glb` or `.vrm`, a `.glb` too (metres). Raises `FaceError`."""
        readers = {".npz": cls.from_npz, **dict.fromkeys((".gltf", ".glb", ".vrm"), cls.from_gltf)}
        suffix = Path(path).suffix.lower()
        if suffix not in readers:
            raise FaceError(f"{path}: no face file that is read here; give {', '.join(readers)}")
        return readers[suffix](path)

    @classmethod
    def from_npz(cls, path: Path | str) -> Face:
        """A face from arrays `neutral_cm, deltas_cm, names, triangles` and, if there, `upper_lip, lower_lip, colours`.

        `deltas_cm` may also be stored sparsely (see `to_npz`). Raises `FaceError` when the file is not such a face.
        """
        stored = read_arrays(Path(path), FaceError)
        try:
            return cls._from_arrays(stored)
        except KeyError as error:
            raise FaceError(f"{path}: no array {error}; a face needs neutral_cm, deltas_cm, names, triangles") from None
        except (FaceError, ValueError, TypeError, IndexError) as error:
            raise FaceError(f"{path}: {error}") from error

    @classmethod
    def _from_arrays(cls, stored: dict[str, np.ndarray]) -> Face:
        neutral, names = stored["neutral_cm"], [str(name) for name in stored["names"]]
        held = sum(array.nbytes for array in stored.values())
        if len(names) > MOST_CHANNELS or len(names) * len(neutral) > most_moves(held):
            raise FaceError(f"{len(names)} shapes of {len(neutral):,} vertices are more than is read here")
        if "delta_values" in stored:
            deltas = np.zeros((len(names), len(neutral), 3), dtype=np.float32)
            vertices = np.split(stored["delta_vertices"], np.cumsum(stored["delta_counts"])[:-1])
            values = np.split(stored["delta_values"], np.cumsum(stored["delta_counts"])[:-1])
            for shape, rows, moves in zip(deltas, vertices, values, strict=True):
                shape[rows] = moves
        else:
            deltas = stored["deltas_cm"]
        lips = (int(stored["upper_lip"]), int(stored["lower_lip"])) if "upper_lip" in stored else None
        colours = stored["colours"] / np.float32(255) if "colours" in stored else None
        return cls.build(names, neutral, deltas, stored["triangles"], lips, colours)

    def to_npz(self, path: Path | str, smallest_cm: float = 1e-3) -> None:
        """Write the face, deltas sparse in half precision; moves shorter than `smallest_cm` are left out."""
        moved = np.linalg.norm(self.deltas_cm, axis=2) > smallest_cm
        wide = np.uint16 if len(self.neutral_cm) <= 0xFFFF else np.int32
        arrays = {
            "names": np.array(self.names),
            "neutral_cm": self.neutral_cm,
            "triangles": self.triangles.astype(wide),
            "delta_counts": moved.sum(axis=1),
            "delta_vertices": np.nonzero(moved)[1].astype(wide),
            "delta_values": self.deltas_cm[moved].astype(np.float16),
            "upper_lip": np.array(self.upper_lip),
            "lower_lip": np.array(self.lower_lip),
        }
        if self.colours is not None:
            arrays["colours"] = np.round(self.colours * 255).astype(np.uint8)
        with open(path, "wb") as stream:
            np.savez_compressed(stream, **arrays)

    @classmethod
    def from_gltf(cls, path: Path | str, unit_cm: float = 100.0, lips: tuple[int, int] | None = None) -> Face:
        """A face from the morph targets of a glTF 2.0 file (`.gltf`, `.glb`, `.vrm`); one unit there is `unit_cm` here.

        Raises `FaceError` for files that are no glTF, hold no named morph targets, or use packed data.
        """
        from sdk.faces.gltf import read_morphs

        names, neutral, deltas, triangles = read_morphs(Path(path))
        try:
            return cls.build(names, neutral * unit_cm, deltas * unit_cm, triangles, lips)
        except FaceError as error:
            raise FaceError(f"{path}: {error}") from error

    def weights(self, layout: RigLayout) -> np.ndarray:
        """`(channels, K)`: how much each rig channel moves each shape. Raises `FaceError` if none moves jawOpen."""
        weights = mapping(layout.names, self.names)
        jaw = [canonical(name) for name in self.names].index(("jawopen", ""))
        if not weights[:, jaw].any():
            raise FaceError(
                f"no channel of this rig is jawOpen, so the lips cannot be measured; it has: {', '.join(layout.names)}"
            )
        return weights

    def missing(self, layout: RigLayout) -> tuple[str, ...]:
        """The rig channels that move nothing on this face, in layout order."""
        weights = mapping(layout.names, self.names)
        return tuple(name for name, row in zip(layout.names, weights, strict=True) if not row.any())

    def vertices(self, values: np.ndarray, layout: RigLayout) -> np.ndarray:
        """Mesh vertices `(..., V, 3)` in cm for rig values `(..., channels)`. Raises `FaceError` on a wrong width."""
        shapes = self._checked(values, layout) @ self.weights(layout)
        moved = shapes @ self.deltas_cm.reshape(len(self.names), -1)
        return moved.reshape(*shapes.shape[:-1], -1, 3) + self.neutral_cm

    def lip_gap_cm(self, values: np.ndarray, layout: RigLayout) -> np.ndarray:
        """Gap `(...)` on y between the lips' middles for rig values `(..., channels)`; closed at <= CLOSED_CM."""
        offset, row = self.lip_gap_row(layout)
        return self._checked(values, layout) @ row + np.float32(offset)

    def lip_gap_row(self, layout: RigLayout) -> tuple[float, np.ndarray]:
        """(offset, weights `(channels,)`) with gap_cm = offset + values @ weights: the lip gap as a training loss."""
        upper, upper_rows = self._vertex_rows(self.upper_lip, layout)
        lower, lower_rows = self._vertex_rows(self.lower_lip, layout)
        return float(upper[1] - lower[1]), upper_rows[:, 1] - lower_rows[:, 1]

    def mouth_root(self, layout: RigLayout) -> np.ndarray:
        """`(channels, k)`: with errors e of the rig, |e @ root|^2 is the mean squared distance in cm^2 by which the
        vertices around the mouth are off (an ellipse of 7.2 x 3.6 cm around the lips' middle)."""
        middle = (self.neutral_cm[self.upper_lip] + self.neutral_cm[self.lower_lip]) / 2
        apart = (self.neutral_cm - middle) / np.array([3.6, 1.8, 3.0], np.float32)
        chosen = (apart[:, 0] ** 2 + apart[:, 1] ** 2 < 1) & (apart[:, 2] > -1)
        moves = (self.weights(layout) @ self.deltas_cm[:, chosen].reshape(len(self.names), -1)).astype(np.float64)
        values, vectors = np.linalg.eigh(moves @ moves.T / max(int(chosen.sum()), 1))
        kept = values > 1e-9 * values.max()
        return np.asarray(vectors[:, kept] * np.sqrt(values[kept]), np.float32)

    def lower_lip_cm(self, values: np.ndarray, layout: RigLayout) -> np.ndarray:
        """Position `(..., 3)` in cm of the mid lower lip, vertex P of the jitter metric (eq. 9-10)."""
        offset, rows = self.lower_lip_rows(layout)
        return self._checked(values, layout) @ rows + offset

    def upper_lip_cm(self, values: np.ndarray, layout: RigLayout) -> np.ndarray:
        """Position `(..., 3)` in cm of the mid upper lip."""
        offset, rows = self._vertex_rows(self.upper_lip, layout)
        return self._checked(values, layout) @ rows + offset

    def lower_lip_rows(self, layout: RigLayout) -> tuple[np.ndarray, np.ndarray]:
        """(offset `(3,)`, weights `(channels, 3)`): lower_lip_cm = offset + values @ weights."""
        return self._vertex_rows(self.lower_lip, layout)

    def _vertex_rows(self, vertex: int, layout: RigLayout) -> tuple[np.ndarray, np.ndarray]:
        return self.neutral_cm[vertex], self.weights(layout) @ self.deltas_cm[:, vertex]

    @staticmethod
    def _checked(values: np.ndarray, layout: RigLayout) -> np.ndarray:
        values = np.asarray(values, dtype=np.float32)
        if values.ndim == 0 or values.shape[-1] != len(layout):
            raise FaceError(f"rig values of shape {values.shape} do not fit a rig of {len(layout)} channels")
        return values
