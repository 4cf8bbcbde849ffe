"""Training: it learns, it resumes to the same weights after a kill, and Ctrl-C loses nothing."""

from __future__ import annotations

import io
import signal
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_corpus import SMALL, killed_at, utterance

import sdk
from distill.corpus.shards import write_shard
from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_open
from distill.files.sealed import sealing
from distill.recipes import finetune, heterogeneous
from distill.speech.augment import Augment
from distill.speech.phones import Phone
from distill.students.spec import Student, load_variant, variant_names
from distill.training import feeds
from distill.training.begin import initialise
from distill.training.codetalker import CodeTalkerPlan
from distill.training.plan import Plan, as_today
from distill.training.run import Run
from distill.training.student import train
from sdk.errors import CheckpointError, ConfigError, DataError

SPEC = load_variant("s2", {"channels": 8})
SPECS = {"window": SPEC, "stream": load_variant("s6", SMALL)}
PLAN = Plan(
    steps=14, exact_steps=4, batch=3, frames=8, exact_batch=2, exact_frames=3, rows=2, row_hops=100, learning_rate=3e-3
)
families = pytest.mark.parametrize("family", SPECS)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    write_shard(folder / "shards" / "train-human-000.npz", [utterance(str(i), random) for i in range(4)])
    return folder


def run(corpus: Path, out: Path, plan: Plan = PLAN, family: str = "window") -> Checkpoint:
    return train(SPECS[family], plan, corpus, out, Augment(), {"date": "2026-01-01", "command": "test"})


