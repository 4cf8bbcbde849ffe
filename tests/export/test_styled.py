"""A student with styles as files: what they play is what the student says, and a style is set while it speaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sdk
from distill.files.checkpoint import Checkpoint
from distill.files.styles import save_styles, stream_of
from distill.students.styled import StyleHead, StyleSpec
from export import styled as export_styled
from export.load.golden import golden_speech
from sdk.errors import ConfigError, ManifestError
from sdk.voices import style_vector

ROOT = Path(__file__).resolve().parents[2]
STUDENT = ROOT / "checkpoints" / "s8.pt"


@pytest.fixture(scope="module", params=["fp32", "int8"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("styled")
    student = Checkpoint.load(STUDENT)
    torch.manual_seed(1)
    spec = StyleSpec(["anger", "sadness"], 4)
    head = StyleHead(spec, stream_of(student).fc3.in_channels, student.layout)
    torch.nn.init.normal_(head.hold.weight, std=0.3)
    save_styles(out / "s8.styles", spec, student, head, {}, {})
    arguments = ["--checkpoint", str(STUDENT), "--styles", str(out / "s8.styles"), "--out", str(out)]
    assert export_styled.main([*arguments, "--precision", request.param]) == 0
    assert sdk.open(out / "model.pte").manifest.precision == request.param
    return out


def frames(voice: sdk.FramePredictor, audio: np.ndarray) -> np.ndarray:
    return np.array([frame.values for frame in voice.push(audio)])


@pytest.mark.parametrize("name", ["model.pte", "model.pt"])
def test_a_style_is_set_while_it_plays(files: Path, name: str) -> None:
    if name == "model.pt" and sdk.open(files / "model.pte").manifest.precision == "int8":
        assert not (files / name).exists()
        return
    engine = sdk.open(files / name, trusted=True)
    audio = golden_speech(2.0)
    plain, voice = sdk.FramePredictor(engine), sdk.FramePredictor(engine)
    assert voice.styles == ("anger", "sadness")
    wanted = frames(plain, audio)
    first = frames(voice, audio[:16000])
    np.testing.assert_array_equal(first, wanted[: len(first)])  # neutral until it is told otherwise
    voice.style(anger=1.0)
    angry = frames(voice, audio[16000:24000])
    assert np.abs(angry[2:] - wanted[len(first) + 2 : len(first) + len(angry)]).max() > 0.1
    voice.style()
    calm = frames(voice, audio[24000:])
    last = wanted[-len(calm) :]
    # one hop of the line between two may still be the style's; nothing after it is
    np.testing.assert_allclose(calm[2:], last[2:], atol=1e-6)


def test_a_style_survives_a_reset_and_the_program_s_failure_does_not_change_it(files: Path) -> None:
    engine = sdk.open(files / "model.pte")
    audio = golden_speech(1.0)
    voice = sdk.FramePredictor(engine)
    voice.style(sadness=0.5)
    once = frames(voice, audio)
    voice.reset()
    np.testing.assert_array_equal(frames(voice, audio), once)
    chunked = sdk.FramePredictor(engine)
    chunked.style(sadness=0.5)
    parts = [frames(chunked, part) for part in np.array_split(audio, 13)]
    np.testing.assert_array_equal(np.concatenate([part for part in parts if len(part)]), once)


def test_our_own_kernels_are_exported_and_without_a_library_it_is_said(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FRAME_STREAM_LIBRARY", raising=False)
    arguments = ["--checkpoint", str(STUDENT), "--styles", str(files / "s8.styles"), "--backend", "tinyface"]
    assert export_styled.main([*arguments, "--out", str(files / "own")]) == 0
    assert "not verified: no native library was named" in capsys.readouterr().out
    facts = sdk.open_artifact(files / "own" / "model.pte").manifest
    assert (facts.backend, facts.styles, facts.crowd_voices) == ("tinyface", ("anger", "sadness"), 16)
    assert not (files / "own" / "model.pt").exists()


def test_wrong_styles_are_refused_with_those_that_there_are(files: Path) -> None:
    voice = sdk.FramePredictor(sdk.open(files / "model.pte"))
    with pytest.raises(ConfigError, match="no style joy; there are: anger, sadness"):
        voice.style(joy=1.0)
    with pytest.raises(ConfigError, match="not within -2 to 2"):
        voice.style(anger=float("nan"))


def test_styles_must_fit_the_state(files: Path) -> None:
    facts = sdk.open(files / "model.pte").manifest
    assert facts.styles == ("anger", "sadness")
    with pytest.raises(ManifestError, match="not names for its last state"):
        assert not replace(facts, training={"styles": ["anger"]}).styles
    with pytest.raises(ManifestError, match="not names for its last state"):
        assert not replace(facts, training={"styles": "anger"}).styles
    bare = replace(facts, training={})
    assert bare.styles == ()
    with pytest.raises(ConfigError, match="this artefact has none"):
        style_vector(bare, {"anger": 1.0})
