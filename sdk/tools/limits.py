"""How large may be what a file says: asked before anything of that size is made. The C library's limits are the same.

Whoever reads a file that somebody else may have written asks here: for its bytes (`read_whole`), for the JSON in it
(`read_json`), for its arrays (`read_arrays`). Each refuses with the caller's own error, in words.
"""

from __future__ import annotations

import json
import math
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sdk.errors import TinyfaceError

MOST_CHANNELS = 4096
LONGEST_WINDOW_SAMPLES = 960_000  # a minute
LONGEST_DELAY_SAMPLES = 16_000  # a second: what a stream student may look ahead
MOST_STATE_TENSORS = 256
MOST_STATE_DIMENSIONS = 7
MOST_STATE_FLOATS = 1 << 20
MOST_CROWD_VOICES = 1024
DEEPEST_JSON = 64
LARGEST_MANIFEST_BYTES = 1 << 20
LARGEST_FILE_BYTES = 1 << 30
MOST_LABEL_FRAMES = 1 << 20  # of one recording: five hours at 60 a second
FASTEST_LABELS_HZ = 1000
LONGEST_SPEECH_S = 1e6
MOST_VERTICES = 1 << 23  # of a face
MOST_MOVES = 1 << 27  # vertices of all its shapes


def read_whole(path: Path, error: type[TinyfaceError], most_bytes: int = LARGEST_FILE_BYTES) -> bytes:
    """All bytes of an ordinary file. Raises `error` for a device, a pipe or a folder, and beyond `most_bytes`."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise error(f"{path}: is no ordinary file; give a file on a disk")
        if facts.st_size > most_bytes:
            raise error(f"{path}: {facts.st_size:,} bytes; such a file has {most_bytes:,} at most")
        return path.read_bytes()
    except OSError as failure:
        raise error(f"{path}: cannot read: {failure.strerror or failure}") from failure


def read_beside(folder: Path, name: str, error: type[TinyfaceError]) -> bytes:
    """The bytes of a file that another one names. Raises `error` unless it lies in `folder`, or below it."""
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise error(f"it names {name!r}, which lies outside its folder; put the file beside it")
    return read_whole(folder / name, error)


def read_json(text: str | bytes, where: str, error: type[TinyfaceError]) -> Any:
    """What JSON `text` holds. Raises `error`: no JSON, a key that stands twice, nested deeper than `DEEPEST_JSON`."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key stands twice")
        return found

    try:
        raw = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as failure:  # too deep for the reader itself
        raise error(f"{where} is not JSON: {failure}") from failure
    level, deep = [raw], 0
    while level := [below for one in level for below in _children(one)]:
        deep += 1
        if deep > DEEPEST_JSON:
            raise error(f"{where} is not JSON: nested deeper than {DEEPEST_JSON}")
    return raw


def _children(raw: Any) -> list[Any]:
    if not isinstance(raw, (dict, list)):
        return []
    return [one for one in (raw.values() if isinstance(raw, dict) else raw) if isinstance(one, (dict, list))]


def read_arrays(path: Path, error: type[TinyfaceError]) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file. Raises `error` for one that is damaged, or whose arrays are not as large as said.

    An array's header is read before its room is made: it may name a trillion numbers and hold none.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise error(f"{path}: is no ordinary file; give a file on a disk")
        with zipfile.ZipFile(path) as archive:
            total = 0
            for entry in archive.infolist():
                with archive.open(entry) as stream:
                    version = np.lib.format.read_magic(stream)
                    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                    shape, _, dtype = reader[version](stream)
                    left = entry.file_size - stream.tell()
                total += left
                if math.prod(shape) * dtype.itemsize != left or total > LARGEST_FILE_BYTES:
                    raise error(f"{path}: {entry.filename} says {shape} of {dtype}, and holds {left:,} bytes")
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except OSError as failure:
        raise error(f"{path}: cannot read: {failure.strerror or failure}") from failure
    except error:
        raise
    except Exception as failure:  # zipfile, zlib and numpy raise their own kinds for damaged archives
        raise error(f"{path}: damaged, or no .npz file: {failure}") from failure
