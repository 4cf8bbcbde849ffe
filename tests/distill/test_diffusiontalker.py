"""DiffusionTalker: the sampler and halving by their algebra, the parts, the file, and every command of its recipe."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import killed_at
from small_talker import ARKIT, EMOTIONS, PEOPLE, PLAN, SPEC, clips, tone
from small_voice2face import save_hubert

from distill.corpus.shards import Labeller, Utterance, write_shard
from distill.corpus.styled.clips import SHORTEST_S, Clip, heard
from distill.files.teacher import Trained
from distill.recipes.diffusiontalker import main, train
from distill.scoring.styled.talkers import retrieval
from distill.teachers.diffusiontalker import TEACHER
from distill.teachers.diffusiontalker.diffusion import add_noise, ddim_step, halved_target, sample, weight
from distill.teachers.diffusiontalker.ears import CompactEars, frame_weights, frames_of
from distill.teachers.diffusiontalker.network import Talker, TalkerSpec
from distill.teachers.diffusiontalker.objective import Enhancer, among, contrast
from distill.teachers.diffusiontalker.teacher import FILE, DiffusionTalkerTeacher
from distill.teachers.diffusiontalker.voice import Voice
from distill.teachers.pretrained_ears import large_ears
from distill.teachers.registry import teacher_kind
from distill.teachers.track import RigTrack
from distill.teachers.voice2face.speech_encoder import on_grid
from distill.training.talker import Learner, TalkerClips, begin_as, distil_loss, hear_batch, student_spec
from sdk.errors import CheckpointError, ConfigError, DataError


def _network(spec: TalkerSpec = SPEC, seed: int = 1) -> Talker:
    torch.manual_seed(seed)
    network = Talker(spec, len(ARKIT))
    Learner(network, ARKIT).fit(clips())
    return network


def _trained(spec: TalkerSpec = SPEC, seed: int = 1) -> Trained[Talker]:
    return Trained(FILE, spec, FILE.halved(_network(spec, seed).state_dict()), ARKIT, training={"command": "test"})


# --- the sampler ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 4, 16])
def test_who_sees_the_motion_is_led_to_it(steps: int) -> None:
    truth = torch.randn(2, 5, 3)
    found = sample(lambda z, t: truth, torch.randn(2, 5, 3), steps)
    torch.testing.assert_close(found, truth)


def test_noise_is_alone_at_one_and_gone_at_nought() -> None:
    clean, noise = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    torch.testing.assert_close(add_noise(clean, noise, torch.zeros(2)), clean)
    torch.testing.assert_close(add_noise(clean, noise, torch.ones(2)), noise, atol=1e-6, rtol=0)
    heavy = weight(torch.tensor([0.001, 0.3, 0.5, 1.0]))
    assert heavy.tolist() == pytest.approx([5.0, 3.852, 1.0, 1.0], abs=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_one_step_to_the_halved_target_lands_where_two_of_the_teachers_do(steps: int) -> None:
    torch.manual_seed(0)
    mix = torch.randn(3, 3) * 0.3

    def teacher(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.tanh(z @ mix + t[:, None, None])

    for step in range(1, steps + 1):
        t = torch.full((4,), step / steps)
        noisy = torch.randn(4, 6, 3)
        middle, end = t - 0.5 / steps, t - 1 / steps
        half_way = ddim_step(noisy, teacher(noisy, t), t, middle)
        there = ddim_step(half_way, teacher(half_way, middle), middle, end)
        found = ddim_step(noisy, halved_target(teacher, noisy, t, steps), t, end)
        torch.testing.assert_close(found, there, atol=2e-5, rtol=1e-4)


# --- the parts --------------------------------------------------------------------------------------------------------


def test_compact_ears_hear_what_a_fourier_transform_hears() -> None:
    ears, audio = CompactEars(8, 2, 16), torch.from_numpy(tone(130))[None]
    ours = ears.log_mel(audio)
    # torch lays the window of 400 in the middle of its 512 samples
    assert ours.shape == (1, 40, 300)
    padded, window = torch.nn.functional.pad(audio, (256, 256)), torch.hann_window(400)
    straight = torch.stft(padded, 512, 160, 400, window, center=False, return_complex=True)
    theirs = (ears.bands @ straight.abs().square() + 1e-6).log() * 0.2 + 1.0
    torch.testing.assert_close(ours, theirs[..., :300], atol=2e-3, rtol=1e-3)
    assert ears(audio).shape == (1, 150, 16)


def test_frames_are_read_from_rows_as_on_the_grid() -> None:
    rows = torch.randn(1, 50, 7)
    count = frames_of(16000)
    expected = on_grid(rows, 199.5 + 320 * torch.arange(50, dtype=torch.float64), torch.arange(count) * (16000 / 30))
    torch.testing.assert_close(torch.matmul(frame_weights(50, count, 30, 199.5), rows), expected, atol=1e-5, rtol=1e-4)
    assert frame_weights(1, 3).sum(1).tolist() == [1, 1, 1]


def test_a_contrast_is_least_where_everybody_is_told() -> None:
    table, who = torch.eye(4), torch.tensor([0, 1, 2, 2])
    sharp = torch.tensor(2.3)
    told, mixed = contrast(table[who], table, who, sharp), contrast(table[[1, 0, 3, 3]], table, who, sharp)
    assert told < 0.2 < mixed
    same = who[:, None] == who
    assert among(table[who], table[who], same) < among(table[who], table[[1, 2, 0, 0]], same)


def test_the_enhancer_ties_the_embedding_to_how_the_face_moves() -> None:
    torch.manual_seed(2)
    motion, same = torch.randn(3, 12, 6), torch.eye(3, dtype=torch.bool)
    personal = torch.randn(3, 12, 8, requires_grad=True)
    loss = Enhancer([[0, 1, 2], [3, 4, 5]], 8)(motion, personal, same)
    (gradient,) = torch.autograd.grad(loss, personal)
    assert gradient.abs().max() > 0


def test_styles_are_heard_and_move_the_face() -> None:
    network = _network()
    features = torch.randn(2, 30, SPEC.width)
    identity, emotion = network.style(features)
    assert torch.allclose(identity.norm(dim=1), torch.ones(2))
    assert emotion.shape == (2, SPEC.emotion)
    here = network.personal(features, (identity, emotion))
    other = network.personal(features, (identity.roll(1, 0), emotion))
    assert here.shape == features.shape
    assert not torch.allclose(here, other)


# --- distillation -----------------------------------------------------------------------------------------------------


def test_a_student_that_is_its_teacher_is_asked_for_nothing_by_its_personalizer() -> None:
    teacher = _network()
    learner = Learner(Talker(replace(SPEC, steps=2), len(ARKIT)), ARKIT)
    begin_as(learner.network, teacher)
    data = TalkerClips(clips(), SPEC, 1.0)
    batch = data.batch(np.random.default_rng(0), 3)
    plain = replace(PLAN, alpha_contrast=0.0, alpha_enhance=0.0, alpha_truth=0.0, alpha_velocity=0.0, alpha_lips=0.0)
    loose = distil_loss(
        learner, teacher, replace(plain, alpha_guide=0.0, alpha_features=0.0), batch, np.random.default_rng(1)
    )
    guided = distil_loss(learner, teacher, replace(plain, alpha_guide=1.0), batch, np.random.default_rng(1))
    near = 0.05 * sum(among(s, s, batch.same) for s in hear_batch(teacher, batch).style)
    torch.testing.assert_close(guided - loose, near, atol=1e-4, rtol=1e-3)
    with pytest.raises(ConfigError, match="half as many or as many"):
        distil_loss(
            Learner(Talker(replace(SPEC, steps=3), len(ARKIT)), ARKIT), teacher, PLAN, batch, np.random.default_rng(1)
        )


def test_training_learns_and_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(PLAN, steps=6)
    whole = train(SPEC, plan, clips(), tmp_path / "whole.teacher", {})
    out = tmp_path / "killed.teacher"
    killed_at(2, out.with_name(out.name + ".resume"), monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(SPEC, plan, clips(), out, {})
    assert train(SPEC, plan, clips(), out, {}).weights_sha256 == whole.weights_sha256
    early = train(SPEC, replace(PLAN, steps=2), clips(), tmp_path / "early.teacher", {})
    assert whole.training["final_loss"] < early.training["final_loss"]


def test_halving_and_compacting_give_files_that_label(tmp_path: Path) -> None:
    source = str(save_hubert(tmp_path / "hubert"))
    ears = large_ears(source)
    spoken = heard(clips(), ears, source, tmp_path / "features")
    assert spoken[0].rows is not None
    assert spoken[0].rows.shape == (150, 32)
    again = heard(clips(), None, source, tmp_path)
    assert again[0].rows is None
    spec = replace(SPEC, ears=source, features=32)
    large = train(spec, PLAN, spoken, tmp_path / "large4.teacher", {})
    fewer = train(student_spec(spec, False, "large2"), PLAN, spoken, tmp_path / "large2.teacher", {}, large)
    small = train(
        student_spec(fewer.spec, True, "small2", ears_width=12, ears_blocks=2),
        PLAN,
        spoken,
        tmp_path / "s2.teacher",
        {},
        fewer,
    )
    assert (fewer.spec.steps, small.spec.steps, small.spec.ears) == (2, 2, "compact")
    for trained in (large, fewer, small):
        teacher = DiffusionTalkerTeacher(trained, None if trained.spec.compact else ears)
        track = teacher.label(tone(150))
        assert track.values.shape == (90, 52)
        assert track.fps == 30
        assert np.array_equal(track.values, teacher.label(tone(150)).values), "the same sound, the same face"
    assert "half as many" not in small.card()
    wider = replace(spec, features=31)
    with pytest.raises(CheckpointError, match="another encoder"):
        DiffusionTalkerTeacher(_trained(wider), ears)
    one = replace(SPEC, steps=1)
    with pytest.raises(ConfigError, match="cannot be halved"):
        student_spec(one, False, "none")


def test_motion_may_be_components_of_meshes(tmp_path: Path) -> None:
    spec = replace(SPEC, motion="mesh", components=20)
    trained = train(spec, PLAN, clips(), tmp_path / "mesh.teacher", {})
    assert trained.training["mesh_variance_kept"] > 0.99
    values = DiffusionTalkerTeacher(trained).label(tone(150)).values
    assert values.shape == (90, 52)
    assert 0 <= values.min() <= values.max() <= 1


# --- the teacher ------------------------------------------------------------------------------------------------------


def test_the_file_is_known_by_its_mark_and_silence_is_rest(tmp_path: Path) -> None:
    path = tmp_path / "mine.teacher"
    _trained().save(path)
    kind = teacher_kind(path)
    assert kind.teacher is TEACHER
    teacher = kind.teacher(path)
    assert np.abs(teacher.label(np.zeros(16000, np.float32)).values).max() == 0
    assert "parameters" in kind.file.load(path).card()
    with pytest.raises(CheckpointError, match="no DiffusionTalker teacher is shipped; train one"):
        FILE.load(Path(__file__).parents[2] / "checkpoints" / "diffusiontalker.teacher")


def test_five_seconds_enrol_a_voice_that_then_speaks_anything(tmp_path: Path) -> None:
    trained = _trained()
    teacher = DiffusionTalkerTeacher(trained)
    anna, bob = teacher.enrol(tone(220, 5.0), "anna"), teacher.enrol(tone(100, 5.0, 3), "bob")
    anna.save(tmp_path / "anna.voice")
    assert Voice.load(tmp_path / "anna.voice") == anna
    own, as_anna, as_bob = (
        DiffusionTalkerTeacher(trained, voice=voice).label(tone(150)).values for voice in (None, anna, bob)
    )
    assert not np.array_equal(as_anna, as_bob)
    assert not np.array_equal(own, as_anna)
    assert anna.feeling(bob).emotion == bob.emotion
    with pytest.raises(CheckpointError, match="another talker"):
        DiffusionTalkerTeacher(_trained(seed=2), voice=anna)
    (tmp_path / "no.voice").write_text("{}")
    with pytest.raises(CheckpointError, match="no enrolled voice"):
        Voice.load(tmp_path / "no.voice")


def test_retrieval_asks_across_moods_and_people() -> None:
    found = retrieval(DiffusionTalkerTeacher(_trained()), clips())
    assert found["person"]["chance"] == pytest.approx(1 / 3)
    assert found["emotion"]["chance"] == pytest.approx(1 / 3)
    assert 0 <= found["person"]["top1"] <= 1
    assert retrieval(DiffusionTalkerTeacher(_trained(replace(SPEC, personal=False))), clips()) == {}


def test_a_short_clip_ends_in_silence_and_a_wrong_spec_says_all() -> None:
    clip = Clip.made("m000_anger_10_00", "m000", "anger", np.ones(1000, np.float32), np.full((2, 52), 0.5, np.float32))
    assert len(clip.audio) == SHORTEST_S * 16000
    assert clip.motion.shape == (90, 52)
    with pytest.raises(DataError, match="no frames"):
        Clip.made("m", "m", "anger", np.ones(9), np.zeros((0, 52)))
    with pytest.raises(ConfigError, match=r"steps 0 is below 1; width 18 is no multiple.*motion 'voxels'"):
        replace(SPEC, steps=0, width=18, motion="voxels")
    assert FILE.shape().compact


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of the small clips, as `styled_corpus` writes them."""
    folder = tmp_path_factory.mktemp("styled")
    spoken = {clip.name: clip for clip in clips()}
    by = Labeller("styled", lambda u: RigTrack(spoken[u.name].motion, Fraction(30), ARKIT))
    for split, person in zip(("train", "test"), (PEOPLE[0], PEOPLE[1]), strict=True):
        utterances = [
            Utterance(c.name, c.person, np.int16(c.audio * 32767), list(c.phones))
            for c in spoken.values()
            if c.person == person
        ]
        write_shard(folder / "shards" / f"{split}-espeak-000.npz", utterances, by)
    return folder


