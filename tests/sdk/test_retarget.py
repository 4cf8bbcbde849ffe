"""Weights to somebody's rig, found again from examples; and lips that are measured there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sdk.__main__ import main
from sdk.cli.retarget import lip_gaps_cm
from sdk.errors import FaceError, RigError
from sdk.faces.face import CLOSED_CM, Face
from sdk.names.retarget import Retarget, fit, read_pairs
from sdk.rig import ARKIT_52, RigLayout
from sdk.scenes.head import head_scene
from sdk.scenes.rigged import RiggedHead, shut_as_ours
from sdk.scenes.targets import read_map


def rig() -> np.ndarray:
    """A rig's true weights `(52, 20)`: sparse, none negative, on the mouth."""
    rng = np.random.default_rng(9)
    weights = rng.random((52, 20)) * (rng.random((52, 20)) < 0.15)
    return weights


def test_weights_are_found_again_through_noise() -> None:
    rng, true = np.random.default_rng(1), rig()
    ours = rng.random((400, 52)) * (rng.random((400, 52)) < 0.5)
    theirs = ours @ true + rng.normal(0, 0.005, (400, 20))
    made = fit(ours, theirs, [f"c{i}" for i in range(20)])
    assert made.weights.min() >= 0
    assert np.abs(made.weights - true).max() < 0.02
    assert made.error(ours, theirs).max() < 0.01
    optimize = pytest.importorskip("scipy.optimize", reason="scipy judges the fit")
    np.testing.assert_allclose(made.weights[:, 3], optimize.nnls(ours, theirs[:, 3])[0], atol=1e-3)


def test_few_examples_leave_what_they_do_not_show_at_zero() -> None:
    made = fit(np.eye(52)[[17, 20]], np.array([[0.8, 0.0], [0.1, 0.7]]), ["jaw", "lips"])
    assert made.weights[17].tolist() == [pytest.approx(0.8, abs=1e-3), 0]
    assert not made.weights[[0, 30, 51]].any()
    for bad in (
        (np.ones((2, 51)), np.ones((2, 1))),
        (np.ones((2, 52)), np.ones((3, 1))),
        (np.full((1, 52), np.nan), np.ones((1, 1))),
    ):
        with pytest.raises(RigError):
            fit(*bad, ["jaw"])


def pairs(path: Path, close: float) -> Path:
    """Expressions of a rig whose controls are ARKit's by other names; `close`: how much its lips undo its jaw."""
    rows = [
        {"channels": {"jawOpen": 1.0}, "controls": {"Jaw_Drop": 1.0}},
        {"channels": {"jawOpen": 0.5}, "controls": {"Jaw_Drop": 0.5}},
        {"channels": {"jawOpen": 0.4, "mouthClose": 0.4}, "controls": {"Jaw_Drop": 0.4, "Lips_Shut": close * 0.4}},
        {"channels": {"mouthFunnel": 1.0}, "controls": {"Lips_Out": 1.0}},
    ]
    path.write_text(json.dumps(rows))
    return path


def game_head(path: Path) -> Path:
    """A head none of whose shapes is called as ours are: nothing on it is called jawOpen."""
    new = {"jawOpen": "Jaw_Drop", "mouthClose": "Lips_Shut", "mouthFunnel": "Lips_Out"}
    scene = head_scene(Face.default())
    mesh = scene.json["meshes"][0]
    mesh["extras"]["targetNames"] = [new.get(name, f"other {name}") for name in mesh["extras"]["targetNames"]]
    path.write_bytes(scene.to_bytes())
    return path


