"""Curves of a run: what they hold, that a resumed run continues them, and lips judged on speakers never trained on."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from accelerate import tracking
from small_corpus import SMALL, killed_at, utterance

from distill.corpus.shards import write_shard
from distill.files.checkpoint import Checkpoint
from distill.recipes.heterogeneous import main
from distill.speech.augment import Augment
from distill.students.spec import load_variant
from distill.training.options import Conduct
from distill.training.plan import Plan
from distill.training.student import train
from distill.training.watch import lips
from sdk.errors import ConfigError, EngineUnavailable
from sdk.faces.face import Face
from sdk.rig import RigLayout

SPEC = load_variant("s6", SMALL)
PLAN = Plan(steps=40, exact_steps=0, rows=1, row_hops=60, learning_rate=3e-3)
TERMS = {"loss/vel", "loss/own", "loss/mouth", "loss/phone", "loss/lip", "loss/acc"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("valid", 1)):
        made = [utterance(f"{split}{i}", random) for i in range(count)]
        write_shard(folder / "shards" / f"{split}-human-000.npz", made)
    return folder


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself shows."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = events.EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def run(corpus: Path, out: Path, log: Path) -> Checkpoint:
    return train(SPEC, PLAN, corpus, out, Augment(), {}, conduct=Conduct(log))


def test_curves_are_whole_also_after_a_kill(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    straight = run(corpus, tmp_path / "straight.pt", tmp_path / "straight")
    plain = train(SPEC, PLAN, corpus, tmp_path / "plain.pt", Augment(), {})
    assert plain.weights_sha256 == straight.weights_sha256, "watching changes nothing"
    drawn = curves(tmp_path / "straight")
    beside = {"learning_rate", "gradient_norm", "waiting", "audio_hours_per_hour"}
    assert {"loss", "valid/loss", "valid/mse", "valid/gap_error_cm", *beside} <= set(drawn)
    assert set(drawn) >= TERMS
    assert [step for step, _ in drawn["loss"]] == [9, 19, 29, 39]
    assert [step for step, _ in drawn["valid/loss"]] == [39]
    for place, (step, value) in enumerate(drawn["loss"]):
        assert value == pytest.approx(sum(drawn[term][place][1] for term in TERMS), rel=1e-5)
        assert drawn["learning_rate"][place][1] == pytest.approx(PLAN.rate(step))
        assert drawn["audio_hours_per_hour"][place][1] > 0

    killed_at(25, tmp_path / "killed.pt.resume", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "killed.pt", tmp_path / "killed")
    resumed = run(corpus, tmp_path / "killed.pt", tmp_path / "killed")
    again = curves(tmp_path / "killed")
    for tag in {"loss", "learning_rate", "valid/loss", "valid/mse", *TERMS}:
        assert again[tag] == drawn[tag], tag
    assert resumed.training["final_loss"] == straight.training["final_loss"]


def test_without_tensorboard_curves_are_refused_before_the_training(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(EngineUnavailable, match=r"\.\[curves\]"):
        run(corpus, tmp_path / "s.pt", tmp_path / "log")
    command = ["--variant", "s6", "--corpus", str(corpus), "--out", str(tmp_path / "s.pt"), "--curves", str(tmp_path)]
    assert main(command) == 2
    assert "needs TensorBoard" in capsys.readouterr().err
    assert not (tmp_path / "s.pt.resume").exists()


def test_whatever_accelerate_knows_can_draw_the_curves(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[int, dict[str, float]] = {}
    ended: list[str] = []

    class Told(tracking.GeneralTracker):
        name, requires_logging_directory, tracker, main_process_only = "told", False, None, True

        def __init__(self, run_name: str) -> None:
            super().__init__()
            self.run_name = run_name

        def store_init_configuration(self, values: dict[str, object]) -> None:
            assert values["learning_rate"] == PLAN.learning_rate

        def log(self, values: dict[str, float], step: int) -> None:
            told.setdefault(step, {}).update(values)

        def finish(self) -> None:
            ended.append(self.run_name)

    with pytest.raises(ConfigError, match="wandb"):
        train(SPEC, PLAN, corpus, tmp_path / "s.pt", None, {}, conduct=Conduct(trackers=("nobody",)))
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "told", Told)
    with pytest.raises(EngineUnavailable, match="pip install told"):
        train(SPEC, PLAN, corpus, tmp_path / "s.pt", None, {}, conduct=Conduct(trackers=("told",)))
    monkeypatch.setattr(tracking, "get_available_trackers", lambda: ["told"])
    plan = replace(PLAN, steps=10)
    train(SPEC, plan, corpus, tmp_path / "s.pt", None, {}, conduct=Conduct(trackers=("told",)))
    assert list(told) == [9]
    assert {"loss", "gradient_norm", "loss/phone", "valid/loss"} <= set(told[9])
    assert ended == ["s"]


def test_lips_are_judged_by_the_labels() -> None:
    """30 fps: at rest for 20 frames, open, shut for five, open: only the five are a closure to find."""
    layout, fps = RigLayout.arkit(), 30.0
    label = np.zeros((1, 60, len(layout)), np.float32)
    label[0, 20:, layout.index("jawOpen")] = 0.6
    label[0, 40:45] = 0
    gap = Face.default().lip_gap_cm(label[0], layout)
    assert gap[0] <= 0.15 < 0.5 <= gap[-1], "shut, then open"
    assert lips(label, label, layout, fps) == {"gap_error_cm": 0.0, "closures_found": 1.0, "false_closures": 0.0}
    late = label.copy()
    late[0, 20:] = np.roll(label[0, 20:], 2, axis=0)
    assert lips(label, late, layout, fps)["closures_found"] == 1.0, "two frames are forgiven"
    assert lips(label, late, layout, fps)["false_closures"] == pytest.approx(2 / 35)
    late[0, 20:] = np.roll(label[0, 20:], 4, axis=0)
    assert lips(label, late, layout, fps)["closures_found"] == pytest.approx(3 / 5)
    gaping = np.tile(label[:, -1:], (1, 60, 1))
    assert lips(label, gaping, layout, fps)["closures_found"] == 0.0
    shut = lips(label, np.zeros_like(label), layout, fps)
    assert (shut["false_closures"], shut["closures_found"]) == (1.0, 1.0)
    assert shut["gap_error_cm"] == pytest.approx((gap[-1] - gap[0]) * 35 / 60, rel=1e-4)
    assert set(lips(label[:, :5], label[:, :5], layout, fps)) == {"gap_error_cm"}, "rest alone has nothing to find"