def test_every_command_runs(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "tiny.yaml"
    settings.write_text(
        "{name: t, ears: compact, features: 0, steps: 4, width: 16, blocks: 2, ears_width: 8, ears_blocks: 1,"
        " identity: 4, emotion: 3, people: [x], emotions: [y], personal: true, motion: rig, components: 4, rig: arkit}"
    )
    large, halved = tmp_path / "a4.teacher", tmp_path / "a2.teacher"
    common = ["--corpus", str(corpus), "--settings", str(settings), "--steps", "2", "--batch", "2", "--seconds", "1"]
    hubert = str(save_hubert(tmp_path / "hubert"))
    assert main(["train", *common, "--ears", hubert, "--out", str(large)]) == 0
    assert main(["halve", *common, "--teacher", str(large), "--out", str(halved)]) == 0
    assert main(["compact", *common, "--teacher", str(halved), "--out", str(tmp_path / "c2.teacher")]) == 0
    assert (
        main(["compact", *common, "--teacher", str(tmp_path / "c2.teacher"), "--out", str(tmp_path / "x.teacher")]) == 2
    )
    assert "compact ears already" in capsys.readouterr().err
    figures = tmp_path / "figures.json"
    both = [str(halved), str(tmp_path / "c2.teacher")]
    asked = ["--corpus", str(corpus), "--split", "test", "--clips", "2", "--json", str(figures), "--into"]
    assert main(["evaluate", *both, *asked]) == 0
    rows = json.loads(figures.read_text())
    assert set(rows) == {"a2", "c2"}
    assert rows["a2"]["training"]["plan"]["steps"] == 2
    assert {"mesh_lve", "mouth_closures_found"} <= rows["a2"]["intervals"].keys()
    assert "| a2 |" in capsys.readouterr().out
    assert FILE.load(tmp_path / "c2.teacher").scores["styled_test"]["lips"]["closures"] == 6
    assert FILE.load(halved).spec.emotions == sorted(EMOTIONS)
    import soundfile

    soundfile.write(tmp_path / "anna.wav", tone(200, 5.0), 16000)
    out = tmp_path / "anna.voice"
    assert main(["enrol", both[1], "--speech", str(tmp_path / "anna.wav"), "--out", str(out)]) == 0
    assert Voice.load(out).name == "anna"
