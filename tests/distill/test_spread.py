"""A student's shapes spread as the labels do: its last layer is scaled around its mean, all else is as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import STREAM, small_corpus
from torch import Tensor

from distill.corpus.rows.streams import StreamRows
from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint
from distill.recipes import widen
from distill.speech.augment import Augment
from distill.students.spread import MOST, SHAPING, gains, widened
from distill.students.stream import StreamStudent
from distill.training.begin import initialise
from distill.training.plan import Plan, plan_after
from distill.training.student import train
from sdk.errors import ConfigError

LAYOUT = STREAM.layout
PLAN = Plan(steps=4, exact_steps=0, rows=2, row_hops=200, learning_rate=3e-3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus(tmp_path_factory.mktemp("corpus"), shards=1, each=4)


def heard(student: StreamStudent) -> Tensor:
    """What it says of five seconds of noise, `(N, rig)`."""
    noise = np.random.default_rng(2).normal(0, 0.2, (1, 1, 320 * 250)).astype(np.float32)
    with torch.no_grad():
        return student.eval()(torch.from_numpy(noise))[0]


def lively() -> StreamStudent:
    student = STREAM.build()
    initialise(student, 4)
    torch.nn.init.normal_(student.fc3.weight, std=0.002)
    torch.nn.init.normal_(student.fc3.bias, std=0.1)
    return student


def test_shapes_spread_as_the_labels_do_and_nothing_else_moves() -> None:
    student = lively()
    before = heard(student)
    mean = before.atanh().mean(0)
    label = ((before.atanh() - mean) * 1.5 + mean).tanh()  # what moves half as far again
    found = gains(label, before, LAYOUT)
    assert set(found) == {name for name in LAYOUT.names if name.startswith(SHAPING)}
    assert all(gain == pytest.approx(1.5, rel=1e-3) for gain in found.values())

    student.load_state_dict(widened(student.state_dict(), found, before, LAYOUT))
    after = heard(student)
    shaped = torch.tensor([name in found for name in LAYOUT.names])
    torch.testing.assert_close(after[:, shaped], label[:, shaped], atol=1e-5, rtol=1e-4)
    assert torch.equal(after[:, ~shaped], before[:, ~shaped]), "whether lips shut is not its affair"


def test_gains_are_bounded_and_only_of_what_the_labels_move() -> None:
    before = heard(lively())
    spread = before.clone()
    spread[:, LAYOUT.names.index("mouthPucker")] *= 5
    spread[:, LAYOUT.names.index("mouthFunnel")] *= 0.5
    spread[:, LAYOUT.names.index("mouthSmileLeft")] = 0.25
    found = gains(spread.clamp(-1, 1), before, LAYOUT)
    assert found["mouthPucker"] == MOST
    assert found["mouthFunnel"] == 1.0, "what spreads further than the labels is left"
    assert "mouthSmileLeft" not in found, "of what stands still nothing can be told"


def test_training_gives_it_back_at_the_end_and_says_so(corpus: Path, tmp_path: Path) -> None:
    plain = train(STREAM, PLAN, corpus, tmp_path / "plain.pt", None, {})
    wide = train(STREAM, replace(PLAN, spread=1.0), corpus, tmp_path / "wide.pt", None, {})
    assert "spread" not in plain.training
    told = wide.training["spread"]
    assert told
    assert set(told) <= {name for name in LAYOUT.names if name.startswith(SHAPING)}
    assert all(1 <= gain <= MOST for gain in told.values())
    differ = {name for name, value in plain.state.items() if not torch.equal(value, wide.state[name])}
    assert differ == {"fc3.weight", "fc3.bias"}
    assert Checkpoint.load(tmp_path / "wide.pt").training["spread"] == told
    assert plan_after(wide, {}).spread == 0, "whoever goes on from there has it in the weights"


def test_a_finished_student_is_widened_by_half_of_what_it_lacks(corpus: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "plain.pt", tmp_path / "wide.pt"
    plain = train(STREAM, PLAN, corpus, path, None, {})
    assert widen.main([str(path), "--corpus", str(corpus), "--out", str(out)]) == 0
    made = Checkpoint.load(out)
    whole = train(STREAM, replace(PLAN, spread=1.0), corpus, tmp_path / "whole.pt", None, {})
    for name, gain in whole.training["spread"].items():
        assert made.training["spread"][name] == pytest.approx(gain**0.5, rel=0.02)
    assert made.training["widened"]["of"] == plain.weights_sha256
    assert made.scores == {}, "scores were of other weights"
    assert widen.main([str(path), "--corpus", str(corpus), "--share", "1.5", "--out", str(out)]) == 2


def test_noise_stands_alone_as_often_as_the_plan_says(corpus: Path) -> None:
    shards = load_shards(corpus, "train")
    alone, never = (
        StreamRows(shards, 320, 0, {}, Augment(), noise_alone=share).batch(np.random.default_rng(1), 4, 800)
        for share in (1.0, 0.0)
    )
    assert np.abs(alone.audio).max() > 0
    assert not alone.clean.any(), "nobody speaks"
    assert not alone.rig.any(), "and the face rests"
    assert never.clean.any(axis=-1).all()
    with pytest.raises(ConfigError, match="noise_alone is"):
        Plan(noise_alone=1.5)
