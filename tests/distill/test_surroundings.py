"""What is done to a test set is what its name says, keeps the timing, and is the same every time."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from distill.recipes.evaluate import main as evaluate
from distill.scoring.conditions import CONDITIONS, Item, measured_set
from distill.scoring.controls import loudness_mouth
from distill.scoring.mouth.measured_lips import LipsInVideo
from distill.scoring.mouth.space import MouthSpace
from distill.scoring.surroundings import Change, coded, expand, noises, noises_alone, surroundings
from distill.speech.augment import Augment, clatter, held_out_noise, made_up_room
from distill.speech.phones import Phone
from sdk.errors import ConfigError, DataError
from sdk.rig import RigLayout

HELD, TRAINED = "kitchen.wav", "bell.wav"


def spoken(name: str, speaker: str = "", seconds: float = 1.5) -> Item:
    random = np.random.default_rng(sum(map(ord, name)))
    times = np.arange(int(seconds * 16000)) / 16000
    voice = sum(np.sin(2 * np.pi * f * times) / f for f in (180.0, 540.0, 1260.0, 2500.0))
    loud = 20 * voice * (0.3 + np.abs(np.sin(2 * np.pi * 1.7 * times + random.uniform(0, 3))))
    return Item(name, loud.astype(np.float32), [], speaker=speaker)


ITEM = spoken("clip")
VOICES = [spoken(f"voice{i}", f"s{i}") for i in range(9)]


@pytest.fixture
def known(tmp_path: Path) -> dict[str, Change]:
    random = np.random.default_rng(1)
    for folder in ("noise", "rooms"):
        (tmp_path / folder).mkdir()
    for name in (HELD, TRAINED):
        soundfile.write(tmp_path / "noise" / name, random.normal(0, 0.1, 24000), 16000)
    for name in (HELD, TRAINED):
        soundfile.write(tmp_path / "rooms" / name, np.r_[np.zeros(80), 0.5, random.normal(0, 0.05, 3000)], 16000)
    return surroundings(tmp_path / "noise", tmp_path / "rooms", VOICES)


def test_training_leaves_out_the_noises_that_are_scored_in(known: dict[str, Change], tmp_path: Path) -> None:
    assert held_out_noise(HELD)
    assert not held_out_noise(TRAINED)
    for number in range(40):  # cuts of one recording go together, by the names of any release
        assert len({held_out_noise(f"3-{number}-{cut}") for cut in ("A.ogg", "B.ogg", "A-11.wav", "C-11.wav")}) == 1
    assert 0.1 < np.mean([held_out_noise(f"{i}.wav") for i in range(400)]) < 0.3
    augment = Augment.from_folders(tmp_path / "noise", tmp_path / "rooms")
    assert (len(augment.noises), len(augment.rooms)) == (1, 1)
    assert augment.rooms[0][0] == 1.0, "the direct sound comes at once, though the recording of the room began before"
    assert list(noises(tmp_path / "noise")) == ["kitchen"]
    (tmp_path / "noise" / TRAINED).unlink()
    assert len(Augment.from_folders(tmp_path / "noise", None).noises) == 1, "better one noise than none"
    alone = noises_alone(tmp_path / "noise")["kitchen"][0]
    assert np.sqrt(np.mean(alone.audio**2)) == pytest.approx(10**-1.5, rel=0.05)


class Answers(np.random.Generator):
    """Says yes to the draws of chance that are named by their number, and no to the others."""

    def __init__(self, seed: int, *yes: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.yes, self.asked = yes, 0

    def random(self, *_: object, **__: object) -> float:  # type: ignore[override]
        self.asked += 1
        return 0.0 if self.asked - 1 in self.yes else 1.0


MU_LAW, LEVEL, OFFSET = 4, 5, 7  # which draws of chance decide on them


def test_a_codec_leaves_quiet_speech_as_loud_and_as_it_was() -> None:
    speech = 0.004 * ITEM.audio / np.abs(ITEM.audio).max()
    for seed in range(10):
        coded_ = Augment()(speech, Answers(seed, MU_LAW, LEVEL))
        plain = Augment()(speech, Answers(seed, LEVEL))
        assert not np.array_equal(coded_, plain)
        np.testing.assert_allclose(coded_, plain, atol=0.05 * np.abs(plain).max())


def test_some_microphones_have_an_offset() -> None:
    quiet = [Augment()(ITEM.audio, Answers(seed, OFFSET)) for seed in range(20)]  # level from -54 dB: none is clipped
    means = np.array([sound.mean() for sound in quiet])
    assert 0.03 < means.std() < 0.1
    assert np.abs(means).max() < 0.105
    assert np.abs([Augment()(ITEM.audio, Answers(seed)).mean() for seed in range(20)]).max() < 0.005


def test_a_long_recording_of_noise_is_heard_from_its_begin_to_its_end(tmp_path: Path) -> None:
    """The first five seconds of two minutes in a kitchen had stood for all of them."""
    rising = np.repeat(np.linspace(0.01, 0.5, 130), 16000)
    soundfile.write(tmp_path / HELD, rising, 16000)
    loud = [float(item.audio.mean()) for item in noises_alone(tmp_path)["kitchen"]]
    assert len(loud) == 12
    assert loud == sorted(loud)
    assert loud[0] < 0.1 * loud[-1]
    soundfile.write(tmp_path / HELD, rising[:24000], 16000)
    (short,) = noises_alone(tmp_path)["kitchen"]
    assert len(short.audio) == 5 * 16000


def test_every_condition_keeps_the_length_and_repeats(known: dict[str, Change]) -> None:
    assert {"steady_0db", "babble_-5db", "kitchen_20db", "quieter_40db", "clipped", "dc", "room", "gsm"} <= set(known)
    for name, change in known.items():
        if name in ("midway", "ended"):
            continue
        once = change(ITEM)
        assert once.audio.dtype == np.float32, name
        assert once.audio.shape == ITEM.audio.shape, name
        np.testing.assert_array_equal(once.audio, change(ITEM).audio, err_msg=name)
        assert not np.array_equal(once.audio, ITEM.audio), name


@pytest.mark.parametrize("noise", ["steady", "babble", "kitchen"])
def test_noise_is_as_loud_as_its_name(known: dict[str, Change], noise: str) -> None:
    for snr in (10, -5):
        added = known[f"{noise}_{snr}db"](ITEM).audio - ITEM.audio
        assert 10 * np.log10(np.mean(ITEM.audio**2) / np.mean(added**2)) == pytest.approx(snr, abs=0.1)


def test_level_and_offset_are_as_named(known: dict[str, Change]) -> None:
    for down in (20, 40):
        found = known[f"quieter_{down}db"](ITEM).audio
        assert 20 * np.log10(found.std() / ITEM.audio.std()) == pytest.approx(-down, abs=0.1)
    assert known["dc"](ITEM).audio.mean() == pytest.approx(0.05, abs=1e-3)
    assert np.mean(np.abs(known["clipped"](ITEM).audio) == 1.0) > 0.05


def test_midway_begins_inside_the_first_open_vowel(known: dict[str, Change]) -> None:
    phones = [
        Phone("m", 0.1, 0.2),
        Phone("ɑː", 0.2, 0.3),
        Phone("p", 0.3, 0.4),
        Phone("ɑː", 0.4, 0.6),
        Phone("m", 0.6, 0.7),
    ]
    item = dataclasses.replace(ITEM, phones=phones)
    found = known["midway"](item)
    np.testing.assert_array_equal(found.audio, ITEM.audio[8000:])
    assert [(p.symbol, round(p.start, 6), round(p.end, 6)) for p in found.phones] == [("ɑː", 0.0, 0.1), ("m", 0.1, 0.2)]
    assert known["midway"](ITEM) == ITEM, "nobody says an open vowel"


def test_ended_is_silent_behind_the_last_phone(known: dict[str, Change]) -> None:
    item = dataclasses.replace(ITEM, phones=[Phone("ɑː", 0.2, 0.3), Phone("sil", 0.3, 0.9)])
    found = known["ended"](item)
    np.testing.assert_array_equal(found.audio[:5440], ITEM.audio[:5440])
    assert not found.audio[5440:].any()
    assert len(found.audio) == 5440 + 9600
    assert known["ended"](ITEM) == ITEM, "nobody says anything"


@pytest.mark.parametrize("codec", ["opus", "mp3", "gsm"])
def test_codecs_keep_speech_in_its_place(codec: str) -> None:
    heard = coded(ITEM.audio, codec)
    size = 1 << 16
    both = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(ITEM.audio, size)), size)
    lag = int(both.argmax())
    assert min(lag, size - lag) <= 16, "within a millisecond"


def test_a_word_stands_for_a_group_and_a_wrong_one_is_named(known: dict[str, Change]) -> None:
    assert expand(["levels", "quiet"], known) == [
        "quieter_20db", "quieter_30db", "quieter_40db", "clipped", "dc", "quiet",
    ]  # fmt: skip
    assert len(expand(["snr"], known)) == 15
    assert set(expand(["around"], known)) == set(known)
    with pytest.raises(ConfigError, match=r"no condition kitchen_0db; there are: quiet.*need --noise and --rooms"):
        expand(["kitchen_0db"], CONDITIONS | surroundings(None, None, []))


def lips_folder(folder: Path) -> Path:
    """Three clips whose lips in video are those of the loudness mouth, upside down for the third."""
    space, curves = MouthSpace.default(), {}
    for number in range(3):
        item = spoken(f"clip{number}", seconds=2.0)
        soundfile.write(folder / f"{item.name}.wav", item.audio, 16000)
        jaw = space.measures(space.shapes(loudness_mouth(item.audio, 60), RigLayout.arkit()))[:, 4]
        seen = np.interp((np.arange(50) + 0.5) / 25, np.arange(60) / 30, jaw) * (-1 if number == 2 else 1)
        curves[item.name] = np.stack([seen, seen, seen, np.full(50, 0.5), seen, seen], axis=1).astype(np.float16)
    np.savez(folder / "lips_25fps.npz", **curves)
    return folder


def test_lips_in_video_are_met_frame_by_frame_less_what_loudness_gets(tmp_path: Path) -> None:
    items = measured_set(lips_folder(tmp_path))
    judge, space, still = LipsInVideo(), MouthSpace.default(), np.zeros((60, 52), np.float32)
    for item in items[:2]:
        assert item.lips is not None
        judge.add(loudness_mouth(item.audio, 60), RigLayout.arkit(), item.audio, item.lips, space)
    found = judge.scores()
    assert found["gap_r"] == pytest.approx(found["loudness_gap_r"])
    assert found["jaw_r_clip"] > 0.99
    assert found["width_r"] == 0.0, "a width that never moves goes with nothing"
    assert found["gap_r_over_loudness"] == pytest.approx(0.0)
    other, third = LipsInVideo(), items[2].lips
    assert third is not None
    other.add(still, RigLayout.arkit(), items[2].audio, third, space)
    assert other.scores()["gap_r"] == 0.0
    assert other.scores()["loudness_gap_r"] < -0.9
    judge.extend(other)
    assert judge.scores()["clips"] == 3
    with pytest.raises(DataError, match="cannot read measured lips"):
        measured_set(Path(__file__).parent)


@pytest.mark.parametrize(("seconds", "lengths"), [(0.9, []), (1, [1]), (19.9, [19.9]), (35, [11.7, 11.7, 11.7])])
def test_every_second_of_a_noise_is_as_likely_as_another(seconds: float, lengths: list[float], tmp_path: Path) -> None:
    """Two minutes of a street had been drawn as seldom as one bark."""
    sound = np.random.default_rng(2).uniform(-0.5, 0.5, int(seconds * 16000)).astype(np.float32)
    soundfile.write(tmp_path / TRAINED, sound, 16000, subtype="FLOAT")
    found = Augment.from_folders(tmp_path, None).noises
    assert [len(piece) / 16000 for piece in found] == pytest.approx(lengths, abs=0.05)
    if found:
        np.testing.assert_array_equal(np.concatenate(found), sound)


@pytest.mark.parametrize("more", [[], ["--whole"]])
def test_evaluate_asks_video_and_noise_alone(
    more: list[str], tmp_path: Path, known: dict[str, Change], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the whole mouth is asked: of recordings whose words nobody knows there is none, nor its controls."""
    out, grid = tmp_path / "scores.json", tmp_path / "grid"
    grid.mkdir()
    asked = ["--grid", str(lips_folder(grid)), "--rest", "--noise", str(tmp_path / "noise"), "--conditions", "quiet,dc"]
    assert evaluate(["loudness", *asked, *more, "--json", str(out)]) == 0
    found = json.loads(out.read_text("utf-8"))
    assert found["grid"]["clips"] == found["grid_dc"]["clips"] == 3
    assert found["grid"]["gap_r_over_loudness"] == pytest.approx(0.0)
    assert set(found["rest"]) == {"silence", "noise_60db", "noise_45db", "noise_30db", "kitchen"}
    assert "r with lips in video (loudness): gap" in capsys.readouterr().out


