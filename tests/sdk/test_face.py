"""The face as a ruler: lip gaps, names, files. The embedded head is what its generator makes."""

from __future__ import annotations

import base64
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from sdk.errors import FaceError
from sdk.faces.face import CLOSED_CM, Face
from sdk.faces.shapes import canonical, mapping
from sdk.rig import ARKIT_52, RigLayout
from sdk.scenes.head import head_scene

ARKIT = RigLayout.arkit()
DATA = Path(os.environ.get("TINYFACE_DATA", Path(__file__).parents[3] / "shared" / "data"))
ICT = DATA / "face" / "ict-facekit" / "ict.npz"


@pytest.fixture(scope="module")
def head() -> Face:
    return Face.default()


@pytest.fixture(scope="module")
def ict() -> Face:
    if not ICT.exists():
        pytest.skip(f"{ICT} is not there")
    return Face.from_npz(ICT)


def small_face(**changed: object) -> Face:
    fields: dict[str, object] = {
        "names": ("jawOpen", "mouthSmile_L"),
        "neutral_cm": np.array([[0, 0.05, 1], [0, 0, 1], [1, 0, 0]], np.float32),
        "deltas_cm": np.array([[[0, 0, 0], [0, -3, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [1, 1, 0]]], np.float32),
        "triangles": np.array([[0, 1, 2]]),
        "upper_lip": 0,
        "lower_lip": 1,
    }
    return Face(**(fields | changed))  # type: ignore[arg-type]


def test_the_head_has_every_arkit_shape_and_each_moves_something(head: Face) -> None:
    assert head.names == ARKIT_52
    assert head.missing(ARKIT) == ()
    assert (np.linalg.norm(head.deltas_cm, axis=2).max(axis=1) > 0.1).all()
    assert 3000 <= len(head.neutral_cm) <= 6000
    assert head.colours is not None


def test_lip_gaps_of_the_head(head: Face) -> None:
    offset, row = head.lip_gap_row(ARKIT)
    assert offset == pytest.approx(0.05, abs=0.01)
    wanted = {
        "jawOpen": 3.28,
        "mouthClose": -3.7,
        "mouthFunnel": 1.3,
        "mouthShrugLower": -0.69,
        "mouthPressLeft": -0.12,
    }
    for name, gap in wanted.items():
        assert row[ARKIT.index(name)] == pytest.approx(gap, abs=0.02), name
    for name in ("eyeBlinkLeft", "browInnerUp", "mouthSmileRight", "jawLeft", "tongueOut"):
        assert abs(row[ARKIT.index(name)]) < 0.02, name


def test_lips_open_shut_and_seal(head: Face) -> None:
    poses = [{}, {"jawOpen": 0.5}, {"jawOpen": 0.25, "mouthClose": 0.23}]
    gaps = head.lip_gap_cm(np.stack([ARKIT.vector(pose) for pose in poses]), ARKIT)
    assert list(gaps <= CLOSED_CM) == [True, False, True]


def test_the_gap_is_what_the_mesh_shows(head: Face) -> None:
    values = np.random.default_rng(1).random((2, 3, 52), dtype=np.float32)
    mesh = head.vertices(values, ARKIT)
    assert mesh.shape == (2, 3, len(head.neutral_cm), 3)
    apart = mesh[..., head.upper_lip, 1] - mesh[..., head.lower_lip, 1]
    np.testing.assert_allclose(head.lip_gap_cm(values, ARKIT), apart, atol=1e-4)
    np.testing.assert_allclose(head.lower_lip_cm(values, ARKIT), mesh[..., head.lower_lip, :], atol=1e-4)
    offset, row = head.lip_gap_row(ARKIT)
    np.testing.assert_allclose(offset + values @ row, apart, atol=1e-4)


def test_left_is_the_faces_own_left_and_mirrors_right(head: Face) -> None:
    left, right = (head.deltas_cm[ARKIT_52.index(name)] for name in ("mouthSmileLeft", "mouthSmileRight"))
    assert head.neutral_cm[np.linalg.norm(left, axis=1).argmax(), 0] > 1
    assert np.linalg.norm(left, axis=1).max() == pytest.approx(np.linalg.norm(right, axis=1).max(), abs=1e-3)
    assert head.deltas_cm[ARKIT_52.index("mouthLeft"), head.lower_lip, 0] > 1


def test_the_generator_makes_the_committed_head(head: Face) -> None:
    from sdk.faces.assets.make_head import build

    made = build()
    np.testing.assert_array_equal(made.triangles, head.triangles)
    np.testing.assert_allclose(made.neutral_cm, head.neutral_cm, atol=1e-4)
    np.testing.assert_allclose(made.deltas_cm, head.deltas_cm, atol=3e-3)
    assert (made.upper_lip, made.lower_lip) == (head.upper_lip, head.lower_lip)


def test_ict_facekit_loads_and_scores(ict: Face) -> None:
    assert (ict.upper_lip, ict.lower_lip) in {(u, w) for u in (5532, 5533) for w in (5519, 5517)}
    offset, row = ict.lip_gap_row(ARKIT)
    assert offset == pytest.approx(0.064, abs=0.02)
    assert row[ARKIT.index("jawOpen")] == pytest.approx(3.28, abs=0.03)
    assert row[ARKIT.index("mouthClose")] == pytest.approx(-3.86, abs=0.03)
    assert ict.missing(ARKIT) == ("tongueOut",)
    whole = ict.weights(ARKIT)[ARKIT.index("browInnerUp")]
    assert {ict.names[i] for i in np.flatnonzero(whole)} == {"browInnerUp_L", "browInnerUp_R"}


def test_the_lips_of_the_head_are_found_without_being_told(head: Face) -> None:
    found = Face.build(head.names, head.neutral_cm, head.deltas_cm, head.triangles)
    assert found.lip_gap_row(ARKIT)[1][ARKIT.index("jawOpen")] == pytest.approx(3.28, abs=0.1)


@pytest.mark.parametrize(
    "spelling",
    ["mouthSmileLeft", "mouthSmile_L", "MouthSmileLeft", "mouth_smile_left", "bs.mouthSmile_l", "mouthSmileL"],
)
def test_spellings_of_one_shape(spelling: str) -> None:
    assert canonical(spelling) == ("mouthsmile", "l")


def test_split_and_joint_shapes_move_alike() -> None:
    weights = mapping(
        ["browInnerUp", "cheekPuffLeft", "cheekPuffRight", "nothing"], ["browInnerUp_L", "browInnerUp_R", "cheekPuff"]
    )
    np.testing.assert_array_equal(weights, [[1, 1, 0], [0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])


def test_a_rig_without_jaw_open_cannot_be_measured(head: Face) -> None:
    with pytest.raises(FaceError, match="jawOpen"):
        head.lip_gap_row(RigLayout(("mouthFunnel", "tail")))
    assert head.missing(RigLayout(("JawOpen", "tail"))) == ("tail",)


def test_values_of_another_rig_are_refused(head: Face) -> None:
    with pytest.raises(FaceError, match="52 channels"):
        head.vertices(np.zeros((4, 51)), ARKIT)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"triangles": np.array([[0, 1, 3]])}, "outside 0..2"),
        ({"deltas_cm": np.zeros((1, 3, 3))}, "deltas_cm"),
        ({"names": ("a", "b")}, "jawOpen"),
        ({"upper_lip": 3}, "upper_lip"),
        ({"neutral_cm": np.full((3, 3), np.nan)}, "NaN"),
    ],
)
def test_a_face_that_does_not_fit_says_why(changed: dict[str, object], said: str) -> None:
    with pytest.raises(FaceError, match=said):
        small_face(**changed)


