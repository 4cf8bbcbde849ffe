"""Meshes as few numbers, and back to a rig: what Voice2Face's decoder speaks, and its Mesh2Rig.

A face is linear: mesh = neutral + rig @ deltas. So the principal components of all meshes that a corpus shows are
combinations of the rig's shapes, and distances between meshes need no vertices, only the shapes' products G:

    mesh   = neutral + (mean + (code x spread) @ basis) @ deltas,     basis G basis' = 1
    |mesh - mesh'|^2 = |(code - code') x spread|^2                    summed over all vertices, in cm^2

Mesh2Rig asks which rig within its ranges comes closest to a mesh. For a linear face that is a small quadratic problem
with one answer, so it is solved and not learned: a network would have to be trained anew for every face, and would
leave the ranges or shrink what it had rarely seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sdk.errors import DataError
from sdk.faces.face import Face
from sdk.rig import RigLayout

_RIDGE = 1e-3  # of each shape's own size: what two shapes do alike is shared between them
_SWEEPS, _SETTLED = 200, 1e-4


@dataclass(frozen=True, eq=False)
class Mesh2Rig:
    """The rig of a mesh, each channel within its range.

    gram `(channels, channels)`: products of the shapes' moves in cm^2, over all vertices; low, high, neutral
    `(channels,)`: the ranges.
    """

    gram: np.ndarray
    low: np.ndarray
    high: np.ndarray
    neutral: np.ndarray

    @classmethod
    def of(cls, gram: np.ndarray, layout: RigLayout) -> Mesh2Rig:
        return cls(np.float64(gram), np.array(layout.minimum), np.array(layout.maximum), np.array(layout.neutral))

    def solve(self, products: np.ndarray) -> np.ndarray:
        """Rig values `(N, channels)` float32 from a mesh's products with each shape `(N, channels)`, in cm^2.

        Minimises |mesh - neutral - rig @ deltas|^2 + ridge |rig - neutral|^2 one channel at a time, each held within
        its range, until nothing moves. A channel that moves no vertex stays neutral.
        """
        size = np.diag(self.gram)
        moves = np.flatnonzero(size > 1e-9)
        ridge = _RIDGE * size
        rig = np.tile(self.neutral, (len(products), 1))
        start = np.linalg.solve(
            self.gram[np.ix_(moves, moves)] + np.diag(ridge[moves]),
            (products + ridge * self.neutral)[:, moves].T,
        ).T
        rig[:, moves] = np.clip(start, self.low[moves], self.high[moves])
        for _ in range(_SWEEPS):
            moved = 0.0
            for channel in moves:
                rest = products[:, channel] - rig @ self.gram[channel] + rig[:, channel] * size[channel]
                best = (rest + ridge[channel] * self.neutral[channel]) / (size[channel] + ridge[channel])
                best = np.clip(best, self.low[channel], self.high[channel])
                moved = max(moved, float(np.abs(best - rig[:, channel]).max(initial=0.0)))
                rig[:, channel] = best
            if moved < _SETTLED:
                break
        return rig.astype(np.float32)

    def __call__(self, vertices_cm: np.ndarray, face: Face, layout: RigLayout) -> np.ndarray:
        """Rig values `(N, channels)` of meshes `(N, V, 3)` of `face`. Raises `DataError` for another mesh."""
        if vertices_cm.shape[1:] != face.neutral_cm.shape:
            raise DataError(f"meshes of shape {vertices_cm.shape[1:]} are not of this face of {face.neutral_cm.shape}")
        moved = (vertices_cm - face.neutral_cm).reshape(len(vertices_cm), -1)
        return self.solve(moved @ shapes(face, layout).T)


def shapes(face: Face, layout: RigLayout) -> np.ndarray:
    """What each rig channel moves, `(channels, 3 V)` in cm."""
    moves: np.ndarray = face.weights(layout) @ face.deltas_cm.reshape(len(face.names), -1)
    return moves


class MeshSpace(nn.Module):
    """The codes `(..., k)` of meshes: about 0 with spread 1 over the corpus. Buffers only, nothing learns."""

    basis: Tensor
    spread: Tensor
    mean: Tensor
    gram: Tensor

    def __init__(self, components: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(components, channels))
        self.register_buffer("spread", torch.ones(components))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("gram", torch.eye(channels))

    def fit(self, rig: np.ndarray, face: Face, layout: RigLayout) -> float:
        """Take the principal components of the meshes of poses `(N, channels)`; returns the share of their variance
        that is kept. Directions that the poses never take get a spread of 0."""
        moves = shapes(face, layout).astype(np.float64)
        gram = moves @ moves.T
        mean = rig.mean(0, dtype=np.float64)
        size, turn = np.linalg.eigh(gram)
        size = np.clip(size, 0, None)
        root = (turn * np.sqrt(size)) @ turn.T
        inverse = (turn * np.where(size > 1e-9 * size.max(), 1 / np.sqrt(np.clip(size, 1e-12, None)), 0)) @ turn.T
        centred = (rig - mean) @ root
        variance, axes = np.linalg.eigh(centred.T @ centred / max(len(rig), 1))
        count = len(self.basis)
        variance, axes = np.clip(variance[::-1], 0, None), axes[:, ::-1][:, :count]
        kept = variance[:count]
        for name, value in (("basis", axes.T @ inverse), ("spread", np.sqrt(kept)), ("mean", mean), ("gram", gram)):
            getattr(self, name).copy_(torch.from_numpy(value.astype(np.float32)))
        return float(kept.sum() / max(variance.sum(), 1e-12))

    def code(self, rig: Tensor) -> Tensor:
        """The code of the mesh of poses (..., channels)."""
        code: Tensor = (rig - self.mean) @ self.gram @ self.basis.T / self.spread.clamp(min=1e-6)
        return torch.where(self.spread > 1e-6, code, torch.zeros_like(code))

    def unbounded(self, code: Tensor) -> Tensor:
        """Rig values (..., channels) whose mesh is exactly that of `code`, ranges aside."""
        pose: Tensor = self.mean + (code * self.spread) @ self.basis
        return pose

    def rig(self, code: Tensor, layout: RigLayout) -> np.ndarray:
        """Mesh2Rig of the meshes of codes (N, k): `(N, channels)` within their ranges."""
        products = (self.unbounded(code) @ self.gram).detach().cpu().numpy()
        return Mesh2Rig.of(self.gram.cpu().numpy(), layout).solve(products)


class Normals(nn.Module):
    """Vertex normals of the part of the face that speech moves most, for poses in rig values.

    Only the `triangles` triangles that move most are looked at: the others' normals hardly turn, and a whole face of
    ten thousand triangles for every frame of every step is what a CPU cannot carry.
    """

    moves: Tensor
    rest: Tensor
    corners: Tensor
    touch: Tensor

    def __init__(self, face: Face, layout: RigLayout, rig: np.ndarray, triangles: int = 200) -> None:
        super().__init__()
        every = shapes(face, layout).reshape(len(layout), -1, 3)
        spread = rig.std(0)
        travel = np.square(every * spread[:, None, None]).sum((0, 2))
        chosen = face.triangles[np.argsort(travel[face.triangles].sum(1))[::-1][:triangles]]
        used, corners = np.unique(chosen, return_inverse=True)
        corners = corners.reshape(-1, 3)
        touch = np.zeros((len(used), len(corners)), np.float32)
        for corner in range(3):
            touch[corners[:, corner], np.arange(len(corners))] = 1.0
        self.register_buffer("moves", torch.from_numpy(np.float32(every[:, used]).reshape(len(layout), -1)))
        self.register_buffer("rest", torch.from_numpy(face.neutral_cm[used].reshape(-1)))
        self.register_buffer("corners", torch.from_numpy(corners))
        self.register_buffer("touch", torch.from_numpy(touch))

    def forward(self, pose: Tensor) -> Tensor:
        """Unit normals (..., vertices, 3) of poses (..., channels): each the sum of its triangles' normals."""
        vertices = (pose @ self.moves + self.rest).unflatten(-1, (-1, 3))
        a, b, c = (vertices[..., self.corners[:, corner], :] for corner in range(3))
        return nn.functional.normalize(self.touch @ torch.linalg.cross(b - a, c - a), dim=-1)
