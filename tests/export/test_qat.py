"""Fine-tuning in int8: it learns, it resumes to the same weights after a kill, and its twin knows where it is from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from random_students import make_stream_checkpoint
from small_corpus import PHONES, killed_at, utterance

from distill.corpus.shards import Labeller, write_shard
from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint
from distill.files.twin import Twin
from distill.speech.augment import Augment
from distill.students.spec import load_variant
from distill.students.stream import StreamStudent, fold_norms
from distill.teachers.articulatory.teacher import animate
from distill.training.feeds import feed_of
from distill.training.plan import Plan, plan_after, trained_by
from export.quantise.grids import is_int8
from export.quantise.qat import DEFAULTS, control, fine_tune, main, training_mode, unfolded
from export.quantise.rounding import calibrate, from_twin, golden_rows, with_grids
from sdk.errors import CheckpointError

PLAN = Plan(steps=8, exact_steps=2, batch=2, frames=4, exact_batch=1, exact_frames=2, rows=2, row_hops=60, seed=3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    write_shard(folder / "shards" / "train-human-000.npz", [utterance(str(i), random) for i in range(3)])
    return folder


def tune(checkpoint: Checkpoint, corpus: Path, out: Path, plan: Plan = PLAN) -> Twin:
    return fine_tune(checkpoint, plan, corpus, out, Augment(), {"command": "test"})


def test_a_killed_run_resumes_to_the_same_weights(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = make_stream_checkpoint()
    straight = tune(checkpoint, corpus, tmp_path / "straight-int8.twin")
    killed_at(5, tmp_path / "killed-int8.twin.resume", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        tune(checkpoint, corpus, tmp_path / "killed-int8.twin")
    assert not (tmp_path / "killed-int8.twin").exists()
    with pytest.raises(CheckpointError, match="run with other steps, rates, weights or seed"):
        tune(make_stream_checkpoint(seed=1), corpus, tmp_path / "killed-int8.twin")
    resumed = tune(checkpoint, corpus, tmp_path / "killed-int8.twin")
    assert resumed.weights_sha256 == straight.weights_sha256
    assert not (tmp_path / "killed-int8.twin.resume").exists()
    loaded = Twin.load(tmp_path / "killed-int8.twin", checkpoint)
    assert loaded.weights_sha256 == straight.weights_sha256
    assert loaded.training["recipe"] == "quantisation-aware fine-tuning"
    assert checkpoint.weights_sha256 in (tmp_path / "killed-int8.md").read_text()
    assert is_int8(from_twin(checkpoint, loaded))


@pytest.mark.parametrize("variant", ["s6", "s2"])
def test_it_learns(corpus: Path, variant: str) -> None:
    if variant == "s6":
        checkpoint = make_stream_checkpoint()
    else:
        spec = load_variant("s2", {"channels": 8, "fc_width": 16})
        checkpoint = Checkpoint(spec, spec.build().state_dict())
    plan = replace(PLAN, steps=25, rows=1, row_hops=120)
    feed = feed_of(checkpoint.spec, plan, load_shards(corpus, "train"), None)
    student = training_mode(calibrate(with_grids(checkpoint.student()), golden_rows(2)))
    optimiser = torch.optim.Adam(student.parameters(), lr=3e-3)
    losses = []
    for step in range(plan.steps):
        loss = feed.loss(student, feed.draw(np.random.default_rng(step % 5), 0), 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_the_plan_goes_on_where_training_ended() -> None:
    trained = {"alpha_lip": 3.0, "shut_weight": 8.0, "shut_final": 20.0, "steps": 9000, "was": "renamed"}
    plan = replace(trained_by(trained_with(trained)), **DEFAULTS | {"steps": 70})
    assert (plan.alpha_lip, plan.shut_weight, plan.shut_final, plan.steps) == (3.0, 20.0, 20.0, 70)
    assert plan.learning_rate == 1e-4


def test_a_plan_of_before_our_losses_is_not_given_them() -> None:
    """Table 2's students, which fine-tuning and int8 go on from by eq. 1 to 4 as they were trained."""
    old = trained_by(trained_with({"alpha_rec": 0.1, "shut_weight": 20.0}))
    assert (old.alpha_own, old.alpha_mouth, old.alpha_phone) == (0, 0, 0)
    assert (old.shut_weight, old.shut_final) == (20, 20), "it says of no growth"
    tuned = plan_after(trained_with({"alpha_rec": 0.1, "alpha_own": 0.5}), {})
    assert (tuned.alpha_rec, tuned.alpha_own, tuned.alpha_phone) == (0.1, 0.5, 0)
    assert trained_by(trained_with({})) == Plan(), "of a student that says nothing, nothing is known"


