"""The articulatory teacher on phones: hard constraints hold, soft ones coarticulate, at any frame rate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from distill.speech.phones import Phone
from distill.speech.phonetics import LETTERS, UNKNOWN, targets
from distill.teachers.articulatory.teacher import animate
from sdk.faces.face import CLOSED_CM, Face

FACE = Face.default()


def spell(*symbols: str, each: float = 0.1, start: float = 0.5) -> list[Phone]:
    return [Phone(s, start + i * each, start + (i + 1) * each) for i, s in enumerate(symbols)]


@pytest.mark.parametrize("consonant", ["p", "b", "m"])
@pytest.mark.parametrize("vowel", ["ɑ", "i", "u", "æ", "oʊ"])
@pytest.mark.parametrize("fps", [24, 30, 60])
def test_bilabials_shut_and_their_vowels_open(consonant: str, vowel: str, fps: int) -> None:
    track = animate(spell(vowel, consonant, vowel), 1.5, fps)
    gap = FACE.lip_gap_cm(track.values, track.layout)
    inside = gap[int(np.ceil(0.6 * fps)) : int(0.7 * fps) + 1]
    assert inside.min() <= 0.0
    assert gap[round(0.55 * fps)] > CLOSED_CM
    assert gap[round(0.75 * fps)] > CLOSED_CM


def test_silence_rests_at_neutral() -> None:
    track = animate(spell("ɑ", "s"), 2.5, 30)
    assert np.abs(track.values[-15:]).max() < 0.01
    assert np.abs(animate([], 1.0, 30).values).max() == 0.0


@pytest.mark.parametrize("ends", [None, 0.99, 1.0, 1.2])
def test_lips_rest_in_the_silence_behind_the_last_phone_however_it_is_written(ends: float | None) -> None:
    written = [] if ends is None else [Phone("sil", 0.5, ends)]
    track = animate([*spell("h", "ɪ", "m", start=0.2), *written], 1.0, 100)
    gap = FACE.lip_gap_cm(track.values, track.layout)
    assert gap[45] <= 0.0
    assert gap[55:].max() < CLOSED_CM


def test_labiodentals_tuck_the_lower_lip_with_lips_apart() -> None:
    track = animate(spell("ɑ", "f", "ɑ"), 1.5, 60)
    middle = track.values[39]
    assert middle[track.layout.index("mouthRollLower")] > 0.4
    assert FACE.lip_gap_cm(middle, track.layout) > 0.0


def test_sibilants_hold_the_jaw() -> None:
    track = animate(spell("ɑ", "s", "ɑ"), 1.5, 60)
    jaw = track.values[:, track.layout.index("jawOpen")]
    assert jaw[39] <= 0.101
    assert jaw[33] > 0.2


def test_rounding_anticipates() -> None:
    rounded = animate(spell("t", "s", "u"), 1.5, 60)
    spread = animate(spell("t", "s", "i"), 1.5, 60)
    pucker = rounded.layout.index("mouthPucker")
    before_vowel = slice(36, 40)
    assert rounded.values[before_vowel, pucker].mean() > 0.12
    assert spread.values[before_vowel, pucker].max() < 0.05


def test_lips_round_earlier_before_a_vowel_than_they_let_go_behind_it() -> None:
    phones = [Phone("t", 0.1, 0.5), Phone("u", 0.5, 0.7), Phone("t", 0.7, 1.1)]
    track = animate(phones, 1.2, 120)
    pucker = track.values[:, track.layout.index("mouthPucker")]
    half = np.flatnonzero(pucker >= pucker.max() / 2)
    middle = 72  # of the vowel, in frames
    assert middle - half[0] > half[-1] - middle > 12


def shutting(*phones: tuple[str, int, int]) -> np.ndarray:
    """How far the lips are held shut, 0..1, at each 120th of a second; phones begin and end on such."""
    track = animate([Phone(symbol, first / 120, last / 120) for symbol, first, last in phones], 1.2, 120)
    return track.values[:, track.layout.index("mouthPressLeft")] / 0.28


def jerk(s: float) -> float:
    """The ramp of least jerk, at a share `s` of its way."""
    return s**3 * (10 - 15 * s + 6 * s * s)


def test_a_long_stop_lets_go_before_its_end_and_a_nasal_does_not() -> None:
    """A fifth of a /p/ of 24 frames is its burst: from 4.8 frames before its end on lips open, within 65 ms."""
    stop, nasal = (shutting(("ɑ", 36, 60), (symbol, 60, 84), ("ɑ", 84, 108)) for symbol in "pm")
    for held, end in ((stop, 79.2), (nasal, 84.0)):
        for frame in range(74, 92):
            left = np.clip(1 - (frame - end) / (0.065 * 120), 0, 1)
            assert held[frame] == pytest.approx(jerk(left), abs=1e-3), frame
        for frame in range(50, 61):
            assert held[frame] == pytest.approx(jerk(np.clip(1 - (60 - frame) / 9, 0, 1)), abs=1e-3)


def test_a_quick_vowel_opens_between_two_closures() -> None:
    """One of 50 ms: ramps of six tenths of it leave its middle open, ramps of their whole length would keep it shut."""
    held = shutting(("m", 48, 60), ("ɑ", 60, 66), ("m", 66, 78))
    assert held[63] == pytest.approx(1 - (1 - jerk(1 - 25 / 30)) ** 2, abs=1e-3)
    assert held[63] < 0.1


def test_the_shortest_closure_is_held_for_40_ms_by_a_mouth_that_undoes_the_jaw() -> None:
    phones = [("ɑ", 36, 60), ("p", 60, 61), ("ɑ", 61, 85)]
    assert (shutting(*phones)[59:63] > 0.999).all()
    track = animate([Phone(symbol, first / 120, last / 120) for symbol, first, last in phones], 1.2, 120)
    jaw, close = (track.values[59:63, track.layout.index(name)] for name in ("jawOpen", "mouthClose"))
    np.testing.assert_allclose(close, jaw, atol=1e-4)
    assert jaw.min() > 0.1


def test_any_frame_rate_samples_the_same_motion() -> None:
    phones = spell("b", "ɑ", "p", "u", "f", "i")
    fine = animate(phones, 2.0, 120)
    for fps in (Fraction(30), Fraction(60), Fraction(24000, 1001)):
        track = animate(phones, 2.0, fps)
        times = np.arange(len(track.values)) / float(fps)
        np.testing.assert_allclose(track.values, fine.at(times), atol=1e-5)


def test_curves_are_smooth_and_in_range() -> None:
    track = animate(spell("m", "ɑ", "p", "i", "b", "u", "v", "æ", each=0.07), 1.8, 60)
    assert track.values.min() >= 0.0
    assert track.values.max() <= 1.0
    assert np.abs(np.diff(track.values, axis=0)).max() < 0.35


def test_blinks_and_brows_stay_neutral() -> None:
    track = animate(spell("m", "ɑ", "p", "i"), 1.5, 30)
    names = [n for n in track.layout.names if n.startswith(("eye", "brow", "cheek", "nose"))]
    assert not track.layout.select(track.values, names).any()


def test_symbols_are_read_letter_by_letter() -> None:
    assert targets("aɪ") == [LETTERS["a"], LETTERS["ɪ"]]
    assert targets("tʃ") == [LETTERS["ʃ"]]
    assert targets("ɔː") == [LETTERS["ɔ"]]
    assert targets("?!") == [UNKNOWN]