def test_npz_round_trip(tmp_path: Path, head: Face) -> None:
    head.to_npz(tmp_path / "again.npz")
    again = Face.from_npz(tmp_path / "again.npz")
    np.testing.assert_array_equal(again.deltas_cm, head.deltas_cm)
    assert again.names == head.names
    assert (tmp_path / "again.npz").stat().st_size < 600_000


def test_bad_npz_files(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="cannot read"):
        Face.from_npz(tmp_path / "absent.npz")
    small_face().to_npz(tmp_path / "face.npz")
    whole = (tmp_path / "face.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("not an archive")
    np.savez(tmp_path / "foreign.npz", weights=np.zeros(3))
    for name in ("cut", "text", "foreign"):
        with pytest.raises(FaceError, match=f"{name}.npz"):
            Face.from_npz(tmp_path / f"{name}.npz")


def write_gltf(path: Path, head: Face, glb: bool = False, changes: dict[str, object] | None = None) -> Path:
    """A reduced head (every shape that moves the lips) as glTF in metres, under a parent node scaled by two."""
    names = ["JawOpen", "mouthClose", "mouthSmile_L"]
    columns = [ARKIT_52.index(name) for name in ("jawOpen", "mouthClose", "mouthSmileLeft")]
    arrays = [head.neutral_cm / 200, *(head.deltas_cm[i] / 200 for i in columns)]
    blobs = [a.astype("<f4").tobytes() for a in arrays] + [head.triangles.astype("<u2").tobytes()]
    views, at = [], 0
    for blob in blobs:
        views.append({"buffer": 0, "byteOffset": at, "byteLength": len(blob)})
        at += len(blob)
    accessors: list[dict[str, object]] = [
        {"bufferView": i, "componentType": 5126, "count": len(head.neutral_cm), "type": "VEC3"} for i in range(4)
    ]
    accessors.append({"bufferView": 4, "componentType": 5123, "count": head.triangles.size, "type": "SCALAR"})
    primitive = {"attributes": {"POSITION": 0}, "targets": [{"POSITION": i} for i in (1, 2, 3)], "indices": 4}
    document: dict[str, object] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"children": [1], "scale": [2, 2, 2]}, {"mesh": 0}],
        "meshes": [{"name": "head", "extras": {"targetNames": names}, "primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
    }
    binary = b"".join(blobs)
    binary += b"\0" * (-len(binary) % 4)
    buffer: dict[str, object] = {"byteLength": len(binary)}
    if not glb:
        buffer["uri"] = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    document["buffers"] = [buffer]
    document |= changes or {}
    text = json.dumps(document).encode()
    if glb:
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
        text = struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("glb", [False, True])
def test_gltf_round_trip(tmp_path: Path, head: Face, glb: bool) -> None:
    path = write_gltf(tmp_path / ("head.glb" if glb else "head.gltf"), head, glb)
    read = Face.from_gltf(path)
    assert read.names == ("JawOpen", "mouthClose", "mouthSmile_L")
    np.testing.assert_allclose(read.neutral_cm, head.neutral_cm, atol=1e-4)
    np.testing.assert_array_equal(read.triangles, head.triangles)
    assert read.lip_gap_row(ARKIT)[1][ARKIT.index("jawOpen")] == pytest.approx(3.28, abs=0.1)
    half = Face.from_gltf(path, unit_cm=50, lips=(head.upper_lip, head.lower_lip))
    np.testing.assert_allclose(half.neutral_cm, head.neutral_cm / 2, atol=1e-4)


def test_sparse_targets_are_read_as_blender_and_we_write_them(tmp_path: Path, head: Face) -> None:
    """With nothing below, as Blender's "use sparse accessors" leaves them, and over an array whose other rows stay."""
    ours = tmp_path / "head.glb"
    ours.write_bytes(head_scene(head).to_bytes())
    read = Face.from_gltf(ours)
    assert read.names == head.names
    np.testing.assert_allclose(read.deltas_cm, head.deltas_cm, atol=2e-4)
    good = json.loads(write_gltf(tmp_path / "good.gltf", head).read_text())
    rows, moved = np.array([3, 70], "<u4"), np.array([[1, 2, 3], [4, 5, 6]], "<f4")
    extra = rows.tobytes() + moved.tobytes()
    uri = "data:application/octet-stream;base64," + base64.b64encode(extra).decode()
    sparse = {
        "count": 2,
        "indices": {"bufferView": 5, "componentType": 5125},
        "values": {"bufferView": 5, "byteOffset": 8},
    }
    changes = {
        "accessors": [good["accessors"][0], dict(good["accessors"][1], sparse=sparse), *good["accessors"][2:]],
        "bufferViews": [*good["bufferViews"], {"buffer": 1, "byteLength": len(extra)}],
        "buffers": [*good["buffers"], {"byteLength": len(extra), "uri": uri}],
    }
    jaw, plain = (Face.from_gltf(write_gltf(tmp_path / "s.gltf", head, changes=c)).deltas_cm[0] for c in (changes, {}))
    np.testing.assert_allclose(jaw[[3, 70]], 200 * moved, atol=1e-3)  # two metres a unit, by the parent's scale
    rest = np.delete(np.arange(len(jaw)), [3, 70])
    np.testing.assert_array_equal(jaw[rest], plain[rest])


def test_gltf_that_cannot_be_used_says_why(tmp_path: Path, head: Face) -> None:
    path = tmp_path / "bad.gltf"
    good = json.loads(write_gltf(tmp_path / "good.gltf", head).read_text())
    views = {"indices": {"bufferView": 0, "componentType": 5123}, "values": {"bufferView": 0}}  # no indices: floats
    beyond = [dict(good["accessors"][0], sparse=dict(views, count=100)), *good["accessors"][1:]]
    crowded = [dict(good["accessors"][0], sparse=dict(views, count=10**6)), *good["accessors"][1:]]
    far = [dict(a, count=10**6) for a in good["accessors"]]
    unnamed = [dict(good["meshes"][0], extras={})]
    plain = [{"primitives": [{"attributes": {"POSITION": 0}}]}]
    cases: dict[str, dict[str, object]] = {
        "a sparse value is the": {"accessors": beyond},
        "1,000,000 sparse values": {"accessors": crowded},
        "truncated": {"accessors": far},
        "targetNames": {"meshes": unnamed},
        "no mesh": {"meshes": plain},
        "not glTF 2.0": {"asset": {"version": "1.0"}},
        "draco": {"extensionsRequired": ["KHR_draco_mesh_compression"]},
        "not a well-formed": {"nodes": [{"mesh": 7}]},
    }
    for said, changes in cases.items():
        with pytest.raises(FaceError, match=said):
            Face.from_gltf(write_gltf(path, head, changes=changes))
    for content in (b"", b"{", b"[]", b"glTF", write_gltf(path, head, glb=True).read_bytes()[:-500]):
        path.write_bytes(content)
        with pytest.raises(FaceError, match=r"bad\.gltf"):
            Face.from_gltf(path)
