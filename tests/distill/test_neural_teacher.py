"""The neural teacher: it hears from both ends, begins as its ears, shuts nearly shut lips, and its file is checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import SMALL
from small_voice2face import save_hubert

from distill.files.checkpoint import Checkpoint
from distill.files.disk import load_mono
from distill.files.teacher import Trained
from distill.recipes.teacher import with_encoder
from distill.scoring.metrics import LipJudge
from distill.speech.phones import Phone, from_json
from distill.speech.phonetics import CLASSES
from distill.students.spec import StreamStudentSpec, load_variant
from distill.students.stream import HOP_SAMPLES
from distill.teachers.articulatory.teacher import animate
from distill.teachers.closing import can_close, close_lips
from distill.teachers.neural.network import COLUMN_SAMPLES, Bidirectional, TeacherSpec, Told, mel_bands
from distill.teachers.neural.teacher import FILE, NeuralTeacher
from distill.teachers.pretrained_ears import large_ears
from distill.teachers.voice2face.speech_encoder import on_grid
from distill.training.calibration import calibrate
from sdk.errors import CheckpointError, ConfigError
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

ROOT = Path(__file__).resolve().parents[2]
ARKIT, FACE = RigLayout.arkit(), Face.default()
EARS = load_variant("s6", SMALL)
SPEC = TeacherSpec("tiny", 16, 12, 3, [1], 8, [1], 12, 0.1, "arkit")


def network(spec: TeacherSpec = SPEC, seed: int = 1) -> Bidirectional:
    """An untrained network whose outputs are not all zero."""
    net = Bidirectional(spec, len(ARKIT), len(CLASSES))
    student = spec.ears.build() if spec.ears else None
    net.initialise(seed, student)
    torch.nn.init.normal_(net.rig.weight, std=0.1)
    return net.eval()


def with_ears() -> TeacherSpec:
    assert isinstance(EARS, StreamStudentSpec)
    return replace(SPEC, ears=EARS)


def trained(spec: TeacherSpec = SPEC) -> Trained[Bidirectional]:
    return Trained(FILE, spec, network(spec).state_dict(), ARKIT, 0.2, {"command": "test"})


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * 16000)).astype(np.float32)


def test_every_column_hears_the_whole_utterance() -> None:
    """A change far outside any convolution's reach, in the past or in the future, moves the middle."""
    net, audio = network(), torch.from_numpy(sound(4.0))[None]
    with torch.no_grad():
        before = net(audio).rig[0, 100]
        for place in (slice(0, 8000), slice(56000, 64000)):
            changed = audio.clone()
            changed[:, place] = changed[:, place].flip(1)
            assert (net(changed).rig[0, 100] - before).abs().max() > 1e-6


def test_it_begins_as_its_ears_at_the_instants_of_its_own_columns() -> None:
    spec = with_ears()
    assert spec.ears
    student = spec.ears.build().eval()
    net = Bidirectional(spec, len(ARKIT), len(CLASSES))
    net.initialise(1, student)
    audio = torch.from_numpy(sound(2.0))[None]
    extra = torch.zeros(1, 3 * HOP_SAMPLES)
    with torch.no_grad():
        curves = net.eval()(audio).rig[0].numpy()
        theirs = student.features(torch.cat([audio, extra], 1)[:, None])[2][0].numpy()
    instants = HOP_SAMPLES * (np.arange(len(theirs)) + 1) - spec.ears.future_samples
    own = np.arange(len(curves)) * COLUMN_SAMPLES
    for channel in (0, 17, 51):
        expected = np.tanh(np.interp(own, instants, theirs[:, channel]))
        np.testing.assert_allclose(curves[:, channel], expected, atol=1e-5)


def test_ears_never_learn() -> None:
    net = network(with_ears()).train()
    assert net.ears is not None
    assert not net.ears.training
    assert not any(p.requires_grad for p in net.ears.parameters())


def test_level_and_microphone_fall_out_before_the_network() -> None:
    audio = torch.from_numpy(sound(1.0) * np.repeat([1.0, 0.1, 1.0, 0.3], 4000).astype(np.float32))[None]
    net = network()
    torch.testing.assert_close(net.rows(audio), net.rows(0.05 * audio), atol=1e-3, rtol=0)


