"""The C door through ctypes, for tests: structs as the header has them, one class a handle."""

from __future__ import annotations

import ctypes as c
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import sdk

TOLERANCE = 1e-4

OK, AGAIN, END = 0, 1, 2
BAD_ARGUMENT, BAD_STRUCT, BAD_RATE, BAD_AUDIO, FINISHED = -1, -2, -3, -4, -5
NO_FILE, BAD_FILE, BAD_MANIFEST, UNSUPPORTED, BAD_PROGRAM, RUN_FAILED = -6, -7, -8, -9, -10, -11
AS_MODEL, OFF, ON = 0, 1, 2
WINDOW, STREAM = 0, 1

_U32 = c.c_uint32


class Error(c.Structure):
    _fields_ = [("message", c.c_char * 512)]


class Info(c.Structure):
    _fields_ = [
        *((name, _U32) for name in ("struct_size", "channels", "sample_rate_hz", "window_samples", "future_samples")),
        *((name, _U32) for name in ("fps_numerator", "fps_denominator", "ensemble")),
        ("ensemble_weights", c.c_float * 3),
        ("reserved", _U32),
        ("parameters", c.c_uint64),
        ("artifact_bytes", c.c_uint64),
        *((name, c.c_char_p) for name in ("student", "precision", "backend", "sha256")),
        *((name, _U32) for name in ("kind", "hop_samples", "state_bytes", "crowd_voices")),
    ]


class Config(c.Structure):
    _fields_ = [
        *((name, _U32) for name in ("struct_size", "sample_rate_hz", "audio_channels", "fps_numerator")),
        *((name, _U32) for name in ("fps_denominator", "ensemble")),
        ("ensemble_weights", c.c_float * 3),
        ("buffer_samples", _U32),
    ]


class Frame(c.Structure):
    _fields_ = [("struct_size", _U32), ("reserved", _U32), ("index", c.c_int64), ("sample", c.c_int64)]


class Curve(c.Structure):
    _fields_ = [("struct_size", _U32), *((name, c.c_float) for name in ("gain", "offset", "minimum", "maximum"))]


class LatencyParts(c.Structure):
    _fields_ = [(name, _U32) for name in ("struct_size", "future", "ensemble", "resampler", "block", "total", "grid")]


def sized(struct: Any, **fields: Any) -> Any:
    """A struct with its size set."""
    return struct(struct_size=c.sizeof(struct), **fields)


class DoorError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Door:
    """The loaded library. `calls` has its functions as they are."""

    def __init__(self, library: Path) -> None:
        self.calls = c.CDLL(str(library))
        self.calls.fp_status_string.restype = c.c_char_p
        self.calls.fp_model_channel_name.restype = c.c_char_p
        self.calls.fp_model_channel_name.argtypes = [c.c_void_p, _U32]
        for destroy in (self.calls.fp_model_close, self.calls.fp_stream_destroy, self.calls.fp_crowd_destroy):
            destroy.argtypes, destroy.restype = [c.c_void_p], None

    def call(self, name: str, *arguments: Any) -> int:
        """The status of `name(*arguments, &error)`; raises `DoorError` if it is a failure, which must say why."""
        error = Error(b"untouched")
        status: int = getattr(self.calls, name)(*arguments, c.byref(error))
        message = error.message.decode()
        assert (message != "untouched") == (status < 0), f"{name}: status {status}, message {message!r}"
        if status < 0:
            assert len(message) > 8
            raise DoorError(status, message)
        return status

    def open(self, source: Path | bytes) -> Model:
        return Model(self, source)


class Model:
    def __init__(self, door: Door, source: Path | bytes) -> None:
        self.door, self.handle = door, c.c_void_p(1)
        try:
            if isinstance(source, bytes):
                door.call("fp_model_open_memory", source, c.c_size_t(len(source)), c.byref(self.handle))
            else:
                door.call("fp_model_open", str(source).encode(), c.byref(self.handle))
        except DoorError:
            assert self.handle.value is None, "a failure sets the handle to NULL"
            raise
        self.info = sized(Info)
        door.call("fp_model_get_info", self.handle, c.byref(self.info))

    @property
    def names(self) -> list[str]:
        return [self.door.calls.fp_model_channel_name(self.handle, i).decode() for i in range(self.info.channels)]

    def stream(self, rate_hz: int = 16000, **fields: Any) -> Stream:
        return Stream(self, sized(Config, sample_rate_hz=rate_hz, **fields))

    def close(self) -> None:
        self.door.calls.fp_model_close(self.handle)


