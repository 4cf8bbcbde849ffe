"""A recording, whatever people have: files, pipes, `-` for stdin, wav as it comes, and by ffmpeg what is left.

    with open_recording(path) as sound:
        for block in sound.blocks(sound.samplerate): ...      # float32 (n, channels)

wav needs numpy alone, flac, ogg and mp3 need soundfile, m4a, webm and the like the program ffmpeg.
"""

from __future__ import annotations

import importlib
import io
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from sdk.errors import AudioError, EngineUnavailable, pip_install
from sdk.sounds.wav import WavStream
from sdk.tools.limits import LARGEST_FILE_BYTES

_RIFF = (b"RIFF", b"RF64")
_CANCELS = 0.05  # the mean of two channels holds less than this share of their power: they cancel each other
_LISTEN_S = 30
LOWEST_HZ, HIGHEST_HZ = 1000, 768_000  # what sound is recorded at
MOST_CHANNELS = 64


class Sound(Protocol):
    """What all readers here offer; soundfile's own files do too, but for `blocks`."""

    samplerate: int
    channels: int
    frames: int | None

    def blocks(self, frames: int) -> Iterator[np.ndarray]: ...


@contextmanager
def open_recording(path: Path | str) -> Iterator[Sound]:
    """A recording opened; `-` is stdin. Raises `AudioError`, or `EngineUnavailable` where a reader lacks."""
    with _opened(path) as sound:
        check_sound(sound.samplerate, sound.channels, show(path))
        yield sound


def check_sound(rate_hz: int, channels: int, name: str, who: str = "its header says") -> None:
    """Raises `AudioError` for a rate or a number of channels that no recording has, with `who` told it: a header may
    say anything."""
    if not LOWEST_HZ <= rate_hz <= HIGHEST_HZ or not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(
            f"{name}: {who} {rate_hz:,} Hz and {channels} channels; sound has {LOWEST_HZ:,} to {HIGHEST_HZ:,} Hz and 1 "
            f"to {MOST_CHANNELS} channels"
        )


@contextmanager
def _opened(path: Path | str) -> Iterator[Sound]:
    name = show(path)
    if str(path) == "-":
        with _from_stream(sys.stdin.buffer, "stdin") as sound:
            yield sound
        return
    try:
        mode, length = os.stat(path).st_mode, os.stat(path).st_size
        stream = open(path, "rb")  # noqa: SIM115 (closed below; here only opening may fail)
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: not readable as sound ({getattr(error, 'strerror', None) or error})") from error
    with stream:
        if not stat.S_ISREG(mode):
            with _from_stream(stream, name) as sound:
                yield sound
            return
        if stream.read(4) in _RIFF:
            stream.seek(0)
            try:
                wav = WavStream(stream, name, length)
            except AudioError:
                wav = None  # a coded WAVE: soundfile knows more of them
            if wav:
                yield wav
                return
        with _coded(os.fsencode(path), name) as sound:
            yield sound


def read_recording(path: Path | str) -> tuple[np.ndarray, int]:
    """The whole recording: float32 `(n, channels)`, and its rate in Hz. Raises what `open_recording` raises."""
    with open_recording(path) as sound:
        blocks = list(sound.blocks(sound.samplerate))
        rows = np.concatenate(blocks) if blocks else np.zeros((0, sound.channels), np.float32)
        return rows, int(sound.samplerate)


def one_channel(block: np.ndarray, channel: int | None, name: str) -> np.ndarray:
    """Channel `channel` (from 1) of `(n, channels)`, or all of them. Raises `AudioError` for one there is not."""
    if channel is None:
        return block
    if not 1 <= channel <= block.shape[1]:
        raise AudioError(f"{name}: no channel {channel}; it has {block.shape[1]}")
    return block[:, channel - 1]


class PhaseWatch:
    """Hears whether the channels of a recording cancel each other when averaged, as one plugged in backwards does."""

    def __init__(self, rate_hz: int) -> None:
        self._left = _LISTEN_S * rate_hz
        self._mean = self._each = 0.0

    def hear(self, block: np.ndarray) -> None:
        if block.ndim == 2 and block.shape[1] > 1 and self._left > 0:
            part = block[: self._left].astype(np.float64)
            self._left -= len(part)
            self._mean += float((part.mean(axis=1) ** 2).sum())
            self._each += float((part**2).mean(axis=1).sum())

    @property
    def warning(self) -> str:
        """A line to show, or nothing."""
        if self._each < 1e-6 or self._mean > _CANCELS * self._each:
            return ""
        share = 100 * self._mean / self._each
        return f"the channels are in opposite phase: their mean keeps {share:.1f} % of the sound. Give --channel 1"


