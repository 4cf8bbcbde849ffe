"""Whatever a caller or a file does wrong ends in a status and a reason, never in a crash."""

from __future__ import annotations

import ctypes as c
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import native_door as nd
import numpy as np
import pytest
from native_door import Door, DoorError, noise, run

from sdk.artifact import seal
from sdk.manifest import Manifest


def test_a_full_buffer_takes_what_fits_and_says_so(door: Door, tiny: Path) -> None:
    model = door.open(tiny)
    stream = model.stream(buffer_samples=700)
    assert stream.push_some(noise(0, 1000)) == (nd.AGAIN, 700)
    assert stream.push_some(noise(700, 1)) == (nd.AGAIN, 0)
    assert len(stream.due()) == 1
    assert stream.pull()[0] == nd.AGAIN
    assert stream.push_some(noise(700, 0)) == (nd.OK, 0)
    stream.destroy()
    model.close()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 101.0, -32768.0])
def test_unusable_audio_is_refused_and_nothing_is_consumed(bad: float, door: Door, tiny: Path) -> None:
    model = door.open(tiny)
    stream, judge = model.stream(), model.stream()
    good = (noise(0, 3000) / 32768).astype(np.float32)
    first = stream.push_some(good[:1000])
    spoiled = good[1000:2000].copy()
    spoiled[737] = bad
    with pytest.raises(DoorError) as refused:
        stream.push_some(spoiled)
    assert refused.value.status == nd.BAD_AUDIO
    assert first == (nd.OK, 1000)
    frames = stream.due() + stream.animate(good[1000:], [160])
    np.testing.assert_array_equal([f[2] for f in frames], [f[2] for f in judge.animate(good, [160])])
    with pytest.raises(DoorError) as late:
        stream.push_some(good)
    assert late.value.status == nd.FINISHED
    for thing in (stream, judge):
        thing.destroy()
    model.close()


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (nd.BAD_RATE, {"sample_rate_hz": 0}),
        (nd.BAD_RATE, {"sample_rate_hz": 7999}),
        (nd.BAD_RATE, {"sample_rate_hz": 96001}),
        (nd.BAD_RATE, {"sample_rate_hz": 2**32 - 1}),
        (nd.BAD_RATE, {"fps_numerator": 30}),
        (nd.BAD_RATE, {"fps_numerator": 1, "fps_denominator": 2}),
        (nd.BAD_RATE, {"fps_numerator": 241, "fps_denominator": 1}),
        (nd.BAD_RATE, {"fps_numerator": 121, "fps_denominator": 1, "ensemble": nd.ON}),
        (nd.BAD_RATE, {"fps_numerator": 30000001, "fps_denominator": 1000000}),
        (nd.BAD_RATE, {"ensemble": nd.ON, "ensemble_weights": (c.c_float * 3)(0.5, 0.5, 0.5)}),
        (nd.BAD_RATE, {"ensemble": nd.ON, "ensemble_weights": (c.c_float * 3)(float("nan"), 0.5, 0.5)}),
        (nd.BAD_ARGUMENT, {"ensemble": 3}),
        (nd.BAD_ARGUMENT, {"audio_channels": 9}),
        (nd.BAD_ARGUMENT, {"buffer_samples": 16000 * 61}),
        (nd.BAD_STRUCT, {"struct_size": 0}),
        (nd.BAD_STRUCT, {"struct_size": 39}),
        (nd.BAD_STRUCT, {"struct_size": 5000}),
    ],
)
def test_a_config_that_cannot_be(status: int, fields: dict[str, Any], door: Door, tiny: Path) -> None:
    model = door.open(tiny)
    config = nd.sized(nd.Config, sample_rate_hz=16000)
    for name, value in fields.items():
        setattr(config, name, value)
    with pytest.raises(DoorError) as refused:
        nd.Stream(model, config)
    assert refused.value.status == status
    model.close()