class Stream:
    def __init__(self, model: Model, config: Config) -> None:
        self.model, self.door, self.handle, self.config = model, model.door, c.c_void_p(1), config
        try:
            self.door.call("fp_stream_create", model.handle, c.byref(config), c.byref(self.handle))
        except DoorError:
            assert self.handle.value is None, "a failure sets the handle to NULL"
            raise

    @property
    def rate_hz(self) -> int:
        return int(self.config.sample_rate_hz)

    def push_some(self, samples: np.ndarray) -> tuple[int, int]:
        """Status and how many samples were taken. `samples`: float32 or int16, `(n,)` or `(n, channels)`."""
        name = {"float32": "fp_stream_push_f32", "int16": "fp_stream_push_i16"}[str(samples.dtype)]
        whole = np.ascontiguousarray(samples)
        taken = c.c_size_t(99)
        status = self.door.call(
            name, self.handle, c.c_void_p(whole.ctypes.data), c.c_size_t(len(whole)), c.byref(taken)
        )
        return status, taken.value

    def pull(self) -> tuple[int, int, int, np.ndarray]:
        """Status, index, sample, values."""
        frame = sized(Frame)
        values = np.full(self.model.info.channels, np.nan, np.float32)
        status = self.door.call(
            "fp_stream_pull", self.handle, c.byref(frame), c.c_void_p(values.ctypes.data), _U32(len(values))
        )
        return status, frame.index, frame.sample, values

    def due(self) -> list[tuple[int, int, np.ndarray]]:
        frames = []
        while (frame := self.pull())[0] == OK:
            frames.append(frame[1:])
        return frames

    def animate(self, samples: np.ndarray, chunks: Sequence[int]) -> list[tuple[int, int, np.ndarray]]:
        """All frames of a take, pushed in `chunks`, over and over."""
        frames, at, turn = [], 0, 0
        while at < len(samples):
            at += self.push_some(samples[at : at + chunks[turn % len(chunks)]])[1]
            turn += 1
            frames += self.due()
        self.door.call("fp_stream_finish", self.handle)
        frames += self.due()
        assert self.pull()[0] == END
        return frames

    def destroy(self) -> None:
        self.door.calls.fp_stream_destroy(self.handle)


class Crowd:
    """Runs the hops of many streams of `model` together."""

    def __init__(self, model: Model) -> None:
        self.door, self.handle = model.door, c.c_void_p(1)
        try:
            self.door.call("fp_crowd_create", model.handle, c.byref(self.handle))
        except DoorError:
            assert self.handle.value is None, "a failure sets the handle to NULL"
            raise

    def run(self, streams: Sequence[Stream]) -> int:
        """How many hops have run."""
        handles = (c.c_void_p * len(streams))(*(stream.handle for stream in streams))
        hops = c.c_size_t(99)
        self.door.call("fp_crowd_run", self.handle, handles, c.c_size_t(len(streams)), c.byref(hops))
        return hops.value

    def destroy(self) -> None:
        self.door.calls.fp_crowd_destroy(self.handle)


def run(built: Path, program: str, *arguments: object, **environment: str) -> str:
    command = [str(built / "bin" / program), *map(str, arguments)]
    around = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=around)
    assert done.returncode == 0, f"{program}: {done.returncode} {done.stderr}"
    assert done.stderr == "", "the library prints nothing"
    return done.stdout


def largest_difference(frames: list[tuple[int, int, np.ndarray]], wanted: list[sdk.Frame]) -> float:
    assert [(index, sample) for index, sample, _ in frames] == [(frame.index, frame.sample) for frame in wanted]
    return max(float(np.abs(given[2] - frame.values).max()) for given, frame in zip(frames, wanted, strict=True))


def noise(first: int, count: int) -> np.ndarray:
    """The audio of native/tests/tool.h: samples `[first, first + count)`, int16."""
    with np.errstate(over="ignore"):
        x = np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x ^= x >> np.uint64(29)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(32)
    return ((x & np.uint64(0xFFFF)) >> np.uint64(1)).astype(np.int16)
