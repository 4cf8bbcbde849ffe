"""The library on a bare Cortex-M55, in QEMU: built for it, played from flash, equal to this machine's."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import Case, Speech
from native_tools import animate, values

from runtime_examples.cortex_m.board import BoardFailed, Took, build_board, missing_tool, play
from sdk.native import NativeModel, NativePredictor
from sdk.native.abi import Library
from sdk.sounds.sound import read_sound

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow  # it compiles the library for another processor: a minute of one core, the first time


@pytest.fixture(params=[16000, 48000])
def spoken(request: pytest.FixtureRequest, speech_like: Speech, tmp_path: Path) -> Path:
    """0.6 s of voice, 16 bits."""
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(request.param)
        file.writeframes((speech_like(request.param, 0.6) * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("name", ["waves-int8", "creek-int8", "waves"])
def test_its_frames_are_this_machines(
    name: str, make_case: Callable[[str], Case], library: Library, spoken: Path
) -> None:
    if reason := missing_tool():
        pytest.skip(reason)
    case = make_case(name)
    frames, took = play(build_board(case.path, ROOT / "build" / "m55-tests", jobs=1), spoken)
    heard, rate = read_sound(spoken)
    pcm = np.round(heard[:, 0] * 32768).astype(np.int16)
    wanted = values(animate(NativePredictor(NativeModel(case.path, library), rate_hz=rate), pcm, [rate // 50]))
    assert frames.shape == wanted.shape
    off = np.abs(frames - wanted).max()
    assert off <= (0 if name.endswith("-int8") else 1e-6), off
    assert took.blocks_in_loop == 0, "the loop takes no memory"
    assert took.flash_bytes < took.model_bytes + 170_000
    assert took.heap_bytes + took.stack_bytes < 400_000
    assert 0 < took.most_instructions < took.instructions_a_second


def test_a_board_that_stops_is_said(make_case: Callable[[str], Case], tmp_path: Path) -> None:
    if reason := missing_tool():
        pytest.skip(reason)
    board = build_board(make_case("waves-int8").path, ROOT / "build" / "m55-tests", jobs=1)
    (tmp_path / "none.wav").write_bytes(b"RIFF")
    with pytest.raises(BoardFailed, match=r"stopped with 1: board: open: speech\.wav is no plain wav"):
        play(board, tmp_path / "none.wav")


def test_ticks_are_instructions() -> None:
    """A second of 32 MHz at 32 ns an instruction is 31.25 million of them."""
    told = {
        "flash_bytes": 9, "model_bytes": 4, "static_bytes": 1, "heap_most_bytes": 2, "heap_bytes": 1, "stack_bytes": 4,
        "blocks_in_loop": 0, "open_ticks": 1024, "ticks": 64000000, "most_ticks": 1024, "samples": 32000,
        "rate_hz": 16000,
    }  # fmt: skip
    took = Took.read(json.dumps(told))
    assert (took.ram_bytes, took.instructions_to_open, took.instructions_a_second) == (7, 1000, 31_250_000)
