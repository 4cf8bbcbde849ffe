"""Phones: read from every source into one alphabet, and back."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from distill.speech.phones import (
    Phone,
    bilabial_spans,
    from_arpabet,
    from_json,
    open_vowel_spans,
    read_textgrid,
    to_json,
)
from sdk.errors import DataError

TEXTGRID = """File type = "ooTextFile"
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        intervals: size = 1
            intervals [1]:
                xmin = 0.0
                xmax = 0.5
                text = "map"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        intervals: size = 4
            intervals [1]:
                xmin = 0.0
                xmax = 0.1
                text = "M"
            intervals [2]:
                xmin = 0.1
                xmax = 0.3
                text = "AE1"
            intervals [3]:
                xmin = 0.3
                xmax = 0.4
                text = "P"
            intervals [4]:
                xmin = 0.4
                xmax = 0.5
                text = "sp"
"""


def test_textgrid_gives_ipa_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "map.TextGrid"
    path.write_text(TEXTGRID)
    phones = read_textgrid(path)
    assert [p.symbol for p in phones] == ["m", "æ", "p", "sil"]
    assert phones[1].stress == 1
    assert bilabial_spans(phones) == [(0.0, 0.1), (0.3, 0.4)]
    assert open_vowel_spans(phones) == [(0.1, 0.3)]


def test_textgrid_in_utf_16_as_praat_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "map.TextGrid"
    path.write_text(TEXTGRID, encoding="utf-16")
    assert [p.symbol for p in read_textgrid(path)] == ["m", "æ", "p", "sil"]


@pytest.mark.parametrize("content", [None, b"\xff\x00\x81", TEXTGRID.replace("AE1", "QQ").encode()])
def test_a_textgrid_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "map.TextGrid"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"map\.TextGrid"):
        read_textgrid(path)


def test_textgrid_without_the_tier_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.TextGrid"
    path.write_text(TEXTGRID.replace('"phones"', '"tones"'))
    with pytest.raises(DataError, match="no interval tier named 'phones'"):
        read_textgrid(path)


def test_json_round_trip() -> None:
    phones = [Phone("tʃ", 0.12345, 0.2, 0, 0.5), Phone("aɪ", 0.2, 0.35, 1)]
    assert from_json(to_json(phones)) == phones


@pytest.mark.parametrize("text", ["", "{}x", '[["m", 0.1]]', "[1]"])
def test_bad_json_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        from_json(text)


def test_unknown_arpabet_symbol_is_named() -> None:
    with pytest.raises(DataError, match="'QQ'"):
        from_arpabet("QQ", 0, 1)


def test_real_textgrids_read(data_folder: Path) -> None:
    for path in sorted((data_folder / "speech/ljspeech/TextGrid").glob("*.TextGrid"))[:5]:
        phones = read_textgrid(path)
        assert len(phones) > 20
        assert all(a.end <= b.start + 1e-6 for a, b in itertools.pairwise(phones))


@pytest.mark.parametrize(
    "rows",
    ['[["p", 0, Infinity, 0, 1]]', '[["p", NaN, 1, 0, 1]]', '[["p", 1, 0.5, 0, 1]]', '[["p", -1, 0, 0, 1]]',
     '[["p", 0, 1, 0, 1], ["a", 0, 1, 0, 1], ["p", -0.5, 1, 0, 1]]', '[["p", 1, 2, 0, 1], ["a", 0, 1, 0, 1]]',
     '[["p", 0, 1e300, 0, 1]]', '[["p", 0, 1, 1e400, 1]]', "[" * 100_000],
)  # fmt: skip
def test_times_that_are_no_times(rows: str) -> None:
    with pytest.raises(DataError):
        from_json(rows)


@pytest.mark.parametrize("times", [("0.1", "inf"), ("nan", "0.2"), ("0.3", "0.2"), ("-1", "0.2"), ("0.1", "1e300")])
def test_a_textgrid_of_impossible_times(times: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    start = TEXTGRID.index("xmin", TEXTGRID.index('"phones"'))
    lines = TEXTGRID[start:].split("\n", 2)
    path.write_text(TEXTGRID[:start] + f"xmin = {times[0]}\n            xmax = {times[1]}\n" + lines[2])
    with pytest.raises(DataError, match=r"a\.TextGrid"):
        read_textgrid(path)
