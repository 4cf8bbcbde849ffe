"""What tests of the native library share: takes played in chunks, refusals, programs run, the noise of `tool.h`."""

from __future__ import annotations

import ctypes as c
import json
import os
import subprocess
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import sdk
from sdk.errors import TinyfaceError
from sdk.native import NativePredictor
from sdk.native.abi import FramePlace, StatusError, sized

TOLERANCE = 1e-4
# What no example takes for --fps and --chunk-ms, in whichever language.
NO_RATES = ("0", "0/1", "0.0", "1/0", "30/0", "-30", "30/-1", "30/", "/1", "241", "1/2", " 30", "4294967326", "x", "")
NO_CHUNKS = ("0", "-5", "5x", "2.5", "", " 5", "99999999999")


def animate(voice: NativePredictor, samples: np.ndarray, chunks: Sequence[int]) -> list[sdk.Frame]:
    """All frames of a take, fed in `chunks`, over and over."""
    frames: list[sdk.Frame] = []
    at, turn = 0, 0
    while at < len(samples):
        at += voice.feed(samples[at : at + chunks[turn % len(chunks)]])
        turn += 1
        frames += voice.drain()
    return frames + voice.finish()


def values(frames: list[sdk.Frame]) -> np.ndarray:
    """`(frames, channels)`"""
    return np.array([frame.values for frame in frames])


def pull_status(voice: NativePredictor) -> int:
    """What a bare pull answers."""
    room = np.zeros(len(voice.layout), np.float32)
    place = sized(FramePlace)
    return voice.library.call("fp_stream_pull", voice.handle, c.byref(place), room.ctypes.data, len(room))


@contextmanager
def refused(status: int, match: str | None = None) -> Iterator[None]:
    """The library refuses with `status` and words, whichever error of ours they became."""
    with pytest.raises(TinyfaceError, match=match) as caught:
        yield
    said = caught.value if isinstance(caught.value, StatusError) else caught.value.__cause__
    assert isinstance(said, StatusError), f"the library was not asked: {caught.value!r}"
    assert said.status == status
    assert len(said.message) > 8, "it says why"


def wav_frames(artifact: Path, wav: Path) -> list[sdk.Frame]:
    """What Python makes of a 16-bit wav."""
    with wave.open(str(wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return sdk.predict(artifact, samples, file.getframerate())


def of_24_bits(wav: Path, out: Path) -> Path:
    """`out`: a mono 16-bit wav with eight bits more."""
    with wave.open(str(wav)) as file:
        samples, rate_hz = np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(rate_hz)
        file.writeframes((samples.astype("<i4") << 8).view("u1").reshape(-1, 4)[:, :3].tobytes())
    return out


def read_line(line: str) -> sdk.Frame:
    """A frame from its JSON line."""
    said = json.loads(line)
    return sdk.Frame(
        said["index"], said["sample"], np.array(list(said["values"].values()), np.float32),
        sdk.RigLayout(tuple(said["values"])),
    )  # fmt: skip


def run(built: Path, program: str, *arguments: object, **environment: str) -> str:
    command = [str(built / "bin" / program), *map(str, arguments)]
    around = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=around)
    assert done.returncode == 0, f"{program}: {done.returncode} {done.stderr}"
    assert done.stderr == "", "the library prints nothing"
    return done.stdout


def largest_difference(given: list[sdk.Frame], wanted: list[sdk.Frame]) -> float:
    """Of any value; the frames must be the same ones."""
    assert [(frame.index, frame.sample) for frame in given] == [(frame.index, frame.sample) for frame in wanted]
    return float(np.abs(values(given) - values(wanted)).max())


def noise(first: int, count: int) -> np.ndarray:
    """The audio of native/tests/tool.h: samples `[first, first + count)`, int16."""
    with np.errstate(over="ignore"):
        x = np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x ^= x >> np.uint64(29)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(32)
    return ((x & np.uint64(0xFFFF)) >> np.uint64(1)).astype(np.int16)
