"""The seeds' chain: its commands are real, each needs only what stands before it; its page tells what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.corpus.styled.clips import Clip, evenly
from distill.files.checkpoint import Checkpoint
from distill.recipes import diffusiontalker, seeds
from distill.recipes.seeds import Chain, Made, Sizes, make
from distill.recipes.table4 import ComponentsPlan, learn
from distill.scoring.styled import seed_page, voices
from distill.scoring.styled.talkers import judge_tracks, nearest
from distill.speech.phones import Phone
from distill.students.components import ComponentStudent, hidden
from distill.students.spec import load_variant
from distill.students.window import WindowStudent
from export.load.golden import golden_speech
from sdk.errors import DataError
from sdk.rig import RigLayout
from sdk.window import WindowSpec

ROOT = Path(__file__).resolve().parents[2]


def chain(out: Path) -> Chain:
    return Chain(out, Sizes(), "whisper", Path("checkpoints/s7.pt"), Path("checkpoints/table2/s0.pt"), [Path("people")])


def test_each_command_needs_only_what_was_made_before_it(tmp_path: Path) -> None:
    there: set[str] = set()
    for one in chain(tmp_path):
        needed = {
            word for word in one.arguments if word.startswith(str(tmp_path)) and word.endswith((".teacher", ".styles"))
        }
        assert needed - {str(one.path)} <= there, one.line
        there.add(str(one.path))
    talkers = {path.split("/")[-1] for path in there if "/talkers/" in path}
    assert {f"{name}.teacher" for name in [*seed_page._rows(), *seed_page.ABLATIONS]} == talkers


def test_every_command_is_one_that_its_parser_takes(tmp_path: Path) -> None:
    for one in chain(tmp_path):
        if one.main is diffusiontalker.main:
            diffusiontalker._parser().parse_args(one.arguments)
    assert seeds.main(["--out", str(tmp_path), "--list"]) == 0


def test_what_is_there_is_kept_and_a_failure_is_told(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def command(arguments: list[str]) -> int:
        asked.append(arguments)
        (tmp_path / "made").write_text("x")
        return 0

    one = Made(tmp_path / "made", command, ["a"])
    make(one)
    make(one)
    assert asked == [["a"]]
    with pytest.raises(DataError, match="could not be made"):
        make(Made(tmp_path / "never", lambda _: 2, []))
    with pytest.raises(KeyboardInterrupt):
        make(Made(tmp_path / "never", lambda _: 130, []))


def test_what_each_command_took_is_added_up_over_stops(tmp_path: Path) -> None:
    file, began = tmp_path / "cpu.json", seeds.cpu_s()
    assert seeds.note_cost(file, "talkers/large16.teacher", 2.5) == 2.5
    assert seeds.note_cost(file, "figures/large16.json", 1.0) == 3.5
    assert seeds.note_cost(file, "talkers/large16.teacher", 0.5) == 4.0
    assert json.loads(file.read_text())["talkers/large16.teacher"] == 3.0
    sum(range(200_000))
    assert seeds.cpu_s() >= began


def a_clip(person: str, emotion: str, number: int) -> Clip:
    random = np.random.default_rng(number)
    phones = [Phone(symbol, 0.2 * i, 0.2 * (i + 1)) for i, symbol in enumerate("tambusikalope")]
    motion = random.random((90, 52), np.float32) * 0.3
    audio = np.float32(0.1 * np.sin(np.arange(48000) * (0.05 + 0.01 * int(person[1:]))))
    return Clip.made(f"{person}_{emotion}_10_{number:02d}", person, emotion, audio, motion, phones)


CLIPS = [a_clip(f"m{p:03d}", emotion, 2 * p + e) for p in range(5) for e, emotion in enumerate(("neutral", "anger"))]


def test_a_page_of_half_a_run_names_what_was_not_made(tmp_path: Path) -> None:
    layout = RigLayout.arkit()
    row = judge_tracks(layout, CLIPS, [clip.motion for clip in CLIPS], resamples=5)
    assert row["mesh"]["lve"] == 0
    assert row["intervals"]["mesh_lve"] == (0, 0)
    shaken = judge_tracks(layout, CLIPS, [clip.motion + 0.1 for clip in CLIPS], resamples=5)
    low, high = shaken["intervals"]["mesh_lve"]
    assert 0 < low <= shaken["mesh"]["lve"] <= high
    plan = {"plan": {"steps": 7, "batch": 3}}
    made = {"large16": {**shaken, "cpu_s_per_s": 0.2, "file_bytes": 1_000_000, "training": plan}}
    made["compact2"] = {**shaken, "cpu_s_per_s": 0.01, "file_bytes": 900_000, "training": plan}
    for name, found in made.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({name: found}))
    (tmp_path / "strangers.json").write_text(json.dumps({"faces": {"labels": row}}))
    styles = {
        "student": "s7", "clips": 4, "people": 2, "cost": 0.016, "mse_neutral": 0.1, "mse_styled": 0.01,
        "emotion_told": 0.9, "emotion_told_interval": [0.8, 1.0], "emotion_told_of_labels": 1.0,
        "emotion_chance": 0.125, "legibility": [0.88, 0.87], "legibility_lost": [0.01, 0.005, 0.02],
        "legibility_lost_by_mouth": [0.004, 0, 0.01], "legibility_lost_of_seen": [-0.006, -0.01, 0.0],
        "legibility_lost_of_labels": [0.02, 0.01, 0.03], "legibility_lost_of_labels_by_mouth": [0.015, 0.01, 0.02],
        "pbm": {"all": [0.97, 0.96]}, "pbm_lost": {"all": [0.01, 0.0, 0.02]}, "recall_at_2pct": {"all": [1.0, 1.0]},
    }  # fmt: skip
    (tmp_path / "styles.json").write_text(json.dumps(styles))
    seed_page.page(tmp_path, tmp_path / "docs" / "seeds.md")
    text = (tmp_path / "docs" / "seeds.md").read_text()
    assert "| large8 | *not made* |" in text
    assert "| 20.0 x |" in text
    assert "-94.8 %" in text
    assert "7 x 3" in text
    assert "| *labels* | 0.000 (0.000 to 0.000)" in text
    assert "| all | 97.0 | 96.0 | 1.0 (0.0 to 2.0) | 100.0 | 100.0 |" in text
    assert "0.010 (0.005 to 0.020) less" in text
    assert "can be seen to move -0.006 (-0.010 to 0.000)" in text


def test_nearest_asks_only_where_there_is_something_to_find() -> None:
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 1]])
    told = nearest(vectors, ["a", "a", "b", "b", "c"], list("01234"), ["a", "a", "b", "b", "c"])
    assert told["top1"] == 1
    assert told["asked"] == 4
    assert told["chance"] == pytest.approx(0.25)
    assert nearest(vectors, list("abcde"), list("01234"), list("abcde")) == {}


def test_six_numbers_know_a_deep_voice_from_a_high_one() -> None:
    def voice(hz: float, seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        time = np.arange(32000) / 16000
        tone = sum(np.sin(2 * np.pi * hz * k * time + random.random()) / k for k in range(1, 12))
        return np.float32(0.05 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)))

    heard = [(who, voice(hz, i)) for i, (who, hz) in enumerate([("d", 90), ("d", 94), ("h", 210), ("h", 220)])]
    assert voices.of_people(voices.pitch_and_loudness, heard, scale=True)["top1"] == 1


def test_recordings_are_of_people_known_by_name(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    for name in ("one", "two", "three", "unknown"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(48000, np.float32), 16000)
    (tmp_path / "clips.tsv").write_text("name\tspeaker\none\tanna\ntwo\tanna\nthree\tbob\n")
    assert [who for who, _ in voices.recordings(tmp_path)] == ["anna", "anna"]
    with pytest.raises(DataError, match="known by name"):
        voices.recordings(tmp_path, each=1)


def test_evenly_takes_the_first_and_the_last() -> None:
    assert [clip.name for clip in evenly(CLIPS, 3)] == [CLIPS[i].name for i in (0, 4, 9)]
    assert len(evenly(CLIPS, 99)) == len(CLIPS)


def test_a_student_learns_components_and_its_windows_are_those_of_inference() -> None:
    torch.manual_seed(1)
    student = Checkpoint.load(ROOT / "checkpoints" / "s2.pt").student()
    assert isinstance(student, WindowStudent)
    window, audio = WindowSpec(8192, 4096), golden_speech(1.0)
    rows = hidden(student, audio, window)
    assert rows.shape == (30, 150)
    padded = np.pad(audio, (4096, 8192))
    at = 10 * 16000 // 30
    alone = student.whole(torch.from_numpy(padded[at : at + 8192])[None, None])[0]
    torch.testing.assert_close(rows[10:11], alone, atol=1e-4, rtol=1e-3)
    codes = torch.tanh((rows - rows.mean(0)) / rows.std(0).clamp(min=0.1) @ torch.randn(150, 4) * 0.1).clone()
    made = learn(student, window, [(audio, codes)], torch.ones(4), ComponentsPlan(every=1, steps=300, batch=32))
    error = (made.codes(audio, window) - codes).square().mean() / codes.var(0).mean()
    assert error < 0.3
    assert not any(weight.requires_grad for weight in made.hears.parameters())
    with pytest.raises(DataError, match="no recordings"):
        learn(student, window, [], torch.ones(4), ComponentsPlan())


def test_s0_on_fifty_components_has_the_paper_s_parameters_with_vocaset_s_basis() -> None:
    made = ComponentStudent(load_variant("s0").build(), 50, torch.ones(50))
    assert made.parameters_counted == 2_959_758
    assert made.parameters_counted + 15_069 * 51 == 3_728_277
