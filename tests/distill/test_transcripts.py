"""Recordings whose words a table tells are aligned with them, and the rest is recognised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distill.files.transcripts import words_of
from distill.speech.aligned import Aligner
from distill.speech.phones import SILENCE, Phone, from_json
from distill.speech.recognisers import label_file
from sdk.errors import DataError

SENTENCE = Path(__file__).parents[2] / "runtime_examples" / "animate" / "sentence.flac"


class Deaf:
    """Hears one phone in everything, and aligns as others do."""

    def __init__(self, aligner: Aligner) -> None:
        self.aligner = aligner

    def label(self, samples: np.ndarray, text: str | None = None) -> list[Phone]:
        return self.aligner.label(samples, text) if text else [Phone("m", 0.0, len(samples) / 16000)]


def test_tables_are_found_by_name(tmp_path: Path) -> None:
    far, near, other = tmp_path / "a/b/c/x1.flac", tmp_path / "a/y2.flac", tmp_path / "84-1-0001.flac"
    far.parent.mkdir(parents=True)
    (tmp_path / "a/trans.tsv").write_text("x1\tUP, please!\ny2\tIt's 5\nz3\t ...\n")
    (tmp_path / "84-1.trans.txt").write_text("84-1-0001 GO DO YOU HEAR\n")
    found = [words_of(path) for path in (far, near, other, tmp_path / "a/z3.flac", tmp_path / "none.flac")]
    assert found == ["up please", "it's 5", "go do you hear", "", ""]


def test_a_table_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "trans.tsv").write_bytes(b"x\t\xff\xfe\n")
    with pytest.raises(DataError, match=r"trans\.tsv"):
        words_of(tmp_path / "x.wav")


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    pytest.importorskip("pocketsphinx")
    return Aligner()


def labelled(out: Path, aligner: Aligner, text: str) -> list[Phone]:
    return from_json(label_file(SENTENCE, out, Deaf(aligner), text).read_text("utf-8"))


def test_known_words_are_aligned_and_what_cannot_be_is_recognised(tmp_path: Path, aligner: Aligner) -> None:
    said = [p.symbol for p in labelled(tmp_path / "said.json", aligner, "my mother") if p.symbol != SILENCE]
    assert said[:5] == ["m", "aɪ", "m", "ʌ", "ð"]
    assert len(said) == 6
    for name, text in (("unknown", "xqzzt brllk"), ("none", "")):
        assert [p.symbol for p in labelled(tmp_path / f"{name}.json", aligner, text)] == ["m"], "by whoever recognises"
