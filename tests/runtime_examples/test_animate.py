"""The example at the command line: any rig is shown, and mistakes end in a sentence."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from runtime_examples.animate.__main__ import SpokenPhone, main, summary, write_frames
from sdk.rig import ARKIT_52, Frame, RigLayout


def frames(layout: RigLayout) -> list[Frame]:
    return [Frame(k, k * 533, layout.vector({"jawOpen": k / 4}), layout) for k in range(3)]


def test_frames_of_arkit_go_into_both_files(tmp_path: Path) -> None:
    said = write_frames(tmp_path, frames(RigLayout.arkit()), Fraction(30))
    assert [line.split(":")[0] for line in said] == [str(tmp_path / "frames.csv"), str(tmp_path / "frames.jsonl")]
    assert len((tmp_path / "frames.csv").read_text().splitlines()) == 4


def test_a_rig_that_csv_cannot_carry_is_still_animated(tmp_path: Path) -> None:
    layout = RigLayout((*ARKIT_52, *(f"extra{i}" for i in range(26))))
    said = write_frames(tmp_path, frames(layout), Fraction(30))
    assert said[0].startswith("no csv: Live Link Face CSV has no column for: extra0")
    assert [path.name for path in tmp_path.iterdir()] == ["frames.jsonl"]
    last = json.loads((tmp_path / "frames.jsonl").read_text().splitlines()[-1])
    assert len(last["values"]) == 78
    assert last["values"]["jawOpen"] == 0.5


def test_the_summary_counts_closures_within_two_frames() -> None:
    gap = np.full(60, 0.8)
    gap[[12, 40]] = 0.1
    phones = [
        SpokenPhone(s, t, t + 0.02) for s, t in (("b", 10 / 30), ("p", 1.0), ("m", 41 / 30), ("", 0.0), ("a", 0.0))
    ]
    assert summary(gap, 30.0, phones) == "lips shut on 2 of 3 /p b m/"
    assert summary(gap, 30.0, []) == "widest lip gap 0.80 cm"


def test_mistakes_end_with_2_and_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "a.txt"
    text.write_text("neither sound nor artefact")
    for arguments, words in [
        ([str(text), "--out", str(tmp_path / "out")], "no tinyface seal"),
        ([str(text), "--audio", str(text), "--out", str(tmp_path / "out")], "not readable as sound"),
        ([str(text), "--phones", str(text), "--out", str(tmp_path / "out")], "no phone rows"),
    ]:
        assert main(arguments) == 2
        assert words in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt"]
