"""Styles on our own kernels, float and int8: Python's frames, zeros neutral to the bit, nothing of a plan believed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import STYLES, UNITS_AGREE, Styled, styled_case
from native_tools import TOLERANCE, animate, largest_difference, refused, run, values

from export.load.golden import golden_speech
from sdk.artifact import open_artifact, seal
from sdk.errors import TinyfaceError
from sdk.native import NativeCrowd, NativeModel, NativePredictor, abi
from sdk.native.abi import Library
from sdk.predictor import FramePredictor

WORN = ({}, {"anger": 1.0}, {"sadness": 0.5, "anger": -0.25}, {})
ABSURD = (0, 1, 0x7FFFFFFF, 0xFFFFFFC0)


@pytest.fixture(scope="module", params=["fp32", "int8"])
def styled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Styled:
    return styled_case(request.param, tmp_path_factory.mktemp(f"styles-{request.param}"))


@pytest.fixture(scope="module")
def bare(alone: Path) -> Library:
    """The library without a runtime."""
    return Library(alone / "lib")


def test_a_style_set_while_it_plays_gives_pythons_frames(styled: Styled, bare: Library) -> None:
    model = NativeModel(styled.path, bare)
    assert model.styles == tuple(STYLES)
    ours, theirs, moved = NativePredictor(model), FramePredictor(styled.judge), []
    for part, style in zip(np.split(golden_speech(2.0), 4), WORN, strict=True):
        ours.style(**style)
        theirs.style(**style)
        given, wanted = values(ours.push(part)), values(theirs.push(part))
        np.testing.assert_allclose(given, wanted, atol=styled.tolerance)
        moved.append(wanted)
    plain = NativePredictor(NativeModel(styled.plain, bare))
    assert np.abs(values(plain.push(golden_speech(2.0)))[20:25] - moved[1][5:10]).max() > 0.1


def test_the_runtime_s_delegate_says_the_same(styled: Styled, bare: Library, library: Library) -> None:
    said = []
    for one in (bare, library):
        voice = NativePredictor(NativeModel(styled.path, one))
        voice.style(anger=0.7)
        said.append(values(animate(voice, golden_speech(0.5), [777])))
    np.testing.assert_array_equal(*said)


def test_zeros_are_neutral_to_the_bit(styled: Styled, bare: Library) -> None:
    model, audio = NativeModel(styled.path, bare), golden_speech(1.0)
    never = values(animate(NativePredictor(NativeModel(styled.plain, bare)), audio, [777]))
    voice = NativePredictor(model)
    np.testing.assert_array_equal(values(animate(voice, audio, [777])), never)
    voice.reset()
    voice.style(anger=1.0)
    assert np.abs(values(animate(voice, audio, [777])) - never).max() > 0.1
    voice.reset()
    voice.style()
    np.testing.assert_array_equal(values(animate(voice, audio, [777])), never)


def test_a_crowd_in_many_moods_is_its_voices(styled: Styled, bare: Library) -> None:
    model, audio = NativeModel(styled.path, bare), golden_speech(0.4)
    moods: list[dict[str, float]] = [{} if i % 3 == 0 else {"anger": 0.1 * i, "sadness": -0.05 * i} for i in range(18)]
    crowd, voices = NativeCrowd(model), [NativePredictor(model) for _ in moods]
    for voice, mood in zip(voices, moods, strict=True):
        voice.style(**mood)
        voice.feed(audio)
    crowd.run(voices)
    for voice, mood in zip(voices, moods, strict=True):
        alone = NativePredictor(model)
        alone.style(**mood)
        assert largest_difference(voice.drain() + voice.finish(), animate(alone, audio, [500])) <= 1e-5


def test_nothing_is_allocated_in_the_loop(styled: Styled, alone: Path) -> None:
    assert run(alone, "no_alloc", styled.path, 0.05, 44100, 1) == f"{90 + 30}\n"
    assert run(alone, "no_alloc", styled.path, 0.05, 48000, 0, 5) == f"{5 * (90 + 30)}\n"


def test_instruction_sets_agree(styled: Styled, alone: Path) -> None:
    lines = [line.split() for line in run(alone, "units", styled.path, 3, 40).splitlines()]
    assert lines[0][0] == "base"
    for name, _, most, _ in lines:
        assert float(most) <= (UNITS_AGREE if styled.tolerance == TOLERANCE else 0), name


def test_every_number_of_a_style_is_checked(styled: Styled, bare: Library) -> None:
    """Each made absurd: refused with a reason, or harmless; the process lives."""
    good = styled.path.read_bytes()
    start, found = good.index(b"TFKP\2\0\0\0"), open_artifact(styled.path)
    program = found.read_program()
    layers = struct.unpack_from("<I", good, start + 8)[0]

    def reason(word: int, value: int) -> str:
        spoilt = bytearray(program)
        struct.pack_into("<I", spoilt, start + 4 * word, value)
        try:
            voice = NativePredictor(NativeModel(seal(bytes(spoilt), found.manifest), bare))
            voice.style(anger=1.0)
            voice.push(np.zeros(3200, np.float32))
        except TinyfaceError as error:
            return str(error)
        return ""

    assert "another version" in reason(1, 3)
    assert "what its manifest says" in reason(1, 1), "without its styles it is another student"
    words = [5, 6, 7, 8, 9, *(16 + 32 * layer + field for layer in range(layers, layers + 3) for field in range(26))]
    said = [reason(word, value) for word in words for value in ABSURD]
    assert all("the program" in one for one in said if one), said
    assert sum(map(bool, said)) > 100


def test_a_style_that_is_none_is_refused(styled: Styled, bare: Library) -> None:
    voice, far = NativePredictor(NativeModel(styled.path, bare)), np.array([0.0, 3.0], np.float32)
    with refused(abi.BAD_ARGUMENT, "strength of sadness"):
        bare.call("fp_stream_set_style", voice.handle, far.ctypes.data, 2)
