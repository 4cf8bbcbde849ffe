"""A game's loop on the C library: smooth whatever the blocks, at rest when the sound stops, back when it returns."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from game_loop import bend
from kernel_cases import Case, Speech
from native_tools import refused, run

from sdk.native import NativeModel, abi
from sdk.native.abi import Library

RATE_HZ, TICK_S, START_S = 48000, 1 / 60, 5.0
AT_REST = 0.01


@dataclass(frozen=True)
class Game:
    """Sixty pictures a second of one voice; blocks come when their last sample was made, or up to `late_s` after."""

    model: NativeModel

    def play(self, blocks: list[tuple[float, np.ndarray]], seconds: float) -> np.ndarray:
        """`(pictures, channels)`"""
        calls, channels = self.model.library.calls, len(self.model.layout)
        config = abi.sized(abi.StreamConfig, sample_rate_hz=RATE_HZ, fps_numerator=60, fps_denominator=1)
        track, shape = c.c_void_p(), abi.sized(abi.TrackConfig)
        error = abi.Error()
        made = calls.fp_track_create(self.model.handle, c.byref(config), c.byref(shape), c.byref(track), c.byref(error))
        assert made == abi.OK, error.message
        pictures, room = [], np.zeros(channels, np.float32)
        for tick in range(round(seconds / TICK_S)):
            now = START_S + tick * TICK_S
            while blocks and blocks[0][0] <= now:
                at, samples = blocks.pop(0)
                pushed = calls.fp_track_push_f32(track, samples.ctypes.data, len(samples), at, None)
                assert pushed == abi.OK
            pulled = calls.fp_track_pull(track, now, room.ctypes.data, channels, None)
            assert pulled == abi.OK
            pictures.append(room.copy())
        calls.fp_track_destroy(track)
        return np.array(pictures)


def cut_up(
    audio: np.ndarray, block: int, begin_s: float = START_S, late_s: float = 0.0
) -> list[tuple[float, np.ndarray]]:
    random = np.random.default_rng(4)
    pieces = [np.ascontiguousarray(audio[at : at + block]) for at in range(0, len(audio), block)]
    ends = begin_s + np.cumsum([len(piece) for piece in pieces]) / RATE_HZ
    return [(float(end + random.uniform(0, late_s)), piece) for end, piece in zip(ends, pieces, strict=True)]


@pytest.fixture
def game(make_case: Callable[[str], Case], library: Library) -> Game:
    return Game(NativeModel(make_case("brook").path, library))


def test_blocks_do_not_show(game: Game, speech_like: Speech) -> None:
    audio = speech_like(RATE_HZ, 2.0)
    small = game.play(cut_up(audio, 128), 2.5)
    assert np.abs(small - small[-1]).max() > 0.02, "the face moves"
    for late_s in (0.0, 0.008):
        large = game.play(cut_up(audio, 1024, late_s=late_s), 2.5)
        # blocks that come late are drawn late: with a student of random weights, which never holds still, it shows
        assert bend(large) == pytest.approx(bend(small), rel=0.3 if late_s else 0.1), late_s


def test_a_face_whose_sound_stops_comes_to_rest_and_speaks_again(game: Game, speech_like: Speech) -> None:
    audio, channels = speech_like(RATE_HZ, 1.3), len(game.model.layout)
    rest = np.array([game.model.layout.neutral[i] for i in range(channels)])
    after = START_S + 1.3 + 0.6
    pictures = game.play(cut_up(audio, 1024) + cut_up(audio[:RATE_HZ], 1024, after), 3.4)
    away = np.abs(pictures - rest).max(axis=1)
    stopped, back = round(1.3 / TICK_S), round(1.9 / TICK_S)
    assert away[stopped] > AT_REST, "it was cut in the middle"
    assert away[stopped + round(0.3 / TICK_S) : back].max() <= AT_REST, "at rest within 0.3 s"
    assert away[back + 20 :].max() > AT_REST, "and it speaks again"


def test_blocks_of_any_length(built_native: Path, any_kind: Path) -> None:
    """Drawn is the line between a stream's frames, at rates from 8 to 96 kHz: see sdk/c/tests/tracks.cpp"""
    assert run(built_native, "tracks", any_kind) == "ok\n"


def test_times_that_are_none_are_refused(game: Game) -> None:
    track, config = c.c_void_p(), abi.sized(abi.StreamConfig, sample_rate_hz=RATE_HZ)
    with refused(abi.BAD_ARGUMENT, "0 to 10 s"):
        game.model.library.call(
            "fp_track_create",
            game.model.handle,
            c.byref(config),
            c.byref(abi.TrackConfig(16, 0, -1.0, 0.0)),
            c.byref(track),
        )
    assert track.value is None
