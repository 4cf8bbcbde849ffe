"""Whatever a caller does wrong, or a file by accident (malice: RELIABILITY.md), ends in a status, never in a crash.

A file that means harm to XNNPACK can crash it: `frame_stream.h` says whom to trust.
"""

from __future__ import annotations

import ctypes as c
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from native_tools import animate, noise, pull_status, refused, run, values

from sdk.artifact import seal
from sdk.manifest import Manifest
from sdk.native import NativeModel, NativePredictor, abi
from sdk.native.abi import Library


def push(voice: NativePredictor, samples: np.ndarray) -> tuple[int, int]:
    """What a bare push answers: status, and how many were taken."""
    taken = c.c_size_t(99)
    name = {"float32": "fp_stream_push_f32", "int16": "fp_stream_push_i16"}[str(samples.dtype)]
    status = voice.library.call(name, voice.handle, samples.ctypes.data, len(samples), c.byref(taken))
    return status, taken.value


def test_a_full_buffer_takes_what_fits_and_says_so(library: Library, tiny: Path) -> None:
    voice = NativePredictor(NativeModel(tiny, library), buffer_samples=700)
    assert push(voice, noise(0, 1000)) == (abi.AGAIN, 700)
    assert push(voice, noise(700, 1)) == (abi.AGAIN, 0)
    assert voice.feed(noise(700, 1)) == 0
    assert len(voice.drain()) == 1
    assert pull_status(voice) == abi.AGAIN
    assert push(voice, noise(700, 0)) == (abi.OK, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 101.0, -32768.0])
def test_unusable_audio_is_refused_and_nothing_is_consumed(bad: float, library: Library, tiny: Path) -> None:
    model = NativeModel(tiny, library)
    voice, judge = NativePredictor(model), NativePredictor(model)
    good = (noise(0, 3000) / 32768).astype(np.float32)
    assert push(voice, good[:1000]) == (abi.OK, 1000)
    spoiled = good[1000:2000].copy()
    spoiled[737] = bad
    with refused(abi.BAD_AUDIO):
        voice.feed(spoiled)
    frames = voice.drain() + animate(voice, good[1000:], [160])
    np.testing.assert_array_equal(values(frames), values(animate(judge, good, [160])))
    assert pull_status(voice) == abi.END
    with refused(abi.FINISHED):
        push(voice, good)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (abi.BAD_RATE, {"sample_rate_hz": 0}),
        (abi.BAD_RATE, {"sample_rate_hz": 7999}),
        (abi.BAD_RATE, {"sample_rate_hz": 96001}),
        (abi.BAD_RATE, {"sample_rate_hz": 2**32 - 1}),
        (abi.BAD_RATE, {"fps_numerator": 30}),
        (abi.BAD_RATE, {"fps_numerator": 1, "fps_denominator": 2}),
        (abi.BAD_RATE, {"fps_numerator": 241, "fps_denominator": 1}),
        (abi.BAD_RATE, {"fps_numerator": 121, "fps_denominator": 1, "ensemble": abi.ENSEMBLE_ON}),
        (abi.BAD_RATE, {"fps_numerator": 30000001, "fps_denominator": 1000000}),
        (abi.BAD_RATE, {"ensemble": abi.ENSEMBLE_ON, "ensemble_weights": (c.c_float * 3)(0.5, 0.5, 0.5)}),
        (abi.BAD_RATE, {"ensemble": abi.ENSEMBLE_ON, "ensemble_weights": (c.c_float * 3)(float("nan"), 0.5, 0.5)}),
        (abi.BAD_ARGUMENT, {"ensemble": 3}),
        (abi.BAD_ARGUMENT, {"audio_channels": 9}),
        (abi.BAD_ARGUMENT, {"buffer_samples": 16000 * 61}),
        (abi.BAD_STRUCT, {"struct_size": 0}),
        (abi.BAD_STRUCT, {"struct_size": 39}),
        (abi.BAD_STRUCT, {"struct_size": 5000}),
    ],
)
def test_a_config_that_cannot_be(status: int, fields: dict[str, Any], library: Library, tiny: Path) -> None:
    model = NativeModel(tiny, library)
    config = abi.sized(abi.StreamConfig, sample_rate_hz=16000)
    for name, value in fields.items():
        setattr(config, name, value)
    handle = c.c_void_p(1)
    with refused(status):
        library.call("fp_stream_create", model.handle, c.byref(config), c.byref(handle))
    assert handle.value is None, "a failure sets the handle to NULL"


