"""Ablations: rows are complete or refused, each is trained, tuned and scored once, and a table says what was found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import PHONES, utterance

from distill.corpus.shards import write_shard
from distill.files.checkpoint import Checkpoint
from distill.recipes import ablate
from distill.speech.spoken import Spoken, spoken_name, write_spoken
from distill.students.spec import load_variant
from distill.training.objective import Objective
from sdk.errors import ConfigError

ROWS = """
variant: s2
plan: {steps: 2, exact_steps: 1, batch: 1, frames: 4, exact_batch: 1, exact_frames: 3, mixed_precision: bf16}
rows:
  - {name: everything}
  - {name: no velocity loss, changes: {alpha_vel: 0.0}, finetune: 1, augment: false}
  - {name: taught, second: true}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, a test set and a second teacher."""
    place = tmp_path_factory.mktemp("ablation")
    random = np.random.default_rng(0)
    heard = [utterance(str(i), random) for i in range(3)]
    write_shard(place / "shards" / "train-human-000.npz", heard)
    spoken = [Spoken(u.audio, list(PHONES), "voice", "en", "") for u in heard[:1]]
    write_spoken(place / "held" / spoken_name(1, 0), spoken, "by hand")
    spec = load_variant("s0", {"channels": 8})
    Checkpoint(spec, spec.build().state_dict()).save(place / "s0.pt")
    (place / "rows.yaml").write_text(ROWS)
    return place


def arguments(folder: Path, log: Path, second: bool = True) -> list[str]:
    given = ["--rows", str(folder / "rows.yaml"), "--corpus", str(folder), "--log", str(log)]
    given += ["--synthetic", str(folder / "held")]
    return given + (["--second-teacher", str(folder / "s0.pt")] if second else [])


def test_every_row_is_trained_and_scored_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.jsonl"
    assert ablate.main(arguments(folder, log)) == 0
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [row["row"]["name"] for row in rows] == ["everything", "no velocity loss", "taught"]
    assert [row["plan"]["alpha_vel"] for row in rows] == [0.9, 0.0, 0.9]
    assert [bool(row["second_teacher"]) for row in rows] == [False, False, True]
    assert all(row["scores"]["espeak"]["closures"] == 2 for row in rows)
    text = log.with_suffix(".md").read_text("utf-8")
    assert "| taught | " in text
    assert "espeak_10db jitter" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "log.md"]
    shutil.copy(log, tmp_path / "before")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(ablate.student, "train", never)
    assert ablate.main(arguments(folder, log)) == 0
    assert log.read_bytes() == (tmp_path / "before").read_bytes()


def test_without_a_velocity_loss_to_tremble_costs_what_to_be_off_costs() -> None:
    """The shipped row took the paper's velocity loss away and left that of our own losses."""
    variant, rows = ablate.read_rows(ablate.ROWS)
    plans = {row.name: plan for row, plan in rows}
    spec = load_variant(variant)
    label = torch.zeros(1, 60, len(spec.layout))
    sign = torch.ones(60, 1)
    sign[1::2] = -1

    def cost(name: str, wrong: torch.Tensor) -> float:
        objective = Objective(spec, plans[name], np.full(len(spec.layout), 0.01))
        objective(label, label + wrong, 1.0)
        assert objective.seen is not None
        return sum(float(value) for part, value in objective.seen.parts.items() if part not in ("lip", "acc"))

    assert cost("no velocity loss", 0.02 * sign) == pytest.approx(cost("no velocity loss", 0.02 * sign.abs()))
    assert cost("everything", 0.02 * sign) > 2 * cost("everything", 0.02 * sign.abs())


def test_what_another_plan_left_is_no_row_of_this_one(folder: Path, tmp_path: Path) -> None:
    """Stopped in the scoring, then asked for other steps: the checkpoint that lay there was taken for the row's."""
    spec = load_variant("s2")
    left = tmp_path / "s2-everything.pt"
    Checkpoint(spec, spec.build().state_dict(), {"plan": {"steps": 99}, "train_minutes": 7.0}).save(left)
    assert ablate.main(arguments(folder, tmp_path / "log.jsonl", second=False)) == 2
    first = json.loads((tmp_path / "log.jsonl").read_text("utf-8").splitlines()[0])
    assert first["train_minutes"] != 7.0
    assert not left.exists()


def test_rows_of_an_older_plan_are_kept_and_others_give_way(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    ablate.main(arguments(folder, log, second=False))
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    del rows[0]["plan"]["spread"]  # as if it had been logged before there was such a setting
    rows[0]["date"] = "long ago"
    rows[1]["plan"]["steps"], rows[1]["date"] = 1, "long ago"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ablate.main(arguments(folder, log, second=False))
    again = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [(row["row"]["name"], row["date"] == "long ago") for row in again] == [
        ("everything", True), ("no velocity loss", False),
    ]  # fmt: skip


def test_a_row_that_needs_a_second_teacher_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate.main(arguments(folder, tmp_path / "log.jsonl", second=False)) == 2
    assert "'taught' needs a second teacher" in capsys.readouterr().err
    assert len((tmp_path / "log.jsonl").read_text("utf-8").splitlines()) == 2  # what was done is kept


@pytest.mark.parametrize(
    ("row", "says"),
    [("{name: x, chnages: {}}", "chnages"), ("{name: x, changes: {alpha: 1}}", "a plan has no alpha")],
)
def test_mistakes_in_a_row_are_named(tmp_path: Path, row: str, says: str) -> None:
    (tmp_path / "rows.yaml").write_text(f"variant: s2\nplan: {{}}\nrows:\n  - {row}\n")
    with pytest.raises(ConfigError, match=says):
        ablate.read_rows(tmp_path / "rows.yaml")


def test_the_shipped_rows_are_read() -> None:
    variant, rows = ablate.read_rows(ablate.ROWS)
    assert load_variant(variant).family == "window"
    assert len({row.name for row, _ in rows}) == len(rows) > 5


def test_nothing_to_score_on(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = ablate.main(["--corpus", str(folder), "--log", str(tmp_path / "log.jsonl")])
    assert status == 2
    assert "give --aligned" in capsys.readouterr().err
