"""The ruler itself is measured: what exact phones, a still face, a mouth shut at every dip and loudness score on it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from distill.corpus.labeller import Utterance
from distill.corpus.shards import write_shard
from distill.files.checkpoint import plain_facts, provenance_rows
from distill.recipes.evaluate import main as evaluate
from distill.recipes.evaluate import table
from distill.scoring import intervals
from distill.scoring.conditions import FPS, Item, people_set, read_sets
from distill.scoring.controls import CONTROLS, loudness
from distill.scoring.mouth import phone_classes
from distill.scoring.mouth.legibility import recalls
from distill.scoring.mouth.space import MEASURES, MouthSpace
from distill.scoring.mouth.specificity import OTHER, Specificity, free_frames
from distill.scoring.whole import WholeMouth, speakers_or_clips, whole_mouth
from distill.speech.phones import SILENCE, Phone, to_json
from sdk.errors import DataError
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

ARKIT = RigLayout.arkit()
WORDS = ["t u s i d ɑ", "b u t ɛ s i", "k ɑ f i t u", "n oʊ m i s ɑ", "ɹ i ɡ u v ɛ", "l ɛ p ɑ k i", "s u n i l ɑ"]
VOWELS = set("uiɑɛ") | {"oʊ"}


def said(words: str, speaker: str, number: int) -> Item:
    """An utterance whose vowels sound and whose consonants do not, with its phones of 150 ms."""
    phones = [Phone(SILENCE, 0.0, 0.3)]
    for symbol in words.split():
        start = phones[-1].end
        phones.append(Phone(symbol, start, start + 0.15))
    phones.append(Phone(SILENCE, phones[-1].end, phones[-1].end + 0.3))
    audio = np.random.default_rng(number).normal(0, 1e-3, int(phones[-1].end * 16000)).astype(np.float32)
    for phone in phones:
        if phone.symbol in VOWELS:
            audio[int(phone.start * 16000) : int(phone.end * 16000)] *= 200
    return Item(f"{speaker}-{number}", audio, phones, speaker=speaker)


def people(speakers: int = 5) -> list[Item]:
    return [said(" ".join(WORDS[i:] + WORDS[:i]), f"who{s}", i + 7 * s) for s in range(speakers) for i in range(4)]


ITEMS = people()


def test_exact_phones_are_read_shut_on_labials_alone_and_have_shapes() -> None:
    found = whole_mouth(CONTROLS["exact"](), ITEMS, ARKIT, resamples=20)
    assert found["closures_found"] == found["other_auc"] == found["vowel_auc"] == found["tuck_auc"] == 1.0
    assert found["others_shut"] == found["false_shuts_per_min"] == found["error_cm"] == 0.0
    assert found["legibility"] > 0.8
    assert found["read_as_round"] > 0.9
    assert found["round_spread_cm"] > 0.35
    assert found["round_spread_width_cm"] > 0.3
    assert all(found[f"{measure}_r"] == pytest.approx(1.0) for measure in MEASURES)
    assert found["folded_over"] == 5
    assert found["shut_behind"] == 1.0
    low, high = found["intervals"]["legibility"]
    assert low <= found["legibility"] <= high


def test_a_mouth_left_open_behind_the_last_phone_is_seen() -> None:
    def lingers(item: Item, reference: np.ndarray) -> np.ndarray:
        values = reference.copy()
        values[round((item.phones[-1].start + 0.2) * FPS) :, ARKIT.index("jawOpen")] = 0.4
        return values

    found = whole_mouth(lingers, ITEMS, ARKIT, resamples=20)
    assert found["shut_behind"] == pytest.approx(0.5, abs=0.1)
    low, high = found["intervals"]["shut_behind"]
    assert low <= found["shut_behind"] <= high


def test_what_is_muttered_in_a_channel_that_hardly_moves_is_not_seen() -> None:
    """The reader scales all channels alike: a mouth that cannot be seen to say anything was read like a clear one."""

    def muttered(item: Item, reference: np.ndarray) -> np.ndarray:
        return (reference.mean(axis=0) + 0.02 * (reference - reference.mean(axis=0))).astype(np.float32)

    loud, quiet = (whole_mouth(track, ITEMS, ARKIT) for track in (CONTROLS["exact"](), muttered))
    assert quiet["legibility"] > 0.8
    assert loud["legibility_seen"] > 0.8
    assert quiet["legibility_seen"] < 0.5
    still = whole_mouth(CONTROLS["mean_pose"](), ITEMS, ARKIT)
    assert still["legibility_seen"] == pytest.approx(0.1), "chance, of ten classes"


def test_a_still_face_says_nothing_and_is_the_unit_of_error() -> None:
    found = whole_mouth(CONTROLS["mean_pose"](), ITEMS, ARKIT)
    assert found["other_auc"] == found["vowel_auc"] == found["tuck_auc"] == 0.5
    assert found["legibility"] == pytest.approx(0.1), "chance, of ten classes"
    assert found["round_spread_cm"] == pytest.approx(0.0, abs=1e-6)
    mean = np.concatenate([i.reference[9:-9] for i in ITEMS]).mean(axis=0)  # of the spoken frames: 0.3 s are silence
    best = whole_mouth(lambda item, reference: np.tile(mean, (len(reference), 1)), ITEMS, ARKIT)
    assert best["error_of_mean_pose"] == pytest.approx(1.0, abs=0.01)
    assert found["error_of_mean_pose"] > best["error_of_mean_pose"]


def test_a_mouth_that_follows_loudness_passes_the_old_ruler_and_fails_the_new_one() -> None:
    found = whole_mouth(CONTROLS["loudness"](), ITEMS, ARKIT)
    assert found["auc"] > 0.95
    assert found["other_auc"] < 0.7
    assert found["others_shut"] > 0.5
    assert found["false_shuts_per_min"] > 60
    assert found["tuck_auc"] == 0.5
    assert found["read_as_round"] < 0.6


def test_loudness_is_scaled_by_the_clip_whatever_its_level() -> None:
    item = ITEMS[0]
    curve = loudness(item.audio, item.frames)
    np.testing.assert_allclose(curve, loudness(item.audio * np.float32(0.01), item.frames), atol=1e-4)
    middle = {p.symbol: curve[round((p.start + p.end) * 15)] for p in item.phones}
    assert min(middle[v] for v in ("u", "i", "ɑ")) > 0.9
    assert max(middle[c] for c in ("t", "s", "d")) < 0.3


def test_what_is_asked_keeps_away_from_labials_and_pauses() -> None:
    phones = ITEMS[0].phones  # sil t u s i d ɑ b u t ...
    asked = [p.symbol for p in phone_classes.clear_of_labials(phones, phone_classes.OTHER_CONSONANTS)]
    assert asked == list("sdtsktnsɡlksnl"), "all but the /t/ behind the pause; /ɹ/ is none of these"
    free = free_frames(phones, 30, ITEMS[0].frames)
    assert not free[: int(0.42 * 30)].any(), "a pause, and 120 ms behind it"
    assert free[14:32].all()
    assert not free[int(1.2 * 30) : int(1.45 * 30)].any(), "/b/ and 120 ms around it"


def test_false_shuts_are_counted_once_each_and_by_the_minute() -> None:
    judge = Specificity()
    gap = np.full(ITEMS[0].frames, 1.0)
    gap[16:18], gap[20:22] = 0.0, 0.1
    judge.add(gap, 30, ITEMS[0].phones, "one")
    minutes = free_frames(ITEMS[0].phones, 30, len(gap)).sum() / 30 / 60
    assert judge.scores()["false_shuts_per_min"] == pytest.approx(2 / minutes)


def test_parts_of_a_set_add_up_to_the_set() -> None:
    space, whole, parts = MouthSpace.default(), WholeMouth(), [WholeMouth(), WholeMouth()]
    track = CONTROLS["loudness"]()
    for number, item in enumerate(ITEMS):
        for judge in (whole, parts[number >= 7]):
            judge.add(item, track(item, item.reference), ARKIT, space)
    parts[0].extend(parts[1])
    assert repr(parts[0].scores(space, 10)) == repr(whole.scores(space, 10)), "NaN included"


def test_one_speaker_is_folded_over_clips() -> None:
    alone = speakers_or_clips([i for i in ITEMS if i.speaker == "who0"])
    assert {item.speaker for item in alone} == {""}
    assert [item.speaker for item in speakers_or_clips(ITEMS)] == [item.speaker for item in ITEMS]


def test_intervals_draw_speakers_and_not_events() -> None:
    whose = ["a"] * 50 + ["b"] * 50
    values = np.array([0.0] * 50 + [1.0] * 50)
    low, high = intervals.interval(lambda pick: float(values[pick].mean()), whose)
    assert (low, high) == (0.0, 1.0), "two speakers who differ say nothing of a third"
    assert np.isnan(intervals.interval(lambda pick: 0.0, ["a"] * 9)).all()


def test_the_mouth_is_measured_in_centimetres_of_the_head() -> None:
    space, face = MouthSpace.default(), Face.default()
    poses = {"rest": {}, "pucker": {"mouthPucker": 1.0}, "jaw": {"jawOpen": 0.5}, "tuck": {"mouthRollLower": 0.5}}
    values = np.stack([ARKIT.vector(pose) for pose in poses.values()])
    rows = dict(zip(poses, space.measures(space.shapes(values, ARKIT)), strict=True))
    of = {name: dict(zip(MEASURES, row, strict=True)) for name, row in rows.items()}
    assert of["rest"]["width"] == pytest.approx(4.58, abs=0.01)
    assert of["pucker"]["width"] < of["rest"]["width"] - 2 * 0.9
    assert of["pucker"]["protrusion"] > 1.0
    assert of["jaw"]["jaw"] > 1.2
    assert of["tuck"]["tuck"] == pytest.approx(0.375, abs=0.01)
    assert of["jaw"]["tuck"] == pytest.approx(0.0, abs=1e-6)
    for row, value in zip(rows.values(), values, strict=True):
        assert row[MEASURES.index("gap")] == pytest.approx(float(face.lip_gap_cm(value, ARKIT)), abs=1e-5)
    moved = face.vertices(values[1], ARKIT) - face.neutral_cm
    lengths = np.linalg.norm(moved[space.ring], axis=1)
    shapes = space.shapes(values[1], ARKIT)
    assert space.largest_move_cm(shapes) == pytest.approx(lengths.max(), abs=1e-5)
    assert space.ring_squared_cm2(shapes) == pytest.approx(np.mean(lengths**2), abs=1e-5)


@pytest.mark.parametrize(
    ("symbol", "label"), [("b", "shut"), ("ɜː", "mid"), ("iː", "spread"), ("tʃ", "hiss"), ("y", None)]
)
def test_every_phone_has_its_class(symbol: str, label: str | None) -> None:
    assert phone_classes.class_of(symbol) == label


def folder_of_people(folder: Path, items: list[Item]) -> Path:
    (folder / "labels").mkdir()
    rows = ["name\tspeaker\tseconds"]
    for item in items:
        soundfile.write(folder / f"{item.name}.wav", item.audio, 16000)
        (folder / "labels" / f"{item.name}.phones.json").write_text(to_json(item.phones), "utf-8")
        rows.append(f"{item.name}\t{item.speaker}\t1")
    (folder / "clips.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return folder


def test_evaluate_puts_the_controls_beside_the_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of_people(tmp_path, people(4)[::2])
    items = people_set(folder)
    assert {item.speaker for item in items} == {"who0", "who1", "who2", "who3"}
    out, gaps = tmp_path / "scores.json", tmp_path / "gaps.npz"
    asked = ["--people", str(folder), "--conditions", "quiet", "--whole", "--json", str(out), "--gaps", str(gaps)]
    assert evaluate(["loudness", *asked]) == 0
    found = json.loads(out.read_text("utf-8"))
    assert list(found["people"]["controls"]) == list(CONTROLS)
    assert found["people"]["controls"]["exact"]["other_auc"] == 1.0
    assert found["people"]["whole"]["others_shut"] == found["people"]["controls"]["loudness"]["others_shut"]
    assert "| *exact* |" in capsys.readouterr().out
    with np.load(gaps) as kept:
        events = {name.partition(".")[2]: kept[name] for name in kept.files if name.startswith("people/whole.")}
    others, whole = events["least_cm"][events["kinds"] == OTHER], found["people"]["whole"]
    assert np.mean(others <= CLOSED_CM) == pytest.approx(whole["others_shut"])
    assert np.nanmean(recalls(events["truth"], events["said"])) == pytest.approx(whole["legibility"])
    assert set(events["whose"]) == set(events["reader"]) == set(range(4))
    assert "whole" not in table(
        {"people": {k: v for k, v in found["people"].items() if k not in ("whole", "controls")}}
    )


def test_a_card_says_how_far_a_score_may_be_trusted() -> None:
    facts = {"people": {"auc": 0.9, "whole": {"legibility": 0.5, "phones": 9, "intervals": {"legibility": [0.4, 0.6]}}}}
    assert provenance_rows(facts)[2:] == [
        "| people.auc | 0.9 |", "| people.whole.legibility | 0.5 (0.4 to 0.6) |", "| people.whole.phones | 9 |",
    ]  # fmt: skip


def test_a_card_says_the_same_before_its_file_is_written_and_after() -> None:
    """A correlation with a face that never moves is NaN in memory and nothing in a file."""
    facts = {"controls": {"mean_pose": {"width_r": math.nan, "error": 1.0}}}
    assert provenance_rows(facts) == provenance_rows(plain_facts(facts, "scores"))


def test_the_mean_pose_of_a_phone_is_that_of_its_middles() -> None:
    judge, space = WholeMouth(), MouthSpace.default()
    for item in ITEMS[:2]:
        judge.add(item, item.reference, ARKIT, space)
    middles = [
        item.reference[round((p.start + p.end) * 15)] for item in ITEMS[:2] for p in item.phones if p.symbol == "u"
    ]
    np.testing.assert_allclose(judge.legibility.mean_poses()["u"], np.mean(middles, axis=0), atol=1e-6)


def test_a_corpus_gives_its_own_sides_to_choose_by_and_to_report(tmp_path: Path) -> None:
    spoken = people(2)
    for side, items in (("valid", spoken[:2]), ("held", spoken[2:]), ("train", spoken)):
        utterances = [Utterance(i.name, i.speaker, (i.audio * 32767).astype(np.int16), i.phones) for i in items]
        write_shard(tmp_path / "shards" / f"{side}-human-000.npz", utterances)
    found = read_sets({"people": tmp_path, "strangers": tmp_path})
    assert [i.name for i in found["people"]] == [i.name for i in spoken[:2]]
    for item, spoke in zip(found["strangers"], spoken[2:], strict=True):
        assert (item.name, item.speaker) == (spoke.name, spoke.speaker)
        assert [phone.symbol for phone in item.phones] == [phone.symbol for phone in spoke.phones]
    (tmp_path / "shards" / "held-human-000.npz").unlink()
    with pytest.raises(DataError, match="held"):
        people_set(tmp_path, "held")
