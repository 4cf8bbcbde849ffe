"""An artefact on disk: a runtime's program with its manifest sealed on, and a hash over both.

    | program (.pte flatbuffer or .pt zip) | manifest JSON | manifest length u32le | SHA-256 (32) | magic (8) |

ExecuTorch and zip readers both ignore what follows the program, so a sealed file still runs without this package.
For a zip the seal is written as the archive comment, which zip readers expect. The hash covers every byte before it.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sdk.errors import ArtifactError
from sdk.manifest import Manifest
from sdk.tools.limits import LARGEST_FILE_BYTES, LARGEST_MANIFEST_BYTES

MAGIC = b"TINYFACE"
_TAIL = struct.Struct("<I32s8s")
_ZIP, _ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
_FLATBUFFER = b"ET"  # at 4, before its version


@dataclass(frozen=True)
class Artifact:
    """A checked artefact: its path, manifest, how long its program is, and the SHA-256 in its seal."""

    path: Path
    manifest: Manifest
    program_bytes: int
    sha256: str

    def read_program(self) -> bytes:
        """The program alone. Runtimes open the file itself by its path, which costs no copy."""
        with self.path.open("rb") as stream:
            return stream.read(self.program_bytes)


def seal(program: bytes, manifest: Manifest) -> bytes:
    """The bytes of an artefact: `program` with `manifest` and hash appended."""
    text = manifest.to_json().encode("utf-8")
    body = program
    if program[:2] == b"PK":
        end = program.rfind(_ZIP_END)
        comment = len(text) + _TAIL.size
        if end < 0 or len(program) - end != 22 or comment > 0xFFFF:
            raise ArtifactError("cannot seal this zip: it has a comment already, or the manifest exceeds 64 KB")
        body = program[: end + 20] + struct.pack("<H", comment)
    body += text + struct.pack("<I", len(text))
    return body + hashlib.sha256(body).digest() + MAGIC


def is_sealed(path: Path) -> bool:
    """Whether the file ends as artefacts end; a checkpoint does not. Raises `ArtifactError` if it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(path.stat().st_size - len(MAGIC), 0))
            return stream.read() == MAGIC
    except OSError as error:
        raise ArtifactError(f"{path}: cannot read: {error.strerror or error}") from error


def open_artifact(path: Path | str) -> Artifact:
    """Read and check. Raises `ArtifactError` (unreadable, foreign, truncated, altered) or `ManifestError`.

    The file is hashed piece by piece: opening takes no memory of the program's size.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise ArtifactError(f"{path}: cannot read: it is a folder, a pipe or a device; give a file")
        with path.open("rb") as stream:
            return _check(path, stream, path.stat().st_size)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot read: {error.strerror or error}") from error


def _check(path: Path, stream: BinaryIO, size: int) -> Artifact:
    if size > LARGEST_FILE_BYTES:
        raise ArtifactError(f"{path}: larger than 1 GiB; this is not one of our artefacts")
    stream.seek(max(size - _TAIL.size, 0))
    tail = stream.read()
    if len(tail) < _TAIL.size or tail[-8:] != MAGIC:
        raise ArtifactError(
            f"{path}: no tinyface seal at its end: a foreign or truncated file. Export it with `python -m export.build`"
        )
    length, digest, _ = _TAIL.unpack(tail)
    hashed, left = hashlib.sha256(), size - 40
    stream.seek(0)
    while left:
        piece = stream.read(min(left, 1 << 16))
        if not piece:
            break
        hashed.update(piece)
        left -= len(piece)
    if left or hashed.digest() != digest:
        raise ArtifactError(
            f"{path}: its content does not match its SHA-256: it was altered or damaged. Export or copy it again"
        )
    start = size - _TAIL.size - length
    if start < 0 or length > LARGEST_MANIFEST_BYTES:
        raise ArtifactError(f"{path}: its seal is damaged; export it again")
    stream.seek(start)
    manifest = Manifest.from_json(stream.read(length))
    stream.seek(0)
    _check_runtime(path, manifest, stream.read(min(start, 8)))
    return Artifact(path, manifest, start, digest.hex())


def _check_runtime(path: Path, manifest: Manifest, head: bytes) -> None:
    """Raises `ArtifactError` for a program that begins as another runtime's: who is trusted is asked by `runtime`."""
    begins = "torchscript" if head[:4] == _ZIP else "executorch" if head[4:6] == _FLATBUFFER else manifest.runtime
    if begins != manifest.runtime:
        raise ArtifactError(
            f"{path}: its manifest says that it runs on {manifest.runtime}, and its program is one for {begins}: made "
            "to be run unasked, or mixed up. Do not play it; export it again"
        )
