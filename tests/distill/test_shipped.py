"""Faces of the students that ship, on the demo's sentence: what no table of a thousand clips needs to tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.files.disk import load_mono
from distill.scoring.conditions import FPS, Item
from distill.scoring.mouth.specificity import Specificity
from distill.scoring.surroundings import ended
from distill.scoring.trackers import open_judged
from distill.speech.phones import from_json
from sdk.faces.face import Face

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "checkpoints").glob("*.pt"))
SENTENCE = ROOT / "runtime_examples" / "animate" / "sentence.flac"


@pytest.fixture(scope="module")
def sentence() -> Item:
    phones = SENTENCE.with_suffix(".phones.json").read_text()
    return Item("sentence", load_mono(SENTENCE), from_json(phones))


@pytest.mark.parametrize("student", SHIPPED, ids=lambda path: path.stem)
def test_a_mouth_shuts_when_the_line_is_over(student: Path, sentence: Item) -> None:
    """Cut behind its last phone, silence from there on, as an engine plays a line; `s5` stood open in nine of ten
    frames of the third of a second behind it, by labels that did."""
    layout, track, _ = open_judged(str(student))
    line, judge = ended(sentence), Specificity()
    judge.add(Face.default().lip_gap_cm(track(line, line.reference), layout), FPS, line.phones, "reader")
    scores = judge.scores(0)
    assert scores["shut_behind"] == 1
    assert scores["closures_found"] > 0.6
