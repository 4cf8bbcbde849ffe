"""The study: every point once, kept, taken up again, timed together; its table says what is missed and what failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile
from random_students import make_stream_checkpoint

from distill.files.checkpoint import Checkpoint
from export.lower.program import Lowered
from export.quantise.rounding import golden_rows
from export.studies.precision import study
from export.studies.precision.study import main, point_of
from export.studies.precision.table import markdown
from profiles.measure.harness import Measured
from sdk.errors import CheckpointError


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with one checkpoint and, below `speech`, one aligned recording."""
    make_stream_checkpoint().save(tmp_path / "s6.pt")
    (tmp_path / "speech").mkdir()
    soundfile.write(tmp_path / "speech" / "a.wav", golden_rows(3)[2], 16000)
    rows = "".join(
        f'intervals [{i}]:\nxmin = {i / 4}\nxmax = {(i + 1) / 4}\ntext = "{name}"\n'
        for i, name in enumerate(("AA1", "M", "IY1", "P"), 1)
    )
    text = f'item [1]:\nclass = "IntervalTier"\nname = "phones"\nintervals: size = 4\n{rows}'
    (tmp_path / "speech" / "a.TextGrid").write_text(text)
    return tmp_path


def words(shelf: Path, *more: str) -> list[str]:
    return ["--out", str(shelf / "study"), "--checkpoints", str(shelf), "--aligned", str(shelf / "speech"), *more]


@pytest.mark.slow
def test_a_study_of_real_programs(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doc = shelf / "page.md"
    given = words(shelf, "--precisions", "fp32", "int8-ptq", "weight-only", "mixed", "--doc", str(doc))
    assert main([*given, "--rounds", "1"]) == 0
    report = json.loads(doc.with_suffix(".json").read_text())
    float_row, int8_row, stored, mixed = report["rows"]
    assert int8_row["file_bytes"] < float_row["file_bytes"]
    assert int8_row["us_per_frame"] > int8_row["crowd_us_per_frame"] > 0, "most of so small a program is the call"
    assert set(int8_row["scores"]) == {"human", "human_10db"}
    assert int8_row["weights_sha256"] != float_row["weights_sha256"] == int8_row["parent_sha256"]
    assert "dequantize_per_channel" in stored["not_offered"]
    assert "nobody knows yet which layers" in mixed["missing"]
    page = doc.read_text()
    assert "| s6 | int8-ptq |" in page
    assert "s6 weight-only: " in page
    capsys.readouterr()
    before = (shelf / "study" / "s6-fp32" / "row.json").stat().st_mtime_ns
    assert main([*given, "--rounds", "0"]) == 0
    assert "s6" not in capsys.readouterr().err, "nothing was made again"
    assert (shelf / "study" / "s6-fp32" / "row.json").stat().st_mtime_ns == before
    assert json.loads(doc.with_suffix(".json").read_text())["rows"][1]["us_per_frame"] == int8_row["us_per_frame"]


def test_only_other_weights_are_made_again(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def fake(path: Path, program: Lowered, given: Any) -> dict[str, Any]:
        made.append(path.parent.name)
        return {"file_bytes": 10, "voice_bytes": 1, "scores": {}, "memory": vars(_MEASURED)}

    monkeypatch.setattr(study, "lowered", lambda point, precision: Lowered(b"program", 1, 1))
    monkeypatch.setattr(study, "_measured", fake)
    make_stream_checkpoint(seed=1).save(shelf / "s9.pt")
    assert main(words(shelf, "--precisions", "fp32", "--rounds", "0")) == 0
    assert made == ["s6-fp32", "s9-fp32"]
    make_stream_checkpoint(seed=2).save(shelf / "s9.pt")
    assert main(words(shelf, "--precisions", "fp32", "--rounds", "0")) == 0
    assert made == ["s6-fp32", "s9-fp32", "s9-fp32"]


_MEASURED = Measured(10, "mapped", 1, 1, 1, 1, 1.0, 1.0, 1)


def row(precision: str, file_bytes: int, us: float, pbm: float, jitter: float) -> dict[str, Any]:
    scores = {"human": {"pbm": pbm, "jitter": jitter, "false_closure": 0.01, "mse": 0.001, "recall_at_2pct": 0.9}}
    return {
        "student": "s1", "precision": precision, "file_bytes": file_bytes, "us_per_frame": us, "scores": scores,
        "memory": {"steady_bytes": 3000, "load_peak_bytes": None}, "voice_bytes": 100,
    }  # fmt: skip


def test_targets_are_judged_against_the_float_self() -> None:
    rows = [
        row("fp32", 1000, 100.0, 0.90, 0.030) | {"crowd_us_per_frame": 10.0},
        row("good", 290, 44.0, 0.895, 0.0305),
        row("bad", 310, 46.0, 0.88, 0.04) | {"crowd_us_per_frame": 4.6},
    ]
    page = markdown({"date": "today", "machine": "this", "rows": rows})
    assert "| s1 | good | yes | yes | yes | yes |  |" in page
    assert "| s1 | bad | **no** | **no** | **no** | **no** | **no** |" in page
    assert "| 29% |" in page
    assert "Not to be had" not in page


def test_what_is_missing_is_said(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words(shelf), "--students", "s1"]) == 2
    assert "no checkpoint of s1" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match=r"python -m export\.qat"):
        point_of(shelf / "s6.pt", Checkpoint.load(shelf / "s6.pt"), "int8-qat", [])
