"""Meshes as codes, and the rig behind a mesh."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_voice2face import ARKIT, FACE, spoken_poses

from distill.teachers.voice2face.mesh_space import Mesh2Rig, MeshSpace, Normals, shapes
from sdk.errors import DataError


def test_codes_keep_meshes_and_their_distances() -> None:
    poses = spoken_poses()
    space = MeshSpace(20, len(ARKIT))
    kept = space.fit(poses, FACE, ARKIT)
    assert kept > 0.9999
    code = space.code(torch.from_numpy(poses))
    back = FACE.vertices(space.unbounded(code).numpy(), ARKIT)
    vertices = FACE.vertices(poses, ARKIT)
    assert np.abs(back - vertices).max() < 0.02
    told = ((code[40] - code[180]) * space.spread).square().sum()
    assert float(told) == pytest.approx(float(np.square(vertices[40] - vertices[180]).sum()), rel=1e-2)


def test_mesh2rig_gives_the_rig_of_a_mesh_back_within_its_ranges() -> None:
    poses = spoken_poses()[::10]
    inverse = Mesh2Rig.of(shapes(FACE, ARKIT) @ shapes(FACE, ARKIT).T, ARKIT)
    rig = inverse(FACE.vertices(poses, ARKIT), FACE, ARKIT)
    np.testing.assert_allclose(rig, poses, atol=0.02)
    np.testing.assert_allclose(FACE.lip_gap_cm(rig, ARKIT), FACE.lip_gap_cm(poses, ARKIT), atol=0.02)
    with pytest.raises(DataError, match="not of this face"):
        inverse(np.zeros((1, 10, 3)), FACE, ARKIT)


def test_mesh2rig_beyond_the_ranges_is_nearer_than_a_clamped_solution() -> None:
    random = np.random.default_rng(0)
    beyond = spoken_poses()[::10] + random.normal(0, 0.3, (30, 52)) * (random.random((30, 52)) < 0.3)
    moves = shapes(FACE, ARKIT).astype(np.float64)
    gram = moves @ moves.T
    rig = Mesh2Rig.of(gram, ARKIT).solve(beyond @ gram)
    assert rig.min() >= 0
    assert rig.max() <= 1
    distance = lambda a: np.einsum("nc,cd,nd->n", a - beyond, gram, a - beyond)  # noqa: E731
    assert (distance(rig) <= distance(np.clip(beyond, 0, 1)) * 1.01 + 1e-3).all()
    assert distance(rig).mean() < 0.9 * distance(np.clip(beyond, 0, 1)).mean()


def test_normals_are_those_of_the_mesh_and_turn_with_the_jaw() -> None:
    poses = spoken_poses()
    normals = Normals(FACE, ARKIT, poses, 200)
    rest, wide = torch.zeros(52), torch.from_numpy(ARKIT.vector({"jawOpen": 1.0}))
    found = normals(torch.stack([rest, wide]))
    assert found.norm(dim=-1).sub(1).abs().max() < 1e-4
    turned = 1 - (found[0] * found[1]).sum(-1)
    assert turned.max() > 0.05
    vertices = FACE.vertices(wide.numpy(), ARKIT)
    used = np.unique(FACE.triangles[_moving(poses)])
    corners = vertices[FACE.triangles[_moving(poses)]]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    slow = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(slow, FACE.triangles[_moving(poses)][:, corner], cross)
    expected = slow[used] / np.linalg.norm(slow[used], axis=1, keepdims=True)
    np.testing.assert_allclose(found[1].numpy(), expected, atol=1e-3)


def _moving(poses: np.ndarray) -> np.ndarray:
    travel = np.square(shapes(FACE, ARKIT).reshape(52, -1, 3) * poses.std(0)[:, None, None]).sum((0, 2))
    order: np.ndarray = np.argsort(travel[FACE.triangles].sum(1))[::-1][:200]
    return order
