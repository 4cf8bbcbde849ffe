"""RIFF WAVE as recorders and pipes leave it: read as it comes, its sizes not believed.

A recorder that was cut off leaves a data size of 0, one that writes into a pipe 0xFFFFFFFF; both mean "until the end",
but for a 0 in a file that ends where its first line says: that one is whole, and empty. RF64 with its 64-bit sizes and
WAVE_FORMAT_EXTENSIBLE are understood; 8, 16, 24, 32 bit integers, 32 and 64 bit floats.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from sdk.errors import AudioError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_OVER, _OVER_64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF  # "see the chunk ds64", or nothing known
_UNTOLD = (0, _OVER, _OVER_64)
_LONGEST_TAIL_BYTES = 1 << 16  # of a pipe's chunks behind samples that are none
_LONGEST_FORMAT_BYTES = 1 << 10


class WavStream:
    """An open WAVE: `samplerate`, `channels`, `frame_bytes`, `frames` (None where the header does not tell), `blocks`.

    Raises `AudioError` for what is no WAVE, or one in a coding that is not plain samples.
    """

    def __init__(self, stream: BinaryIO, name: str, length: int | None = None) -> None:
        """`length`: bytes of the whole file, where it is one."""
        self._stream, self._name = stream, name
        self._read_total, self._ahead = 0, b""
        form, self._riff_bytes, word = struct.unpack("<4sI4s", self._exactly(12))
        if form not in (b"RIFF", b"RF64") or word != b"WAVE":
            raise AudioError(f"{name}: no RIFF WAVE")
        self._long = form == b"RF64"
        kind = self._header()
        self._dtype = kind
        left = None if length is None else max(0, length - self._read_total)
        told = None if self._size in _UNTOLD and not self._empty(left) else self._size
        self._bytes = min((size for size in (left, told) if size is not None), default=None)
        self.frame_bytes = self.channels * self._width
        self.frames = None if self._bytes is None else self._bytes // self.frame_bytes

    def _empty(self, left: int | None) -> bool:
        """Whether a data size of 0 is meant: the file goes on, or ends, just as far as its first line says. A recorder
        that was cut off wrote a 0 there too, or where its header ended, and samples behind."""
        behind = self._riff_bytes + 8 - self._read_total
        if self._size or behind < 0:
            return False
        if left is None and 0 < behind <= _LONGEST_TAIL_BYTES:  # a pipe's length shows only when it has been read
            self._ahead = self._up_to(behind + 2)
            left = len(self._ahead)
        return left is not None and behind <= left <= behind + behind % 2

    def _header(self) -> str:
        """Read chunks up to the samples; returns how they are coded."""
        coding, long_bytes = 0, 0
        while True:
            name, size = struct.unpack("<4sI", self._exactly(8))
            if name == b"data":
                self._size = long_bytes if size == _OVER and self._long else size
                break
            if name == b"ds64" and self._long and size >= 16:
                riff_bytes, long_bytes = struct.unpack("<QQ", self._exactly(16))
                self._riff_bytes = riff_bytes if self._riff_bytes == _OVER else self._riff_bytes
                size -= 16
            if name != b"fmt ":
                self._skip(size + size % 2)
                continue
            body = self._exactly(min(size + size % 2, _LONGEST_FORMAT_BYTES))
            self._skip(size + size % 2 - len(body))
            if len(body) < 16:
                raise AudioError(f"{self._name}: its format has {len(body)} bytes of 16: damaged, or no WAVE")
            coding, self.channels, self.samplerate, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if coding == _EXTENSIBLE and len(body) >= 26:
                (coding,) = struct.unpack_from("<H", body, 24)
            self._width = (bits + 7) // 8
        kinds = {
            (_PCM, 1): "u1",
            (_PCM, 2): "<i2",
            (_PCM, 3): "i3",
            (_PCM, 4): "<i4",
            (_FLOAT, 4): "<f4",
            (_FLOAT, 8): "<f8",
        }
        if not coding or (coding, self._width) not in kinds or not self.channels or not self.samplerate:
            raise AudioError(f"{self._name}: a WAVE of coding {coding}, which is not plain samples")
        return kinds[coding, self._width]

    def blocks(self, frames: int) -> Iterator[np.ndarray]:
        """float32 `(n, channels)`, n at most `frames`, as they arrive, until the end; a torn last frame is left out."""
        width, left = self.frame_bytes, self._bytes
        pending = b""
        while left is None or left > 0:
            want = frames * width - len(pending)
            want = want if left is None else min(want, left)
            data, self._ahead = self._ahead[:want], self._ahead[want:]
            data = data or self._stream.read(want)
            if not data:
                return
            left = None if left is None else left - len(data)
            pending += data
            whole = len(pending) // width * width
            if whole:
                yield self._floats(pending[:whole])
                pending = pending[whole:]

    def _floats(self, data: bytes) -> np.ndarray:
        if self._dtype == "i3":
            raw = np.frombuffer(data, np.uint8).reshape(-1, 3)
            wide = np.zeros((len(raw), 4), np.uint8)
            wide[:, 1:] = raw
            values = wide.reshape(-1).view("<i4").astype(np.float32) / np.float32(2**31)
        else:
            raw = np.frombuffer(data, self._dtype)
            with np.errstate(over="ignore"):  # beyond float32 is infinite, which is refused where it matters
                values = raw.astype(np.float32)
            if self._dtype == "u1":
                values = (values - 128) / np.float32(128)
            elif self._dtype[1] == "i":
                values /= np.float32(2 ** (8 * self._width - 1))
        return values.reshape(-1, self.channels)

    def _skip(self, count: int) -> None:
        """Past what is not read here, a piece at a time: its size is what the file says."""
        while count > 0:
            count -= len(self._exactly(min(count, 1 << 16)))

    def _exactly(self, count: int) -> bytes:
        data = self._up_to(count)
        if len(data) < count:
            raise AudioError(f"{self._name}: ends within its header")
        self._read_total += count
        return data

    def _up_to(self, count: int) -> bytes:
        """`count` bytes, or what there is until the end."""
        parts, need = [], count
        while need and (data := self._stream.read(need)):
            parts.append(data)
            need -= len(data)
        return b"".join(parts)