def test_made_up_rooms_keep_the_direct_sound_and_die_away() -> None:
    for seed in range(20):
        response = made_up_room(np.random.default_rng(seed))
        assert response[0] == 1.0
        assert 10**-1.2 * 0.999 <= np.sum(response[1:] ** 2) <= 10**0.6 * 1.001
        assert np.sum(response[: len(response) // 2] ** 2) > 10 * np.sum(response[len(response) // 2 :] ** 2)


def test_what_is_struck_rings_and_no_two_sets_of_dishes_alike() -> None:
    made = [clatter(3 * 16000, np.random.default_rng(seed)) for seed in range(24)]
    np.testing.assert_array_equal(made[0], clatter(3 * 16000, np.random.default_rng(0)))
    assert all(sound.shape == (48000,) and np.isfinite(sound).all() and sound.dtype == np.float32 for sound in made)
    struck = [sound for sound in made if sound.any()]
    assert len(struck) > 20
    # blows, not a hum: white noise has a peak of 13 dB over its mean power
    peaks_db = [10 * np.log10(np.square(sound).max() / np.square(sound).mean()) for sound in struck]
    assert np.median(peaks_db) > 20
    brightest = [np.abs(np.fft.rfft(sound)).argmax() * 16000 / len(sound) for sound in struck]
    assert np.std(np.log2(brightest)) > 0.5, "octaves apart"
    assert clatter(5, np.random.default_rng(3)).shape == (5,)
    assert clatter(0, np.random.default_rng(3)).shape == (0,)
