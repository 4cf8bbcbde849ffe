"""Where live sound comes from: a recording played at its own pace, samples on stdin, a microphone (`microphone.py`).

A source is read by one thread: `read(until)` gives the samples that came, waiting for them until then at most.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from sdk.errors import AudioError
from sdk.live.ring import Ring
from sdk.sounds.recording import Again, check_sound, one_channel, read_recording, show
from sdk.sounds.wav import WavStream

BLOCK_S = 0.01
_RING_S = 4.0
_POLL_S = 0.002
_MOST_BEHIND_S = 2.0
_AHEAD_S = 0.1  # how much of a fast pipe is heard before its time


class Source(Protocol):
    """What the conductor reads from."""

    rate_hz: int
    name: str

    @property
    def overruns(self) -> int:
        """Samples that came and found no room."""
        ...

    @property
    def lost(self) -> int:
        """How often the device went away."""
        ...

    def start(self) -> None: ...
    def read(self, until: float) -> np.ndarray | None:
        """Samples `(n,)` or `(n, channels)`, perhaps none yet; None when there will be no more."""
        ...

    def time_of(self, sample: float) -> float:
        """When the source was or will be at `sample` of what `read` gave since `start`, in `time.perf_counter`: on
        Windows `time.monotonic` goes in steps of 15.6 ms before Python 3.13, half a frame."""
        ...

    def stop(self) -> None: ...


class Recording:
    """A sound file as if it were spoken now: block by block, none before its time.

    `heard`: how many samples a player has played; without one the computer's clock goes.
    """

    def __init__(self, path: Path | str, channel: int | None = None, loop: bool = False) -> None:
        samples, self.rate_hz = read_recording(path)
        self.name = show(path)
        if not len(samples):
            raise AudioError(f"{self.name}: holds no samples")
        self.samples = one_channel(samples, channel, self.name)
        self.overruns = self.lost = self.generation = self.position = 0
        self._loop, self._at, self._block = loop, 0, int(self.rate_hz * BLOCK_S)
        self.card: Callable[[float], float] | None = None  # a player's clock: when it gets to a sample

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate_hz

    def start(self) -> None:
        self._began, self._at = time.perf_counter(), 0

    def read(self, until: float) -> np.ndarray | None:
        if not self._loop and self._at >= len(self.samples):
            return None
        due = self.time_of(self._at + self._block)
        if due > until:
            _sleep_until(until)
            return self.samples[:0]
        _sleep_until(due)
        behind = int((time.perf_counter() - due) * self.rate_hz)
        if behind > _MOST_BEHIND_S * self.rate_hz:  # what nobody had time to hear is left out, as a card would
            self._at, self.overruns, self.generation = self._at + behind, self.overruns + behind, self.generation + 1
            if not self._loop and self._at >= len(self.samples):
                return None
        self.position = self._at
        place = self._at % len(self.samples)
        block = self.samples[place : place + self._block]
        self._at += len(block)
        return block

    def time_of(self, sample: float) -> float:
        if self.card:
            return self.card(sample)
        return self._began + sample / self.rate_hz

    def stop(self) -> None:
        pass


class Piped:
    """Samples on stdin as they come: raw PCM (`rate_hz`, `channels`, `kind`), or a wav that says so itself; all of its
    channels or `channel`, from 1.

    The pipe is played at its rate: what comes faster waits, what comes later shifts all that follows. `rate_hz` and
    `channels` are those that were told until the first sound says otherwise, for which `start` waits. Raises
    `AudioError` for sound that nobody has, and from `start` and `read` what reading it raises.
    """

    def __init__(
        self, rate_hz: int, channels: int, kind: str, stream: BinaryIO | None = None, channel: int | None = None
    ) -> None:
        self._stream = _Asked(stream or sys.stdin.buffer)
        self.rate_hz, self.channels, self.name = rate_hz, channels, "stdin"
        self._kind, self.lost, self._ended, self._channel = kind, 0, False, channel
        self._failed: BaseException | None = None
        self._wav: WavStream | None = None
        check_sound(rate_hz, channels, "stdin", "you say")
        self._ring = Ring(1, channels)
        self._origin: float | None = None
        self._pumping: threading.Thread | None = None
        self._begun = threading.Event()
        self._handing = threading.Lock()  # what is forgotten is not handed on meanwhile
        self._old = 0  # bytes of the pipe up to here were there when they were forgotten

    @property
    def overruns(self) -> int:
        return self._ring.overrun

    def start(self) -> None:
        while not self.begins(_RING_S):
            pass

    def begins(self, within_s: float) -> bool:
        """Whether the first sound came within so long; from then on it is known what it is. Raises as `read`."""
        if not self._pumping:
            self._pumping = threading.Thread(target=self._pump, daemon=True)
            self._pumping.start()
        if not self._begun.wait(within_s):
            return False
        if self._failed and not self._ring.written:
            raise self._failed
        return True

    def read(self, until: float) -> np.ndarray | None:
        ahead = self._ring.read_total / self.rate_hz - _AHEAD_S
        while not self._ring.waiting or (self._origin is not None and time.perf_counter() < self._origin + ahead):
            if self._ended and not self._ring.waiting:
                if self._failed:
                    raise self._failed
                return None
            if time.perf_counter() >= until:
                return self._ring.read(0)
            time.sleep(_POLL_S)
        block = self._ring.read(int(self.rate_hz * BLOCK_S))
        began = time.perf_counter() - self._ring.read_total / self.rate_hz
        self._origin = began if self._origin is None else max(self._origin, began)
        return one_channel(block, self._channel, self.name)

    def forget(self) -> int:
        """Leave out what waits, here and in the pipe itself where the system tells how much that is (not on Windows);
        returns how many of the samples that `read` would have given are left out."""
        with self._handing:
            self._old = self._stream.taken + self._stream.waiting()
            count = self._ring.skip()
        if self._origin is not None:  # nobody hears them, so what comes next does not wait for as long as they last
            self._origin -= count / self.rate_hz
        return count

    def time_of(self, sample: float) -> float:
        return (time.perf_counter() if self._origin is None else self._origin) + sample / self.rate_hz

    def stop(self) -> None:
        pass

    def _pump(self) -> None:
        """stdin into the ring, waiting for room: a pipe that is faster than speech is held back, not dropped."""
        try:
            for block in self._blocks():
                while len(block):
                    with self._handing:
                        block = self._fresh(block)
                        taken = self._ring.write(block[: self._ring.room]) if self._ring.room else 0
                    block = block[taken:]
                    if len(block):
                        time.sleep(_POLL_S)
        except BaseException as error:
            self._failed = error  # whoever reads is told, once what came before has been heard
        finally:
            self._ended = True
            self._begun.set()

    def _fresh(self, block: np.ndarray) -> np.ndarray:
        """Of a block that ends where the pipe has been read to, what was not forgotten."""
        fresh = max(0, self._stream.taken - self._old + self._width - 1) // self._width
        return block[len(block) - fresh :] if fresh < len(block) else block

    def _blocks(self) -> Iterator[np.ndarray]:
        first = self._stream.up_to(4)
        if first in (b"RIFF", b"RF64"):
            self._wav = WavStream(Again(first, self._stream), "stdin")  # type: ignore[arg-type]
            self.rate_hz, self.channels = self._wav.samplerate, self._wav.channels
            check_sound(self.rate_hz, self.channels, "stdin")
        elif not first:
            raise AudioError("stdin: holds no samples")
        one_channel(np.zeros((0, self.channels), np.float32), self._channel, "stdin")
        dtype: np.dtype[Any] = np.dtype({"s16le": "<i2", "f32le": "<f4"}[self._kind])
        self._width = self._wav.frame_bytes if self._wav else dtype.itemsize * self.channels
        self._ring = Ring(int(self.rate_hz * _RING_S), self.channels)
        self._begun.set()
        yield from self._wav.blocks(480) if self._wav else self._raw(first, dtype)

    def _raw(self, pending: bytes, dtype: np.dtype[Any]) -> Iterator[np.ndarray]:
        more = True
        while more:
            data = self._stream.read(4096)
            more = bool(data)
            pending += data
            whole = len(pending) // self._width * self._width
            values = np.frombuffer(pending[:whole], dtype).astype(np.float32)
            if dtype.kind == "i":
                values /= np.float32(32768)
            if whole:
                yield values.reshape(-1, self.channels)
            pending = pending[whole:]


class _Asked:
    """A pipe of which no byte is taken before it is asked for, so that it can be said what still waits in it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._read = stream, getattr(stream, "read1", stream.read)
        self.taken = 0  # bytes

    def read(self, count: int) -> bytes:
        """1 to `count` bytes, as soon as there are any; none at the end."""
        data: bytes = self._read(count) or b""
        self.taken += len(data)
        return data

    def up_to(self, count: int) -> bytes:
        """`count` bytes, or what there is until the end."""
        data = b""
        while len(data) < count and (more := self.read(count - len(data))):
            data += more
        return data

    def waiting(self) -> int:
        """Bytes that a pipe or a socket holds now. 0 for a file, which does not wait, and where no system tells."""
        try:
            from fcntl import ioctl
            from termios import FIONREAD

            number = self._stream.fileno()
            if stat.S_ISREG(os.fstat(number).st_mode):
                return 0
            return int.from_bytes(ioctl(number, FIONREAD, bytes(4)), sys.byteorder)
        except (ImportError, AttributeError, OSError):
            return 0


def _sleep_until(moment: float) -> None:
    # Windows wakes up to 15.6 ms later before Python 3.11; moments are absolute, so that does not add up, and what came
    # due meanwhile is read before anything is sent
    left = moment - time.perf_counter()
    if left > 0:
        time.sleep(left)
