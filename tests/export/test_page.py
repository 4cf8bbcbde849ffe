"""The page of a build: whole, self-contained, and what it shows is what the report holds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_students import Built

import sdk
from distill.files.checkpoint import Checkpoint
from export.deliver.page import page, sensitivity_of
from export.deliver.papers import write_papers
from export.quantise.keep import sensitivity_path
from export.verify import heard
from export.verify.heard import listen
from sdk.__main__ import main as sdk_main
from sdk.faces.face import CLOSED_CM, Face

PLOTS = ("curves", "memory", "pareto", "sensitivity")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def sweep(checkpoint: Checkpoint) -> dict[str, Any]:
    layers = {name: {"lip_error_cm": 0.001 * at} for at, name in enumerate(("first", "linear", "fc3"), 1)}
    return {"weights_sha256": checkpoint.weights_sha256, "keep": ["fc3"], "tolerance_cm": 0.01, "layers": layers}


@pytest.fixture(scope="module")
def text(built: Built) -> str:
    return page(built.report, sweep(built.checkpoint))


def test_the_page_is_whole_and_fetches_nothing(text: str) -> None:
    for plot in PLOTS:
        svg = re.search(rf'<figure id="plot-{plot}">(<svg.*?</svg>)\s*<figcaption>', text, re.DOTALL)
        assert svg, plot
        assert len(list(ET.fromstring(svg[1]).iter("path"))) > 3
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert not re.search(r"@import|url\((?!#)|https?://|<script|src=", text)


def test_it_says_what_the_report_says(text: str, built: Built) -> None:
    report = built.report
    assert report["choice"]["why"] in text
    assert report["choice"]["weights_sha256"] in text
    for row in report["candidates"]:
        assert f">{row['name']}</td>" in text
    assert text.count("</tr>") > len(report["candidates"]) + 10
    assert f"{report['heard']['lost']} lost" in text
    assert report["versions"]["executorch"] in text


def test_without_a_sweep_or_a_sentence_their_sections_are_left_out(built: Built) -> None:
    bare = page({**built.report, "heard": {"why_not": "no <sentence>"}}, None)
    assert "No curves: no &lt;sentence&gt;" in bare
    assert 'id="sensitivity"' not in bare
    assert 'href="#curves"' not in bare


def test_a_sweep_of_other_weights_is_not_shown(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "s2.pt"
    assert sensitivity_of(path, built.checkpoint) is None
    sensitivity_path(path).write_text(json.dumps(sweep(built.checkpoint)))
    assert sensitivity_of(path, built.checkpoint) == sweep(built.checkpoint)
    sensitivity_path(path).write_text(json.dumps(sweep(built.checkpoint) | {"weights_sha256": "other"}))
    assert sensitivity_of(path, built.checkpoint) is None


def test_what_is_heard_is_what_the_files_say(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """A float build changes nothing; an artefact whose lips never meet loses every closure that the checkpoint had."""
    found = built.report["heard"]
    assert found["max_curve_error"] < 1e-4
    assert (found["lost"], found["won"]) == (0, 0)
    assert len(found["closures"]) > 8
    assert len(found["curves"]["lip gap, cm"]["checkpoint"]) > 100
    layout, face = built.checkpoint.layout, Face.default()
    closed, wide = layout.vector({"mouthClose": 0.0}), layout.vector({"jawOpen": 1.0})
    assert face.lip_gap_cm(closed[None], layout)[0] <= CLOSED_CM < face.lip_gap_cm(wide[None], layout)[0]
    count = len(found["curves"]["lip gap, cm"]["checkpoint"])
    monkeypatch.setattr(heard, "frames_of", lambda *_: [np.tile(closed, (count, 1))])
    monkeypatch.setattr(heard, "_played", lambda *_: np.tile(wide, (count, 1)))
    opened = listen(built.out / "model.pte", built.checkpoint)
    assert opened["lost"] == len(opened["closures"])
    monkeypatch.setattr(heard, "frames_of", lambda *_: [np.tile(wide, (count, 1))])
    monkeypatch.setattr(heard, "_played", lambda *_: np.tile(closed, (count, 1)))
    assert listen(built.out / "model.pte", built.checkpoint)["won"] == len(opened["closures"])


def test_an_artefact_that_does_not_play_has_no_curves(built: Built, tmp_path: Path) -> None:
    (tmp_path / "model.pte").write_bytes(b"no program")
    assert "no tinyface seal" in listen(tmp_path / "model.pte", built.checkpoint)["why_not"]


def test_without_its_libraries_the_build_has_no_page_but_everything_else(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: Any) -> str:
        raise ImportError("No module named 'matplotlib'")

    monkeypatch.setattr("export.deliver.papers.page", absent)
    shutil.copy(built.out / "model.pte", tmp_path)
    said: list[str] = []
    write_papers(tmp_path, built.report, Path("s2.pt"), built.checkpoint, said.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.md", "model.pte", "report.json"]
    assert "pip install -e '.[profile]'" in said[0]


def test_card_and_info_hold_all_of_the_manifest(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    artefact = built.out / "model.pte"
    manifest = sdk.open_artifact(artefact).manifest
    shown = []
    for command in ("info", "card"):
        assert sdk_main([command, str(artefact)]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[1] == (built.out / "model.md").read_text("utf-8")
    for text in shown:
        facts = (
            manifest.student, manifest.kind, manifest.runtime, manifest.backend, manifest.precision, manifest.history,
            f"{manifest.parameters:,}", manifest.weights_sha256, *manifest.names, *manifest.tools.values(),
        )  # fmt: skip
        assert [fact for fact in facts if fact not in text] == []
        assert "human.recall_at_2pct" in text
        assert "0.8" in text
        assert "recipe" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to look at the page with")
def test_a_browser_draws_it_without_the_network(text: str, tmp_path: Path) -> None:
    from matplotlib.image import imread

    file, picture = tmp_path / "page.html", tmp_path / "page.png"
    file.write_text(text, "utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1250,3000", f"--screenshot={picture}", file.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert picture.exists(), done.stderr[-500:]
    pixels = imread(picture)[..., :3]
    assert pixels.shape[:2] == (3000, 1250)
    inked = (pixels < 0.5).any(axis=2).mean(axis=1)
    assert (inked[:2600] > 0).mean() > 0.3, "text and plots all the way down"
    assert len(np.unique((pixels[::7, ::7] * 15).round().reshape(-1, 3), axis=0)) > 30, "plots are coloured"
