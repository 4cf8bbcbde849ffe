"""What is left of a mouth on somebody's rig: all, less where two sounds share a control; a still one says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_whole_mouth import ITEMS

from distill.recipes.rigs import read_rigs
from distill.scoring.controls import CONTROLS
from distill.scoring.rigs import OURS, on_rigs, rig_table
from sdk.errors import ConfigError
from sdk.faces.face import Face
from sdk.names.retarget import fit
from sdk.rig import ARKIT_52, RigLayout
from sdk.scenes.head import head_scene

ARKIT = RigLayout.arkit()
# a game's controls: each moves what several of ours move together, as artists build them
CONTROLS_OF = {
    "Jaw_Drop": {"jawOpen": 1.0},
    "Lips_Shut": {"mouthClose": 1.0},
    "Lips_Out": {"mouthFunnel": 1.0, "mouthPucker": 1.0},
    "Lips_Wide": {f"mouth{what}{side}": 1.0 for what in ("Smile", "Stretch", "Dimple") for side in ("Left", "Right")},
    "Lip_Bite": {"mouthRollLower": 1.0},
    "Lips_Apart": {f"mouth{what}{side}": 1.0 for what in ("UpperUp", "LowerDown") for side in ("Left", "Right")},
}


def game(path: Path, controls: list[str], *, close: float = 1.0) -> Path:
    """A head whose shapes are those controls, and a map to it fitted from noisy example pairs, beside it.

    close: how much of what the jaw opens the examples' artist undid.
    """
    face, rng = Face.default(), np.random.default_rng(3)
    scene = head_scene(face)
    mesh, part = scene.json["meshes"][0], scene.json["meshes"][0]["primitives"][0]
    own = [face.names.index(next(iter(CONTROLS_OF[control]))) for control in controls]
    part["targets"] = [part["targets"][place] for place in own]
    mesh["extras"]["targetNames"] = controls
    mesh.pop("weights", None)
    path.write_bytes(scene.to_bytes())
    true = np.array([[CONTROLS_OF[c].get(name, 0.0) for c in controls] for name in ARKIT_52])
    true[ARKIT_52.index("mouthClose")] *= close
    ours = rng.random((200, 52)) * (rng.random((200, 52)) < 0.4)
    theirs = ours @ true + rng.normal(0, 0.01, (200, len(controls)))
    path.with_suffix(".json").write_text(fit(ours, theirs, controls).to_json())
    return path


def test_a_rig_shows_what_its_controls_tell_apart(tmp_path: Path) -> None:
    (tmp_path / "same.glb").write_bytes(head_scene(Face.default()).to_bytes())
    rich = game(tmp_path / "rich.glb", list(CONTROLS_OF))
    poor = game(tmp_path / "poor.glb", ["Jaw_Drop", "Lips_Shut"])
    open_ = game(tmp_path / "open.glb", list(CONTROLS_OF), close=0.2)
    heads = [[path, path.with_suffix(".json")] for path in (rich, poor, open_)]
    found = on_rigs(CONTROLS["exact"](), ITEMS, ARKIT, read_rigs([[tmp_path / "same.glb"], *heads]), resamples=20)
    assert list(found) == [OURS, "same", "rich", "poor", "open"]
    ours = found[OURS]
    assert ours["closures_found"] == found["same"]["closures_found"] == found["rich"]["closures_found"] == 1.0
    assert ours["others_shut"] == found["rich"]["others_shut"] == 0.0
    assert found["same"]["legibility"] == pytest.approx(ours["legibility"], abs=0.03)
    assert found["poor"]["legibility"] < found["rich"]["legibility"] - 0.1 < ours["legibility"]
    assert found["poor"]["read_as_round"] < 0.6 < found["rich"]["read_as_round"]
    assert found["open"]["closures_found"] < 0.7, "lips that do not undo the jaw stay open, and it is seen"
    low, high = found["rich"]["intervals"]["legibility"]
    assert low <= found["rich"]["legibility"] <= high
    lines = rig_table(found).splitlines()
    assert lines[0].startswith("| | closures found | others shut |")
    assert len(lines) == 2 + 5


def test_a_still_face_says_nothing_on_any_rig(tmp_path: Path) -> None:
    rich = game(tmp_path / "rich.glb", list(CONTROLS_OF))
    found = on_rigs(CONTROLS["mean_pose"](), ITEMS, ARKIT, read_rigs([[rich, rich.with_suffix(".json")]]))
    assert found["rich"]["legibility"] == pytest.approx(0.1)
    assert found["rich"]["other_auc"] == 0.5


def test_the_command_prints_both_and_says_what_it_cannot_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from distill.recipes import rigs

    rich = game(tmp_path / "rich.glb", list(CONTROLS_OF))
    monkeypatch.setattr(rigs, "read_sets", lambda folders: {"people": ITEMS})
    words = ["loudness", "--head", str(rich), str(rich.with_suffix(".json"))]
    assert rigs.main([*words, "--people", "here", "--limit", "8", "--json", str(tmp_path / "all.json")]) == 0
    said = capsys.readouterr().out
    assert "exact, 7 utterances" in said
    assert "loudness, 7 utterances" in said
    assert set(json.loads((tmp_path / "all.json").read_text())) == {"exact", "loudness"}
    (tmp_path / "same.glb").write_bytes(head_scene(Face.default()).to_bytes())
    same = tmp_path / "same.glb"
    for wrong in ([[same], [same]], [[rich, rich, rich]]):
        with pytest.raises(ConfigError, match="give a file, and a map"):
            read_rigs(wrong)
