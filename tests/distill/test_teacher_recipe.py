"""Training the neural teacher: its rows, its resumption, its refusals, and the corpus that it labels."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import SMALL, killed_at, utterance

from distill.corpus.making import write_shards
from distill.corpus.rows.classes import UNKNOWN_CLASS, phone_classes
from distill.corpus.rows.utterances import Utterances
from distill.corpus.shards import BY_PHONES, Utterance, labeller, read_shard, write_shard
from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint
from distill.files.teacher import Trained
from distill.recipes import teacher as recipe
from distill.recipes.evaluate import main as evaluate
from distill.speech.augment import Augment
from distill.speech.phones import Phone
from distill.speech.phonetics import CLASSES, targets
from distill.students.spec import load_variant
from distill.teachers.neural.network import Bidirectional, TeacherSpec
from distill.teachers.neural.teacher import FILE, NeuralTeacher
from distill.training.plan import Plan
from sdk.errors import CheckpointError, ConfigError
from sdk.rig import RigLayout

SPEC = TeacherSpec("tiny", 16, 12, 3, [1], 8, [1], 12, 0.1, "arkit")
PLAN = Plan(steps=12, exact_steps=0, rows=2, row_hops=100, learning_rate=3e-3, ema=0.9)
PHONES = [Phone("m", 0.5, 0.6), Phone("ɑ", 0.6, 1.5), Phone("b", 1.5, 1.6), Phone("aɪ", 1.6, 2.5)]


def said(name: str) -> Utterance:
    return utterance(name, np.random.default_rng(len(name)), PHONES)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_shard(folder / "shards" / "train-human-000.npz", [said(c) for c in "abcd"])
    write_shard(folder / "shards" / "valid-human-000.npz", [said("e")])
    return folder


def run(corpus: Path, out: Path, plan: Plan = PLAN, pool: int = 0) -> Trained[Bidirectional]:
    return recipe.train(SPEC, plan, corpus, out, Augment(), {"command": "test"}, pool=pool)


def class_of(symbol: str, part: int = 0) -> int:
    return CLASSES.index(targets(symbol)[part])


def test_a_column_is_the_phone_that_is_spoken_there() -> None:
    times = np.array([0.1, 0.55, 1.0, 1.55, 1.7, 2.3, 2.9])
    expected = [0, class_of("p"), class_of("ɑ"), class_of("b"), class_of("a"), class_of("ɪ"), 0]
    assert phone_classes(PHONES, times).tolist() == expected
    gap = [Phone("m", 0.0, 0.5), Phone("ʘ", 0.5, 0.6), Phone("i", 0.65, 1.0)]
    assert phone_classes(gap, np.array([0.55, 0.62])).tolist() == [UNKNOWN_CLASS, UNKNOWN_CLASS]


def test_rows_follow_the_sound(corpus: Path) -> None:
    """The loud part of every utterance is its phones; rest is quiet, silent in class, and shut."""
    data = Utterances(load_shards(corpus, "train"), 320, {}, None)
    batch = data.batch(np.random.default_rng(0), 4, 400)
    assert batch.audio.shape == (4, 128000)
    assert batch.rig.shape == (4, 400, 52)
    level = np.abs(batch.audio).reshape(4, 400, 320).mean(2)
    spoken = batch.classes > 0
    assert np.median(level[spoken]) > 10 * np.median(level[batch.classes == 0])
    jaw = batch.rig[:, :, RigLayout.arkit().index("jawOpen")]
    assert jaw[batch.classes == class_of("ɑ")].mean() > 0.2 > jaw[batch.classes == 0].mean() + 0.1


def test_rows_are_the_draw_of_their_seed(corpus: Path) -> None:
    data = Utterances(load_shards(corpus, "train"), 320, {}, Augment())
    one, two, other = (data.batch(np.random.default_rng(seed), 2, 100) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.audio, two.audio)
    np.testing.assert_array_equal(one.classes, two.classes)
    assert (one.audio != other.audio).any()


@pytest.mark.parametrize("pool", [0, 3])
def test_a_killed_run_resumes_to_the_same_weights(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: int
) -> None:
    straight = run(corpus, tmp_path / "straight.teacher", pool=pool)
    killed_at(7, tmp_path / "killed.teacher.resume", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "killed.teacher", pool=pool)
    assert not (tmp_path / "killed.teacher").exists()
    with pytest.raises(CheckpointError, match="other steps"):
        run(corpus, tmp_path / "killed.teacher", pool=pool + 1)
    with pytest.raises(CheckpointError, match="another noise or rooms"):
        recipe.train(SPEC, PLAN, corpus, tmp_path / "killed.teacher", None, {}, pool=pool)
    resumed = run(corpus, tmp_path / "killed.teacher", pool=pool)
    assert resumed.weights_sha256 == straight.weights_sha256
    assert FILE.load(tmp_path / "killed.teacher").training["plan"] == {**asdict(PLAN), "pool": pool}


def test_it_learns(corpus: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=60, learning_rate=5e-3, shut_weight=8, shut_final=8.0, ema=0.5)
    data = Utterances(load_shards(corpus, "train"), 320, {}, None)
    fresh = Bidirectional(SPEC, 52, len(CLASSES))
    fresh.initialise(1)

    def loss(network: Bidirectional) -> float:
        with torch.no_grad():
            feed = recipe.TeacherFeed(SPEC, plan, data, network)
            return float(feed.loss(feed.draw(np.random.default_rng(99), 0), 0))

    assert loss(run(corpus, tmp_path / "t.teacher", plan).network()) < 0.7 * loss(fresh.eval())


def test_ears_must_be_a_stream_student_of_the_same_rig() -> None:
    stream, window = load_variant("s6", SMALL), load_variant("s2", {"channels": 8})
    fits = Checkpoint(stream, stream.build().state_dict())
    assert recipe.with_ears(SPEC, fits).ears == stream
    with pytest.raises(ConfigError, match="stream student"):
        recipe.with_ears(SPEC, Checkpoint(window, window.build().state_dict()))


def test_from_the_command_line_to_scores_in_its_card(corpus: Path, tmp_path: Path) -> None:
    """What a studio would type: train with a student's ears, score what it labels, read the card."""
    stream = load_variant("s6", SMALL)
    Checkpoint(stream, stream.build().state_dict()).save(tmp_path / "ears.pt")
    settings = tmp_path / "mine.yaml"
    shape = {key: value for key, value in asdict(SPEC).items() if value not in (None, "")}
    settings.write_text("\n".join(f"{key}: {value}" for key, value in shape.items()))
    out = tmp_path / "mine.teacher"
    line = f"--settings {settings} --corpus {corpus} --ears {tmp_path}/ears.pt --out {out} --steps 3 --rows 2"
    assert recipe.main([*line.split(), "--row-hops", "100", "--pool", "2", "--data", "noise"]) == 0
    made = FILE.load(out)
    assert made.training["ears"].startswith("s6, weights ")
    assert 0.15 <= made.shut_cm <= 0.3
    grid = "".join(
        f'intervals [{i}]:\nxmin = {p.start}\nxmax = {p.end}\ntext = "{name}"\n'
        for i, (p, name) in enumerate(zip(PHONES, ("M", "AA1", "B", "AY1"), strict=True))
    )
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "a.TextGrid").write_text(
        f'item [1]:\nclass = "IntervalTier"\nname = "phones"\nintervals: size = 4\n{grid}'
    )
    import soundfile

    soundfile.write(clips / "a.wav", said("a").audio, 16000)
    assert evaluate([str(out), "--aligned", str(clips), "--into", str(out)]) == 0
    assert set(FILE.load(out).scores) == {"human", "human_10db", "human_8khz"}
    assert "human.pbm" in out.with_suffix(".md").read_text("utf-8")
    assert recipe.main([*line.split()[:2], "--corpus", str(tmp_path), "--out", str(out)]) == 2


