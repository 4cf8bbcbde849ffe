"""A step of several batches is that of one as large; float16 is scaled up, and down again before it is clipped."""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_corpus import STREAM, killed_at, utterance
from torch import Tensor, nn

import distill
from distill.corpus.rows.windows import Batch
from distill.corpus.shards import write_shard
from distill.corpus.shelf import load_shards
from distill.speech.augment import Augment
from distill.students.spec import load_variant
from distill.training.begin import LAST_SHARE, initialise
from distill.training.feeds import feed_of
from distill.training.options import Conduct, add_training_options, plan_of, read_plan
from distill.training.plan import Plan
from distill.training.run import Run
from distill.training.step import Muon, Precision, optimiser_of, statistics_of
from distill.training.student import SETTLING_BATCHES, SETTLING_SEED, settled, train
from sdk.errors import CheckpointError, ConfigError

WINDOW = load_variant("s5")
CONFIGS = Path(distill.__file__).parent / "configs"
PLAN = Plan(steps=3, exact_steps=0, rows=1, row_hops=60, batch=1, frames=4, learning_rate=3e-3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    write_shard(folder / "shards" / "train-human-000.npz", [utterance(str(i), random) for i in range(4)])
    return folder


def begun(spec: Any, plan: Plan, out: Path, accumulate: int = 1) -> Run:
    student = spec.build().train()
    initialise(student, 1)
    return Run.begin(spec, plan, student, out, {}, accumulate)


def together(batches: list[Batch]) -> Batch:
    names = ("audio", "clean", "rig", "classes", "likely")
    return Batch(
        **{name: np.concatenate([getattr(batch, name) for batch in batches]) for name in names},
        starts=batches[0].starts,
    )


def test_four_batches_are_the_step_of_one_of_four_times_the_rows(corpus: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=1, alpha_lip=0.0)  # the lips' hinges are means over the closures of a batch
    feed = feed_of(WINDOW, plan, load_shards(corpus, "train"), Augment())
    found: dict[str, tuple[float, float, Tensor]] = {}
    seen: list[Batch] = []
    for name, accumulate in (("four", 4), ("one", 1)):
        run = begun(WINDOW, plan, tmp_path / name, accumulate)

        def draw(random: np.random.Generator, step: int, kept: bool = name == "four") -> Batch:
            if kept:
                seen.append(feed.draw(random, step))
                return seen[-1]
            return together(seen)

        losses: list[float] = []
        run.go(1, partial(feed.loss, run.student), plan.rate, lambda *told, to=losses: to.append(told[1]), draw)  # type: ignore[misc,arg-type]
        gradient = torch.cat([w.grad.flatten() for w in run.student.parameters() if w.grad is not None])
        found[name] = (losses[0], run.norm, gradient)
    assert len({batch.audio.tobytes() for batch in seen}) == 4, "each draws its own"
    (loss, norm, gradient), (loss_of_one, norm_of_one, of_one) = found["four"], found["one"]
    assert loss == pytest.approx(loss_of_one, rel=1e-5)
    assert norm == pytest.approx(norm_of_one, rel=1e-4)
    assert float((gradient - of_one).norm() / of_one.norm()) < 1e-4


class Narrow(nn.Module):
    """Two weights of a run that takes microseconds: `fc3` as a student's last layer is called, and one before it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc3 = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)


def narrow(tmp_path: Path, accumulate: int = 1) -> Run:
    return Run.begin(STREAM, replace(PLAN, ema=0.9), Narrow(), tmp_path / "narrow", {}, accumulate)


def pulled(run: Run) -> Tensor:
    return torch.stack([(weight - 5).square().sum() for weight in run.student.parameters()]).sum()


def test_every_part_of_every_step_draws_its_own(tmp_path: Path) -> None:
    run, drawn = narrow(tmp_path, accumulate=2), []
    run.go(3, lambda *_: pulled(run), PLAN.rate, draw=lambda random, _: drawn.append(random.random()))
    assert drawn == [run.random(step, part).random() for step in range(3) for part in range(2)]
    assert len(set(drawn)) == 6


def test_the_average_follows_the_weights_and_the_last_layer_steps_by_its_share(tmp_path: Path) -> None:
    """The average by what its decay was at each step, (k + 1) / (k + 10) and at most the plan's."""
    run = narrow(tmp_path)
    averages = {name: value.clone() for name, value in run.student.state_dict().items()}
    rates: list[dict[float, float]] = []

    def watch(step: int, *_: float) -> None:
        decay = min(0.9, (step + 1) / (step + 10))
        for name, value in run.student.state_dict().items():
            averages[name] = decay * averages[name] + (1 - decay) * value
            torch.testing.assert_close(run.average[name], averages[name])
            assert not torch.equal(run.average[name], value)
        rates.append({group["share"]: group["lr"] for group in run.optimiser.param_groups})

    run.go(4, lambda *_: pulled(run), lambda step: 0.1 * (step + 1), watch)
    for step, found in enumerate(rates):
        assert found == pytest.approx({1.0: 0.1 * (step + 1), LAST_SHARE: 0.01 * (step + 1)})


def test_statistics_of_a_step_are_the_mean_of_its_batches(corpus: Path, tmp_path: Path) -> None:
    feed = feed_of(STREAM, PLAN, load_shards(corpus, "train"), Augment())

    def statistics(accumulate: int, alone: int | None = None) -> Tensor:
        run = begun(STREAM, PLAN, tmp_path / "none", accumulate)
        if alone is not None:
            run.random = lambda step, part=0: np.random.default_rng([1, step, *([alone] if alone else [])])  # type: ignore[method-assign]
        run.go(1, partial(feed.loss, run.student), PLAN.rate, draw=feed.draw)  # type: ignore[arg-type]
        return torch.cat([value.flatten() for value in statistics_of(run.student)])

    mean = (statistics(1, alone=0) + statistics(1, alone=1)) / 2
    assert torch.allclose(statistics(2), mean, rtol=1e-5, atol=1e-7)


def test_float16_is_unscaled_before_it_is_clipped(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clipped: list[float] = []
    clip = nn.utils.clip_grad_norm_

    def seen(weights: Any, most: float) -> Tensor:
        weights = list(weights)
        clipped.append(float(torch.cat([w.grad.flatten() for w in weights if w.grad is not None]).norm()))
        return clip(weights, most)

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", seen)
    for precision in ("no", "fp16"):
        plan = replace(PLAN, steps=1, mixed_precision=precision)
        feed = feed_of(STREAM, plan, load_shards(corpus, "train"), Augment())
        run = begun(STREAM, plan, tmp_path / precision)
        if precision == "fp16":
            run.precision.scaler = torch.amp.GradScaler("cpu", init_scale=64.0)  # what this batch survives
        run.go(1, partial(feed.loss, run.student), plan.rate, draw=feed.draw)  # type: ignore[arg-type]
        assert run.skipped == 0
    assert clipped[0] > 1, "there is something to clip"
    assert clipped[1] == pytest.approx(clipped[0], rel=0.05), "and not 1024 times that"


def test_a_step_that_float16_ran_over_in_changes_nothing(tmp_path: Path) -> None:
    run = begun(STREAM, replace(PLAN, mixed_precision="fp16"), tmp_path / "over")
    before = {name: value.clone() for name, value in run.student.state_dict().items()}
    scale = run.precision.scaler.get_scale()
    audio = torch.randn(1, 1, 320 * 60)

    def loss(_: Any, step: int) -> Tensor:
        out = run.student(audio).float().square().mean()
        return out * float("inf") if step == 0 else out

    run.go(1, loss, PLAN.rate)
    assert run.skipped == 1
    assert run.smooth_loss is None
    for name, value in run.student.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert run.precision.scaler.get_scale() < (scale or 65536.0 * 2)
    run.go(2, loss, PLAN.rate)
    assert any(not torch.equal(value, before[name]) for name, value in run.student.state_dict().items())


def test_float16_and_accumulation_go_on_from_a_kill(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, twice = replace(PLAN, steps=4, mixed_precision="fp16"), Conduct(accumulate=2)
    straight = train(STREAM, plan, corpus, tmp_path / "straight.pt", None, {}, conduct=twice)
    assert straight.training["batches_a_step"] == 2
    killed_at(2, tmp_path / "killed.pt.resume", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(STREAM, plan, corpus, tmp_path / "killed.pt", None, {}, conduct=twice)
    with pytest.raises(CheckpointError, match="2 parts a step"):
        train(STREAM, plan, corpus, tmp_path / "killed.pt", None, {})
    resumed = train(STREAM, plan, corpus, tmp_path / "killed.pt", None, {}, conduct=twice)
    assert resumed.weights_sha256 == straight.weights_sha256


def test_muon_steps_each_group_of_a_convolution_as_a_matrix_and_the_rest_by_adamw() -> None:
    torch.manual_seed(0)
    student = nn.Sequential(
        nn.Conv2d(64, 64, (1, 3), groups=2), nn.Conv2d(64, 64, (1, 3), groups=64), nn.Linear(64, 32)
    )
    theirs = copy.deepcopy(student)
    optimiser = optimiser_of(student, "muon", 0.01)
    assert isinstance(optimiser, Muon)
    assert {id(weight) for weight in optimiser.matrices} == {id(student[0].weight), id(student[2].weight)}
    wide, linear = theirs[0].weight, theirs[2].weight
    flat = [nn.Parameter(part.reshape(32, 96).clone()) for part in wide.detach().chunk(2)]
    muon = torch.optim.Muon([*flat, linear], 0.01, weight_decay=0.03, adjust_lr_fn="match_rms_adamw")
    rest = [weight for weight in theirs.parameters() if weight is not wide and weight is not linear]
    adamw = torch.optim.AdamW(rest, 0.01, weight_decay=1e-3)
    for _ in range(3):
        for mine, other in zip(student.parameters(), theirs.parameters(), strict=True):
            mine.grad = torch.randn(mine.shape)
            other.grad = mine.grad.clone()
        assert wide.grad is not None
        for part, gradient in zip(flat, wide.grad.chunk(2), strict=True):
            part.grad = gradient.reshape(32, 96)
        optimiser.step()
        muon.step()
        adamw.step()
    assert torch.equal(student[0].weight, torch.cat(flat).view(64, 32, 1, 3))
    assert torch.equal(student[2].weight, linear)
    assert torch.equal(student[1].weight, theirs[1].weight)
    assert torch.equal(student[2].bias, theirs[2].bias)


def test_a_student_too_narrow_for_matrices_learns_by_adamw_alone() -> None:
    torch.manual_seed(0)
    student = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Linear(4, 4))
    theirs = copy.deepcopy(student)
    optimiser, adamw = Muon(student, 0.01), torch.optim.AdamW(theirs.parameters(), 0.01, weight_decay=1e-3)
    for mine, other in zip(student.parameters(), theirs.parameters(), strict=True):
        mine.grad = torch.randn(mine.shape)
        other.grad = mine.grad.clone()
    optimiser.step()
    adamw.step()
    for mine, other in zip(student.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
    again = Muon(student, 0.01)
    again.load_state_dict(optimiser.state_dict())


def test_what_multiplies_matrices_in_a_student_learns_by_muon() -> None:
    student = load_variant("s7").build()
    optimiser = Muon(student, 0.01)
    names = {name for name, weight in student.named_parameters() if weight in optimiser.matrices}
    convolutions = {f"{name}.weight" for name, layer in student.named_modules() if isinstance(layer, nn.Conv2d)}
    wide = {name for name in convolutions if min(dict(student.named_parameters())[name].flatten(1).shape) >= 16}
    assert names == {name for name in wide if not name.startswith(("spectrum.", "fc3."))}
    assert len(names) > 3


def test_quiet_bands_are_heard_in_any_precision() -> None:
    """In bfloat16 a tone drowned what is 40 dB below it, and training heard another spectrum than a player does."""
    student = load_variant("s6").build().eval()
    initialise(student, 0)
    heard: list[Tensor] = []
    student.front[0].register_forward_pre_hook(lambda _, given: heard.append(given[0].float()))
    time = torch.arange(16000) / 16000
    audio = (torch.sin(2000 * time) + 0.003 * torch.sin(30000 * time)).view(1, 1, -1)
    with torch.no_grad():
        student(audio)
        with torch.autocast("cpu", torch.bfloat16):
            student(audio)
    assert float((heard[0] - heard[1]).abs().max()) < 0.01


def test_norms_are_settled_as_a_player_runs_them(corpus: Path, tmp_path: Path) -> None:
    """By statistics of bfloat16 a student that learned in it scored as if it had not learned."""
    plan = replace(PLAN, steps=1, mixed_precision="bf16")
    feed = feed_of(STREAM, plan, load_shards(corpus, "train"), Augment())
    run = begun(STREAM, plan, tmp_path / "half")
    biased = run.student.state_dict()["linear.conv.bias"]
    biased += 1000  # which the norm behind it takes away again, where numbers have the digits
    run.average = {name: value.clone() for name, value in run.student.state_dict().items()}
    settled(run, feed)
    spreads: list[Tensor] = []
    run.student.linear.conv.register_forward_hook(  # type: ignore[union-attr]
        lambda _, given, made: spreads.append(made.detach().transpose(0, 1).flatten(1).var(1))
    )
    for number in range(SETTLING_BATCHES):
        drawn = feed.draw(np.random.default_rng([plan.seed, SETTLING_SEED, number]), 0)
        run.student.features(torch.from_numpy(drawn.audio))  # type: ignore[operator]
    mean = torch.stack(spreads).mean(0)
    torch.testing.assert_close(run.average["linear.norm.running_var"], mean, rtol=0.02, atol=1e-4)


def test_names_and_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="there are: adamw, muon"):
        Plan(optimiser="sgd")
    with pytest.raises(ConfigError, match="fp8"):
        Plan(mixed_precision="fp8")
    with pytest.raises(ConfigError, match="accumulate 0"):
        Conduct(accumulate=0)
    assert not Precision("cpu", "no").scaler.is_enabled()
    assert not Precision("cpu", "bf16").scaler.is_enabled()


def test_the_plan_of_stream_students_is_one() -> None:
    plan = Plan(**read_plan(CONFIGS / "streams.yaml"))
    assert round(plan.steps * plan.rows * plan.row_hops * 0.02 / 3600) == 124, "the hours that its comment says"
    assert plan.optimiser == "muon", "whose rate it is"
    assert plan.rate(plan.steps - 1) == pytest.approx(plan.rate_floor * plan.learning_rate, rel=0.01)


def test_the_plan_for_960_hours_is_one(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_training_options(parser, Plan())
    typed = ["--plan", str(CONFIGS / "hours960.yaml"), "--corpus", "s", "--out", "s.pt", "--learning-rate", "0.01"]
    plan = plan_of(parser.parse_args(typed), Plan())
    heard_h = plan.steps * plan.rows * plan.row_hops * 0.02 / 3600
    assert 960 < heard_h < 1200, "each hour about once"
    assert (plan.learning_rate, plan.mix_human) == (0.01, 0.95), "what is typed goes before what is written"
    assert plan.rate(plan.steps - 1) < 0.03 * plan.learning_rate
    wrong = tmp_path / "wrong.yaml"
    for text, said in (("plan: {stepz: 3}", "stepz"), ("plan: {steps: many}", "steps"), ("steps: 3", "plan")):
        wrong.write_text(text)
        with pytest.raises(ConfigError, match=said):
            read_plan(wrong)
