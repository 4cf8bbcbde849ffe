"""Voice2Face: what a frame hears, its latent and tags, its file, and its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from small_corpus import killed_at, utterance
from small_voice2face import ARKIT, FACE, PLAN, SPEC, save_hubert, settings, sound, spoken_poses, trained

from distill.corpus.shards import Labeller, write_shard
from distill.files.teacher import Trained
from distill.recipes import voice2face as recipe
from distill.speech.phonetics import CLASSES
from distill.teachers.articulatory.teacher import animate
from distill.teachers.voice2face.network import Voice2Face
from distill.teachers.voice2face.speech_encoder import Cepstra, hear, on_grid
from distill.teachers.voice2face.teacher import FILE, Voice2FaceTeacher
from distill.training.voice2face.feed import MeshBatch, Objective
from distill.training.voice2face.plan import Voice2FacePlan
from sdk.errors import CheckpointError, ConfigError


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hubert(tmp_path_factory.mktemp("hubert"))


def test_three_frames_and_their_windows_are_all_that_a_frame_hears() -> None:
    network = trained().network()
    features = torch.randn(1, (10 + 1) * 2 + 8, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = network.speech(features)
        assert before.shape == (1, 10, 8)
        for bin_, expected in ((0, [0]), (12, [1, 2, 3, 4, 5, 6]), (29, [9])):
            changed = features.clone()
            changed[0, bin_, 3] += 3.0
            moved = (network.speech(changed) - before).abs().amax((0, 2)) > 1e-7
            assert np.flatnonzero(moved.numpy()).tolist() == expected


def test_the_latent_is_fixed_and_the_tag_counts() -> None:
    network = trained().network()
    speech = torch.randn(2, 5, 8)
    with torch.no_grad():
        fixed = network.decode(speech)
        torch.testing.assert_close(fixed, network.decode(speech, torch.zeros(2, 5, 3), torch.tensor([0, 0])))
        assert (network.decode(speech, tag=torch.tensor([0, 2]))[1] - fixed[1]).abs().max() > 1e-4
        assert (network.decode(speech, torch.ones(2, 5, 3)) - fixed).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("changes", "says"), [({"bins": 12}, "power of two"), ({"frequency": [4]}, "layers"), ({"tag": "best"}, "none of")]
)
def test_shapes_that_cannot_be_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replace(SPEC, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [0, 1, 319, 8192, 33000])
def test_any_length_gets_a_label_and_the_same_one_twice(samples: int) -> None:
    teacher = Voice2FaceTeacher(trained())
    waveform = sound(3.0)[:samples]
    track = teacher.label(waveform)
    assert track.values.shape == (max(-(-samples * 30 // 16000), 1), 52)
    assert track.fps == teacher.fps == 30
    assert track.values.min() >= 0
    assert track.values.max() <= 1
    np.testing.assert_array_equal(track.values, teacher.label(waveform).values)


def test_the_file_brings_back_the_teacher_with_its_ears(tmp_path: Path) -> None:
    made = trained()
    made.save(tmp_path / "a.teacher")
    read = FILE.load(tmp_path / "a.teacher")
    assert (read.spec, read.shut_cm, read.training) == (made.spec, 0.2, made.training)
    audio = sound(1.0)
    np.testing.assert_array_equal(
        Voice2FaceTeacher(read).label(audio).values, Voice2FaceTeacher(made).label(audio).values
    )
    assert made.weights_sha256 in read.card()


@pytest.mark.parametrize("damage", ["truncate", "weights", "shape", "foreign"])
def test_a_file_that_is_not_that_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.teacher"
    trained().save(path)
    raw = torch.load(path, weights_only=True)
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:3000])
    elif damage == "weights":
        raw["state"]["fc.bias"][0] += 1
    elif damage == "shape":
        raw["voice2face"]["time"] = 9
    else:
        raw = {"teacher": {}, "weights_sha256": ""}
    if damage != "truncate":
        torch.save(raw, path)
    with pytest.raises(CheckpointError, match=r"a\.teacher"):
        FILE.load(path)


def test_other_ears_than_those_it_was_trained_with_are_refused(hubert: Path) -> None:
    spec, _ = recipe.with_encoder(SPEC, str(hubert))
    made = trained(spec)
    assert not [name for name in made.state if name.startswith("encoder.")], "a pretrained HuBERT is not in the file"
    assert Voice2FaceTeacher(made).label(sound(0.5)).values.shape == (15, 52)
    with pytest.raises(CheckpointError, match="features of 39, the teacher was trained on 32"):
        Voice2FaceTeacher(made, Cepstra())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for name, letters in (
        ("train-human-000", "abc"),
        ("train-espeak-000", "def"),
        ("train-kokoro-000", "hi"),
        ("valid-human-000", "g"),
    ):
        people = [utterance(letter, np.random.default_rng(ord(letter))) for letter in letters]
        write_shard(folder / "shards" / f"{name}.npz", people)
    return folder


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captures")
    for name in ("anna_1", "anna_2"):
        spoken = utterance(name, np.random.default_rng(len(name)))
        soundfile.write(folder / f"{name}.wav", spoken.audio, 16000)
        np.save(folder / f"{name}.npy", animate(spoken.phones, 3.0, 30).values)
    (folder / "channels.txt").write_text("\n".join(ARKIT.names), "utf-8")
    return folder


def learn(
    out: Path, speech: recipe.Speech, source: str | None = None, plan: Voice2FacePlan = PLAN
) -> Trained[Voice2Face]:
    spec, encoder = recipe.with_encoder(SPEC, source)
    return recipe.train(spec, plan, speech, out, encoder)


def test_it_learns_from_a_corpus_and_a_killed_run_goes_on_to_the_same_weights(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = learn(tmp_path / "whole.teacher", recipe.Speech(corpus))
    killed_at(5, tmp_path / "killed.teacher.resume", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "killed.teacher", recipe.Speech(corpus))
    again = learn(tmp_path / "killed.teacher", recipe.Speech(corpus))
    assert again.weights_sha256 == whole.weights_sha256
    assert not (tmp_path / "killed.teacher.resume").exists()
    assert whole.spec.tag == "heard"
    assert whole.training["encoder"] == "small"


def test_it_learns_meshes_that_speech_alone_then_moves() -> None:
    """One utterance until it is known: with the latent and tag of inference its meshes come back."""
    spec, encoder = recipe.with_encoder(replace(SPEC, dropout=0.0), "mfcc")
    spoken = utterance("a", np.random.default_rng(6))
    rig = animate(spoken.phones, 3.0, 30).values
    torch.manual_seed(0)
    network = Voice2Face(spec)
    network.mesh.fit(rig, FACE, ARKIT)
    features, instants = hear(encoder, torch.from_numpy(spoken.audio[None].astype(np.float32) / 32768), 73.6)
    grid = on_grid(features, instants, spec.grid(90)).repeat(4, 1, 1)
    batch = MeshBatch(grid, torch.from_numpy(rig).expand(4, -1, -1), torch.zeros(4, dtype=torch.long))
    objective = Objective(replace(PLAN, alpha_lip=0.0), network, FACE, rig)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)

    def unexplained() -> float:
        with torch.no_grad():
            error = (network(features, instants, 90) - network.mesh.code(batch.rig[:1])) * network.mesh.spread
        return float(error.square().sum(-1).mean() / network.mesh.spread.square().sum())

    assert unexplained() > 0.9
    random = np.random.default_rng(0)
    for _ in range(60):
        optimiser.zero_grad()
        objective(batch, random, 0.0).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    assert unexplained() < 0.3


def test_every_term_of_the_loss_reaches_the_network(corpus: Path) -> None:
    spec, encoder = recipe.with_encoder(SPEC, None)
    shards = recipe.Speech(corpus).shards(spec)
    torch.manual_seed(0)
    network = Voice2Face(spec, len(CLASSES))
    seen = recipe.poses(shards, ARKIT.names)
    network.mesh.fit(seen, FACE, ARKIT)
    feed = recipe.Rows(spec, PLAN, shards, network.encoder or encoder, None)
    objective = Objective(PLAN, network, FACE, seen)
    terms = objective.terms(feed.batch(np.random.default_rng(0)), np.random.default_rng(0), 0.5)
    assert list(terms) == ["mesh", "normal", "kl", "velocity", "lip", "class"]
    for name, value in terms.items():
        network.zero_grad()
        value.backward(retain_graph=True)
        moved = {key.split(".")[0] for key, p in network.named_parameters() if p.grad is not None and p.grad.any()}
        assert "encoder" in moved, name
        assert ("mesh_decoder" in moved) == (name not in ("kl", "class")), name
    assert {"mesh": terms["mesh"], "normal": terms["normal"]}["mesh"] > 0.3, "as a share of what a still face scores"


def test_recordings_without_phones_ask_for_no_classes(corpus: Path, tmp_path: Path) -> None:
    mute = [replace(u, phones=[]) for u in (utterance(c, np.random.default_rng(1)) for c in "ab")]
    for k, spoken in enumerate(mute):
        by = Labeller("ear", lambda u: animate(utterance("a", np.random.default_rng(0)).phones, 3.0, 100))
        write_shard(tmp_path / "shards" / f"train-human-{k:03d}.npz", [spoken], by)
    spec, encoder = recipe.with_encoder(SPEC, "mfcc")
    feed = recipe.Rows(spec, PLAN, recipe.Speech(tmp_path).shards(spec), encoder, None)
    batch = feed.batch(np.random.default_rng(0))
    assert batch.said is not None
    assert (batch.said[1] < 0).all()
    network = Voice2Face(spec, len(CLASSES))
    seen = spoken_poses()
    network.mesh.fit(seen, FACE, ARKIT)
    loss = Objective(PLAN, network, FACE, seen)(batch, np.random.default_rng(0), 0.0)
    assert torch.isfinite(loss)


def test_a_pretrained_hubert_hears_each_capture_once_and_its_teacher_is_scored(
    captures: Path, hubert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "studio.teacher"
    arguments = ["--captures", str(captures), "--encoder", str(hubert), "--out", str(out), "--steps", "3"]
    arguments += ["--rows", "2", "--row-s", "1", "--leave-out", "anna_2", "--settings", str(settings(tmp_path))]
    assert recipe.main(arguments) == 0
    features = sorted((tmp_path / "studio.teacher.features").glob("*.npy"))
    assert len(features) == 1, "one capture is left out"
    assert np.load(features[0]).shape == (149, 1 + 32)
    made = FILE.load(out)
    assert made.spec.tag == "captured"
    assert made.training["left_out"] == "anna_2"
    assert made.training["labels"] == ["capture"]
    assert recipe.main([*arguments, "--leave-out", "berta"]) == 2
    assert "nothing to leave out called berta" in capsys.readouterr().err
    assert recipe.main(["--out", str(out)]) == 2
    assert "give --captures, --corpus or both" in capsys.readouterr().err


def test_captures_are_learned_on_top_of_a_corpus(captures: Path, tmp_path: Path) -> None:
    """It goes on from the given weights and mesh space; another shape is refused."""
    first, plan = trained(), replace(PLAN, steps=1, learning_rate=1e-9)
    spec, encoder = recipe.with_encoder(SPEC, None)
    speech = recipe.Speech(captures=captures)
    made = recipe.train(spec, plan, speech, tmp_path / "a.teacher", encoder, first)
    assert made.spec.tag == "captured"
    for name, value in first.state.items():
        torch.testing.assert_close(made.state[name], value, atol=1e-3, rtol=1e-3, msg=name)
    assert made.training["init"] == {"command": "test"}
    other = trained(replace(SPEC, recurrent=4))
    with pytest.raises(CheckpointError, match="of another shape"):
        recipe.train(spec, plan, speech, tmp_path / "b.teacher", encoder, other)
