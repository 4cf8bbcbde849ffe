"""The styled corpus: emotions that can be heard and seen, lips that stay shut, and the command run for real."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from distill.corpus.shards import shard_path
from distill.corpus.styled.clips import Clip, neutral
from distill.corpus.styled.expression import express
from distill.corpus.styled.styles import EMOTIONS, Style, cast_member, person
from distill.corpus.styled.voices import lines
from distill.recipes.styled_corpus import build, main, split_of
from distill.speech.phones import Phone
from sdk.errors import ConfigError, DataError
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

PHONES = [Phone("m", 0.3, 0.42), Phone("ɑ", 0.42, 0.9, 1), Phone("b", 0.9, 1.0), Phone("i", 1.0, 1.6)]
LAYOUT = RigLayout.arkit()
needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="espeakng-loader is not installed (the extra corpus)",
)


def _mean(emotion: str, channel: str, strength: float = 1.0) -> float:
    track = express(PHONES, 2.0, Style("m000", emotion, strength), person(0), "m000_x")
    return float(track.values[:, LAYOUT.index(channel)].mean())


def test_every_emotion_shows_what_it_is_known_by() -> None:
    shown = {
        "happiness": "mouthSmileLeft", "anger": "browDownLeft", "sadness": "mouthFrownLeft",
        "contempt": "mouthDimpleRight", "surprise": "browOuterUpRight", "fear": "mouthStretchLeft",
        "disgust": "noseSneerLeft",
    }  # fmt: skip
    for emotion, channel in shown.items():
        assert _mean(emotion, channel) > _mean(emotion, channel, 0.5) > _mean("neutral", channel), emotion
        others = [_mean(other, channel) for other in EMOTIONS if other != emotion]
        assert _mean(emotion, channel) > max(others) - 1e-6, emotion


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_lips_that_speech_shuts_stay_shut_in_every_emotion(emotion: str) -> None:
    face = Face.default()
    for number in range(4):
        track = express(PHONES, 2.0, Style(f"m{number:03d}", emotion, 1.0), person(number), f"clip{number}")
        gap = face.lip_gap_cm(track.values, LAYOUT)
        assert gap[33:40].min() <= CLOSED_CM
        assert gap[91:99].min() <= CLOSED_CM
        assert gap[60:70].max() > 2 * CLOSED_CM, "the vowel between stays open"


def test_the_same_name_is_the_same_face_and_another_blinks_elsewhere() -> None:
    style, who = Style("m000", "fear", 1.0), person(0)
    one, again, other = (express(PHONES, 9.0, style, who, name).values for name in ("a", "a", "b"))
    assert np.array_equal(one, again)
    blink = LAYOUT.index("eyeBlinkLeft")
    assert not np.array_equal(one[:, blink], other[:, blink])
    assert one.min() >= 0
    assert one.max() <= 1


def test_a_name_tells_the_style_and_people_stay_on_their_side() -> None:
    style = Style("w003", "anger", 0.5)
    assert Style.of(style.name(7)) == style
    for wrong in ("w003_rage_10_01", "w003-anger-10", "x"):
        with pytest.raises(DataError, match="tells no style"):
            Style.of(wrong)
    assert [split_of(number, 8) for number in range(8)] == ["train"] * 6 + ["valid", "test"]
    assert person(3) == person(3) != person(5)


def test_voices_follow_the_emotion() -> None:
    said = {line.name.split("_")[1]: line for line in lines([person(1)], list(EMOTIONS), 1, 3)}
    pitch = {name: int(line.variant.split()[1]) for name, line in said.items()}
    assert pitch["surprise"] > pitch["neutral"] > pitch["sadness"]
    assert said["fear"].words_per_minute > said["neutral"].words_per_minute > said["sadness"].words_per_minute
    assert said["anger"].level > said["neutral"].level > said["sadness"].level


@needs_espeak
def test_the_command_makes_shards_that_every_recipe_reads(tmp_path: Path) -> None:
    from distill.corpus.shelf import load_shards

    arguments = ["--people", "3", "--each", "1", "--emotions", "neutral", "surprise", "--out", str(tmp_path)]
    assert main(arguments) == 0
    made = sorted(path.name for path in (tmp_path / "shards").glob("*.npz"))
    assert made == ["test-espeak-002.npz", "train-espeak-000.npz", "valid-espeak-001.npz"]
    shard = load_shards(tmp_path, "train")[0]
    assert [Style.of(name).emotion for name in shard.names] == ["neutral", "surprise"]
    assert shard.teacher == "styled"
    audio, track = shard.utterance(1)
    assert np.abs(audio).max() > 1000
    assert track.values[:, LAYOUT.index("browOuterUpLeft")].mean() > 0.2
    before = (tmp_path / "shards" / made[0]).stat().st_mtime_ns
    assert main(arguments) == 0
    assert (tmp_path / "shards" / made[0]).stat().st_mtime_ns == before, "what is there is kept"


def test_shards_of_another_cast_are_refused_before_anybody_speaks(tmp_path: Path) -> None:
    """With fewer people the last of them change sides; who stood there before stood in train too."""
    left = shard_path(tmp_path / "shards", "train", "espeak", 2)
    left.parent.mkdir()
    left.touch()
    with pytest.raises(DataError, match=r"1 shards of another plan stand there \(train-espeak-002\.npz\)"):
        build(3, 1, tmp_path)


def test_people_of_another_seed_are_others_and_are_known_by_their_names() -> None:
    """A face without its mood was that of the first seed's person, who has another mouth."""
    for seed in (1, 2, 30):
        who = person(4, seed)
        assert cast_member(who.name) == who
        assert Style.of(Style(who.name, "anger", 0.5).name(7)).person == who.name
    assert person(4).name == "m004", "as in every corpus of the first seed"
    assert person(4, 2).name == "m004s2"
    clip = Clip.made("x", person(1, 2).name, "anger", np.zeros(48000, np.float32), np.zeros((90, 52)), PHONES)
    track = express(PHONES, 3.0, Style(clip.person, "neutral", 1.0), person(1, 2), "x")
    (plain,) = neutral([clip], LAYOUT)
    np.testing.assert_allclose(plain.motion, track.at(np.arange(90) / 30), atol=1e-6)
    for stranger in ("w004", "m004s1", "m004s", "m004s02", "b12"):
        with pytest.raises(DataError, match="nobody of the made-up cast"):
            cast_member(stranger)


def test_what_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown emotions: rage"):
        build(3, 1, tmp_path, emotions=["rage"])
    with pytest.raises(ConfigError, match="three people"):
        build(2, 1, tmp_path)