@families
def test_a_killed_run_resumes_to_the_same_weights(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    straight = run(corpus, tmp_path / "straight.pt", family=family)
    killed_at(9, tmp_path / "killed.pt.resume", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "killed.pt", family=family)
    assert not (tmp_path / "killed.pt").exists()
    resumed = run(corpus, tmp_path / "killed.pt", family=family)
    for name, value in straight.state.items():
        torch.testing.assert_close(resumed.state[name], value, atol=0, rtol=0)
    assert not (tmp_path / "killed.pt.resume").exists()
    loaded = Checkpoint.load(tmp_path / "killed.pt")
    assert loaded.training["recipe"] == "heterogeneous"
    assert loaded.spec == SPECS[family]


@families
def test_it_learns(corpus: Path, tmp_path: Path, family: str) -> None:
    plan = Plan(
        steps=120, exact_steps=0, batch=4, frames=8, rows=2, row_hops=150, learning_rate=2e-3, ema=0.5, shut_weight=8,
        shut_final=8,
    )  # fmt: skip
    feed = feeds.feed_of(SPECS[family], plan, load_shards(corpus, "train"), None)

    def loss(student: Student) -> float:
        """Over ten draws: of one, with a closure or none in its rows, it may be half or twice as much."""
        draws = [feed.draw(np.random.default_rng(k), 0) for k in range(90, 100)]
        with torch.no_grad():
            return float(np.mean([float(feed.loss(student, drawn, 0)) for drawn in draws]))

    fresh = SPECS[family].build().train()
    initialise(fresh, 1)
    trained = run(corpus, tmp_path / "s.pt", plan, family).student()
    if family == "window":  # whose norm is of the stretch in the shared pass
        trained.train()
    assert loss(trained) < 0.75 * loss(fresh), "better than the still face that an untrained student is"


def test_closures_pull_harder_towards_the_end() -> None:
    plan = Plan(shut_weight=8, shut_final=24)
    assert [plan.shut(done) for done in (0, 0.5, 0.75, 1)] == [8, 8, 16, 24]


def test_foreign_resume_file_is_refused(corpus: Path, tmp_path: Path) -> None:
    file, buffer = tmp_path / "s.pt.resume", io.BytesIO()
    torch.save({"spec": Path("a type that is not plain")}, buffer)
    for content in (b"", b"no run", buffer.getvalue()[:100], buffer.getvalue()):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot resume") as caught:
            run(corpus, tmp_path / "s.pt")
        assert "weights_only" not in str(caught.value), "no advice to read it unchecked"
        assert "option" not in str(caught.value)


def test_a_resume_file_of_another_variant_is_refused(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """s1 and s5 have weights of the same shapes: only the spec inside tells whose run it is."""

    def stop(*_: object) -> float:
        signal.raise_signal(signal.SIGTERM)
        return 0.0

    monkeypatch.setattr(Run, "_step", stop)
    out = tmp_path / "s.pt"
    with pytest.raises(KeyboardInterrupt):
        run(corpus, out)
    other = load_variant("s2", {"channels": 8, "future_ms": 64})
    with pytest.raises(CheckpointError, match=r"s\.pt\.resume: cannot resume.*belongs to s2"):
        train(other, PLAN, corpus, out, Augment(), {})
    with pytest.raises(KeyboardInterrupt):  # its own run goes on
        run(corpus, out)
    file = out.with_name("s.pt.resume")
    good = file.read_bytes()
    file.write_bytes(good[:-9000] + bytes([good[-9000] ^ 4]) + good[-8999:])
    with pytest.raises(CheckpointError, match=r"cannot resume.*SHA-256"):
        run(corpus, out)


def test_an_out_that_cannot_be_written_is_told_before_the_training(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path, tmp_path / "file" / "s.pt"):
        with pytest.raises(DataError, match="cannot write"):
            run(corpus, out)


def test_a_corpus_without_shards_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"distill\.recipes\.corpus"):
        run(tmp_path, tmp_path / "s.pt")


@pytest.mark.usefixtures("unheard")
def test_any_rig_trains_exports_and_plays_by_name(corpus: Path, tmp_path: Path) -> None:
    """Three of the labels' channels in another order: the same names come out of the artefact."""
    from export.load.checkpoints import Wanted
    from export.pipeline import build

    rig = tmp_path / "rig.txt"
    rig.write_text("mouthClose\njawOpen 0 1\nmouthFunnel\n")
    spec = load_variant("s2", {"channels": 8, "rig": str(rig)})
    plan = Plan(steps=2, exact_steps=1, batch=2, frames=4, exact_batch=1, exact_frames=3)
    train(spec, plan, corpus, tmp_path / "s2.pt", Augment(), {})
    rig.unlink()  # the artefact carries its rig
    build(8_000_000, tmp_path / "out", Wanted(checkpoint=tmp_path / "s2.pt"))
    frames = sdk.predict(tmp_path / "out/model.pte", np.zeros(8000, np.float32))
    assert [name for name, _ in frames[0]] == ["mouthClose", "jawOpen", "mouthFunnel"]


def test_a_rig_that_the_labels_lack_is_named(corpus: Path, tmp_path: Path) -> None:
    rig = tmp_path / "rig78.txt"
    rig.write_text("\n".join(f"control{i}" for i in range(78)))
    spec = load_variant("s2", {"channels": 8, "rig": str(rig)})
    with pytest.raises(DataError, match="no control0"):
        train(spec, PLAN, corpus, tmp_path / "s2.pt", Augment(), {})


def test_another_students_checkpoint_is_no_start(corpus: Path, tmp_path: Path) -> None:
    spec = load_variant("s2", {"channels": 16})
    other = Checkpoint(spec, spec.build().state_dict())
    with pytest.raises(CheckpointError, match="same shape"):
        train(SPEC, PLAN, corpus, tmp_path / "s.pt", Augment(), {}, init=other)


def test_command_line_answers_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = heterogeneous.main(["--variant", "s99", "--corpus", str(tmp_path), "--out", str(tmp_path / "x.pt")])
    assert code == 2
    assert f"there are: {', '.join(variant_names())}" in capsys.readouterr().err


def test_a_second_teacher_draws_the_features_to_its_own(corpus: Path, tmp_path: Path) -> None:
    plan = Plan(steps=120, exact_steps=0, rows=1, row_hops=100, learning_rate=5e-3, ema=0.5, alpha_feat=3.0)
    spec = SPECS["stream"]
    student = spec.build()
    initialise(student, 7)
    second = Checkpoint(spec, student.state_dict())
    taught = train(spec, plan, corpus, tmp_path / "taught.pt", Augment(), {}, second=second, recipe="hybrid")
    alone = train(spec, plan, corpus, tmp_path / "alone.pt", Augment(), {})
    assert taught.training["recipe"] == "hybrid"
    assert second.weights_sha256 in taught.training["second_teacher"]
    audio = torch.randn(1, 1, 320 * 60) * 0.1

    def distance(checkpoint: Checkpoint) -> float:
        with torch.no_grad():
            pairs = zip(second.student().features(audio), checkpoint.student().features(audio), strict=True)
            return float(sum((a - b).square().mean() for a, b in pairs))

    assert distance(taught) < 0.6 * distance(alone)


def test_second_teachers_that_cannot_teach_are_refused(corpus: Path, tmp_path: Path) -> None:
    window = Checkpoint(SPEC, SPEC.build().state_dict())
    other = load_variant("s6", {**SMALL, "future_ms": 20})
    further = Checkpoint(other, other.build().state_dict())
    with pytest.raises(ConfigError, match="of one family"):
        train(SPECS["stream"], PLAN, corpus, tmp_path / "s.pt", Augment(), {}, second=window)
    with pytest.raises(ConfigError, match="as far ahead"):
        train(SPECS["stream"], PLAN, corpus, tmp_path / "s.pt", Augment(), {}, second=further)
    stream = load_variant("s6", SMALL)
    rig = replace(stream.layout, names=stream.layout.names[::-1])
    turned = Checkpoint(stream, stream.build(rig).state_dict(), layout=rig)
    with pytest.raises(ConfigError, match="another rig's"):
        train(SPECS["stream"], PLAN, corpus, tmp_path / "s.pt", Augment(), {}, second=turned)


@families
@pytest.mark.parametrize("hears", ["clean", "noise"])
def test_a_second_teacher_hears_what_the_plan_says(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, family: str, hears: str
) -> None:
    spec = SPECS[family]
    second, student = Checkpoint(spec, spec.build().state_dict()), spec.build().train()
    feed = feeds.feed_of(spec, replace(PLAN, second_hears=hears), load_shards(corpus, "train"), Augment(), second)
    drawn, heard = feed.draw(np.random.default_rng(0), 0), []
    assert (drawn.clean != drawn.audio).any()
    how = "sequence" if family == "window" else "features"
    listen = getattr(feed.second, how)  # type: ignore[attr-defined]
    monkeypatch.setattr(feed.second, how, lambda audio: heard.append(audio) or listen(audio))  # type: ignore[attr-defined]
    feed.loss(student, drawn, 0)
    np.testing.assert_array_equal(heard[0], drawn.clean if hears == "clean" else drawn.audio)


def test_steps_of_a_stretch_are_columns_at_first_and_frames_in_the_exact_stage(corpus: Path) -> None:
    """What moves from step to step is weighed by how many steps make a frame."""
    feed, student = feeds.feed_of(SPEC, PLAN, load_shards(corpus, "train"), None), SPEC.build().train()
    for step, starts, per_frame in ((0, [0, 320, 640], 16000 / 30 / 320), (PLAN.steps, [0, 533, 1066], 1.0)):
        drawn = feed.draw(np.random.default_rng(0), step)
        assert drawn.starts[:3].tolist() == starts
        feed.loss(student, drawn, step)
        assert feed.objective.seen is not None
        assert feed.objective.seen.steps_per_frame == pytest.approx(per_frame)


@pytest.mark.parametrize(("mine", "theirs"), [(64, 256), (256, 256), (256, 64)])
def test_both_windows_are_of_the_same_frame(mine: int, theirs: int) -> None:
    """Predictive supervision: a frame's two windows hold the same sample where each expects its frame."""
    windows = [load_variant("s2", {"future_ms": ms}).window for ms in (mine, theirs)]  # type: ignore[union-attr]
    span = feeds.spanning(windows)
    starts = np.array([0, 533, 1066])
    stretch = np.arange(span.length_samples + 1066, dtype=np.float32)
    for window in windows:
        audio = feeds.cut(stretch[None, None], feeds.margins(span, window))[0, 0]
        assert len(audio) == window.length_samples + 1066
        assert [float(audio[start + window.past_samples]) for start in starts] == list(span.past_samples + starts)


def test_a_window_student_is_drawn_to_what_a_farther_seeing_one_concludes(corpus: Path, tmp_path: Path) -> None:
    plan = Plan(
        steps=80,
        exact_steps=3,
        batch=2,
        frames=8,
        exact_batch=1,
        exact_frames=3,
        learning_rate=5e-3,
        ema=0.5,
        alpha_feat=3,
    )
    near = load_variant("s2", {"channels": 8, "future_ms": 64})
    student = SPEC.build()
    initialise(student, 7)
    second = Checkpoint(SPEC, student.state_dict())
    taught = train(near, plan, corpus, tmp_path / "taught.pt", Augment(), {}, second=second, recipe="hybrid")
    alone = train(near, plan, corpus, tmp_path / "alone.pt", Augment(), {})
    feed = feeds.WindowFeed(near, plan, load_shards(corpus, "train"), None, second)  # type: ignore[arg-type]

    def distance(checkpoint: Checkpoint) -> float:
        batch = feed.data.batch(np.random.default_rng(3), 4, 8, 320)
        with torch.no_grad():
            ours, theirs = (
                feeds.window_features(c.student().train(), feeds.cut(batch.audio, m), batch.starts, True)  # type: ignore[arg-type]
                for c, m in zip((checkpoint, second), feed.margins, strict=True)
            )
        return float(sum((a - b).square().mean() for a, b in zip(ours, theirs, strict=True)))

    assert distance(taught) < 0.8 * distance(alone)


def test_a_wider_last_layer_cannot_teach(corpus: Path, tmp_path: Path) -> None:
    wide = load_variant("s2", {"channels": 8, "fc_width": 40})
    with pytest.raises(ConfigError, match="other widths"):
        train(SPEC, PLAN, corpus, tmp_path / "s.pt", Augment(), {}, second=Checkpoint(wide, wide.build().state_dict()))


def test_fine_tuning_goes_on_gently_from_where_training_ended(corpus: Path, tmp_path: Path) -> None:
    parent = run(corpus, tmp_path / "parent.pt")
    plan = finetune.plan_after(parent, {"exact_steps": 3})
    assert (plan.steps, plan.exact_steps, plan.learning_rate, plan.shut_weight) == (0, 3, 1e-6, PLAN.shut_final)
    status = finetune.main(
        [
            "--checkpoint",
            str(tmp_path / "parent.pt"),
            "--corpus",
            str(corpus),
            "--out",
            str(tmp_path / "tuned.pt"),
            "--exact-steps",
            "3",
        ]
    )
    assert status == 0
    tuned = Checkpoint.load(tmp_path / "tuned.pt")
    assert tuned.training["recipe"] == "fine-tuning"
    assert tuned.training["init"]["recipe"] == "heterogeneous"
    for name, value in tuned.state.items():
        torch.testing.assert_close(value.float(), parent.state[name].float(), atol=2e-3, rtol=2e-3)
    # at 1e-6 a weight moves by less than float16 tells apart: the file must keep what moved
    moved = sum(int((value.float() != parent.state[name].float()).sum()) for name, value in tuned.state.items())
    lost = sum(int((value.half() != parent.state[name].half()).sum()) for name, value in tuned.state.items())
    assert moved > 3 * lost


def test_bfloat16_learns_too(corpus: Path, tmp_path: Path) -> None:
    whole = run(corpus, tmp_path / "whole.pt")
    half = run(corpus, tmp_path / "half.pt", replace(PLAN, mixed_precision="bf16"))  # in the same process, too
    assert half.training["plan"]["mixed_precision"] == "bf16"
    assert half.weights_sha256 != whole.weights_sha256
    assert half.training["final_loss"] == pytest.approx(whole.training["final_loss"], rel=0.02)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match="there are: no, bf16"):
        Plan(mixed_precision="fp8")