def test_structs_of_a_newer_caller(library: Library, tiny: Path) -> None:
    """What it knows more is zero both ways; a config that asks for more than this library knows is refused."""

    class NewerConfig(c.Structure):
        _fields_ = [("old", abi.StreamConfig), ("more", c.c_uint32 * 2)]

    class NewerFrame(c.Structure):
        _fields_ = [("old", abi.FramePlace), ("more", c.c_uint32 * 2)]

    model = NativeModel(tiny, library)
    config = NewerConfig(abi.StreamConfig(struct_size=c.sizeof(NewerConfig), sample_rate_hz=16000))
    stream, taken, audio = c.c_void_p(), c.c_size_t(), noise(0, 1000)
    library.call("fp_stream_create", model.handle, c.byref(config), c.byref(stream))
    library.call("fp_stream_push_i16", stream, audio.ctypes.data, len(audio), c.byref(taken))
    frame = NewerFrame(abi.FramePlace(struct_size=c.sizeof(NewerFrame)), (7, 7))
    room = (c.c_float * 3)()
    assert library.call("fp_stream_pull", stream, c.byref(frame), room, 3) == abi.OK
    assert list(frame.more) == [0, 0]
    assert frame.old.struct_size == c.sizeof(NewerFrame)
    library.calls.fp_stream_destroy(stream)
    config.more[1] = 1
    with refused(abi.BAD_STRUCT):
        library.call("fp_stream_create", model.handle, c.byref(config), c.byref(stream))
    assert stream.value is None


def test_nulls_and_wrong_sizes_are_errors(library: Library, tiny: Path) -> None:
    model = NativeModel(tiny, library)
    voice = NativePredictor(model)
    stream = voice.handle
    size, handle = c.c_size_t(), c.c_void_p()
    config, frame = abi.sized(abi.StreamConfig, sample_rate_hz=16000), abi.sized(abi.FramePlace)
    info, latency = abi.sized(abi.ModelInfo), abi.sized(abi.LatencyParts)
    room = (c.c_float * 3)()
    ref = c.byref
    wrong = [
        ("fp_model_open", None, ref(handle)), ("fp_model_open", b"x", None),
        ("fp_model_open_memory", None, 0, ref(handle)), ("fp_model_open_memory", b"x", 1, None),
        ("fp_model_get_info", None, ref(info)), ("fp_model_get_info", model.handle, None),
        ("fp_model_channel_range", None, 0, None, None, None),
        ("fp_model_channel_range", model.handle, 3, None, None, None),
        ("fp_stream_create", None, ref(config), ref(handle)), ("fp_stream_create", model.handle, None, ref(handle)),
        ("fp_stream_create", model.handle, ref(config), None),
        ("fp_stream_push_f32", None, room, 3, ref(size)), ("fp_stream_push_f32", stream, None, 3, ref(size)),
        ("fp_stream_push_i16", stream, room, 3, None),
        ("fp_stream_pull", None, ref(frame), room, 3), ("fp_stream_pull", stream, None, room, 3),
        ("fp_stream_pull", stream, ref(frame), None, 3), ("fp_stream_pull", stream, ref(frame), room, 2),
        ("fp_stream_finish", None), ("fp_stream_reset", None), ("fp_stream_set_curve", None, 0, None),
        ("fp_stream_latency_samples", None, 1, ref(latency)), ("fp_stream_latency_samples", stream, 1, None),
        ("fp_stream_latency_samples", stream, 0, ref(latency)),
    ]  # fmt: skip
    for name, *arguments in wrong:
        with refused(abi.BAD_ARGUMENT):
            library.call(name, *arguments)
        assert getattr(library.calls, name)(*arguments, None) == abi.BAD_ARGUMENT, "the error struct may be NULL"
    for name, *arguments in [
        ("fp_model_get_info", model.handle, ref(abi.ModelInfo(struct_size=8))),
        ("fp_stream_pull", stream, ref(abi.FramePlace()), room, 3),
        ("fp_stream_latency_samples", stream, 1, ref(abi.LatencyParts(struct_size=20))),
    ]:
        with refused(abi.BAD_STRUCT):
            library.call(name, *arguments)
    library.calls.fp_model_close(None)
    library.calls.fp_stream_destroy(None)
    assert library.calls.fp_model_channel_name(None, 0) is None
    names = {library.calls.fp_status_string(status) for status in range(-14, 3)}
    assert len(names) == 17
    assert library.calls.fp_status_string(77) == library.calls.fp_status_string(-77) == b"unknown status"


def test_the_error_is_left_alone_where_nothing_failed(library: Library, tiny: Path) -> None:
    voice = NativePredictor(NativeModel(tiny, library), buffer_samples=700)
    error, taken, audio = abi.Error(b"untouched"), c.c_size_t(), noise(0, 1000)
    push_i16 = library.calls.fp_stream_push_i16
    assert push_i16(voice.handle, audio.ctypes.data, 1000, c.byref(taken), c.byref(error)) == abi.AGAIN
    assert library.calls.fp_stream_finish(voice.handle, c.byref(error)) == abi.OK
    assert error.message == b"untouched"
    assert push_i16(voice.handle, audio.ctypes.data, 1, c.byref(taken), c.byref(error)) == abi.FINISHED
    assert error.message.startswith(b"the take is finished")


# --------------------------------------------------------------------------------------------------- files from outside
def test_damaged_files_are_refused(library: Library, built_native: Path, tiny: Path) -> None:
    good = tiny.read_bytes()
    said = run(built_native, "hostile", tiny, 240, 1)
    assert re.fullmatch(r"-7 2[34]\d not a whole artefact\ncrashes 0\n", said), said
    for position in np.random.default_rng(0).integers(0, len(good), 200):
        spoiled = bytearray(good)
        spoiled[position] ^= 1 << (position % 8)
        with refused(abi.BAD_FILE):
            NativeModel(bytes(spoiled), library)


