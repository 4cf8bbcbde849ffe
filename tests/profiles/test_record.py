"""A record comes back as it was written, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from records import record

from profiles.__main__ import main
from profiles.model.figures import LatencyRow, Pace, Setting, Timing, percentile
from profiles.model.record import Record
from profiles.show.table import table, wide_table
from sdk.errors import ProfileError


def test_comes_back_equal(tmp_path: Path) -> None:
    made = record()
    made.write(tmp_path / "report.json")
    assert Record.read(tmp_path / "report.json") == made


def altered(**changes: Any) -> str:
    raw = json.loads(record().to_json())
    raw.update(changes)
    return json.dumps(raw)


def broken_label() -> str:
    raw = json.loads(record().to_json())
    raw["cases"][0]["label"] = "guessed"
    raw["cases"][1]["launch"] = [0]
    return json.dumps(raw)


def renamed(rows: str, field: str = "artifact") -> str:
    raw = json.loads(record().to_json())
    raw[rows][0][field] = "nobody"
    return json.dumps(raw)


def listed_twice() -> str:
    raw = json.loads(record().to_json())
    raw["artifacts"].append(raw["artifacts"][0])
    return json.dumps(raw)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (altered(schema=99), "schema 99; this version reads 1. Profile again"),
        (altered(colour="red"), "colour is unknown"),
        (altered(cases=None), "cases is empty, not a list"),
        (broken_label(), r"cases\[0\].label 'guessed' is none of .*cases\[1\] launch has 1 entries for 12 rounds"),
        (renamed("cases"), "'nobody' is listed 0 times among its artefacts"),
        (renamed("checks"), "'nobody' is listed 0 times among its artefacts"),
        (renamed("artifacts", "name"), "is listed 0 times among its artefacts"),
        (listed_twice(), "is listed 2 times among its artefacts"),
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
        ("\x00", "not JSON"),
    ],
)
def test_what_is_no_record(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "bad.json").write_text(text, "utf-8")
    with pytest.raises(ProfileError, match=says) as caught:
        Record.read(tmp_path / "bad.json")
    assert "bad.json" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"none.json: cannot read: No such file"):
        Record.read(tmp_path / "none.json")
    with pytest.raises(ProfileError, match="cannot write"):
        record().write(tmp_path / "none" / "report.json")


def test_the_schema_is_of_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema judges records by the schema")
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    judge = jsonschema.Draft202012Validator(schema)
    judge.check_schema(schema)
    made = json.loads(record().to_json())
    judge.validate(made)
    for change in ({"schema": 2}, {"cases": None}, {"extra": 1}):
        assert not judge.is_valid(made | change)
    made["cases"][0]["timing"]["p50_us"] = "fast"
    assert not judge.is_valid(made)


def test_quantiles_are_samples_that_occurred() -> None:
    samples = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(samples, p) for p in (0, 20, 21, 50, 99, 100)] == [1, 1, 2, 3, 5, 5]
    timing = Timing.of([samples, [10.0, 20.0]])
    assert (timing.p50_us, timing.max_us) == (4.0, 20.0)
    assert timing.round_medians_us == [3.0, 15.0]
    with pytest.raises(ValueError, match="at least one frame"):
        Timing.of([[1.0], []])


def test_late_frames_and_audio_delay() -> None:
    assert Pace(100.0, 50.0, [10.0, 50.0, 50.1, 200.0]).late == [2, 3]
    row = LatencyRow("p99", 10.0, 2.0, 64.0, 16.0, 3.0, 0.0)
    assert row.total_ms == 95.0
    assert row.audio_delay_ms(90) == 5.0
    assert row.audio_delay_ms(140) == 0.0


def test_settings_in_words() -> None:
    setting = Setting("xnnpack", 2, "real_time", "cold", "renderer", [1], 8)
    assert setting.title == "xnnpack, 2 threads, real time, cold cache, beside renderer, 8 voices"
    assert Setting("cuda").title == "cuda, 1 thread, flat out"


def test_the_wide_table_has_a_row_for_each_student_and_a_column_for_each_setting() -> None:
    found = record()
    lines = wide_table(found).splitlines()
    head, _, *rows = (line for line in lines if line.startswith("|"))
    plain = [case for case in found.cases if case.setting.is_plain]
    assert len(rows) == len({case.artifact for case in plain})
    assert "| xnnpack, 1 thread |" in head
    assert "xnnpack, 1 thread, steam_deck" in head
    cells = sum(row.count(" / ") for row in rows)
    assert cells == len(plain), "no case is lost, none stands twice"
    assert "measured here, measured on device" in lines[-1]


def test_the_table_for_a_readme(tmp_path: Path) -> None:
    """Every plain case one line, aligned; paced cases and neighbours are no part of it."""
    lines = table(record()).splitlines()
    rows = [line for line in lines if line.startswith("| s")]
    assert len(rows) == 5
    assert len({len(line) for line in lines if line.startswith("|")}) == 1, "columns are aligned"
    assert "| measured on device (steam_deck) |" in rows[-1]
    assert "80.8 %" in rows[0]
    assert "4.63 MB" in rows[0]
    assert "Test & Co <CPU>, 2 cores" in lines[-1]
