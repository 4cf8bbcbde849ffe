"""What is done to a test set, and what captured clips say, against curves and sounds made by hand."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_corpus import PHONES, utterance

from distill.corpus.capture.mouth import JAW, CapturedMouth, spans
from distill.scoring import metrics
from distill.scoring.conditions import REST_LEVELS_DB, Item, at_8khz, captured_set, conditions, read_sets, rest_set
from distill.scoring.tally import Tally
from distill.scoring.trackers import student_tracker
from distill.speech.phones import Phone
from distill.speech.spoken import Spoken, spoken_name, write_spoken
from distill.speech.text import held_out
from distill.students.spec import load_variant
from distill.teachers.track import RigTrack
from sdk.errors import ConfigError, DataError
from sdk.faces.face import Face
from sdk.rig import RigLayout

DATA = Path(os.environ.get("TINYFACE_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
NAMES = ("mouthPressLeft", "mouthPressRight", "mouthRollUpper", "mouthRollLower", "jawOpen", "browInnerUp")
FRAMES = 90


def curves() -> np.ndarray:
    """Rest 0-29, open 30-39 (widest 35), pressed 45-48, rolled in 55-56, upper lip alone 60-61, a brow 70-89."""
    values = np.zeros((FRAMES, len(NAMES)), np.float32)
    values[30:40, 4], values[35, 4] = 0.3, 0.5
    values[40:69, 4] = 0.05
    values[45:49, 1], values[55:57, 2:4], values[60:62, 2] = 0.4, 0.2, 0.3
    values[70:, 5] = 1.0
    return values


def mouth(values: np.ndarray, names: tuple[str, ...] = NAMES) -> CapturedMouth:
    return CapturedMouth.from_track(RigTrack(values, Fraction(30), RigLayout(names)), 30)


def test_captured_moments_are_read_off_the_channels() -> None:
    capture = mouth(curves())
    assert capture.closures == [(45, 49), (55, 57)]
    assert capture.opens == [35]
    assert capture.rest == [(3, 27), (72, 87)], "three frames from each edge; brows may move"
    with pytest.raises(DataError, match=JAW):
        mouth(curves()[:, :4], NAMES[:4])
    assert spans(np.array([True, False, True, True])) == [(0, 1), (2, 4)]


def test_agreement_with_a_captured_mouth() -> None:
    capture = mouth(curves())
    gap = np.full(FRAMES, 0.6)
    gap[43] = 0.1  # two frames before the first closure: near enough
    gap[3:15] = 0.1  # half of the first rest
    judge = metrics.CaptureJudge()
    judge.add(gap, capture.jaw * 2 + 1, capture)
    lips, more = judge.lips.scores(), judge.scores()
    assert (lips.closures, lips.vowels) == (2, 1)
    assert lips.recall_at_2pct == 0.5
    assert lips.pbm == pytest.approx(1 / 6), "frames 45 and 46 see frame 43 no further than two back: only 45 does"
    assert more["rest_shut"] == pytest.approx(12 / 39)
    assert more["jaw_correlation"] == pytest.approx(1.0)
    judge.add(gap, -capture.jaw, capture)
    assert judge.scores()["jaw_correlation"] < 0.5
    assert np.isnan(metrics.CaptureJudge().scores()["rest_shut"])


def test_a_perfect_mouth_agrees_with_the_capture() -> None:
    """Through the tally, with a rig that follows the captured curves."""
    capture, arkit = mouth(curves()), RigLayout.arkit()
    rows = [
        arkit.vector({"jawOpen": float(jaw)}) for jaw in np.where(curves()[:, :4].max(axis=1) > 0.1, 0, capture.jaw)
    ]
    found = Tally()
    found.add(Item("clip", np.zeros(48000, np.float32), [], capture), np.stack(rows), arkit, Face.default())
    scores = found.scores()
    assert scores["recall_at_2pct"] == scores["auc"] == scores["rest_shut"] == 1.0
    assert scores["jaw_correlation"] > 0.98
    assert "mse" not in scores, "its rig is another"


def write_clips(folder: Path) -> None:
    for name in ("take_1", "take_2"):
        soundfile.write(folder / f"{name}.flac", np.zeros(48000), 16000)
        np.save(folder / f"{name}.npy", curves())
    (folder / "channels.txt").write_text("\n".join(NAMES))


def test_captured_clips_are_read_from_their_folder(tmp_path: Path) -> None:
    write_clips(tmp_path)
    assert [item.name for item in captured_set(tmp_path)] == ["take_1", "take_2"]
    (item,) = captured_set(tmp_path, ["2"])
    assert item.name == "take_2"
    assert item.capture is not None
    assert item.capture.closures == [(45, 49), (55, 57)]
    assert item.reference.shape == (90, 0)
    with pytest.raises(DataError, match="take_1, take_2"):
        captured_set(tmp_path, ["3"])


def test_sets_that_have_a_folder_are_read_in_the_order_given(tmp_path: Path) -> None:
    write_clips(tmp_path)
    spoken = Spoken(utterance("a", np.random.default_rng(0)).audio, list(PHONES), "voice", "en", "")
    write_spoken(tmp_path / spoken_name(1, 0), [spoken], "by hand")
    sets = read_sets({"mandarin": tmp_path, "human": None, "facegood": tmp_path, "espeak": tmp_path}, ["2"])
    assert list(sets) == ["mandarin", "facegood", "espeak"]
    assert [item.name for item in sets["facegood"]] == ["take_2"]
    for name in ("mandarin", "espeak"):
        (item,) = sets[name]
        assert item.phones == list(PHONES), name
    with pytest.raises(DataError, match="TextGrid"):
        read_sets({"human": tmp_path})


def test_the_real_clips_hold_closures_of_both_kinds() -> None:
    folder = DATA / "speech/facegood"
    if not folder.is_dir():
        pytest.skip(f"no captured speech below {folder}; set TINYFACE_DATA")
    items = captured_set(folder)
    assert [item.name for item in items] == ["1114_2_01", "1114_2_02", "1114_2_03", "1114_2_04", "1114_3_15"]
    mouths = [item.capture for item in items if item.capture]
    assert (sum(len(m.closures) for m in mouths), sum(len(m.opens) for m in mouths)) == (67, 563)
    for item, found in zip(items, mouths, strict=True):
        assert abs(item.frames - len(found.jaw)) <= 2
        loud = np.array([np.abs(item.audio[k * 16000 // 30 :][:533]).mean() for k in range(len(found.jaw))])
        assert np.corrcoef(loud, found.jaw)[0, 1] > 0.4, "the channel that opens the jaw goes with the voice"


def test_nothing_above_4_khz_is_left_and_nothing_below_is_moved() -> None:
    time = np.arange(32000) / 16000
    for hz, least, most in ((300, -0.1, 0.1), (3000, -0.5, 0.1), (4200, -200, -50), (7000, -200, -50)):
        tone = np.sin(2 * np.pi * hz * time).astype(np.float32)
        found = at_8khz(Item("tone", tone, [])).audio
        assert found.shape == tone.shape
        level = 20 * np.log10(np.std(found[4000:-4000]) / np.std(tone[4000:-4000]) + 1e-12)
        assert least <= level <= most, (hz, level)
    click = np.zeros(2000, np.float32)
    click[1000] = 1.0
    assert int(np.abs(at_8khz(Item("click", click, [])).audio).argmax()) == 1000, "the timing of speech is kept"


def test_conditions_have_stable_keys_and_refuse_unknown_ones() -> None:
    sets = {"human": [Item("a", np.ones(1600, np.float32), [Phone("m", 0, 0.1)])]}
    assert [key for key, _, _ in conditions(sets)] == ["human", "human_10db"], "what checkpoints are ranked by"
    assert [key for key, _, _ in conditions(sets, ("quiet", "8khz"))] == ["human", "human_8khz"]
    with pytest.raises(ConfigError, match="8khz"):
        list(conditions(sets, ("4khz",)))


def test_rest_is_silence_and_noise_at_the_levels_it_says() -> None:
    sets = rest_set()
    assert not sets.pop("silence")[0].audio.any()
    for level, items in zip(REST_LEVELS_DB, sets.values(), strict=True):
        assert len({item.audio.tobytes() for item in items}) == len(items) == 3
        for item in items:
            assert 10 * np.log10(np.mean(item.audio**2)) == pytest.approx(level, abs=0.01)
    found = Tally()
    half = np.stack([RigLayout.arkit().vector({"jawOpen": float(k % 2)}) for k in range(150)])
    found.add(items[0], half, RigLayout.arkit(), Face.default())
    assert found.scores(rest=True) == {"shut": 0.5, "frames": 150}


def test_held_out_sentences_are_in_no_corpus() -> None:
    import random

    from distill.speech.phrases import HELD_OUT, OTHER_LANGUAGES

    for language, sentences in HELD_OUT.items():
        assert not set(sentences) & set(OTHER_LANGUAGES[language])
        assert len(set(sentences)) == len(sentences) >= 30
    assert held_out("cmn", random.Random(1)) == held_out("cmn", random.Random(1))
    with pytest.raises(ConfigError, match="cmn"):
        held_out("xx", random.Random(1))


@pytest.mark.parametrize("ensemble", [[], [0.25, 0.5, 0.25]])
def test_a_checkpoint_is_scored_as_its_artefact_plays(ensemble: list[float]) -> None:
    """The batched tracker gives a player's frames, smoothed ones too."""
    import torch

    import sdk
    from distill.training.begin import initialise
    from sdk.engines.eager import EagerEngine
    from sdk.manifest import Manifest

    spec = load_variant("s5", {"channels": 8, "ensemble": ensemble})
    student = spec.build()
    initialise(student, 3)
    for layer in (student.fc1, student.fc2, student.fc3):
        layer.weight.data *= 3  # an untrained student hardly moves
    student.eval()
    names, zeros, ones = list(RigLayout.arkit().names), [0.0] * 52, [1.0] * 52
    manifest = Manifest(
        2, "fake", "window", "eager", "numpy", "fp32", 16000, 8192, 1024, [], 0, [30, 1], ensemble, "zeros",
        names, zeros, ones, zeros, 0, "0", {}, {}, {},
    )  # fmt: skip
    audio = np.random.default_rng(1).normal(0, 0.1, 12345).astype(np.float32)

    def run(window: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return student(torch.from_numpy(window.copy())[None, None]).numpy()

    expected = np.stack([frame.values for frame in sdk.predict(EagerEngine(manifest, run), audio, fps=30)])
    item = Item("noise", audio, [])
    found = student_tracker(student, spec)(item, item.reference)
    assert found.std() > 0.001
    np.testing.assert_allclose(found, expected[: len(found)], atol=1e-4)
