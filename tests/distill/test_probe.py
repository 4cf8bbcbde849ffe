"""Probing layers: the mappings, which window belongs to which phone, no utterance on both sides, and real scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from distill.files.checkpoint import Checkpoint
from distill.recipes import probe
from distill.scoring import probing
from distill.scoring.conditions import Item
from distill.speech.phones import ARPABET, Phone
from distill.speech.visemes import MAPPINGS, PHONES, english
from distill.students.spec import Student, load_variant
from distill.training.begin import initialise
from sdk.errors import ConfigError, DataError
from sdk.window import WindowSpec

SOUNDS = {"ɑ": 500.0, "m": 200.0, "i": 1500.0}  # Hz
WINDOW = WindowSpec(8192, 4096)


def item(seed: int) -> Item:
    """Four seconds: a tone for each phone, noise for /s/, silence; in a random order, 0.4 s each."""
    random = np.random.default_rng(seed)
    kinds = [*SOUNDS, "s", "sil"] * 2
    random.shuffle(kinds)
    time, pieces, phones = np.arange(6400) / 16000, [], []
    for number, kind in enumerate(kinds):
        tone = 0.2 * np.sin(2 * np.pi * SOUNDS[kind] * time) if kind in SOUNDS else np.zeros(6400)
        noise = random.normal(0, 0.1 if kind == "s" else 1e-3, 6400)
        pieces.append((tone + noise).astype(np.float32))
        phones.append(Phone(kind, 0.4 * number, 0.4 * (number + 1)))
    return Item(f"utterance{seed}", np.concatenate(pieces), phones)


def small(name: str) -> Student:
    student = load_variant(name, {"channels": 16, "fc_width": 24}).build()
    initialise(student, 2)
    return student.eval()


def test_mappings_are_the_published_sizes() -> None:
    classes = {name: set(mapping.values()) - {"sil"} for name, mapping in MAPPINGS.items()}
    assert {name: len(found) for name, found in classes.items()} == {"visemenet": 20, "jeffers": 11, "bozkurt": 15}
    spoken = set(ARPABET.values())
    for name, mapping in MAPPINGS.items():
        assert spoken - set(mapping) == (set() if name == "bozkurt" else {"h"})
        assert mapping["p"] == mapping["b"] == mapping["m"] != mapping["f"] == mapping["v"]
        assert mapping["s"] == mapping["z"] != mapping["θ"] == mapping["ð"]
        assert mapping["sil"] == "sil"


def test_synthetic_voices_speak_the_same_alphabet() -> None:
    found = {symbol: english(symbol) for symbol in ("iː", "əʊ", "ɡ", "t̪", "sil", "ɒ", "y", "ʲ", "ɯᵝ")}
    assert found == {
        "iː": "i", "əʊ": "oʊ", "ɡ": "ɡ", "t̪": "t", "sil": "sil", "ɒ": "ɑ", "y": None, "ʲ": None, "ɯᵝ": None,
    }  # fmt: skip
    assert {english(phone) for phone in PHONES} == PHONES


def test_every_frame_has_the_phone_that_sounds_at_its_window_s_frame() -> None:
    items = [item(n) for n in range(2)]
    frames = probing.labelled_frames(items)
    assert len(frames) == 2 * 120
    windows = probing.windows_of(items, frames, WINDOW)
    for window, number, sample, phone in zip(windows, frames.utterances, frames.samples, frames.phones, strict=True):
        if sample % 6400 == 0:  # between two phones: either will do
            continue
        said = items[number].phones[sample // 6400]
        assert phone == said.symbol
        np.testing.assert_array_equal(window[4096:4100], items[number].audio[sample : sample + 4])
    assert not windows[0][:4096].any(), "silence before the recording"


def test_learning_and_judging_never_share_an_utterance() -> None:
    frames = probing.labelled_frames([item(n) for n in range(10)])
    learn, test = probing.split(frames, 200, 100, seed=1)
    assert not set(learn.utterances) & set(test.utterances)
    assert (len(learn), len(test)) == (200, 100)
    everyone = probing.split(frames, 10**6, 10**6, seed=1)[0]
    for phone in ("m", "s"):
        share, wanted = (float(np.mean(part.phones == phone)) for part in (learn, everyone))
        assert share == pytest.approx(wanted, abs=0.006), "stratified"
    with pytest.raises(DataError, match="fewer than five"):
        probing.split(probing.labelled_frames([item(n) for n in range(4)]), 10, 10, seed=1)


@pytest.mark.parametrize(("name", "layers"), [("s2", 16), ("m_kd", 15), ("h_kd", 14)])
def test_layers_are_heard_after_their_activation(name: str, layers: int) -> None:
    student = small(name)
    audio = torch.from_numpy(item(0).audio[None, None, :8192])
    with probing.listening(student) as listen:
        heard = listen(audio)
    assert len(heard) == layers == len(probing.layers_of(student))
    with torch.inference_mode():
        one, two, last = student.sequence(audio)  # type: ignore[operator]
        torch.testing.assert_close(heard[-1], torch.tanh(last[:, 0]))
        torch.testing.assert_close(heard[-2], two[:, 0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(heard[-3], one[:, 0], atol=1e-4, rtol=1e-4)
        if name == "s2":
            torch.testing.assert_close(heard[7], student.trunk(audio).flatten(1))  # type: ignore[operator]
    assert not any(module._forward_pre_hooks for module in student.modules()), "it listens no longer"


def test_a_stream_is_refused() -> None:
    with pytest.raises(ConfigError, match="no window"):
        probing.layers_of(load_variant("s8").build())


def test_what_knowing_nothing_is_worth() -> None:
    from sklearn.dummy import DummyClassifier
    from sklearn.metrics import f1_score

    random = np.random.default_rng(0)
    classes, truth = (random.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1]) for _ in range(2))
    dummy = DummyClassifier(strategy="most_frequent").fit(classes[:, None], classes)
    theirs = f1_score(truth, dummy.predict(truth[:, None]), average="weighted", zero_division=0.0)
    assert probing.always(classes, truth) == pytest.approx(theirs)


def test_a_classifier_learns_what_is_there_and_not_what_is_not() -> None:
    random = np.random.default_rng(1)
    classes = random.choice(["a", "b", "c"], 900)
    there = np.where(classes == "a", 0.0, np.where(classes == "b", 3.0, 6.0))[:, None] * np.ones(40)
    values = (there + random.normal(0, 1, there.shape)).astype(np.float32)
    noise = random.normal(0, 1, values.shape).astype(np.float32)
    assert probing.judged(values[:700], classes[:700], values[700:], classes[700:], 1) > 0.95
    assert probing.judged(noise[:700], classes[:700], noise[700:], classes[700:], 1) < 0.5


GRID = """File type = "ooTextFile"
Object class = "TextGrid"
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        intervals: size = {count}
{rows}
"""
NAMES = {"ɑ": "AA1", "m": "M", "i": "IY1", "s": "S", "sil": ""}


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = load_variant("s2", {"channels": 16, "fc_width": 24})
    Checkpoint(spec, small("s2").state_dict(), {"recipe": "none"}).save(tmp_path / "s2.pt")
    speech = tmp_path / "speech"
    speech.mkdir()
    for number in range(8):
        one = item(number)
        soundfile.write(speech / f"{one.name}.wav", one.audio, 16000)
        rows = [
            f'            xmin = {p.start}\n            xmax = {p.end}\n            text = "{NAMES[p.symbol]}"'
            for p in one.phones
        ]
        grid = GRID.format(count=len(rows), rows="\n".join(rows))
        (speech / f"{one.name}.TextGrid").write_text(grid, "utf-8")
    out = tmp_path / "docs"
    words = ["--checkpoint", str(tmp_path / "s2.pt"), "--out", str(out), "--learn", "300", "--test", "100"]
    assert probe.main(words) == 2
    assert "nothing to probe on" in capsys.readouterr().err
    assert probe.main([*words, "--aligned", str(speech)]) == 0
    found = json.loads((out / "s2.json").read_text("utf-8"))
    human = found["sets"]["human"]
    assert len(human["layers"]) == 16
    assert human["kinds"]["jeffers"]["classes"] == 4, "both vowels look alike"
    assert human["kinds"]["phoneme"]["learned"] == 300
    early = [human["layers"][name]["phoneme"] for name in ("conv1", "conv4", "conv7")]
    assert max(early) > human["kinds"]["phoneme"]["always"] + 0.3, "tones and noise are told apart by random filters"
    page = (out / "s2.md").read_text("utf-8")
    assert "| wide |" in page
    assert "--learn 300" in page
    assert (out / "s2.png").read_bytes()[:4] == b"\x89PNG"