def trained_with(plan: dict[str, object]) -> Checkpoint:
    checkpoint = make_stream_checkpoint()
    return Checkpoint(checkpoint.spec, checkpoint.state, {"plan": plan})


def test_the_command(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "s6.pt"
    make_stream_checkpoint().save(file)
    words = ["--checkpoint", str(file), "--corpus", str(corpus), "--steps", "2", "--rows", "1", "--row-hops", "50"]
    assert main(words) == 0
    twin = Twin.load(tmp_path / "s6-int8.twin", Checkpoint.load(file))
    assert twin.training["command"].startswith("python -m export.qat --checkpoint")
    assert main([*words[:3], str(tmp_path / "nowhere")]) == 2
    assert "no usable train shards" in capsys.readouterr().err


def test_the_control_makes_the_same_steps_without_rounding(corpus: Path, tmp_path: Path) -> None:
    parent, file = make_stream_checkpoint(), tmp_path / "s6.pt"
    parent.save(file)
    words = ["--checkpoint", str(file), "--corpus", str(corpus), "--steps", "3", "--rows", "1", "--row-hops", "50"]
    assert main([*words, "--control", str(tmp_path / "control.pt"), "--out", str(tmp_path / "no.twin")]) == 2
    assert main([*words, "--control", str(tmp_path / "control.pt")]) == 0
    assert main(words) == 0
    made = Checkpoint.load(tmp_path / "control.pt")
    twin = Twin.load(tmp_path / "s6-int8.twin", parent)
    assert (made.training["recipe"], made.training["plan"]) == ("fine-tuning without rounding", twin.training["plan"])
    assert made.training["corpus_hours"] == twin.training["corpus_hours"]
    speech = torch.from_numpy(golden_rows(2)[1])[None, None]
    with torch.inference_mode():
        before, after, rounded = (net(speech) for net in (parent.student(), made.student(), from_twin(parent, twin)))
    assert 0 < float((after - before).abs().max()) < 0.05
    assert float((after - before).abs().max()) < float((rounded - before).abs().max())
    assert not is_int8(made.student())


def test_what_is_made_names_the_teachers_of_its_labels(corpus: Path, tmp_path: Path) -> None:
    """Those of the shards, whoever taught its parent: a corpus of one teacher, of another, of both."""
    parent, plan = make_stream_checkpoint(), replace(PLAN, steps=1)
    assert tune(parent, corpus, tmp_path / "one-int8.twin", plan).training["teacher"] == "articulatory"
    heard = utterance("x", np.random.default_rng(1))
    ear = Labeller("ear", lambda spoken: animate(PHONES, len(spoken.audio) / 16000, 100))
    write_shard(tmp_path / "shards/train-more-000.npz", [heard], ear)
    made = control(parent, plan, tmp_path, tmp_path / "control.pt", Augment(), {})
    assert made.training["teacher"] == "ear"
    write_shard(tmp_path / "shards/train-human-000.npz", [heard])
    assert tune(parent, tmp_path, tmp_path / "both-int8.twin", plan).training["teacher"] == "articulatory, ear"
    assert "| teacher | articulatory, ear |" in (tmp_path / "both-int8.md").read_text("utf-8")


def test_folded_weights_come_back_as_a_student_with_norms() -> None:
    parent = make_stream_checkpoint()
    folded = parent.student()
    assert isinstance(folded, StreamStudent)
    fold_norms(folded)
    made = Checkpoint(parent.spec, unfolded(parent, folded))
    speech = torch.from_numpy(golden_rows(2)[1])[None, None]
    with torch.inference_mode():
        torch.testing.assert_close(made.student()(speech), parent.student()(speech), atol=1e-5, rtol=0)


def test_a_second_teacher_supervises_its_features(corpus: Path, tmp_path: Path) -> None:
    parent = make_stream_checkpoint()
    alone = tune(parent, corpus, tmp_path / "alone-int8.twin")
    taught = fine_tune(parent, PLAN, corpus, tmp_path / "taught-int8.twin", Augment(), {}, second=parent)
    assert taught.weights_sha256 != alone.weights_sha256
    assert parent.weights_sha256 in taught.training["second_teacher"]
    made = control(parent, PLAN, corpus, tmp_path / "control.pt", Augment(), {}, second=parent)
    assert parent.weights_sha256 in made.training["second_teacher"]