def show(path: Path | str) -> str:
    """A name for messages; bytes that are no UTF-8 are shown as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextmanager
def _from_stream(stream: BinaryIO, name: str) -> Iterator[Sound]:
    """Sound from a pipe: wav as it comes, other kinds when they have come to their end."""
    head = b""
    while len(head) < 4 and (more := stream.read(4 - len(head))):
        head += more
    if head in _RIFF:
        yield WavStream(Again(head, stream), name)  # type: ignore[arg-type]
        return
    if not head:
        raise AudioError(f"{name}: holds no samples")
    with _coded(io.BytesIO(head + _all_of(stream, name)), name) as sound:
        yield sound


def _all_of(stream: BinaryIO, name: str) -> bytes:
    """What a pipe brings until its end. Raises `AudioError` where that is more than a file may have."""
    parts, got = [], 0
    while part := stream.read(1 << 20):
        parts.append(part)
        got += len(part)
        if got > LARGEST_FILE_BYTES:
            raise AudioError(f"{name}: more than {LARGEST_FILE_BYTES:,} bytes and no end; send wav, or give a file")
    return b"".join(parts)


@dataclass
class Again:
    """A stream with bytes that were read already put back."""

    head: bytes
    stream: BinaryIO

    def read(self, count: int) -> bytes:
        if self.head:
            data, self.head = self.head[:count], self.head[count:]
            return data
        return self.stream.read(count)


@contextmanager
def _coded(source: Any, name: str) -> Iterator[Sound]:
    """soundfile, and what that cannot read by ffmpeg. `source`: a path as bytes, or all the bytes as a stream."""
    why, soundfile = "", None
    try:
        soundfile = importlib.import_module("soundfile")
    except ImportError:
        why = f"soundfile, which reads flac, ogg and mp3, is not installed: {pip_install('play')}"
    if soundfile is not None:
        try:
            opened = soundfile.SoundFile(source)
        except (soundfile.LibsndfileError, OSError, TypeError) as error:  # TypeError: headerless sound, `.raw`
            why = str(error).replace(repr(source), "it").strip()
        else:
            with opened:
                yield _SoundFile(opened, name)
            return
    program = shutil.which("ffmpeg")
    if not program:
        kind = EngineUnavailable if soundfile is None else AudioError
        raise kind(f"{name}: not readable as sound ({why}); give wav, flac, ogg or mp3, or install ffmpeg for the rest")
    with _by_ffmpeg(program, source, name, why) as sound:
        yield sound


class _SoundFile:
    """A file of soundfile's with our `blocks`."""

    def __init__(self, opened: Any, name: str) -> None:
        self._opened, self._name = opened, name
        self.samplerate, self.channels = int(opened.samplerate), int(opened.channels)
        self.frames: int | None = int(opened.frames) if 0 < opened.frames < 2**62 else None

    def blocks(self, frames: int) -> Iterator[np.ndarray]:
        if self._opened.format == "MP3":  # soundfile seeks after each block, and there an mp3 clicks
            frames = max(frames, int(self._opened.frames))
        try:
            yield from self._opened.blocks(blocksize=frames, dtype="float32", always_2d=True)
        except (RuntimeError, OSError) as error:
            raise AudioError(f"{self._name}: damaged ({error}); give a sound file that plays to its end") from error


@contextmanager
def _by_ffmpeg(program: str, source: Any, name: str, why: str) -> Iterator[Sound]:
    """ffmpeg decodes into a pipe, as wav without an end. Raises `AudioError` with ffmpeg's own last words."""
    with tempfile.NamedTemporaryFile(suffix=".sound") as spool:  # what came through a pipe must be seekable for mp4
        if not isinstance(source, bytes):
            spool.write(source.getvalue())
            spool.flush()
        # `file:` keeps a name from being read as a protocol or an option
        given = b"file:" + (source if isinstance(source, bytes) else os.fsencode(spool.name))
        command = [os.fsencode(program), b"-v", b"error", b"-nostdin", b"-i", given, b"-vn", b"-map", b"0:a:0",
                   b"-c:a", b"pcm_f32le", b"-f", b"wav", b"pipe:1"]  # fmt: skip
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode or len(done.stdout) < 44:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise AudioError(f"{name}: not readable as sound ({why}; ffmpeg: {words[-1] if words else 'no sound in it'})")
    yield WavStream(io.BytesIO(done.stdout), name, len(done.stdout))