def test_a_resume_file_of_another_corpus_or_noise_is_refused(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command on other speech, by another second teacher or from other weights would go on as if nothing had
    happened."""
    out = tmp_path / "s.pt"
    killed_at(1, out.with_name("s.pt.resume"), monkeypatch)
    first, second, third = (Checkpoint(SPEC, SPEC.build().state_dict()) for _ in range(3))
    given: dict[str, Any] = {"corpus": corpus, "augment": Augment(), "init": first, "second": second}

    def go_on(**changes: object) -> Checkpoint:
        return train(SPEC, PLAN, out=out, made={}, **{**given, **changes})

    with pytest.raises(KeyboardInterrupt):
        go_on()
    random, longer = np.random.default_rng(0), [Phone("ɑ", 0.5, 2.5)]
    relabelled = [utterance(str(i), random, longer) for i in range(4)]  # the same sounds and names
    write_shard(tmp_path / "other" / "shards" / "train-human-000.npz", relabelled)
    for name, other, says in (
        ("augment", Augment(noises=[np.ones(16000, np.float32)]), "noise or rooms"),
        ("corpus", tmp_path / "other", "corpus"),
        ("second", third, "second teacher"),
        ("second", None, "second teacher"),
        ("init", third, "beginning"),
        ("init", None, "beginning"),
    ):
        with pytest.raises(CheckpointError, match=f"learned from another {says}"):
            go_on(**{name: other})


def test_a_resume_file_of_before_a_setting_was_there_goes_on(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a newer version added stood at its default, of which an older file says nothing."""
    out, file = tmp_path / "s.pt", tmp_path / "s.pt.resume"
    killed_at(1, file, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, out)
    saved = torch.load(file, weights_only=True)
    del saved["plan"]["hours"]
    with atomic_open(file) as stream, sealing(stream) as sealed:
        torch.save(saved, sealed)
    with pytest.raises(CheckpointError, match="other steps"):
        run(corpus, out, replace(PLAN, hours=1.0))
    run(corpus, out)


def test_what_a_setting_was_before_it_was_there() -> None:
    """Its default is what is best today; a run of before it had none of it."""
    assert as_today({}, CodeTalkerPlan)["alone"] == 0.0 < CodeTalkerPlan().alone
    assert as_today({"steps": 7}, Plan) == {
        **asdict(Plan(steps=7)),
        "alpha_own": 0.0,
        "alpha_mouth": 0.0,
        "alpha_phone": 0.0,
        "optimiser": "adamw",
    }


@pytest.mark.parametrize("option", ["--noise", "--rooms"])
def test_fine_tuning_offers_nothing_that_it_does_not_heed(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It hears clean speech alone, and had taken folders of noise in silence. Nor is `--noise` short for another."""
    words = ["--checkpoint", "a.pt", "--corpus", str(tmp_path), "--out", str(tmp_path / "b.pt")]
    with pytest.raises(SystemExit):
        finetune.main([*words, option, str(tmp_path)])
    assert f"unrecognized arguments: {option}" in capsys.readouterr().err
