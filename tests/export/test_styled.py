"""A student with styles as files: what they play is what the student says, and a style is set while it speaks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sdk
from distill.files.checkpoint import Checkpoint
from distill.files.styles import save_styles, stream_of
from distill.students.styled import StyleHead, StyleSpec
from export import build
from export import styled as export_styled
from export.load.golden import golden_speech
from export.load.versions import here, tools
from export.lower.deploy_stream import DeployedStream
from export.lower.memory import xnnpack_rows
from export.lower.program import export_program
from export.plan.built import believed
from sdk.errors import ConfigError, ManifestError
from sdk.voices import style_vector

ROOT = Path(__file__).resolve().parents[2]
STUDENT = ROOT / "checkpoints" / "s8.pt"


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two styles of s8, as nobody taught them."""
    student = Checkpoint.load(STUDENT)
    torch.manual_seed(1)
    spec = StyleSpec(["anger", "sadness"], 4)
    head = StyleHead(spec, stream_of(student).fc3.in_channels, student.layout)
    torch.nn.init.normal_(head.hold.weight, std=0.3)
    file = tmp_path_factory.mktemp("styles") / "s8.styles"
    save_styles(file, spec, student, head, {}, {})
    return file


@pytest.fixture(scope="module", params=["fp32", "int8"])
def files(request: pytest.FixtureRequest, styles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it is built into: in float32 under a budget, in int8 under none."""
    out = tmp_path_factory.mktemp("styled")
    if request.param == "fp32":
        assert built(styles, out, "--budget", "8MB") == 0
    else:
        assert export_styled.main([*given(styles, out), "--precision", "int8"]) == 0
    assert sdk.open(out / "model.pte").manifest.precision == request.param
    return out


def given(styles: Path, out: Path) -> list[str]:
    return ["--checkpoint", str(STUDENT), "--styles", str(styles), "--out", str(out)]


def built(styles: Path, out: Path, *more: str) -> int:
    return build.main([*given(styles, out), "--precision", "fp32", *more])


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
    styles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FRAME_STREAM_LIBRARY", raising=False)
    out = tmp_path / "own"
    assert export_styled.main([*given(styles, out), "--backend", "tinyface"]) == 0
    assert "not verified: no native library was named" in capsys.readouterr().err
    facts = sdk.open_artifact(out / "model.pte").manifest
    assert (facts.backend, facts.styles, facts.crowd_voices) == ("tinyface", ("anger", "sadness"), 16)
    assert not (out / "model.pt").exists()


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


@pytest.mark.parametrize("files", ["fp32"], indirect=True)
def test_what_was_measured_with_styles_says_nothing_of_the_plain_student(files: Path) -> None:
    """Same student, weights, precision and backend; but a larger program."""
    report = json.loads((files / "report.json").read_text("utf-8"))
    assert (report["versions"], report["measured_on"]) == (tools(), here()), "it was built here, just now"
    assert believed(files) is None


@pytest.mark.parametrize("files", ["fp32"], indirect=True)
def test_a_budget_counts_styles_as_any_other_bytes(
    files: Path, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads((files / "report.json").read_text("utf-8"))
    counted, rows = report["memory"]["counted_bytes"], report["memory"]["computed"]
    assert abs(rows["counted_bytes"] - counted) <= 0.1 * counted, "what is planned is what is measured"
    assert report["styles"]["names"] == ["anger", "sadness"]
    student = Checkpoint.load(STUDENT)
    deployed = DeployedStream(stream_of(student)).eval()
    plain = xnnpack_rows(export_program(deployed, deployed.inputs(1)), student.student())
    assert rows["packed_weights_bytes"] - plain.packed_weights_bytes >= report["styles"]["parameters_bytes"]
    assert rows["stream_state_bytes"] - plain.stream_state_bytes == 2 * 4, "a strength for each style"
    assert report["verification"]["max_abs_error"].keys() == {"model.pte", "model.pt"}
    assert built(styles, tmp_path / "small", "--budget", f"{counted // 2000}KB") == 2
    assert "with styles: s8 needs" in capsys.readouterr().err
    assert not (tmp_path / "small").exists()


def test_a_student_without_styles_is_told_how_to_get_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(STUDENT, tmp_path / "s8.pt")
    there = ["--checkpoint", str(tmp_path / "s8.pt"), "--out", str(tmp_path / "face"), "--styles"]
    arguments = [*there, "--budget", "8MB"]
    assert build.main(arguments) == 2
    assert "no styles of s8: teach a stream student some by `python -m distill.recipes" in capsys.readouterr().err
    assert build.main([*arguments, "--precision", "mixed"]) == 2
    assert "styles are not lowered in mixed; in: fp32, int8" in capsys.readouterr().err
    assert build.main([*there, "--all"]) == 2
    assert "--all builds students without styles" in capsys.readouterr().err
