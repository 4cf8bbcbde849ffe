"""A glTF 2.0 file taken apart and put together as one GLB: everything in it stays, things can be added.

| "glTF" 2 length | JSON chunk, padded with blanks | BIN chunk, padded with zeros |
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from sdk.errors import FaceError

_GLB, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_COMPONENT = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963


@dataclass
class Scene:
    """The JSON of a glTF and its one binary buffer, growing as arrays are added."""

    json: dict[str, Any] = field(default_factory=lambda: {"asset": {"version": "2.0", "generator": "tinyface"}})
    binary: bytearray = field(default_factory=bytearray)

    def view(self, data: bytes, target: int | None = None) -> int:
        """Add bytes, four-aligned; the number of their buffer view."""
        self.binary += b"\0" * (-len(self.binary) % 4)
        entry: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)}
        if target is not None:
            entry["target"] = target
        self.binary += data
        return self._append("bufferViews", entry)

    def accessor(self, array: np.ndarray, target: int | None = None, bounds: bool = False, **more: Any) -> int:
        """Add `(n,)` or `(n, width)` as an accessor of its dtype; `bounds` writes min and max."""
        rows = array.reshape(len(array), -1)
        entry: dict[str, Any] = {
            "bufferView": self.view(np.ascontiguousarray(array).tobytes(), target),
            "componentType": _COMPONENT[array.dtype.str[1:]],
            "count": len(rows),
            "type": _KINDS[rows.shape[1]],
            **more,
        }
        if bounds:
            entry |= {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
        return self._append("accessors", entry)

    def sparse(self, array: np.ndarray) -> int:
        """Add float32 `(n, width)`, of which most rows are 0, as a sparse accessor with bounds."""
        rows = np.flatnonzero(array.any(axis=1))
        kind = np.dtype("<u2" if len(array) <= 0xFFFF else "<u4")
        entry: dict[str, Any] = {
            "componentType": _COMPONENT["f4"],
            "count": len(array),
            "type": _KINDS[array.shape[1]],
            "min": array.min(axis=0).tolist(),
            "max": array.max(axis=0).tolist(),
        }
        if len(rows):
            entry["sparse"] = {
                "count": len(rows),
                "indices": {
                    "bufferView": self.view(rows.astype(kind).tobytes()),
                    "componentType": _COMPONENT[kind.str[1:]],
                },
                "values": {"bufferView": self.view(array[rows].astype("<f4").tobytes())},
            }
        return self._append("accessors", entry)

    def to_bytes(self) -> bytes:
        """The GLB."""
        content = copy.deepcopy(self.json)
        content["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        text += b" " * (-len(text) % 4)
        binary = bytes(self.binary) + b"\0" * (-len(self.binary) % 4)
        length = 12 + 8 + len(text) + 8 + len(binary)
        return b"".join(
            (
                struct.pack("<III", _GLB, 2, length),
                struct.pack("<II", len(text), _JSON),
                text,
                struct.pack("<II", len(binary), _BIN),
                binary,
            )
        )

    def _append(self, kind: str, entry: dict[str, Any]) -> int:
        entries: list[Any] = self.json.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1


def read_scene(path: Path) -> Scene:
    """A `.glb` or `.gltf` with its buffers and pictures inside. Raises `FaceError`."""
    try:
        data = path.read_bytes()
        text, binary = _chunks(data) if data[:4] == struct.pack("<I", _GLB) else (data, b"")
        content = json.loads(text)
        if not str(content["asset"]["version"]).startswith("2"):
            raise FaceError("its version is not 2")
        scene = Scene(content)
        _gather(scene, path.parent, binary)
        _embed(scene, path.parent)
    except FaceError as error:
        raise FaceError(f"{path}: {error}") from None
    except OSError as error:
        raise FaceError(f"{path}: cannot read: {error.strerror or error}") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise FaceError(f"{path}: not a well-formed glTF 2.0 file: {type(error).__name__}: {error}") from error
    return scene


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    _, version, length = struct.unpack_from("<III", data)
    if version != 2 or length > len(data):
        raise FaceError(f"a .glb of version {version} and {length} bytes, of which {len(data)} are there: truncated?")
    found: dict[int, bytes] = {}
    place = 12
    while place + 8 <= length:
        size, kind = struct.unpack_from("<II", data, place)
        found.setdefault(kind, data[place + 8 : place + 8 + size])
        place += 8 + size
    return found[_JSON], found.get(_BIN, b"")


def _gather(scene: Scene, folder: Path, binary: bytes) -> None:
    """All buffers become the one."""
    starts = []
    for entry in scene.json.get("buffers", []):
        scene.binary += b"\0" * (-len(scene.binary) % 8)
        starts.append(len(scene.binary))
        scene.binary += (_fetched(entry["uri"], folder) if "uri" in entry else binary)[: entry["byteLength"]]
    for view in scene.json.get("bufferViews", []):
        view["byteOffset"] = view.get("byteOffset", 0) + starts[view["buffer"]]
        view["buffer"] = 0


def _embed(scene: Scene, folder: Path) -> None:
    """Pictures that lie beside the file come inside; one that is not there is left as it was named."""
    for image in scene.json.get("images", []):
        uri = image.get("uri", "")
        kind = _IMAGES.get(Path(unquote(uri)).suffix.lower())
        if uri and not uri.startswith("data:") and kind and (folder / unquote(uri)).is_file():
            image["bufferView"], image["mimeType"] = scene.view(_fetched(uri, folder)), kind
            del image["uri"]


def _fetched(uri: str, folder: Path) -> bytes:
    if uri.startswith("data:"):
        try:
            return base64.b64decode(uri.partition(",")[2], validate=True)
        except binascii.Error as error:
            raise FaceError(f"an embedded buffer is not base64: {error}") from error
    return (folder / unquote(uri)).read_bytes()