def test_structs_of_a_newer_caller(door: Door, tiny: Path) -> None:
    """What it knows more is zero both ways; a config that asks for more than this library knows is refused."""

    class NewerConfig(c.Structure):
        _fields_ = [("old", nd.Config), ("more", c.c_uint32 * 2)]

    class NewerFrame(c.Structure):
        _fields_ = [("old", nd.Frame), ("more", c.c_uint32 * 2)]

    model = door.open(tiny)
    config = NewerConfig(nd.Config(struct_size=c.sizeof(NewerConfig), sample_rate_hz=16000))
    stream = nd.Stream(model, config)  # type: ignore[arg-type]
    stream.push_some(noise(0, 1000))
    frame = NewerFrame(nd.Frame(struct_size=c.sizeof(NewerFrame)), (7, 7))
    values = (c.c_float * 3)()
    assert door.call("fp_stream_pull", stream.handle, c.byref(frame), values, 3) == nd.OK
    assert list(frame.more) == [0, 0]
    assert frame.old.struct_size == c.sizeof(NewerFrame)
    config.more[1] = 1
    with pytest.raises(DoorError) as refused:
        nd.Stream(model, config)  # type: ignore[arg-type]
    assert refused.value.status == nd.BAD_STRUCT
    stream.destroy()
    model.close()


def test_nulls_and_wrong_sizes_are_errors(door: Door, tiny: Path) -> None:
    model = door.open(tiny)
    stream = model.stream()
    size, handle = c.c_size_t(), c.c_void_p()
    config, frame, info = nd.sized(nd.Config, sample_rate_hz=16000), nd.sized(nd.Frame), nd.sized(nd.Info)
    values = (c.c_float * 3)()
    ref = c.byref
    wrong = [
        ("fp_model_open", None, ref(handle)), ("fp_model_open", b"x", None),
        ("fp_model_open_memory", None, size, ref(handle)), ("fp_model_open_memory", b"x", c.c_size_t(1), None),
        ("fp_model_get_info", None, ref(info)), ("fp_model_get_info", model.handle, None),
        ("fp_model_channel_range", None, 0, None, None, None),
        ("fp_model_channel_range", model.handle, 3, None, None, None),
        ("fp_stream_create", None, ref(config), ref(handle)), ("fp_stream_create", model.handle, None, ref(handle)),
        ("fp_stream_create", model.handle, ref(config), None),
        ("fp_stream_push_f32", None, values, c.c_size_t(3), ref(size)),
        ("fp_stream_push_f32", stream.handle, None, c.c_size_t(3), ref(size)),
        ("fp_stream_push_i16", stream.handle, values, c.c_size_t(3), None),
        ("fp_stream_pull", None, ref(frame), values, 3), ("fp_stream_pull", stream.handle, None, values, 3),
        ("fp_stream_pull", stream.handle, ref(frame), None, 3),
        ("fp_stream_pull", stream.handle, ref(frame), values, 2), ("fp_stream_finish", None),
        ("fp_stream_reset", None), ("fp_stream_set_curve", None, 0, None),
        ("fp_stream_latency_samples", None, 1, ref(nd.sized(nd.LatencyParts))),
        ("fp_stream_latency_samples", stream.handle, 1, None),
        ("fp_stream_latency_samples", stream.handle, 0, ref(nd.sized(nd.LatencyParts))),
    ]  # fmt: skip
    for name, *arguments in wrong:
        with pytest.raises(DoorError) as refused:
            door.call(name, *arguments)
        assert refused.value.status == nd.BAD_ARGUMENT, name
        assert getattr(door.calls, name)(*arguments, None) == nd.BAD_ARGUMENT, "the error struct may be NULL"
    for name, *arguments in [
        ("fp_model_get_info", model.handle, ref(nd.Info(struct_size=8))),
        ("fp_stream_pull", stream.handle, ref(nd.Frame()), values, 3),
        ("fp_stream_latency_samples", stream.handle, 1, ref(nd.LatencyParts(struct_size=20))),
    ]:
        with pytest.raises(DoorError) as refused:
            door.call(name, *arguments)
        assert refused.value.status == nd.BAD_STRUCT, name
    door.calls.fp_model_close(None)
    door.calls.fp_stream_destroy(None)
    assert door.calls.fp_model_channel_name(None, 0) is None
    names = {door.calls.fp_status_string(status) for status in range(-13, 3)}
    assert len(names) == 16
    assert door.calls.fp_status_string(77) == door.calls.fp_status_string(-77) == b"unknown status"
    stream.destroy()
    model.close()


