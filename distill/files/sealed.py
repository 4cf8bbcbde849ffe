"""A hash over every byte of a file of `torch.save`, kept as the comment of its zip archive: one flipped bit is seen.

    | what torch wrote, its last field the comment's length | SHA-256 of all before (32) | magic (8) |

    python -m distill.files.sealed FILE...        give files from before the seal one; their content stays as it is

A seal tells damage, not malice: whoever changes a file on purpose can seal it again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from distill.files.disk import atomic_open
from sdk.errors import CheckpointError
from sdk.tools.command import ending
from sdk.tools.limits import LARGEST_FILE_BYTES, read_whole

MAGIC = b"TINYSEAL"
_COMMENT_BYTES = 32 + len(MAGIC)
_END = struct.Struct("<4s16sH")  # a zip's last record, and how long the comment behind it is


def sealed(data: bytes) -> bytes:
    """The bytes of a zip archive without a comment, with its seal. Raises `CheckpointError` for anything else."""
    if not _is_bare(data):
        raise CheckpointError("cannot seal this: it is no zip archive, or has a comment already")
    body = data[:-2] + struct.pack("<H", _COMMENT_BYTES)
    return body + hashlib.sha256(body).digest() + MAGIC


@contextmanager
def sealing(stream: BinaryIO) -> Iterator[BinaryIO]:
    """What `torch.save` writes in the block goes to `stream` with a seal at its end, and is in memory at no time."""
    through = _Through(stream)
    yield through  # type: ignore[misc]  # all that torch asks of a file is to be written
    through.end()


class _Through:
    """Writes and hashes what comes, but for the last bytes, which are an archive's end and change with the seal."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hashed, self._kept = stream, hashlib.sha256(), b""

    def write(self, data: bytes) -> int:
        view = memoryview(data).cast("B")
        if len(view) >= _END.size:
            self._on(self._kept)
            self._on(view[: -_END.size])
            self._kept = bytes(view[-_END.size :])
        else:
            joined = self._kept + bytes(view)
            self._on(joined[: -_END.size])
            self._kept = joined[-_END.size :]
        return len(view)

    def flush(self) -> None:
        """What is kept back is written by `end` alone."""

    def end(self) -> None:
        self._on(self._kept[:-2] + struct.pack("<H", _COMMENT_BYTES))
        self._stream.write(self._hashed.digest() + MAGIC)

    def _on(self, data: bytes | memoryview) -> None:
        self._hashed.update(data)
        self._stream.write(data)


def check_sealed(path: Path, stream: BinaryIO, noun: str, most_bytes: int = LARGEST_FILE_BYTES) -> None:
    """Raises `CheckpointError` where the seal does not hold, or the archive would unfold to more than it may.

    A file from before there were seals passes; its weights have a hash of their own.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(size - max(_COMMENT_BYTES, _END.size), 0))
    tail = stream.read()
    if tail[-len(MAGIC) :] == MAGIC:
        if _hash_of(stream, size - _COMMENT_BYTES) != tail[-_COMMENT_BYTES : -len(MAGIC)]:
            raise CheckpointError(f"{path}: its content does not match its SHA-256: altered or damaged. Copy it again")
    elif not _is_bare(tail):
        raise CheckpointError(f"{path}: damaged, truncated or no {noun}: it ends neither in a seal nor as an archive")
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise CheckpointError(f"{path}: damaged, truncated or no {noun} ({error})") from error
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > min(size, most_bytes):
        raise CheckpointError(f"{path}: no {noun}: its records are packed, or larger than the file: {packed[:3]}")


def check_whole(path: Path, noun: str) -> None:
    """`check_sealed` for a file of any size, which is read a piece at a time."""
    with path.open("rb") as stream:
        check_sealed(path, stream, noun, sys.maxsize)


def _hash_of(stream: BinaryIO, count: int) -> bytes:
    """SHA-256 of the first `count` bytes, read a piece at a time."""
    hashed = hashlib.sha256()
    stream.seek(0)
    while count > 0 and (piece := stream.read(min(count, 1 << 20))):
        hashed.update(piece)
        count -= len(piece)
    return hashed.digest()


def _is_bare(data: bytes) -> bool:
    if len(data) < _END.size:
        return False
    mark, _, comment = _END.unpack(data[-_END.size :])
    return mark == b"PK\x05\x06" and comment == 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.files.sealed", description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    with ending() as end:
        for path in options.files:
            data = read_whole(path, CheckpointError)
            check_sealed(path, io.BytesIO(data), "file of torch.save")
            if data[-len(MAGIC) :] != MAGIC:
                with atomic_open(path) as stream:
                    stream.write(sealed(data))
                print(f"{path}: sealed")
    return end.status


if __name__ == "__main__":
    sys.exit(main())