def test_mel_bands_cover_speech_and_overlap() -> None:
    bands = mel_bands(40)
    assert bands.shape == (40, 257)
    assert (bands.max(1) > 0.3).all()
    covered = bands.sum(0)[4:220]  # up to the last centre
    assert covered.min() > 0.5


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"kernel": 4}, "even"), ({"mels": 0}, "mels"), ({"before": [0]}, "dilations"), ({"dropout": 1.0}, "dropout")],
)
def test_shapes_that_cannot_be_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replace(SPEC, **changes)  # type: ignore[arg-type]


def test_the_settings_file_is_the_shipped_teachers_shape() -> None:
    shipped = FILE.load(FILE.shipped)
    assert replace(shipped.spec, ears=None) == FILE.shape()


@pytest.mark.parametrize("samples", [0, 1, 319, 16001])
def test_any_length_gets_a_label_and_the_same_one_twice(samples: int) -> None:
    teacher = NeuralTeacher(trained(with_ears()))
    waveform = sound(2.0)[:samples]
    track = teacher.label(waveform)
    assert track.values.shape == (max(-(-samples // 320), 1), 52)
    assert track.fps == teacher.fps == 50
    np.testing.assert_array_equal(track.values, teacher.label(waveform).values)
    assert track.values.min() >= 0
    assert track.values.max() <= 1


def test_nearly_shut_lips_are_shut_and_open_ones_left() -> None:
    jaw = np.linspace(0, 0.4, 200)
    poses = np.zeros((200, 52), np.float32)
    poses[:, ARKIT.index("jawOpen")] = jaw
    poses[:, ARKIT.index("mouthLowerDownLeft")] = poses[:, ARKIT.index("mouthLowerDownRight")] = jaw / 2
    before = FACE.lip_gap_cm(poses, ARKIT)
    closed = close_lips(poses, ARKIT, 0.25)
    after = FACE.lip_gap_cm(closed, ARKIT)
    assert after[before <= 0.25].max() <= CLOSED_CM + 1e-4
    np.testing.assert_allclose(after[before >= 0.5], before[before >= 0.5], atol=1e-5)
    assert (np.diff(after) >= -1e-3).all(), "a wider mouth stays the wider one"
    assert closed.min() >= 0
    np.testing.assert_array_equal(closed[:, ARKIT.index("jawOpen")], poses[:, ARKIT.index("jawOpen")])
    np.testing.assert_allclose(close_lips(poses, ARKIT, CLOSED_CM), poses, atol=1e-5)
    assert not can_close(RigLayout(("jawOpen", "smile")))


def test_calibration_reads_the_gap_off_open_vowels() -> None:
    phones = [Phone("ɑ", i, i + 0.1) for i in range(1, 101)]
    gap = np.full(5200, 1.0)
    gap[[round((i + 0.05) * 50) for i in range(1, 101)]] = np.linspace(0.16, 1.15, 100)
    assert calibrate([(gap, 50.0, phones)]) == pytest.approx(0.16 + 0.0198, abs=1e-3)
    assert calibrate([(gap * 10, 50.0, phones)]) == pytest.approx(0.3)
    assert calibrate([(gap, 50.0, [])]) == CLOSED_CM


def test_lips_of_other_consonants_are_not_shut_as_well() -> None:
    """A gap that no vowel has, but a /t/ does 40 ms beside its middle, is no closure; beside a /p/ it may be."""
    words = [Phone(s, i + 0.1 * k, i + 0.1 * k + 0.1) for i in range(50) for k, s in enumerate("tɑʃɑ" + "k" + "ɑ" * 5)]
    gap = np.ones(2600)
    wide = calibrate([(gap, 50.0, words)])
    gap[[50 * i + 4 for i in range(50)]] = 0.2
    assert (wide, calibrate([(gap, 50.0, words)])) == (pytest.approx(0.3), pytest.approx(0.2, abs=0.01))
    beside = [replace(phone, symbol="p") if phone.symbol == "ʃ" else phone for phone in words]
    assert calibrate([(gap, 50.0, beside)]) == pytest.approx(0.3)


def test_a_pretrained_encoder_is_heard_at_every_column_and_stays_outside(tmp_path: Path) -> None:
    source = str(save_hubert(tmp_path / "hubert"))
    spec = with_encoder(with_ears(), source)
    assert (spec.encoder, spec.features) == (source, 32)
    net, audio = network(spec), torch.from_numpy(sound(2.0))[None]
    told = net.features(audio).encoded
    assert told is not None
    assert told.shape == (1, 32, 1, 100)
    with torch.no_grad():
        encoder = large_ears(source)
        rows, instants = encoder(audio), encoder.instants(encoder(audio).shape[1])
        wanted = on_grid(rows, instants, torch.arange(100) * COLUMN_SAMPLES)
        torch.testing.assert_close(told[0, :, 0].T, torch.nn.functional.layer_norm(wanted[0], (32,)))
        hears, deaf = (net.hear(net.rows(audio), one).rig for one in (net.features(audio), Told()))
    assert float((hears - deaf).abs().mean()) > 1e-3
    made = replace(trained(spec), state=FILE.halved(net.state_dict()))
    assert not [name for name in made.state if "hubert" in name or "listener" in name]
    made.save(tmp_path / "a.teacher")
    read = FILE.load(tmp_path / "a.teacher")
    assert NeuralTeacher(read).label(sound(1.0)).values.shape == (50, 52)
    (tmp_path / "hubert").rename(tmp_path / "elsewhere")
    moved = NeuralTeacher(FILE.load(tmp_path / "a.teacher"))
    with pytest.raises(CheckpointError, match="no HuBERT can be loaded"):
        moved.label(sound(1.0))
    other = trained(replace(spec, encoder=str(tmp_path / "elsewhere"), features=16))
    with pytest.raises(CheckpointError, match="another encoder"):
        NeuralTeacher(other).label(sound(1.0))


def test_an_encoder_and_its_width_come_together() -> None:
    with pytest.raises(ConfigError, match="give both or neither"):
        replace(SPEC, encoder="whisper")
    with pytest.raises(ConfigError, match="speeds 4"):
        replace(SPEC, speeds=4)


def test_the_file_brings_back_the_teacher(tmp_path: Path) -> None:
    made = trained(with_ears())
    made.save(tmp_path / "a.teacher")
    read = FILE.load(tmp_path / "a.teacher")
    assert (read.spec, read.layout, read.shut_cm, read.training) == (made.spec, ARKIT, 0.2, made.training)
    audio = sound(1.0)
    np.testing.assert_array_equal(NeuralTeacher(read).label(audio).values, NeuralTeacher(made).label(audio).values)


@pytest.mark.parametrize("damage", ["truncate", "weights", "shape", "foreign", "absent"])
def test_a_file_that_is_not_that_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.teacher"
    trained().save(path)
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "foreign":
        spec = load_variant("s2", {"channels": 8})
        Checkpoint(spec, spec.build().state_dict()).save(path)
    elif damage == "absent":
        path.unlink()
    else:
        raw = torch.load(path, weights_only=True)
        if damage == "weights":
            raw["state"]["fc.bias"][0] += 1
        else:
            raw["teacher"]["channels"] = 13
        torch.save(raw, path)
    with pytest.raises(CheckpointError, match=r"a\.teacher"):
        FILE.load(path)


def test_the_shipped_teacher_has_its_card() -> None:
    shipped = FILE.load(FILE.shipped)
    card = FILE.shipped.with_suffix(".md").read_text("utf-8")
    assert card == shipped.card()
    assert "python -m distill.recipes.teacher" in shipped.training["command"]
    assert shipped.scores, "not scored"


def test_the_shipped_teacher_reads_the_lips_of_a_sentence_it_never_heard() -> None:
    folder = ROOT / "runtime_examples/animate"
    audio = load_mono(folder / "sentence.flac")
    phones = from_json((folder / "sentence.phones.json").read_text("utf-8"))
    track = NeuralTeacher().label(audio)
    exact = animate(phones, len(audio) / 16000, track.fps)
    judge = LipJudge()
    judge.add(FACE.lip_gap_cm(track.values, ARKIT), 50, phones)
    scores = judge.scores()
    assert scores.closures >= 3
    assert scores.recall_at_2pct == 1.0
    jaw = ARKIT.index("jawOpen")
    count = min(len(exact.values), len(track.values))
    assert np.corrcoef(exact.values[:count, jaw], track.values[:count, jaw])[0, 1] > 0.8