def test_recordings_are_labelled_by_ear_and_again_when_the_teacher_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_phones, by_ear = labeller(BY_PHONES), labeller("neural")
    (path,) = write_shards([said("a")], tmp_path, "human", by_phones)
    first = read_shard(path)
    assert write_shards([said("a")], tmp_path, "human", by_ear) == [path]
    assert "labelled by articulatory, not by neural" in capsys.readouterr().err
    second = read_shard(path)
    assert (first.teacher, second.teacher) == ("articulatory", "neural")
    assert first.rig.shape == second.rig.shape
    expected = NeuralTeacher().label(said("a").audio.astype(np.float32) / 32768)
    np.testing.assert_allclose(second.utterance(0)[1].values[::2], expected.values, atol=1e-3)
    written = path.stat().st_mtime_ns
    write_shards([said("a")], tmp_path, "human", by_ear)
    assert path.stat().st_mtime_ns == written
    with pytest.raises(ConfigError, match="neural"):
        labeller("nobody")


def test_labels_of_earlier_rules_are_told_and_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = labeller(BY_PHONES)
    (path,) = write_shards([said("a")], tmp_path / "shards", "human", replace(rules, weights=""))
    load_shards(tmp_path, path.name.partition("-")[0])
    assert f"{path.name} have labels of earlier rules" in capsys.readouterr().err
    write_shards([said("a")], tmp_path / "shards", "human", rules)
    assert "other weights of articulatory" in capsys.readouterr().err
    load_shards(tmp_path, path.name.partition("-")[0])
    assert capsys.readouterr().err == ""
