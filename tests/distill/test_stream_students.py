"""Stream students: step by step is the whole, folded is the same, nothing is heard before it comes, loudness is out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_corpus import SMALL

from distill.corpus.rows.streams import StreamRows
from distill.corpus.shards import LABEL_HZ, Shard
from distill.speech.augment import Augment
from distill.speech.phones import Phone
from distill.students.spec import StreamStudentSpec, load_variant
from distill.students.stream import BatchNorm, Spectrum, StreamStudent, fold_norms
from distill.teachers.articulatory.teacher import animate
from distill.training.begin import grown, initialise
from sdk.errors import CheckpointError, ConfigError

SHAPES = {
    "base": {"channels": 16, "fc_width": 24},
    "short front": SMALL,
    "separable": {**SMALL, "separable": True},
    "relu": {**SMALL, "activation": "relu"},
    "spectrum": {"channels": 8, "fc_width": 16, "spectrum": [6, 60, 40, 5], "front": [[8, 12, 8]]},
    "no blocks": {**SMALL, "dilations": [], "context": [1, 1]},
}


def lively(changes: dict) -> StreamStudent:
    """Random weights and random running statistics, in eval mode."""
    student = load_variant("s6", changes).build()
    assert isinstance(student, StreamStudent)
    initialise(student, 3)
    for layer in student.modules():
        if isinstance(layer, BatchNorm):
            torch.nn.init.normal_(layer.running_mean, 0, 0.2)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
    torch.nn.init.normal_(student.fc3.weight, std=0.2)
    return student.eval()


def speech(hops: int, seed: int = 0) -> torch.Tensor:
    """Noise whose level wanders over 60 dB, with silence in it."""
    torch.manual_seed(seed)
    level = torch.exp(torch.randn(1, 1, hops).cumsum(2).clamp(-4, 2) - 3).repeat_interleave(320, 2)
    audio = torch.randn(1, 1, 320 * hops) * level
    audio[..., 320 * 5 : 320 * 9] = 0
    return audio


@pytest.mark.parametrize("shape", SHAPES)
def test_hop_by_hop_is_the_whole_pass(shape: str) -> None:
    student, audio = lively(SHAPES[shape]), speech(60)
    with torch.inference_mode():
        whole = student(audio)
        state, rows = student.initial_state(), []
        for hop in audio.split(320, 2):
            values, state = student.step(hop, state)
            rows.append(values)
    torch.testing.assert_close(torch.stack(rows, 1), whole, atol=5e-5, rtol=0)
    assert whole.std(dim=1).max() > 1e-3, "it answers to what it hears"


@pytest.mark.parametrize("shape", SHAPES)
def test_folded_norms_change_nothing(shape: str) -> None:
    student, audio = lively(SHAPES[shape]), speech(40)
    with torch.inference_mode():
        before = student(audio)
        folded = fold_norms(student)(audio)
    torch.testing.assert_close(folded, before, atol=1e-5, rtol=0)
    assert not [layer for layer in student.modules() if isinstance(layer, BatchNorm)]


def test_voices_side_by_side_do_not_hear_each_other() -> None:
    student = lively(SMALL)
    audio = torch.cat([speech(30, 1), speech(30, 2)])
    with torch.inference_mode():
        both = student(audio)
        state = student.initial_state(2)
        for hop in audio.split(320, 2):
            values, state = student.step(hop, state)
        for row in range(2):
            torch.testing.assert_close(both[row], student(audio[row : row + 1])[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(values, both[:, -1], atol=1e-5, rtol=0)


def test_the_future_is_not_heard() -> None:
    student, audio = lively(SMALL), speech(40)
    changed = audio.clone()
    changed[..., 320 * 25 :] = speech(15, 9)
    with torch.inference_mode():
        one, other = student(audio), student(changed)
    torch.testing.assert_close(one[:, :25], other[:, :25], atol=1e-6, rtol=0)
    assert (one[:, 25] - other[:, 25]).abs().max() > 1e-4


def test_loudness_does_not_change_the_pose() -> None:
    """24 dB louder, the same face, as long as it stays above the floor of -70 dB."""
    student = lively(SMALL)
    torch.manual_seed(1)
    audio = torch.randn(1, 1, 320 * 30) * 0.05
    with torch.inference_mode():
        torch.testing.assert_close(student(audio * 15)[:, 5:], student(audio)[:, 5:], atol=0.02, rtol=0)


def test_a_constant_offset_does_not_change_the_pose() -> None:
    """Quiet speech on the offset of a cheap sound card, five times as high: its first step is forgotten as any loud
    sound is, within a second."""
    student = lively(SMALL)
    torch.manual_seed(1)
    audio = torch.randn(1, 1, 320 * 90) * 0.01
    with torch.inference_mode():
        torch.testing.assert_close(student(audio + 0.05)[:, 50:], student(audio)[:, 50:], atol=0.1, rtol=0)


def test_a_spectrum_hears_where_a_tone_lies() -> None:
    """The loudest band is the one whose triangle the tone is in."""
    spectrum = Spectrum(80, 200, 160, 40)
    spectrum.initialise()
    loudest = []
    for hz in (300, 1000, 3000):
        tone = torch.sin(2 * torch.pi * hz * torch.arange(3200) / 16000).reshape(1, 1, 1, -1)
        waves, _ = spectrum.waves(tone, spectrum.waves.initial(1))
        bands, _ = spectrum.bands(waves * waves, ())
        loudest.append(int(spectrum.compress(bands)[0, :, 0, 5:].mean(1).argmax()))
    edges = np.linspace(*(1127 * np.log1p(hz / 700) for hz in (60, 7800)), 42)
    expected = [int(np.abs(edges[1:-1] - 1127 * np.log1p(hz / 700)).argmin()) for hz in (300, 1000, 3000)]
    assert np.abs(np.array(loudest) - expected).max() <= 1


def test_features_are_the_window_family_s() -> None:
    """F_-4, F_-3 and F_-2 have the widths of a window student's, so one can supervise the other (eq. 5)."""
    stream, window = load_variant("s6").build(), load_variant("s5").build()
    theirs = window.sequence(torch.zeros(1, 1, 8192 + 320 * 3))
    ours = stream.features(torch.zeros(1, 1, 320 * 4))
    assert [f.shape for f in ours] == [f.shape for f in theirs]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"front": [[8, 10, 5]]}, "do not multiply to 320"),
        ({"spectrum": [8, 100, 160, 4]}, "taps >= stride"),
        ({"front": []}, "front"),
        ({"front": [[8, 4, 320]]}, "kernel >= stride"),
        ({"context": [16, 3]}, "groups that divide"),
        ({"dilations": [0]}, "dilations"),
        ({"activation": "sine"}, "known: gelu, relu"),
        ({"future_ms": 300}, "future_ms"),
        ({"fps": [0, 1]}, "fps"),
        ({"family": "river"}, "known: window, stream"),
    ],
)
def test_what_could_never_be_built_is_refused_before_training(changes: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_variant("s6", changes)


def shard() -> Shard:
    """Two utterances with one long /m/ each."""
    phones = [Phone("ɑ", 0.2, 1.0), Phone("m", 1.0, 1.4), Phone("ɑ", 1.4, 2.0)]
    track = animate(phones, 2.2, LABEL_HZ)
    random = np.random.default_rng(0)
    audio = np.concatenate([(random.normal(0, 3000, 35200)).astype(np.int16) for _ in range(2)])
    rows = len(track.values)
    return Shard(
        __import__("pathlib").Path("train-human-000.npz"), audio, np.array([0, 35200, 70400]),
        np.concatenate([track.values] * 2).astype(np.float16), np.array([0, rows, 2 * rows]),
        track.layout, ["[]", "[]"], ["a", "b"], ["a", "b"],
    )  # fmt: skip


@pytest.mark.parametrize("future", [0, 704])
def test_rows_hold_the_label_of_every_hop_s_instant(future: int) -> None:
    """Where the label's lips are shut, `future` samples before the hop's end, the /m/ of the audio is."""
    rows = StreamRows([shard()], 320, future, {}, None)
    batch = rows.batch(np.random.default_rng(5), 3, 400)
    assert batch.audio.shape == (3, 1, 128000)
    assert batch.rig.shape == (3, 400, 52)
    close = batch.rig[..., rows.picker.channels.index("mouthClose")]
    jaw = batch.rig[..., rows.picker.channels.index("jawOpen")]
    for row in range(3):
        loud = np.abs(batch.audio[row, 0]) > 0
        starts = np.flatnonzero(np.diff(np.concatenate([[0], np.convolve(loud, np.ones(400), "same") > 0])) == 1)
        first = starts[0] + 200  # the first utterance begins here, its /m/ is 1.0 to 1.4 s on
        instants = 320 * (np.arange(400) + 1) - future
        inside = (instants > first + 1.05 * 16000) & (instants < first + 1.35 * 16000)
        assert inside.any()
        assert close[row][inside].min() > 0.3 * close.max()
        assert jaw[row][instants < first].max() == 0


def test_half_of_the_rows_begin_inside_an_utterance() -> None:
    """Clips are cut inside the sound and microphones opened there: sound and labels go on from the same instant."""
    rows = StreamRows([shard()], 320, 320, {}, Augment(strength=0.0), noise_alone=0.12)
    batch = rows.batch(np.random.default_rng(3), 120, 50)
    begun = np.abs(batch.clean[:, 0, :160]).max(1) > 0
    assert 0.3 < begun.mean() < 0.7
    (sounds, track), found = rows.picker.shards[0].utterance(0), 0
    for row in np.flatnonzero(begun):
        head = batch.clean[row, 0, :160] * 32768
        at = [
            k
            for k in np.flatnonzero(sounds[: len(sounds) * 8 // 10 + 1] == head[0])
            if (sounds[k : k + 160] == head).all()
        ]
        if at:  # and not slower or faster than it was
            found += 1
            times = (at[0] + 320 * np.arange(40)) / 16000  # hop 0 describes the row's first sample
            known = times < len(sounds) / 16000
            truth = track.at(times[known])
            np.testing.assert_allclose(batch.rig[row, :40][known], truth, atol=1e-3)
    assert found > 3


def test_rows_are_augmented_and_repeatable() -> None:
    rows = StreamRows([shard()], 320, 704, {}, Augment(), noise_alone=0.12)
    one, other = (rows.batch(np.random.default_rng(8), 2, 200) for _ in range(2))
    np.testing.assert_array_equal(one.audio, other.audio)
    assert np.abs(one.audio).max() <= 1
    assert isinstance(load_variant("s6"), StreamStudentSpec)


def test_a_student_grows_from_a_smaller_one_and_says_what_it_said() -> None:
    shape = {"channels": 8, "fc_width": 6, "front": [[8, 4, 2]], "dilations": [1, 2]}
    small, student = load_variant("s6", shape), lively(shape)
    wide = {"channels": 24, "fc_width": 12, "front": [[16, 4, 2]], "dilations": [1, 2, 4]}
    spec = load_variant("s6", wide)
    large = spec.build()
    assert isinstance(large, StreamStudent)
    large.load_state_dict(grown(student.state_dict(), small, spec, seed=3))
    audio = speech(40)
    with torch.no_grad():
        torch.testing.assert_close(large.eval()(audio), student(audio), atol=1e-5, rtol=1e-4)
    large.train()(audio).square().sum().backward()
    learned = large.fc1.weight.grad
    assert float((learned[0] - learned[1]).abs().max()) > 0, "copies learn otherwise"
    assert float(large.blocks[2].norm.weight.grad.abs().max()) > 0, "the new block learns"
    for wrong, why in (
        ({"channels": 12}, r"linear.*is no multiple"),
        ({"dilations": [2, 1]}, "differ by dilations"),
        ({"future_ms": 84}, "differ by future_ms"),
        ({"front": [[16, 2, 1], [16, 2, 2]]}, "differ by front"),
    ):
        with pytest.raises(CheckpointError, match=why):
            grown(student.state_dict(), small, load_variant("s6", {**wide, **wrong}), 1)
    with pytest.raises(CheckpointError, match="only stream students grow"):
        grown({}, load_variant("s2"), load_variant("s5"), 1)
