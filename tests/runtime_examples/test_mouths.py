"""The picture of mouths shows each system's own shapes, and names a file that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.image import imread

from runtime_examples.animate import moods
from runtime_examples.animate.mouths import main
from sdk.rig import RigLayout

ARKIT = RigLayout.arkit()


def poses(path: Path, title: str, of: dict[str, dict[str, float]]) -> Path:
    rows = {phone: [float(v) for v in ARKIT.vector(pose)] for phone, pose in of.items()}
    path.write_text(json.dumps({"title": title, "names": ARKIT.names, "poses": rows}), "utf-8")
    return path


def test_each_system_is_a_row_of_mouths(tmp_path: Path) -> None:
    one = poses(tmp_path / "one.json", "one", {"u": {"mouthPucker": 0.8}, "ɑ": {"jawOpen": 0.6}})
    two = poses(tmp_path / "two.json", "two", {"u": {}, "ɑ": {"jawOpen": 0.6}})
    out = tmp_path / "folder" / "mouths.png"
    assert main([str(one), str(two), "--out", str(out)]) == 0
    picture = imread(out)
    half = len(picture) // 2
    assert picture.shape[1] > 3 * half
    assert picture[..., :3].std() > 0.1


def test_what_holds_no_poses_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.json"
    path.write_text("{}", "utf-8")
    assert main([str(path), "--out", str(tmp_path / "x.png")]) == 2
    assert "none.json: no file of poses" in capsys.readouterr().err
    short = tmp_path / "short.json"
    short.write_text(json.dumps({"title": "", "names": ARKIT.names, "poses": {"u": [0.0]}}), "utf-8")
    assert main([str(short), "--out", str(tmp_path / "x.png")]) == 2
    assert "poses of u do not fit the 52 channels" in capsys.readouterr().err


def test_a_sentence_in_moods_is_a_row_a_mood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calm = [float(v) for v in ARKIT.vector({})]
    angry = [float(v) for v in ARKIT.vector({"browDownLeft": 0.8, "browDownRight": 0.8})]
    path, out = tmp_path / "moods.json", tmp_path / "moods.png"
    rows = {"neutral": [calm, calm], "anger": [angry, calm]}
    path.write_text(json.dumps({"title": "s", "names": ARKIT.names, "moments": ["a", "m"], "rows": rows}), "utf-8")
    assert moods.main([str(path), "--out", str(out)]) == 0
    picture = imread(out)[..., :3]

    assert picture.std() > 0.1
    path.write_text(json.dumps({"title": "s", "names": ARKIT.names, "moments": ["a"], "rows": rows}), "utf-8")
    assert moods.main([str(path), "--out", str(out)]) == 2
    assert "not 1 moments of 52 channels" in capsys.readouterr().err
