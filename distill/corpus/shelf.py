"""The corpus as training reads it: in memory while it is small, else left on the disk and read utterance by utterance.

    shards/train-*.npz --checked once, block by block--> Shard with its small arrays; audio, rig and phones stay there
       checked.json <--which, of what size and date--|    (the next start need not read 146 GB to hash them again)
                                                              |--a slice--> those bytes, read from the file

Both give the same utterances for the same draws, so where a corpus lies changes no weight, and a run that is killed
goes on with the same batches. What is in memory does not grow with the hours: about fifty bytes an utterance. The paper
divides each epoch's shuffled data into 48 subsets that fit its memory (4.1.3); drawing each utterance from all of the
corpus shuffles further than that, and the system's page cache keeps of it what fits.

By hand is where an array begins in the archive, a dozen lines: numpy maps no `.npz`, safetensors holds no words, and
`.npy` files would be twelve a shard, of which one killed writer could leave some.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from distill.corpus.labeller import BY_RULES
from distill.corpus.shards import BY_PHONES, DAMAGE, File, Shard, check_shard, layout_in, phones_crc, read_shard
from distill.corpus.speakers import UNKNOWN
from distill.corpus.store import Stored, StoredFile
from distill.files.disk import atomic_write_text
from sdk.errors import DataError
from sdk.tools.limits import check_arrays

MEMORY_BYTES = 4_000_000_000
_BLOCK_BYTES = 1 << 22
_CHECKED = "checked.json"


@dataclass(frozen=True)
class OnDisk:
    """An array inside an uncompressed npz: `array[a:b]` reads those rows of the file and nothing else.

    Raises `DataError` where the file has become shorter than it was.
    """

    path: File
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start_bytes: int

    @classmethod
    def find(cls, path: File, file: IO[bytes], archive: zipfile.ZipFile, name: str) -> OnDisk:
        """The array `name` of the npz `archive`, open as `file`, at `path`. Raises `ValueError` if compressed."""
        entry = archive.getinfo(f"{name}.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed")
        file.seek(entry.header_offset + 26)  # the local header is as long as it says, in bytes 26 to 30
        name_bytes, extra_bytes = np.frombuffer(file.read(4), "<u2").astype(int)
        file.seek(entry.header_offset + 30 + name_bytes + extra_bytes)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if fortran or dtype.hasobject or not shape:
            raise ValueError(f"{name} is no plain array")
        return cls(path, dtype, shape, file.tell())

    @property
    def row_bytes(self) -> int:
        return int(self.dtype.itemsize * np.prod(self.shape[1:], dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, last, _ = rows.indices(len(self))
        count = max(last - first, 0)
        start_bytes, row_bytes = self.start_bytes + first * self.row_bytes, self.row_bytes
        if isinstance(self.path, StoredFile):
            data = self.path.rows(start_bytes, count * row_bytes)
        else:
            with self.path.open("rb") as file:
                file.seek(start_bytes)
                data = file.read(count * row_bytes)
        if len(data) < count * row_bytes:
            raise DataError(f"{self.path}: has become shorter since training began; build the corpus again")
        return np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])

    def blocks(self) -> Iterator[np.ndarray]:
        """All of it, a few megabytes at a time."""
        step = max(_BLOCK_BYTES // max(self.row_bytes, 1), 1)
        for first in range(0, len(self), step):
            yield self[first : first + step]


@dataclass(frozen=True)
class TextsOnDisk:
    """`texts[i]` is read from the file."""

    rows: OnDisk

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        return (str(text) for block in self.rows.blocks() for text in block)

    def __getitem__(self, i: int) -> str:
        i = range(len(self))[i]
        return str(self.rows[i : i + 1][0])


def _texts(path: File, file: IO[bytes], archive: zipfile.ZipFile, name: str, checked: bool) -> TextsOnDisk:
    if not checked:  # the digest is of sound and curves; words have the archive's CRC
        with archive.open(f"{name}.npy") as stream:
            while stream.read(_BLOCK_BYTES):
                pass
    return TextsOnDisk(OnDisk.find(path, file, archive, name))


def open_shard(path: File, checked: bool = False) -> Shard:
    """As `corpus.read_shard`, checked whole, but what is long stays on disk. Raises `DataError` if it is damaged.

    checked: it was found whole before, and is not read to be hashed again.
    """
    try:
        with path.open("rb") as file:
            check_arrays(file, str(path), DataError, sys.maxsize)
            with np.load(file, allow_pickle=False) as data, zipfile.ZipFile(file) as archive:
                audio, rig = (OnDisk.find(path, file, archive, key) for key in ("audio", "rig"))
                phones, speakers, names = (
                    _texts(path, file, archive, key, checked) for key in ("phones", "speakers", "names")
                )
                teacher = str(data["teacher"]) if "teacher" in data else BY_PHONES
                weights = str(data["weights"]) if "weights" in data else ""
                digest = str(data["digest"])
                likely = OnDisk.find(path, file, archive, "likely") if "likely" in data else None
                shard = Shard(
                    path, audio, data["offsets"], rig, data["rig_offsets"], layout_in(data), phones,
                    speakers, names, teacher, weights, digest=digest, likely=likely, phones_crc=phones_crc(archive),
                )  # fmt: skip
        found, is_finite = hashlib.sha256(), True
        arrays = [array for array in (audio, rig, likely) if array is not None]
        for block in () if checked else (block for array in arrays for block in array.blocks()):
            found.update(np.ascontiguousarray(block).data)
            is_finite &= block.dtype.kind != "f" or bool(np.isfinite(block).all())
    except DAMAGE as error:
        raise DataError(f"{path}: damaged shard ({error}); delete it and build the corpus again") from error
    if not checked and found.hexdigest() != digest:
        raise DataError(f"{path}: shard does not match its digest; delete it and build the corpus again")
    check_shard(shard, is_finite)
    return shard


def shard_files(corpus: Path | Stored, split: str) -> list[Path] | list[StoredFile]:
    """The files of a split below `corpus/shards`, by name."""
    return corpus.files(split) if isinstance(corpus, Stored) else sorted((corpus / "shards").glob(f"{split}-*.npz"))


def load_shards(corpus: Path | Stored, split: str, memory_bytes: int = MEMORY_BYTES) -> list[Shard]:
    """All shards of a split below `corpus/shards`, whole in memory if they take no more than `memory_bytes`, else on
    disk. Each is checked; damaged ones are named and left out. `DataError` if none is left.

    Of those on disk `corpus/checked.json` keeps which were found whole, by size and date: they are not hashed again
    while neither changes. Delete it where the disk is doubted. Those that stay in a store are checked when they are
    fetched, at their first touch (`store.py`). Of a corpus in a folder, `train` is refused (`DataError`) where one of
    its speakers stands on another side too.
    """
    from tqdm import tqdm

    paths = shard_files(corpus, split)
    marks = {path.name: _mark(path) for path in paths}
    fits = sum(size for size, _ in marks.values()) <= memory_bytes
    folder = None if fits or isinstance(corpus, Stored) else corpus
    remembered = _remembered(folder) if folder else {}

    def take(path: Path | StoredFile) -> Shard | DataError:
        try:
            if fits:
                return read_shard(path)
            return open_shard(path, isinstance(path, StoredFile) or remembered.get(path.name) == marks[path.name])
        except DataError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing releases Python's lock, so threads help
        taken = list(
            tqdm(pool.map(take, paths), total=len(paths), desc="checking", unit="shard", delay=5, mininterval=5)
        )
    for error in taken:
        if isinstance(error, DataError):
            print(f"left out: {error}", file=sys.stderr)
    shards = [shard for shard in taken if isinstance(shard, Shard)]
    if not shards:
        raise DataError(f"{corpus}: no usable {split} shards; build them with `python -m distill.recipes.corpus`")
    earlier = [shard.path.name for shard in shards if shard.teacher == BY_PHONES and shard.weights != BY_RULES]
    if earlier:
        by = f"{earlier[0]} and {len(earlier) - 1} more" if len(earlier) > 1 else earlier[0]
        print(
            f"{corpus}: {by} have labels of earlier rules; the command that built them makes better ones",
            file=sys.stderr,
        )
    if split == "train" and not isinstance(corpus, Stored):
        refuse_two_sides(corpus, split, shards)
    whole = {shard.path.name: marks[shard.path.name] for shard in shards}
    if folder and not whole.items() <= remembered.items():
        with suppress(OSError):  # a corpus that may only be read is checked at every start
            atomic_write_text(folder / _CHECKED, json.dumps(remembered | whole, indent=0))
    return shards


def refuse_two_sides(corpus: Path, split: str, shards: Sequence[Shard]) -> None:
    """Raises `DataError` where somebody who speaks in `shards`, those of `split`, stands on another side of the corpus
    too: what is found on speakers never heard before would be found on him. Whom nobody named may be anybody."""
    ours = {who: shard.path.name for shard in shards for who in shard.speakers if not who.startswith(UNKNOWN)}
    for path in sorted((corpus / "shards").glob("*.npz")):
        if path.name.startswith(f"{split}-"):
            continue
        try:
            with np.load(path, allow_pickle=False) as data:
                both = sorted(ours.keys() & {str(who) for who in data["speakers"]})
        except DAMAGE:  # nobody learns or is scored from it
            continue
        if both:
            raise DataError(
                f"{corpus}: {len(both)} speakers of {path.name} stand on the side {split} too: {both[0]} in "
                f"{ours[both[0]]}; delete shards/, or those of an earlier plan in it, and build the corpus again"
            )


def _mark(path: Path | StoredFile) -> list[int]:
    """Its size, and when it was written; of a shard in a store the size alone."""
    if isinstance(path, StoredFile):
        return [path.size_bytes, 0]
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _remembered(corpus: Path) -> dict[str, list[int]]:
    """What `checked.json` keeps; nothing where it is not there or says something else."""
    try:
        found = json.loads((corpus / _CHECKED).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
