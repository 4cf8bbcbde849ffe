"""A `Face` as a glTF head: one mesh with normals, colours and named morph targets, in metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk.faces.face import Face
from sdk.scenes.glb import ARRAY_BUFFER, ELEMENT_BUFFER, Scene

_SKIN = (0.80, 0.62, 0.54)
_SMALLEST_M = 1e-6  # moves below a thousandth of a millimetre are none


def head_scene(face: Face, name: str = "head", names: Sequence[str] | None = None) -> Scene:
    """The head as a scene of one node. `names` calls the targets something else than `face.names` does."""
    scene = Scene()
    positions = np.ascontiguousarray(face.neutral_cm / 100, "<f4")
    colours = face.colours if face.colours is not None else np.tile(np.array(_SKIN, np.float32), (len(positions), 1))
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)  # sRGB to linear
    packed = np.round(np.concatenate([linear, np.ones((len(linear), 1))], axis=1) * 0xFFFF).astype("<u2")
    deltas = (face.deltas_cm / 100).astype("<f4")
    deltas[np.abs(deltas).max(axis=2) < _SMALLEST_M] = 0
    kind = "<u2" if len(positions) <= 0xFFFF else "<u4"
    primitive = {
        "attributes": {
            "POSITION": scene.accessor(positions, ARRAY_BUFFER, bounds=True),
            "NORMAL": scene.accessor(normals(face.neutral_cm, face.triangles), ARRAY_BUFFER),
            "COLOR_0": scene.accessor(packed, ARRAY_BUFFER, normalized=True),
        },
        "indices": scene.accessor(face.triangles.astype(kind).reshape(-1), ELEMENT_BUFFER),
        "targets": [{"POSITION": scene.sparse(delta)} for delta in deltas],
        "material": 0,
        "mode": 4,
    }
    called = [str(called) for called in (names or face.names)]
    surface = {"baseColorFactor": [1.0, 1.0, 1.0, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.65}
    scene.json |= {
        "scene": 0,
        "scenes": [{"name": "scene", "nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0}],
        "meshes": [
            {
                "name": name,
                "primitives": [primitive],
                "weights": [0.0] * len(called),
                "extras": {"targetNames": called},
            }
        ],
        "materials": [{"name": "skin", "pbrMetallicRoughness": surface, "doubleSided": True}],
    }
    return scene


def normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals `(V, 3)` float32 at the vertices: the mean of their triangles', weighted by area."""
    corners = points[triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.zeros(points.shape, np.float64)
    for corner in range(3):
        np.add.at(out, triangles[:, corner], flat)
    length = np.linalg.norm(out, axis=1, keepdims=True)
    out = np.where(length > 1e-12, out / np.maximum(length, 1e-12), (0.0, 0.0, 1.0))
    return out.astype("<f4")
