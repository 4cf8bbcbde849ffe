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
from pathlib import Path

from distill.files.disk import atomic_open
from sdk.errors import CheckpointError
from sdk.tools.command import ending
from sdk.tools.limits import LARGEST_FILE_BYTES

MAGIC = b"TINYSEAL"
_COMMENT_BYTES = 32 + len(MAGIC)
_END = struct.Struct("<4s16sH")  # a zip's last record, and how long the comment behind it is


def sealed(data: bytes) -> bytes:
    """The bytes of a zip archive without a comment, with its seal. Raises `CheckpointError` for anything else."""
    if not _is_bare(data):
        raise CheckpointError("cannot seal this: it is no zip archive, or has a comment already")
    body = data[:-2] + struct.pack("<H", _COMMENT_BYTES)
    return body + hashlib.sha256(body).digest() + MAGIC


def check_sealed(path: Path, data: bytes, noun: str) -> None:
    """Raises `CheckpointError` where the seal does not hold, or the archive would unfold to more than it may.

    A file from before there were seals passes; its weights have a hash of their own.
    """
    if data[-len(MAGIC) :] == MAGIC:
        body, digest = data[:-_COMMENT_BYTES], data[-_COMMENT_BYTES : -len(MAGIC)]
        if hashlib.sha256(body).digest() != digest:
            raise CheckpointError(f"{path}: its content does not match its SHA-256: altered or damaged. Copy it again")
    elif not _is_bare(data):
        raise CheckpointError(f"{path}: damaged, truncated or no {noun}: it ends neither in a seal nor as an archive")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise CheckpointError(f"{path}: damaged, truncated or no {noun} ({error})") from error
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > min(len(data), LARGEST_FILE_BYTES):
        raise CheckpointError(f"{path}: no {noun}: its records are packed, or larger than the file: {packed[:3]}")


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
            data = path.read_bytes()
            check_sealed(path, data, "file of torch.save")
            if data[-len(MAGIC) :] != MAGIC:
                with atomic_open(path) as stream:
                    stream.write(sealed(data))
                print(f"{path}: sealed")
    return end.status


if __name__ == "__main__":
    sys.exit(main())
