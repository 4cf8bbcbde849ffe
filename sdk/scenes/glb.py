"""A glTF 2.0 file taken apart and put together as one GLB: everything in it stays, things can be added.

| "glTF" 2 length | JSON chunk, padded with blanks | BIN chunk, padded with zeros |
"""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from sdk.errors import FaceError
from sdk.faces.container import (
    BINARY_CHUNK,
    COMPONENTS,
    GLB,
    JSON_CHUNK,
    WIDTHS,
    Gltf,
    fetched,
    open_gltf,
    reading,
    refuse_packed,
)

_KINDS = {width: kind for kind, width in WIDTHS.items()}
_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".ktx2": "image/ktx2",
}
_MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963


@dataclass
class Scene:
    """The JSON of a glTF and its one binary buffer, growing as arrays are added. outside: what its pictures still name
    beside the file."""

    json: dict[str, Any] = field(default_factory=lambda: {"asset": {"version": "2.0", "generator": "tinyface"}})
    binary: bytearray = field(default_factory=bytearray)
    outside: list[str] = field(default_factory=list)

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
            "componentType": COMPONENTS[array.dtype.str[1:]],
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
            "componentType": COMPONENTS["f4"],
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
                    "componentType": COMPONENTS[kind.str[1:]],
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
                struct.pack("<III", GLB, 2, length),
                struct.pack("<II", len(text), JSON_CHUNK),
                text,
                struct.pack("<II", len(binary), BINARY_CHUNK),
                binary,
            )
        )

    def array(self, number: int) -> np.ndarray:
        """What accessor `number` holds. Raises `FaceError`."""
        return Gltf(self.json, [bytes(self.binary)]).array(number)

    def _append(self, kind: str, entry: dict[str, Any]) -> int:
        entries: list[Any] = self.json.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1


def read_scene(path: Path) -> Scene:
    """A `.glb` or `.gltf` with its buffers and pictures inside. Raises `FaceError`."""
    with reading(path):
        opened = open_gltf(path)
        scene = Scene(opened.json)
        _gather(scene, opened.buffers)
        _embed(scene, path.parent)
        return scene


def _gather(scene: Scene, buffers: Sequence[bytes]) -> None:
    """All buffers become the one."""
    views = scene.json.get("bufferViews", [])
    refuse_packed(scene.json, _MESHOPT)
    for number, view in enumerate(views):
        for name in _MESHOPT:  # not required: the same stands in the view plainly, and its twin would point astray
            view.get("extensions", {}).pop(name, None)
        start, data = view.get("byteOffset", 0), buffers[view["buffer"]]
        most = min(len(data), scene.json["buffers"][view["buffer"]]["byteLength"])
        if start < 0 or start + view["byteLength"] > most:
            raise FaceError(f"buffer view {number} reaches beyond its buffer: the file is truncated, or compressed")
    starts = []
    for entry, data in zip(scene.json.get("buffers", []), buffers, strict=True):
        scene.binary += b"\0" * (-len(scene.binary) % 8)
        starts.append(len(scene.binary))
        scene.binary += data[: entry["byteLength"]]
    for view in scene.json.get("bufferViews", []):
        view["byteOffset"] = view.get("byteOffset", 0) + starts[view["buffer"]]
        view["buffer"] = 0


def _embed(scene: Scene, folder: Path) -> None:
    """Pictures that lie beside the file come inside; one that is not there, or of a kind that nobody says, is left as
    it was named, and its name is kept in `outside`."""
    for image in scene.json.get("images", []):
        uri = image.get("uri", "")
        kind = image.get("mimeType") or _IMAGES.get(Path(unquote(uri)).suffix.lower())
        if not uri or uri.startswith("data:"):
            continue
        if kind and (folder / unquote(uri)).is_file():
            image["bufferView"], image["mimeType"] = scene.view(fetched(uri, folder)), kind
            del image["uri"]
        else:
            scene.outside.append(unquote(uri))
