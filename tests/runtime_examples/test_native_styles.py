"""Styles through the C door: the very frames that Python says, zeros are neutral to the bit, wrong ones are refused."""

from __future__ import annotations

import ctypes as c
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from native_tools import animate, refused, values

import sdk
from distill.files.checkpoint import Checkpoint
from distill.files.styles import stream_of
from distill.students.styled import StyledStream, StyleHead, StyleSpec
from export.deliver.manifest import manifest
from export.load.golden import golden_speech
from export.lower.deploy_stream import DeployedStream
from export.lower.program import export_program, lower
from export.quantise.precision import float_point
from export.styled import Dressed, program
from sdk.artifact import seal
from sdk.errors import ConfigError
from sdk.native import NativeModel, NativePredictor, abi
from sdk.native.abi import Library

ROOT = Path(__file__).resolve().parents[2]
STYLES = ["anger", "sadness"]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """s8 with a head of styles that says something, for XNNPACK."""
    torch.manual_seed(1)
    student = Checkpoint.load(ROOT / "checkpoints" / "s8.pt")
    neutral = stream_of(student)
    head = StyleHead(StyleSpec(STYLES, 4), neutral.fc3.in_channels, student.layout)
    torch.nn.init.normal_(head.hold.weight, std=0.3)
    path = tmp_path_factory.mktemp("styles") / "model.pte"
    one = Dressed(path, student, float_point(student), StyledStream(neutral, head).eval())
    path.write_bytes(program(one, "xnnpack")[1])
    return path


@pytest.fixture(scope="module")
def neutral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """s8 without styles, lowered in the same way."""
    student = Checkpoint.load(ROOT / "checkpoints" / "s8.pt")
    deployed = DeployedStream(stream_of(student)).eval()
    lowered = lower({"forward": export_program(deployed, deployed.inputs(1))})
    facts = manifest(student, float_point(student), "executorch", "xnnpack", has_crowd=False)
    path = tmp_path_factory.mktemp("neutral") / "model.pte"
    path.write_bytes(seal(lowered.program, facts))
    return path


def test_a_style_set_while_it_plays_gives_pythons_frames(artefact: Path, library: Library) -> None:
    model = NativeModel(artefact, library)
    assert model.styles == tuple(STYLES)
    ours, theirs = NativePredictor(model), sdk.FramePredictor(sdk.open(artefact))
    audio = golden_speech(2.0)
    for part, style in zip(np.split(audio, 4), ({}, {"anger": 1.0}, {"sadness": 0.5, "anger": -0.25}, {}), strict=True):
        ours.style(**style)
        theirs.style(**style)
        given, wanted = values(ours.push(part)), values(theirs.push(part))
        np.testing.assert_allclose(given, wanted, atol=1e-5)


def test_zeros_are_neutral_to_the_bit_and_a_reset_keeps_a_style(
    artefact: Path, neutral: Path, library: Library
) -> None:
    model, audio = NativeModel(artefact, library), golden_speech(1.0)
    never = values(animate(NativePredictor(NativeModel(neutral, library)), audio, [777]))
    np.testing.assert_array_equal(values(animate(NativePredictor(model), audio, [777])), never)
    voice = NativePredictor(model)
    voice.style(anger=0.0)
    np.testing.assert_array_equal(values(animate(voice, audio, [777])), never)
    voice.reset()
    voice.style(anger=1.0)
    angry = values(animate(voice, audio, [777]))
    assert np.abs(angry - never).max() > 0.1
    voice.reset()
    np.testing.assert_array_equal(values(animate(voice, audio, [777])), angry)
    voice.reset()
    voice.style()
    np.testing.assert_array_equal(values(animate(voice, audio, [777])), never)


def test_a_track_takes_a_style_too(artefact: Path, library: Library) -> None:
    model, room = NativeModel(artefact, library), np.zeros(52, np.float32)
    audio = golden_speech(1.0)
    shown = []
    for strengths in ([0.0, 0.0], [1.0, 0.0]):
        config, track = abi.sized(abi.StreamConfig, sample_rate_hz=16000), c.c_void_p()
        library.call("fp_track_create", model.handle, c.byref(config), None, c.byref(track))
        style = np.array(strengths, np.float32)
        library.call("fp_track_set_style", track, style.ctypes.data, 2)
        for at in range(0, 16000, 320):
            block = np.ascontiguousarray(audio[at : at + 320])
            library.call("fp_track_push_f32", track, block.ctypes.data, 320, (at + 320) / 16000)
            library.call("fp_track_pull", track, (at + 320) / 16000, room.ctypes.data, 52)
        shown.append(room.copy())
        library.calls.fp_track_destroy(track)
    assert np.abs(shown[1] - shown[0]).max() > 0.1


def test_wrong_styles_are_refused_in_words(artefact: Path, library: Library, brook: Path) -> None:
    voice = NativePredictor(NativeModel(artefact, library))
    with pytest.raises(ConfigError, match="no style joy; there are: anger, sadness"):
        voice.style(joy=1.0)
    for strengths, count, words in (
        ([0.0, 3.0], 2, "strength of sadness is not within"), ([0.0, float("nan")], 2, "strength of sadness"),
        ([0.0], 1, "has 2 styles"), ([0.0] * 3, 3, "has 2 styles"),
    ):  # fmt: skip
        style = np.array(strengths, np.float32)
        with refused(abi.BAD_ARGUMENT, words):
            library.call("fp_stream_set_style", voice.handle, style.ctypes.data, count)
    plain = NativePredictor(NativeModel(brook, library))
    assert plain.styles == ()
    plain.style()
    with refused(abi.BAD_ARGUMENT, "no styles"):
        library.call("fp_stream_set_style", plain.handle, style.ctypes.data, 0)


@pytest.mark.parametrize("names", [["anger"], "anger", ["a", "a"], [1, 2], ["a", "b\0"]])
def test_names_must_fit_the_state(names: object, artefact: Path, library: Library, tmp_path: Path) -> None:
    opened = sdk.open_artifact(artefact)
    program, path = opened.read_program(), tmp_path / "model.pte"

    def sealed(styles: object) -> Path:
        path.write_bytes(
            seal(program, replace(opened.manifest, training={**opened.manifest.training, "styles": styles}))
        )
        return path

    with refused(abi.BAD_MANIFEST, "styles are not names for the last tensor"):
        NativeModel(sealed(names), library)
    assert NativeModel(sealed([]), library).styles == ()
