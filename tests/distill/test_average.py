"""An average of weights: what it is made of, what it remembers, and what cannot be averaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_corpus import SMALL

from distill.files.checkpoint import Checkpoint
from distill.recipes.average import main
from distill.students.spec import load_variant
from distill.training.begin import initialise

SPEC = load_variant("s8", SMALL)


def made(path: Path, seed: int, variant: str = "s8") -> Checkpoint:
    spec = load_variant(variant, SMALL)
    student = spec.build()
    initialise(student, seed)
    checkpoint = Checkpoint(spec, student.state_dict(), {"recipe": "heterogeneous", "plan": {"seed": seed}}, {"x": 1})
    checkpoint.save(path)
    return Checkpoint.load(path)


def test_the_mean_of_two_and_what_its_card_says(tmp_path: Path) -> None:
    one, two = (made(tmp_path / f"{seed}.pt", seed) for seed in (1, 2))
    out = tmp_path / "mean.pt"
    words = ["--of", "0.25", str(tmp_path / "1.pt"), "--of", "0.75", str(tmp_path / "2.pt"), "--out", str(out)]
    assert main(words) == 0
    found = Checkpoint.load(out)
    for name, value in found.state.items():
        assert value.dtype == two.state[name].dtype
        torch.testing.assert_close(value.float(), 0.25 * one.state[name].float() + 0.75 * two.state[name].float())
    assert found.training["plan"] == {"seed": 2}
    assert found.training["averaged"] == f"0.25 of {one.weights_sha256[:12]}, 0.75 of {two.weights_sha256[:12]}"
    assert found.scores == {}, "those of its parts are not its own"
    assert "average.command" in out.with_suffix(".md").read_text()


def test_what_cannot_be_averaged_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "1.pt", 1)
    made(tmp_path / "2.pt", 2)
    made(tmp_path / "s6.pt", 1, "s6")
    one, two, other = (str(tmp_path / name) for name in ("1.pt", "2.pt", "s6.pt"))
    for parts, says in (
        ([("0.5", one), ("0.6", two)], "shares 0.5, 0.6: give two checkpoints or more"),
        ([("1", one)], "shares 1: give two"),
        ([("-1", one), ("2", two)], "sum to 1"),
        ([("nan", one), ("1", two)], "sum to 1"),
        ([("half", one), ("0.5", two)], "'half' is no share"),
        ([("0.5", one), ("0.5", other)], "students of unlike shape"),
    ):
        words = [word for part in parts for word in ("--of", *part)]
        assert main([*words, "--out", str(tmp_path / "none.pt")]) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "none.pt").exists()
