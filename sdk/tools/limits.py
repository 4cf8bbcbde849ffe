"""How large may be what a file says: asked before anything of that size is made. The C library's limits are the same.

Whoever reads a file that somebody else may have written asks here: for its bytes (`read_whole`), its words
(`read_text`), the JSON in it (`read_json`), its arrays (`read_arrays`). Each refuses with the
caller's own error, in words.
"""

from __future__ import annotations

import io
import json
import math
import stat
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from sdk.errors import TinyfaceError

MOST_CHANNELS = 4096
LARGEST_VALUE = 1_000_000  # of a channel: a range that float32 cannot hold would be infinite frames
LONGEST_WINDOW_SAMPLES = 960_000  # a minute
LONGEST_DELAY_SAMPLES = 16_000  # a second: what a stream student may look ahead
MOST_STATE_TENSORS = 256
MOST_STATE_DIMENSIONS = 7
MOST_STATE_FLOATS = 1 << 20
MOST_CROWD_VOICES = 1024
DEEPEST_JSON = 64
LARGEST_MANIFEST_BYTES = 1 << 20
LARGEST_FILE_BYTES = 1 << 30
LARGEST_TEXT_BYTES = 1 << 27  # hours of curves, a column a channel
MOST_LABEL_FRAMES = 1 << 20  # of one recording: five hours at 60 a second
FASTEST_LABELS_HZ = 1000
LONGEST_SPEECH_S = 1e6
MOST_VERTICES = 1 << 23  # of a face
MOST_MOVES = 1 << 27  # vertices of all its shapes
_MOVES_OF_NOTHING, _MOVES_A_BYTE = 1 << 22, 16  # 50 MB, though the file holds none: most vertices rest in most shapes
_UNFOLDED_OF_NOTHING, _UNFOLDED_A_BYTE = 1 << 26, 100


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


def read_text(path: Path, error: type[TinyfaceError], most_bytes: int = LARGEST_TEXT_BYTES) -> str:
    """The words of an ordinary file in UTF-8, with or without a mark. Raises `error` as `read_whole`."""
    try:
        return read_whole(path, error, most_bytes).decode("utf-8-sig")  # editors on Windows add a mark
    except UnicodeDecodeError as failure:
        raise error(f"{path}: cannot read: not UTF-8: {failure}") from failure


def read_beside(folder: Path, name: str, error: type[TinyfaceError]) -> bytes:
    """The bytes of a file that another one names. Raises `error` unless it lies in `folder`, or below it."""
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise error(f"it names {name!r}, which lies outside its folder; put the file beside it")
    return read_whole(folder / name, error)


def read_json(text: str | bytes, where: str, error: type[TinyfaceError]) -> Any:
    """What JSON `text` holds, UTF-8 where it is bytes. Raises `error`: no JSON, a key that stands twice, half a
    character, a number that is none or that no float holds, nested deeper than `DEEPEST_JSON`."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key stands twice")
        return found

    def finite(word: str) -> float:
        if not math.isfinite(number := float(word)):
            raise ValueError(f"{word[:40]} is no number that JSON has, or too large")
        return number

    try:
        words = text.decode("utf-8") if isinstance(text, bytes) else text
        raw = json.loads(words, object_pairs_hook=once, parse_constant=finite, parse_float=finite)
        if "\\u" in words:
            json.dumps(raw, ensure_ascii=False).encode("utf-8")  # half a character can be written nowhere
    except (ValueError, RecursionError) as failure:  # too deep for the reader itself
        raise error(f"{where} is not JSON: {failure}") from failure
    level, deep = [raw], 0
    while level := [below for one in level for below in _children(one)]:
        deep += 1
        if deep > DEEPEST_JSON:
            raise error(f"{where} is not JSON: nested deeper than {DEEPEST_JSON}")
    return raw


def read_json_file(path: Path, error: type[TinyfaceError]) -> Any:
    """What the JSON in an ordinary file holds. Raises `error` as `read_text` and `read_json`."""
    return read_json(read_text(path, error), str(path), error)


def _children(raw: Any) -> list[Any]:
    if not isinstance(raw, (dict, list)):
        return []
    return [one for one in (raw.values() if isinstance(raw, dict) else raw) if isinstance(one, (dict, list))]


def most_moves(held_bytes: int) -> int:
    """How many vertices all shapes of a face may have together in a file of `held_bytes`."""
    return min(MOST_MOVES, _MOVES_OF_NOTHING + _MOVES_A_BYTE * held_bytes)


def read_arrays(path: Path, error: type[TinyfaceError]) -> dict[str, np.ndarray]:
    """The arrays of an `.npz`. Raises `error` for one that is damaged, or whose arrays are not as large as said."""
    with _arrays(path, error):
        with path.open("rb") as stream:
            check_arrays(stream, str(path), error)
        with np.load(path, allow_pickle=False) as file:
            return dict(file)


def read_array(path: Path, error: type[TinyfaceError]) -> np.ndarray:
    """The array of an `.npy` file. Raises `error` as `read_arrays`."""
    with _arrays(path, error), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*header parsing.*")  # files of Python 2
        with path.open("rb") as stream:
            _check_header(stream, path.stat().st_size, str(path), error)
            stream.seek(0)
            return np.asarray(np.load(stream, allow_pickle=False))


def check_arrays(
    stream: IO[bytes], where: str, error: type[TinyfaceError], most_bytes: int = LARGEST_FILE_BYTES
) -> None:
    """Raises `error` unless each array of the open `.npz` holds what its header says, and all no more than they may.

    An array's header is read before its room is made: it may name a trillion numbers and hold none.
    """
    size = stream.seek(0, io.SEEK_END)
    total, most = 0, min(most_bytes, _UNFOLDED_OF_NOTHING + _UNFOLDED_A_BYTE * size)
    with zipfile.ZipFile(stream) as archive:
        for entry in archive.infolist():
            total += entry.file_size
            if total > most:
                raise error(f"{where}: {entry.filename} unfolds to {entry.file_size:,} bytes, in a file of {size:,}")
            with archive.open(entry) as member:
                _check_header(member, entry.file_size, f"{where}: {entry.filename}", error)
    stream.seek(0)


def _check_header(stream: IO[bytes], size: int, where: str, error: type[TinyfaceError]) -> None:
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, _, dtype = read(stream)
    count, left = math.prod(shape), size - stream.tell()
    if count * dtype.itemsize != left or (count and not left):  # numbers of no bytes would be as many as they like
        raise error(f"{where} says {shape} of {dtype}, and holds {left:,} bytes")


@contextmanager
def _arrays(path: Path, error: type[TinyfaceError]) -> Iterator[None]:
    """What numpy and zipfile raise in the block, as `error`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise error(f"{path}: is no ordinary file; give a file on a disk")
        yield
    except OSError as failure:
        raise error(f"{path}: cannot read: {failure.strerror or failure}") from failure
    except error:
        raise
    except Exception as failure:  # zipfile, zlib and numpy raise their own kinds for damaged archives
        raise error(f"{path}: damaged, or no file of arrays: {failure}") from failure
