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

from sdk.errors import ArtifactError
from sdk.manifest import Manifest

MAGIC = b"TINYFACE"
_TAIL = struct.Struct("<I32s8s")
_ZIP_END = b"PK\x05\x06"
_LARGEST_BYTES = 1 << 30


@dataclass(frozen=True)
class Artifact:
    """A checked artefact: its path, manifest, the program's bytes, and the SHA-256 in its seal."""

    path: Path
    manifest: Manifest
    program: bytes
    sha256: str


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


def open_artifact(path: Path | str) -> Artifact:
    """Read and check. Raises `ArtifactError` (unreadable, foreign, truncated, altered) or `ManifestError`."""
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ArtifactError(f"{path}: larger than 1 GiB; this is not one of our artefacts")
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot read: {error.strerror or error}") from error
    if len(data) < _TAIL.size or data[-8:] != MAGIC:
        raise ArtifactError(
            f"{path}: no tinyface seal at its end: a foreign or truncated file. Export it with `python -m export.build`"
        )
    length, digest, _ = _TAIL.unpack(data[-_TAIL.size :])
    if hashlib.sha256(data[:-40]).digest() != digest:
        raise ArtifactError(
            f"{path}: its content does not match its SHA-256: it was altered or damaged. Export or copy it again"
        )
    start = len(data) - _TAIL.size - length
    if start < 0:
        raise ArtifactError(f"{path}: its seal is damaged; export it again")
    return Artifact(path, Manifest.from_json(data[start : start + length]), data[:start], digest.hex())