def test_files_that_are_none_of_ours(library: Library, tiny: Path, tiny_program: bytes, tmp_path: Path) -> None:
    cases: dict[str, bytes] = {
        "empty": b"", "one": b"T", "magic": b"TINYFACE", "text": b"hello\n" * 100, "unsealed": tiny_program,
        "length": tiny.read_bytes()[:-44] + b"\xff" * 4 + bytes(32) + b"TINYFACE", 
        "more": tiny.read_bytes() + b"x",
    }  # fmt: skip
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        for source in (path, content):
            with refused(abi.BAD_FILE):
                NativeModel(source, library)
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(8 << 30)  # sparse: it takes no room
    with refused(abi.BAD_FILE, "larger than 1 GiB"):
        NativeModel(huge, library)
    for absent in (tmp_path / "absent", tmp_path):
        with refused(abi.NO_FILE):
            NativeModel(absent, library)


def sealed_text(program: bytes, text: bytes) -> bytes:
    class Raw:
        def to_json(self) -> str:
            return text.decode("latin-1")

    return seal(program, Raw())  # type: ignore[arg-type]


def test_manifests_that_are_refused(library: Library, tiny_program: bytes, make_facts: Callable[..., Manifest]) -> None:
    facts = json.loads(make_facts().to_json())
    stream = {**facts, "kind": "stream", "state": [[1, 1, 5]]}
    without = {name: value for name, value in facts.items() if name != "fps"}
    objects: list[tuple[str, Any]] = [
        ("fps is missing", without), ("extra is unknown", {**facts, "extra": 1}), 
        ("schema is 1, .*Export the artefact again", {"schema": 1, "kind": "window", "names": ["a"]}),
        ("schema is 3", {**facts, "schema": 3}), ("schema is of another type", {**facts, "schema": "2"}),
        ("another type", {**facts, "names": "jawOpen"}), ("another type", {**facts, "parameters": True}),
        ("fps", {**facts, "fps": [30]}), ("fps", {**facts, "fps": [30, 0]}), ("fps", {**facts, "fps": [30.5, 1]}),
        ("ensemble", {**facts, "ensemble": [0.5, 0.5]}), ("history", {**facts, "history": "mirror"}),
        ("kind", {**facts, "kind": "other"}), ("sample_rate_hz", {**facts, "sample_rate_hz": 44100}),
        ("named twice", {**facts, "names": ["jawOpen", "jawOpen", "tongueOut"]}),
        ("needs minimum", {**facts, "neutral": [0, 0, 2]}), ("for each channel", {**facts, "maximum": [1, 1]}),
        ("future_samples", {**facts, "future_samples": 1001}), ("not a JSON object", [1]),
        ("number", {**facts, "maximum": [1, 1, float("nan")]}),
        ("within a million", {**facts, "maximum": [1, 1, 3.5e38]}), ("within a m", {**facts, "maximum": [1, 1, 1e300]}),
        ("neither state nor crowd", {**facts, "state": [[1]]}), ("neither state", {**facts, "crowd_voices": 16}),
        ("has a state", {**facts, "kind": "stream"}), ("of a stream one second", {**stream, "future_samples": 16001}),
        ("crowd_voices", {**stream, "crowd_voices": -1}), ("crowd_voices", {**stream, "crowd_voices": 1 << 30}),
        *(("shapes of a stream's state", {**stream, "state": state}) for state in
          ([[]], [[0]], [[1, -5]], [[1.5]], ["x"], [1], [[1 << 40]], [[1 << 11] * 2] * 2, [[1] * 8], [[1]] * 300)),
    ]  # fmt: skip
    texts = [
        ("", b"", b"{}" + b" " * 10 + b"x", b"nul", b'{"a": 1, "a": 2}', b"[" * 100000, b'{"a": "\x01"}', b'"\\ud800"')
    ]
    cases = [(wanted, json.dumps(value).encode()) for wanted, value in objects] + [
        ("JSON", t or b" ") for t in texts[0][1:]
    ]
    for wanted, text in cases:
        with refused(abi.BAD_MANIFEST, wanted):
            NativeModel(sealed_text(tiny_program, text), library)


def test_whole_artefacts_that_cannot_be_played(
    library: Library, tiny_program: bytes, make_facts: Callable[..., Manifest]
) -> None:
    def play(program: bytes, **facts: Any) -> None:
        NativeModel(seal(program, make_facts(**facts)), library)

    for facts in ({"kind": "stream", "state": [[1]]}, {"window_samples": 999}, {"names": ["a", "b"]}):
        with refused(abi.BAD_PROGRAM):
            play(tiny_program, **facts)
    with refused(abi.UNSUPPORTED):
        play(tiny_program, runtime="torchscript")
    for program in (b"", bytes(1000), tiny_program[: len(tiny_program) // 2]):
        with refused(abi.BAD_PROGRAM):
            play(program)
