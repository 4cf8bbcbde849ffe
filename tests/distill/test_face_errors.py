"""LVE, FDD, EVE and MVE: against another's code where there is one, against loops written from the definition else."""

from __future__ import annotations

import numpy as np
import pytest

from distill.scoring.styled import face_errors
from distill.scoring.styled.face_errors import coefficient_errors, mesh_errors
from distill.teachers.regions import MOUTH, channels
from distill.teachers.regions import UPPER as UPPER_NAMES
from sdk.errors import DataError
from sdk.faces.face import Face
from sdk.rig import ARKIT_52, RigLayout

# FaceDiffuser's BEAT masks, places in the 51 names in alphabetical order: its mouth lacks jawOpen (24) and mouthClose
# (26), its upper face is eyes that look about and lacks the brows (0 to 4)
FACEDIFFUSER_MOUTH = (23, 25, 27, 28, 31, 37, 39, 40, 41, 42, 47, 48)
FACEDIFFUSER_UPPER = (*range(8, 22), 49, 50)
LIPS, UPPER = np.array([1, 4, 7]), np.array([0, 2, 9])


@pytest.fixture(scope="module")
def meshes() -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    random = np.random.default_rng(1)
    truth = [random.normal(size=(count, 12, 3)) for count in (5, 9)]
    predicted = [a + 0.1 * random.normal(size=a.shape) for a in truth]
    return truth, predicted, random.normal(size=(12, 3))


def test_lip_vertex_error_is_that_of_torchmetrics(meshes) -> None:
    multimodal = pytest.importorskip("torchmetrics.functional.multimodal", reason="optional extra `judge`")
    import torch

    truth, predicted, neutral = meshes
    ours = mesh_errors(truth, predicted, neutral, LIPS, UPPER).lve
    theirs = multimodal.lip_vertex_error(
        *(torch.from_numpy(np.concatenate(x)) for x in (predicted, truth)), LIPS.tolist()
    )
    assert ours == pytest.approx(float(theirs), rel=1e-6)


def test_mesh_errors_by_loops(meshes) -> None:
    truth, predicted, neutral = meshes
    found = mesh_errors(truth, predicted, neutral, LIPS, UPPER)
    worst = [
        max(np.sum((a[n, v] - b[n, v]) ** 2) for v in UPPER)
        for a, b in zip(truth, predicted, strict=True)
        for n in range(len(a))
    ]
    assert found.eve == pytest.approx(np.mean(worst))
    spreads = []
    for a, b in zip(truth, predicted, strict=True):
        each = [
            np.mean([np.std([np.sum((x[n, v] - neutral[v]) ** 2) for n in range(len(x))]) for v in UPPER])
            for x in (a, b)
        ]
        spreads.append(each[0] - each[1])
    assert found.fdd == pytest.approx(np.mean(spreads))
    assert found.abs_fdd == pytest.approx(np.mean(np.abs(spreads)))
    assert found.abs_fdd >= abs(found.fdd)
    assert found.mve == pytest.approx(
        np.mean([np.sqrt(((a - b) ** 2).sum(2)).mean() for a, b in zip(truth, predicted, strict=True)])
    )
    assert found.frames == 14


def test_a_still_face_dies_in_the_sign_of_fdd(meshes) -> None:
    truth, _, neutral = meshes
    still = [np.tile(neutral, (len(a), 1, 1)) for a in truth]
    assert mesh_errors(truth, still, neutral, LIPS, UPPER).fdd > 0
    assert mesh_errors(still, truth, neutral, LIPS, UPPER).fdd < 0
    assert mesh_errors(truth, truth, neutral, LIPS, UPPER).lve == 0


def test_coefficient_errors_by_loops() -> None:
    random = np.random.default_rng(2)
    truth = [random.uniform(size=(n, 51)) for n in (4, 7)]
    predicted = [random.uniform(size=(n, 51)) for n in (4, 8)]  # the longer one is cut
    found = coefficient_errors(truth, predicted, FACEDIFFUSER_MOUTH, FACEDIFFUSER_UPPER)
    by_sequence, spreads = [], []
    for a, b in zip(truth, predicted, strict=True):
        by_sequence.append(
            np.mean([np.sqrt(sum((a[n, c] - b[n, c]) ** 2 for c in FACEDIFFUSER_MOUTH)) for n in range(len(a))])
        )
        each = [np.std([sum(x[n, c] ** 2 for c in FACEDIFFUSER_UPPER) for n in range(len(a))]) for x in (a, b)]
        spreads.append(each[0] - each[1])
    assert found.lve == pytest.approx(np.mean(by_sequence))
    assert found.fdd == pytest.approx(np.mean(spreads))
    assert found.frames == 11


def test_facediffusers_masks_lack_what_we_score() -> None:
    alphabetical = sorted(name for name in ARKIT_52 if name != "tongueOut")
    assert (alphabetical[24], alphabetical[26]) == ("jawOpen", "mouthClose")
    mouth = {alphabetical[i] for i in FACEDIFFUSER_MOUTH}
    assert not {"jawOpen", "mouthClose"} & mouth
    assert not any(alphabetical[i].startswith("brow") for i in FACEDIFFUSER_UPPER)
    layout = RigLayout.arkit()
    names = {layout.names[i] for i in channels(layout, MOUTH)}
    assert {"jawOpen", "mouthClose", "tongueOut"} <= names
    upper = {layout.names[i] for i in channels(layout, UPPER_NAMES)}
    assert "browInnerUp" in upper
    assert not names & upper


def test_regions_of_the_head_that_we_ship() -> None:
    face = Face.default()
    lips, upper = face_errors.lip_vertices(face), face_errors.upper_vertices(face)
    assert {face.upper_lip, face.lower_lip} <= set(lips.tolist())
    assert 20 < len(lips) < len(face.neutral_cm) / 2
    assert len(upper) > 50
    assert not set(lips.tolist()) & set(upper.tolist())


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ([], []),
        ([np.zeros((2, 3))], []),
        ([np.zeros((2, 3))], [np.zeros((2, 4))]),
        ([np.zeros((0, 3))], [np.zeros((2, 3))]),
    ],
)
def test_what_cannot_be_compared_is_said(truth, predicted) -> None:
    with pytest.raises(DataError, match="cannot be compared"):
        coefficient_errors(truth, predicted, [0], [1])
