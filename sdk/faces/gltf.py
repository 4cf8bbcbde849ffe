"""Read the morph targets of a glTF 2.0 file (`.gltf` or `.glb`).

All primitives that have targets, in all nodes of the scene, become one mesh; body parts without targets are left out.
Node transforms are applied; skinning is not. Packed and quantised data are refused with a clear error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sdk.errors import FaceError
from sdk.faces.container import open_gltf, reading, refuse_packed
from sdk.tools.limits import MOST_CHANNELS, MOST_MOVES, most_moves

_FLOAT = 5126
_PACKED = {"KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_mesh_quantization"}

Morphs = tuple[list[str], np.ndarray, np.ndarray, np.ndarray]


def read_morphs(path: Path) -> Morphs:
    """Names, neutral `(V, 3)`, deltas `(K, V, 3)` and triangles `(T, 3)` in the file's own unit. Raises `FaceError`."""
    with reading(path):
        return _Morphed(path).morphs()


class _Morphed:
    """One opened file, its morphed meshes."""

    def __init__(self, path: Path) -> None:
        self.file = open_gltf(path)
        self.json = self.file.json
        self.left = most_moves(sum(map(len, self.file.buffers)))
        refuse_packed(self.json, _PACKED)

    def morphs(self) -> Morphs:
        """All morphed primitives of the scene as one mesh."""
        parts: list[tuple[list[str], np.ndarray, np.ndarray, np.ndarray]] = []
        for node, world in self._placed_nodes():
            mesh = self.json["meshes"][node["mesh"]]
            # A skinned mesh is placed by its joints; the specification tells readers to ignore its node.
            place = np.eye(4) if "skin" in node else world
            parts += [self._primitive(mesh, part, place) for part in mesh["primitives"] if part.get("targets")]
        if not parts:
            raise FaceError("no mesh of its scene has morph targets; export the head with its blendshapes")
        names = list(dict.fromkeys(name for part in parts for name in part[0]))
        total = sum(len(neutral) for _, neutral, _, _ in parts)
        if len(names) > MOST_CHANNELS or len(names) * total > MOST_MOVES:
            raise FaceError(f"{len(names):,} shapes of {total:,} vertices are more than is read here")
        deltas, triangles, start = np.zeros((len(names), total, 3), np.float32), [], 0
        for part_names, neutral, part_deltas, part_triangles in parts:
            stop = start + len(neutral)
            deltas[[names.index(name) for name in part_names], start:stop] = part_deltas
            triangles.append(part_triangles + start)
            start = stop
        return names, np.concatenate([part[1] for part in parts]), deltas, np.concatenate(triangles)

    def _placed_nodes(self) -> list[tuple[dict[str, Any], np.ndarray]]:
        """(node, world transform `(4, 4)`) of every node of the scene that carries a mesh."""
        nodes = self.json.get("nodes", [])
        scenes = self.json.get("scenes")
        children = {child for node in nodes for child in node.get("children", [])}
        roots = (
            scenes[self.json.get("scene", 0)].get("nodes", []) if scenes else sorted(set(range(len(nodes))) - children)
        )
        found, todo = [], [(root, np.eye(4)) for root in reversed(roots)]
        for _ in range(len(nodes)):  # a tree visits each node once; a cycle cannot hold us for ever
            if not todo:
                break
            index, parent = todo.pop()
            world = parent @ _local(nodes[index])
            if "mesh" in nodes[index]:
                found.append((nodes[index], world))
            todo += [(child, world) for child in reversed(nodes[index].get("children", []))]
        return found

    def _primitive(self, mesh: dict[str, Any], part: dict[str, Any], place: np.ndarray) -> Morphs:
        if part.get("mode", 4) != 4:
            raise FaceError("a morphed primitive is not a list of triangles; triangulate it before exporting")
        names = mesh.get("extras", {}).get("targetNames")
        if not names or len(names) != len(part["targets"]):
            raise FaceError(
                f"mesh {mesh.get('name', '?')!r}: extras.targetNames does not name its "
                f"{len(part['targets'])} morph targets; export with shape names"
            )
        neutral = self._accessor(part["attributes"]["POSITION"], "VEC3")
        self.left -= len(names) * len(neutral)  # of all parts, each as often as it is placed
        if self.left < 0:
            raise FaceError(f"{len(names)} targets of {len(neutral):,} vertices are more than is read here")
        empty = np.zeros_like(neutral)
        moves = [self._accessor(t["POSITION"], "VEC3") if "POSITION" in t else empty for t in part["targets"]]
        deltas = np.stack(moves)
        corners = self._accessor(part["indices"], "SCALAR") if "indices" in part else np.arange(len(neutral))
        triangles = corners.astype(np.int32).reshape(-1, 3)
        turn = place[:3, :3]
        if np.linalg.det(turn) < 0:  # mirrored: keep the outside outside
            triangles = triangles[:, ::-1]
        return [str(n) for n in names], (neutral @ turn.T + place[:3, 3]).astype(np.float32), deltas @ turn.T, triangles

    def _accessor(self, index: int, kind: str) -> np.ndarray:
        entry = self.json["accessors"][index]
        if entry["type"] != kind or entry.get("normalized") or (kind == "VEC3" and entry["componentType"] != _FLOAT):
            raise FaceError(f"accessor {index} is {entry['type']} of type {entry['componentType']}, not plain {kind}")
        return self.file.array(index)


def _local(node: dict[str, Any]) -> np.ndarray:
    """The node's own transform `(4, 4)`."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    out = np.eye(4)
    out[:3, :3] = turn * np.array(node.get("scale", (1.0, 1.0, 1.0)), dtype=float)
    out[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return out