# --------------------------------------------------------------------------------------------------- files from outside
def test_damaged_files_are_refused(door: Door, built_native: Path, tiny: Path) -> None:
    good = tiny.read_bytes()
    said = run(built_native, "hostile", tiny, 240, 1)
    assert re.fullmatch(r"-7 2[34]\d not a whole artefact\ncrashes 0\n", said), said
    for position in np.random.default_rng(0).integers(0, len(good), 200):
        spoiled = bytearray(good)
        spoiled[position] ^= 1 << (position % 8)
        with pytest.raises(DoorError) as refused:
            door.open(bytes(spoiled))
        assert refused.value.status == nd.BAD_FILE


def test_files_that_are_none_of_ours(door: Door, tiny: Path, tiny_program: bytes, tmp_path: Path) -> None:
    cases: dict[str, bytes] = {
        "empty": b"", "one": b"T", "magic": b"TINYFACE", "text": b"hello\n" * 100, "unsealed": tiny_program,
        "length": tiny.read_bytes()[:-44] + b"\xff" * 4 + bytes(32) + b"TINYFACE", 
        "more": tiny.read_bytes() + b"x",
    }  # fmt: skip
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        for source in (path, content):
            with pytest.raises(DoorError) as refused:
                door.open(source)
            assert refused.value.status == nd.BAD_FILE, name
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(8 << 30)  # sparse: it takes no room
    with pytest.raises(DoorError, match="larger than 1 GiB"):
        door.open(huge)
    for absent in (tmp_path / "absent", tmp_path):
        with pytest.raises(DoorError) as refused:
            door.open(absent)
        assert refused.value.status == nd.NO_FILE


def sealed_text(program: bytes, text: bytes) -> bytes:
    class Raw:
        def to_json(self) -> str:
            return text.decode("latin-1")

    return seal(program, Raw())  # type: ignore[arg-type]


def test_manifests_that_are_refused(door: Door, tiny_program: bytes, make_facts: Callable[..., Manifest]) -> None:
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
        with pytest.raises(DoorError, match=wanted) as refused:
            door.open(sealed_text(tiny_program, text))
        assert refused.value.status == nd.BAD_MANIFEST, text[:80]


def test_whole_artefacts_that_cannot_be_played(
    door: Door, tiny_program: bytes, make_facts: Callable[..., Manifest]
) -> None:
    def status(program: bytes, **facts: Any) -> tuple[int, str]:
        with pytest.raises(DoorError) as refused:
            door.open(seal(program, make_facts(**facts)))
        return refused.value.status, refused.value.message

    assert status(tiny_program, kind="stream", state=[[1]])[0] == nd.BAD_PROGRAM
    assert status(tiny_program, runtime="torchscript")[0] == nd.UNSUPPORTED
    assert status(tiny_program, window_samples=999)[0] == nd.BAD_PROGRAM
    assert status(tiny_program, names=["a", "b"])[0] == nd.BAD_PROGRAM
    assert status(b"", names=["a"])[0] == nd.BAD_PROGRAM
    assert status(bytes(1000))[0] == nd.BAD_PROGRAM
    assert status(tiny_program[: len(tiny_program) // 2])[0] == nd.BAD_PROGRAM
