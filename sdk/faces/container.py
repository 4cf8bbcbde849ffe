"""A glTF 2.0 file opened: its JSON, its buffers, and its accessors as arrays, sparse ones too. numpy and json alone.

| "glTF" 2 length | JSON chunk | BIN chunk |        a `.glb`; a `.gltf` is the JSON, its buffers beside or in it

By hand and not by pygltflib: whoever only plays a face needs no further package, and a stranger's file is held to the
limits of `sdk/tools/limits.py` before anything of the size that it claims is made.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from sdk.errors import FaceError
from sdk.tools.limits import MOST_VERTICES, read_beside, read_json, read_whole

GLB, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
COMPONENTS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_DTYPES = {number: np.dtype(f"<{name}") for name, number in COMPONENTS.items()}


@dataclass(frozen=True)
class Gltf:
    """The JSON of a file and the bytes of its buffers."""

    json: dict[str, Any]
    buffers: Sequence[bytes]

    def array(self, number: int) -> np.ndarray:
        """Accessor `number` as `(count,)` or `(count, width)`, as it is stored. Raises `FaceError`."""
        entry = self.json["accessors"][number]
        width, count = WIDTHS.get(entry["type"], 0), int(entry["count"])
        if not width or entry["componentType"] not in _DTYPES:
            raise FaceError(f"accessor {number} is {entry['type']} of type {entry['componentType']}, not read here")
        if not 1 <= count <= MOST_VERTICES:
            raise FaceError(f"accessor {number} has {count:,} values; there may be {MOST_VERTICES:,}")
        dtype, where = _DTYPES[entry["componentType"]], f"accessor {number}"
        if "bufferView" in entry:
            rows = self._rows(entry, dtype, width, count, where)
        else:
            rows = np.zeros((count, width), dtype)
        if "sparse" in entry:
            self._fill(rows, entry["sparse"], where)
        return rows if width > 1 else rows[:, 0]

    def _fill(self, rows: np.ndarray, sparse: dict[str, Any], where: str) -> None:
        """Put the values of a sparse accessor into the rows that it names; all others stay."""
        count, kind = int(sparse["count"]), sparse["indices"]["componentType"]
        if not 1 <= count <= len(rows) or kind not in (5121, 5123, 5125):
            raise FaceError(f"{where}: {count:,} sparse values of {len(rows):,}, named by type {kind}")
        places = self._rows(sparse["indices"], _DTYPES[kind], 1, count, where)[:, 0]
        if places.max() >= len(rows):
            raise FaceError(f"{where}: a sparse value is the {places.max() + 1:,}th of {len(rows):,}")
        rows[places] = self._rows(sparse["values"], rows.dtype, rows.shape[1], count, where)

    def _rows(self, entry: dict[str, Any], dtype: np.dtype, width: int, count: int, where: str) -> np.ndarray:
        """`(count, width)` numbers from the buffer view of `entry` on: a copy."""
        view = self.json["bufferViews"][entry["bufferView"]]
        step = view.get("byteStride", dtype.itemsize * width)
        start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        data = self.buffers[view["buffer"]]
        if start < 0 or step < 0 or start + step * (count - 1) + dtype.itemsize * width > len(data):
            raise FaceError(f"{where} reaches beyond its buffer: the file is truncated")
        return np.ndarray((count, width), dtype, data, start, (step, dtype.itemsize)).copy()


def open_gltf(path: Path) -> Gltf:
    """A `.glb` or `.gltf` with its buffers. Raises `FaceError`, and in `reading` all else that a bad file brings."""
    data = read_whole(path, FaceError)
    text, binary = data, b""
    if data[:4] == struct.pack("<I", GLB):
        text, binary = _chunks(data)
    content = read_json(text, "its content", FaceError)
    if not isinstance(content, dict) or not str(content.get("asset", {}).get("version", "")).startswith("2"):
        raise FaceError("not glTF 2.0, or not well-formed: asset.version is missing or not 2")
    buffers = content.get("buffers", [])
    # the first alone may be the chunk; another without a uri is the empty stand-in of a compressed one
    return Gltf(content, [_buffer(e, path.parent, b"" if place else binary) for place, e in enumerate(buffers)])


def refuse_packed(content: Mapping[str, Any], packings: Iterable[str]) -> None:
    """Raises `FaceError` where a file cannot do without one of the extensions `packings`."""
    if packed := set(packings) & set(content.get("extensionsRequired", [])):
        raise FaceError(f"uses {', '.join(sorted(packed))}, which is not read here; export it uncompressed")


@contextmanager
def reading(path: Path | None = None) -> Iterator[None]:
    """What a file makes fail in the block, as a `FaceError` that names it where it is known."""
    where = f"{path}: " if path else ""
    try:
        yield
    except FaceError as error:
        said = str(error)
        raise FaceError(said if said.startswith(where) else f"{where}{said}") from None
    except OSError as error:
        raise FaceError(f"{where}cannot read: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, struct.error, RecursionError) as error:
        raise FaceError(f"{where}not a well-formed glTF 2.0 file: {type(error).__name__}: {error}") from error


def fetched(uri: str, folder: Path) -> bytes:
    """What a uri of a file in `folder` means: bytes inside it, or a file beside it. Raises `FaceError`."""
    if uri.startswith("data:"):
        try:
            return base64.b64decode(uri.partition(",")[2], validate=True)
        except binascii.Error as error:
            raise FaceError(f"an embedded buffer is not base64: {error}") from error
    return read_beside(folder, unquote(uri), FaceError)


def _buffer(entry: dict[str, Any], folder: Path, binary: bytes) -> bytes:
    return fetched(entry["uri"], folder) if entry.get("uri") is not None else binary


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """The JSON and binary chunks of a `.glb`."""
    _, version, length = struct.unpack_from("<III", data)
    if version != 2 or length > len(data):
        raise FaceError(f"a .glb of version {version} and {length} bytes, of which {len(data)} are there: truncated?")
    chunks: dict[int, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", data, at)
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if JSON_CHUNK not in chunks:
        raise FaceError("a .glb without a JSON chunk")
    return chunks[JSON_CHUNK], chunks.get(BINARY_CHUNK, b"")
