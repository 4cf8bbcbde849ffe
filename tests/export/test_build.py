"""A build makes two sealed files that do what the checkpoint does, under the budget, or leaves nothing at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from random_students import Built, lively, make_checkpoint

import sdk
from export import pipeline as building
from export.build import main
from export.load.checkpoints import Wanted
from export.load.golden import golden_windows
from export.lower.program import Lowered
from export.measure.counted import in_words
from export.pipeline import build
from export.plan.quality import quality
from export.verify.proof import verify
from profiles.measure.harness import Measured
from sdk.errors import BudgetExceeded, CheckpointError, ConfigError, DataError, TinyfaceError, VerificationError
from sdk.rig import RigLayout


def test_builds_the_best_that_fits(built: Built) -> None:
    choice = built.report["choice"]
    assert choice["student"] == "s2"
    assert choice["why"] == "s2 has the best recall at 2 % (0.800) of what fits; too large: s5"
    assert sorted(path.name for path in built.out.iterdir()) == [
        "model.md", "model.pt", "model.pte", "report.html", "report.json",
    ]  # fmt: skip
    assert [path.name for path in built.out.parent.iterdir()] == ["face"]
    assert json.loads((built.out / "report.json").read_text()) == built.report
    assert any("s4.pt: damaged, truncated" in line for line in built.said)
    assert [line[:5] for line in built.said if line.startswith("[")] == [f"[{n}/6]" for n in range(1, 7)]


def test_files_are_sealed_and_do_what_the_checkpoint_does(built: Built) -> None:
    student = built.checkpoint.student()
    windows = golden_windows(8192)[::6]
    with torch.no_grad():
        expected = student(torch.from_numpy(windows[:, None])).numpy()
    assert expected.std(axis=0).max() > 0.01
    for name, runtime in (("model.pte", "executorch"), ("model.pt", "torchscript")):
        engine = sdk.open(built.out / name, trusted=True)
        assert engine.manifest.runtime == runtime
        assert engine.manifest.student == "s2"
        assert engine.manifest.weights_sha256 == built.checkpoint.weights_sha256
        assert engine.manifest.scores == built.checkpoint.scores
        assert engine.manifest.layout == RigLayout.arkit()
        assert (engine.manifest.window_samples, engine.manifest.future_samples) == (8192, 4096)
        found = np.stack([engine.run(window) for window in windows])
        assert np.abs(found - expected).max() < 1e-4
        assert built.report["verification"]["max_abs_error"][name] < 1e-4


def test_memory_is_computed_as_it_is_measured(built: Built) -> None:
    memory = built.report["memory"]
    assert memory["counted_is"] == "measured"
    computed = memory["computed"]
    assert computed["parameters_bytes"] <= computed["packed_weights_bytes"] < 1.1 * computed["parameters_bytes"]
    assert 3_000_000 < computed["paper_bytes"] < 3_500_000  # the paper reports 3.4 MB for this student
    assert computed["planned_arenas_bytes"] < 1000  # the input is the caller's own memory, not a second copy
    for row in ("load_peak_bytes", "workspace_bytes", "steady_bytes"):
        assert abs(memory["error_percent"][row]) < 15, (row, memory)
    assert memory["counted_bytes"] + memory["left_bytes"] == 2_000_000
    assert memory["counted_bytes"] == memory["measured"]["steady_bytes"] + 8192 * 4
    # what the kernel counts beyond the heap is the runtime's own: .28 to .38 MB were seen, whatever the program
    assert 0 < memory["kernel"]["beside_heap_bytes"] < 500_000
    assert memory["kernel"]["private_bytes"] > memory["measured"]["steady_bytes"]
    assert memory["crowd_adds_bytes"] is None, "a window student has no crowd"
    assert "in private pages, as the kernel sees it" in in_words(memory)
    pte = built.report["files"]["model.pte"]
    assert (pte["delegates"], pte["outside_delegate"]) == (1, 0)
    assert pte["measured_here"]["median_us"] > 0
    assert built.report["files"]["model.pt"]["measured_here"]["steady_bytes"] > memory["measured"]["steady_bytes"]


def test_verify_tells_another_student(built: Built) -> None:
    other = lively(built.checkpoint.spec.build(), seed=1)
    with pytest.raises(VerificationError, match=r"off model\.pte by .* allowed 1e-04"):
        verify({built.out / "model.pte": other})


def test_verify_refuses_what_cannot_be_compared(built: Built) -> None:
    dull = built.checkpoint.student()
    torch.nn.init.zeros_(dull.fc3.weight)
    with pytest.raises(VerificationError, match="same frame for every window"):
        verify({built.out / "model.pte": dull})


def test_verify_tells_a_broken_file(built: Built, tmp_path: Path) -> None:
    broken = tmp_path / "model.pte"
    broken.write_bytes((built.out / "model.pte").read_bytes()[:-100])
    with pytest.raises(VerificationError, match="cannot be used"):
        verify({broken: built.checkpoint.student()})


def test_nothing_fits_says_what_would(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetExceeded) as caught:
        build(100_000, tmp_path / "out", Wanted(checkpoints=shelf))
    text = str(caught.value)
    assert text.startswith("s3 portable needs ")
    for part in ("the budget is 100.0 KB", "weights in place", "too much", "others need more: s3", "s2", "--budget"):
        assert part in text
    assert "Nothing fits" in text
    assert list(tmp_path.iterdir()) == []


def test_the_asked_one_does_not_fit_but_others_do(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetExceeded, match=r"s5 needs .* Fits: s3\. Perhaps, once measured: s2\."):
        build(2_000_000, tmp_path / "out", Wanted(student="s5", checkpoints=shelf))


@pytest.mark.usefixtures("unheard")
def test_a_file_larger_than_planned_gives_way_to_the_next(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake_measure(path: Path) -> Measured:
        large = sdk.open_artifact(path).manifest.student == "s5"
        heap = 9_000_000 if large else 500_000
        return Measured(path.stat().st_size, "mapped", heap, heap, heap, heap, 1.0, 1.0, 1)

    monkeypatch.setattr(building, "lower", lambda exported: Lowered(b"program", 1, 1))
    monkeypatch.setattr(building, "measure", fake_measure)
    monkeypatch.setattr(building, "verify", lambda files: {})
    said: list[str] = []
    report = build(8_000_000, tmp_path / "out", Wanted(checkpoints=shelf), said.append)
    assert report["choice"]["student"] == "s2"
    assert "s5 was planned at" in report["choice"]["why"]
    assert any("trying the next best" in line for line in said)
    assert sdk.open_artifact(tmp_path / "out" / "model.pt").manifest.student == "s2"


@pytest.mark.usefixtures("unheard")
@pytest.mark.parametrize("stage", ["lower", "measure", "verify", "deliver"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, VerificationError])
def test_an_interrupted_build_leaves_nothing(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, error: type[BaseException]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error("stop")

    fake = Measured(1, "mapped", 1, 1, 1, 1, 1.0, 1.0, 1)
    monkeypatch.setattr(building, "lower", lambda exported: Lowered(b"program", 1, 1))
    monkeypatch.setattr(building, "measure", lambda path: fake)
    monkeypatch.setattr(building, "verify", lambda files: {})
    monkeypatch.setattr(building, stage, fail)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "model.pte").write_bytes(b"an earlier build")
    for out in (tmp_path / "new" / "deep", kept):
        with pytest.raises(error):
            build(8_000_000, out, Wanted(checkpoint=shelf / "s2.pt"))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "model.pte").read_bytes() == b"an earlier build"
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize(
    "how",
    [
        "truncated", "foreign", "missing", "rig", "rigless", "precision", "student", "untrained", "empty", "budget",
        "file", "parent",
    ],
)  # fmt: skip
def test_bad_input_is_explained_and_leaves_nothing(
    shelf: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    checkpoint = source / "model.pt"
    arguments = ["--budget", "8MB", "--out", str(out), "--checkpoint", str(checkpoint)]
    error = "CheckpointError"
    if how == "truncated":
        checkpoint.write_bytes((shelf / "s2.pt").read_bytes()[:5000])
        says = "damaged, truncated"
    elif how == "foreign":
        torch.save({"weights": torch.zeros(2)}, checkpoint)
        says = "foreign file"
    elif how == "missing":
        says = "No such file"
    elif how == "empty":
        checkpoint.write_bytes(b"")
        says = "damaged, truncated"
    elif how == "rigless":
        (source / "rig.txt").write_text("# no channels\n")
        arguments += ["--rig", str(source / "rig.txt")]
        error, says = "RigError", "rig.txt: rig layout: it has no channels"
    elif how == "rig":
        make_checkpoint("s2", 8, None).save(checkpoint)
        (source / "rig.txt").write_text("jaw\nlips\n")
        arguments += ["--rig", str(source / "rig.txt")]
        says = "trained on another rig than asked for: it has no jaw, lips"
    elif how == "precision":
        arguments += ["--precision", "int7"]
        error, says = "ConfigError", "precision 'int7' cannot be built; there are: auto, fp32, int8"
    elif how == "student":
        make_checkpoint("s2", 8, None).save(checkpoint)
        arguments += ["--student", "s9"]
        error, says = "ConfigError", "no checkpoint of 's9'; there are: model"
    elif how == "untrained":
        make_checkpoint("s2", 8, None).save(checkpoint)
        arguments += ["--student", "s7"]
        error, says = "ConfigError", "train one with `python -m distill.recipes.heterogeneous --variant s7`"
    elif how == "budget":
        arguments = ["--budget", "8QB", "--out", str(out)]
        error, says = "BudgetError", "'QB' is unknown"
    elif how == "file":
        out.write_text("in the way")
        error, says = "DataError", "is a file; --out names a folder"
    elif how == "parent":
        out.write_text("in the way")
        arguments[3] = str(out / "below")
        error, says = "DataError", "cannot write there"
    else:
        raise AssertionError(how)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert f"{error}: " in said
    assert says in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_unwritable_out(shelf: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="cannot write there"):
        build(8_000_000, tmp_path / "out", Wanted(checkpoints=shelf))


def test_an_empty_folder_of_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no \.pt file in it\. Train one"):
        build(8_000_000, tmp_path / "out", Wanted(checkpoints=tmp_path))


def test_errors_share_one_root() -> None:
    for kind in (BudgetExceeded, CheckpointError, ConfigError, DataError, VerificationError):
        assert issubclass(kind, TinyfaceError)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({}, 0.0),
        ({"human": {"pbm": 0.9}}, 0.0),
        ({"human": {"recall_at_2pct": 0.9}}, 0.9),
        ({"human": {"recall_at_2pct": 0.9}, "espeak": {"recall_at_2pct": 0.7}}, 0.8),
        (
            {
                "human": {"quiet": {"recall_at_2pct": 1.0}, "noise": {"recall_at_2pct": 0.8}},
                "espeak": {"recall_at_2pct": 0.7},
            },
            0.8,
        ),
        ({"human": {"recall_at_2pct": None}, "note": "text"}, 0.0),
    ],
)
def test_quality_weighs_test_sets_alike(scores: dict[str, Any], expected: float) -> None:
    assert quality(scores).value == pytest.approx(expected)