def test_lips_that_shut_in_arkit_shut_in_the_game(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = game_head(tmp_path / "game.glb")
    for close, shuts in ((1.0, True), (0.3, False)):
        made = fit(*read_pairs(pairs(tmp_path / "pairs.json", close)))
        shut, open_cm = lip_gaps_cm(RiggedHead.read(head, made.to_map()))
        assert (shut.max() <= CLOSED_CM) == shuts
        assert open_cm > 0.5
    for close, word in ((1.0, "the lips shut"), (0.3, "THE LIPS STAY OPEN")):
        path, out = pairs(tmp_path / "pairs.json", close), tmp_path / "map.json"
        assert main(["retarget", str(path), "--out", str(out), "--mesh", str(head)]) == 0
        assert word in capsys.readouterr().out
    assert read_map(out)["jawOpen"] == {"Jaw_Drop": 1.0}
    command = ["retarget", str(pairs(tmp_path / "pairs.json", 0.3)), "--out", str(out), "--shut"]
    assert main([*command, "--mesh", str(head)]) == 0
    assert "the lips shut: " in capsys.readouterr().out
    assert main(command) == 2
    assert "give --mesh" in capsys.readouterr().err


def test_every_channel_shuts_as_far_as_on_our_head(tmp_path: Path) -> None:
    """A rig without rolls, shrugs and presses: what they close is given to the control that shuts."""
    made, arkit, face = fit(*read_pairs(pairs(tmp_path / "pairs.json", 1.0))), RigLayout.arkit(), Face.default()
    head = game_head(tmp_path / "game.glb")
    before = RiggedHead.read(head, made.to_map())
    after = RiggedHead.read(head, shut_as_ours(made, before).to_map())
    values = np.random.default_rng(3).random((200, 52)).astype(np.float32) * 0.3
    ours = face.lip_gap_cm(values, arkit)
    assert (after.gap_cm(values, arkit) <= ours + 0.03).all()
    _, row = face.lip_gap_row(arkit)
    values[:, (row > 0) & (np.arange(52) != arkit.index("jawOpen"))] = 0  # what opens alone, this rig does not have
    ours = face.lip_gap_cm(values, arkit)
    assert np.median(before.gap_cm(values, arkit) - ours) > 0.1, "without, the lips stay open"
    np.testing.assert_allclose(after.gap_cm(values, arkit), ours, atol=0.03)
    opened = arkit.vector({"jawOpen": 0.4})[None]
    np.testing.assert_allclose(after.gap_cm(opened, arkit), before.gap_cm(opened, arkit), atol=1e-3)
    with pytest.raises(FaceError, match="none shuts"):
        shut_as_ours(Retarget.from_map({"jawOpen": {"Jaw_Drop": 1.0}}), before)


def test_the_map_moves_the_game_s_head(tmp_path: Path) -> None:
    from fractions import Fraction

    from sdk.rig import Frame
    from sdk.scenes.glb import read_scene
    from sdk.scenes.spoken import spoken_glb, weights_at

    made = fit(*read_pairs(pairs(tmp_path / "pairs.json", 1.0)))
    (tmp_path / "map.json").write_text(made.to_json())
    game_head(tmp_path / "game.glb")
    layout = RigLayout.arkit()
    frame = Frame(0, 0, layout.vector({"jawOpen": 0.3, "mouthClose": 0.2}), layout)
    data, _ = spoken_glb(tmp_path / "game.glb", [frame], layout, Fraction(30), read_map(tmp_path / "map.json"))
    (tmp_path / "spoken.glb").write_bytes(data)
    shown = weights_at(read_scene(tmp_path / "spoken.glb"), 0)[0]
    assert shown["Jaw_Drop"] == pytest.approx(0.3, abs=2e-3)
    assert shown["Lips_Shut"] == pytest.approx(0.2, abs=2e-3)


def test_the_gap_on_our_own_head_is_the_face_s_by_name_and_by_map(tmp_path: Path) -> None:
    face, arkit = Face.default(), RigLayout.arkit()
    (tmp_path / "head.glb").write_bytes(head_scene(face).to_bytes())
    face.to_npz(tmp_path / "head.npz")
    values = np.random.default_rng(2).random((50, 52)).astype(np.float32)
    by_name = {name: {name: 1.0} for name in ARKIT_52}
    for head in (
        RiggedHead.read(tmp_path / "head.glb"),
        RiggedHead.read(tmp_path / "head.glb", by_name),
        RiggedHead.read(tmp_path / "head.npz"),
    ):
        np.testing.assert_allclose(head.gap_cm(values, arkit), face.lip_gap_cm(values, arkit), atol=2e-3)
        shown = head.controls_of(values, arkit)[:, head.controls.index("jawOpen")]
        np.testing.assert_allclose(shown, values[:, ARKIT_52.index("jawOpen")], atol=1e-6)
    with pytest.raises(FaceError, match="none of the controls; it has: "):
        RiggedHead.read(tmp_path / "head.glb", {"jawOpen": {"Jaw_Drop": 1.0}})
    with pytest.raises(FaceError, match="jawOpen moves nothing downwards"):
        RiggedHead.read(tmp_path / "head.glb", {"jawOpen": {"browInnerUp": 1.0}})


def test_maps_and_pairs_with_mistakes(tmp_path: Path) -> None:
    assert Retarget.from_map({"jawOpen": {"a": 1.0}}).controls == ("a",)
    with pytest.raises(RigError, match="no ARKit channels: jaw"):
        Retarget.from_map({"jaw": {"a": 1.0}})
    path = tmp_path / "pairs.json"
    for text, words in (
        ("[1]", "no pairs"),
        ('[{"channels": {"x": 1}, "controls": {"y": 1}}]', "no ARKit channels: x"),
        ("{", "no pairs"),
    ):
        path.write_text(text)
        with pytest.raises(RigError, match=words):
            read_pairs(path)
    assert len(ARKIT_52) == 52
