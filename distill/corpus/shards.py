"""The training corpus: speech with its phones and rig labels, in shards on disk, split by speaker.

    recordings --aligned.py--> phones;  --neural teacher--------------+
    espeak shards (exact phones) -------------articulatory teacher----+--> shards/<split>-<source>-NNN.npz

A shard is an uncompressed npz: `audio` int16 (all utterances end to end), `offsets` (n+1,), `rig` float16
`(rows, channels)` at 100 rows a second for the channels in `channels` (`ranges`: least, rest and most of each),
`rig_offsets` (n+1,), `likely` uint8 `(rows, classes)` where the teacher says which phone classes it hears (255:
certainly), `phones`, `speakers`, `names`, `teacher` (whose labels they are; articulatory where it says nothing) and
`weights` (their SHA-256, or which rules it goes by), `left_out` (recordings that could not be read), `made_of` (a
digest of what was known of its recordings where they were not in hand: headers, texts to be spoken). Writing is atomic,
what exists is kept while it is of these very recordings, and a damaged shard is named, never trained on.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import numpy as np

from distill.corpus.labeller import BY_PHONES, LABEL_HZ, Labeller, Utterance, labeller
from distill.corpus.speakers import speaker_of
from distill.files.disk import atomic_open, find_audio, load_mono
from distill.files.pcm import to_int16
from distill.speech.phones import read_textgrid, to_json
from distill.speech.phonetics import CLASSES
from distill.speech.recognisers import label_files, read_labels
from distill.speech.spoken import read_spoken
from distill.teachers.track import RigTrack
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import AudioError, DataError, RigError
from sdk.rig import RigLayout
from sdk.tools.limits import check_arrays

SHARD_SECONDS = 900.0
DAMAGE = (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)  # what reading a broken npz raises


def human_utterances(
    folders: Iterable[Path],
    labels: Path,
    workers: int = 1,
    limit: int | None = None,
    recogniser: str = "pocketsphinx",
) -> Iterator[Utterance]:
    """Recordings below `folders` (the first `limit` of each), with the phones of the TextGrid beside them, of their
    words (`files/transcripts.py`) or by a `recogniser` (`speech/recognisers.py`); label files are kept in `labels`,
    in a folder of that recogniser. Unusable ones are named on standard error."""
    names = unique_names([path for folder in folders for path in find_audio(folder)[:limit]])
    paths = list(names)
    unlabelled = [path for path in paths if not path.with_suffix(".TextGrid").exists()]
    files = {path: labels / recogniser / f"{names[path]}.phones.json" for path in unlabelled}
    earlier = {path: file for path in unlabelled if (file := labels / f"{names[path]}.phones.json").exists()}
    if earlier:  # hours of work, and mostly right
        print(
            f"{labels}: phones of {len(earlier)} recordings are kept, though nobody wrote down which recogniser heard "
            f"them; delete them to have them heard by {recogniser}",
            file=sys.stderr,
        )
    files |= earlier
    _, failures = label_files(unlabelled, lambda path: files[path], workers, recogniser)
    for failure in failures:
        print(f"not labelled, left out: {failure}", file=sys.stderr)
    for path in paths:
        try:
            if path not in files:
                phones = read_textgrid(path.with_suffix(".TextGrid"))
            else:
                phones = read_labels(files[path]) if files[path].exists() else []
            if not any(phone.symbol != "sil" for phone in phones):
                continue
            audio = to_int16(load_mono(path))
        except (AudioError, DataError) as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        yield Utterance(names[path], speaker_of(path), audio, phones)


def unique_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Each recording's file name without suffix, with a hash of its path where several share it (`anna/1`, `bob/1`)."""
    found = list(dict.fromkeys(paths))
    shared = Counter(path.stem for path in found)
    return {p: p.stem if shared[p.stem] == 1 else f"{p.stem}-{zlib.crc32(str(p).encode()):08x}" for p in found}


def synthetic_utterances(folder: Path) -> Iterator[Utterance]:
    """Utterances of all shards of synthetic speech below `folder` (`distill/speech/spoken.py`)."""
    shards = sorted(folder.glob("*.npz"))
    if not shards:
        raise DataError(f"{folder}: no synthetic shards; make them with `python -m distill.recipes.speech_synth`")
    for shard in shards:
        for i, spoken in enumerate(read_spoken(shard)):
            yield Utterance(f"{shard.stem}-{i:04d}", spoken.speaker, spoken.audio, spoken.phones)


class Samples(Protocol):
    """An array whose rows are taken by slices."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class Texts(Protocol):
    """A list of words that may lie on disk."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def __getitem__(self, i: int, /) -> str: ...


class File(Protocol):
    """What is read of a shard's file: a `Path`, or one in a store (`store.py`)."""

    @property
    def name(self) -> str: ...
    @property
    def stem(self) -> str: ...
    def open(self, mode: Literal["rb"], /) -> IO[bytes]: ...


@dataclass(frozen=True)
class Shard:
    """One shard, in memory or on disk (`shelf.py`); `utterance(i)` gives audio `(n,)` int16 and its RigTrack."""

    path: File
    audio: Samples
    offsets: np.ndarray
    rig: Samples
    rig_offsets: np.ndarray
    layout: RigLayout
    phones: Texts
    speakers: Texts
    names: Texts
    teacher: str = BY_PHONES
    weights: str = ""
    left_out: Sequence[str] = ()
    digest: str = ""  # of its sound, its curves and what was likely
    likely: Samples | None = None
    made_of: str = ""  # digest of the plan that it was made by, where nobody had its recordings in hand
    phones_crc: int = 0  # the archive's, of its phones: the digest is not of them

    def __len__(self) -> int:
        return len(self.names)

    @property
    def channels(self) -> Sequence[str]:
        """Names of the columns of its curves."""
        return self.layout.names

    @property
    def source(self) -> str:
        """Where its speech is from, by its file's name: human, espeak, kokoro, captured."""
        return self.path.stem.split("-")[1]

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_RATE_HZ

    def utterance(self, i: int) -> tuple[np.ndarray, RigTrack]:
        values = self.rig[self.rig_offsets[i] : self.rig_offsets[i + 1]].astype(np.float32)
        return self.audio[self.offsets[i] : self.offsets[i + 1]], RigTrack(values, Fraction(LABEL_HZ), self.layout)


def shard_path(folder: Path, side: str, source: str, number: int) -> Path:
    """Where a shard lies: `<side>-<source>-NNN.npz`; the name is the only place that says its side and its source."""
    return folder / f"{side}-{source}-{number:03d}.npz"


def write_shard(
    path: Path, utterances: list[Utterance], by: Labeller | None = None, left_out: Sequence[str] = (), made_of: str = ""
) -> None:
    """Label `utterances` (by their phones, if not told otherwise) and write them to `path`, whole or not at all.
    left_out: names of recordings that belong here and could not be read; made_of: as `current_shard`."""
    by = by or labeller(BY_PHONES)
    tracks = [by.label(u) for u in utterances]
    layout = tracks[0].layout
    rig = np.concatenate([track.values for track in tracks]).astype(np.float16)
    audio = np.concatenate([u.audio for u in utterances])
    heard = [np.round(255 * track.likely).astype(np.uint8) for track in tracks if track.likely is not None]
    likely = np.concatenate(heard) if heard else None
    content: dict[str, Any] = {
        "audio": audio,
        "offsets": np.cumsum([0] + [len(u.audio) for u in utterances]),
        "rig": rig,
        "rig_offsets": np.cumsum([0] + [len(track.values) for track in tracks]),
        "channels": np.array(layout.names),
        "ranges": np.array([layout.minimum, layout.neutral, layout.maximum]),
        "phones": np.array([to_json(u.phones) for u in utterances]),
        "speakers": np.array([u.speaker for u in utterances]),
        "names": np.array([u.name for u in utterances]),
        "teacher": np.array(by.teacher),
        "weights": np.array(by.weights),
        "left_out": np.array(left_out, dtype=np.str_),
        "digest": np.array(digest_of((audio, rig, likely))),
        **({"made_of": np.array(made_of)} if made_of else {}),
        **({} if likely is None else {"likely": likely}),
    }
    with atomic_open(path) as stream:
        np.savez(stream, **content)


def digest_of(arrays: Iterable[np.ndarray | None]) -> str:
    """SHA-256 of the bytes of all `arrays` that are there, one after another."""
    found = hashlib.sha256()
    for array in arrays:
        if array is not None:
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def read_shard(path: File) -> Shard:
    """A checked shard. Raises `DataError` naming it when it is damaged, so that it can be rebuilt or left out."""
    try:
        with path.open("rb") as file:
            check_arrays(file, str(path), DataError, sys.maxsize)
            with np.load(file, allow_pickle=False) as data:
                audio, rig, likely = data["audio"], data["rig"], data.get("likely")
                texts = {key: [str(x) for x in data[key]] for key in ("phones", "speakers", "names")}
                teacher = str(data["teacher"]) if "teacher" in data else BY_PHONES
                shard = Shard(
                    path, audio, data["offsets"], rig, data["rig_offsets"], layout_in(data), **texts, teacher=teacher,
                    weights=str(data["weights"]) if "weights" in data else "",
                    left_out=[str(x) for x in data["left_out"]] if "left_out" in data else [],
                    digest=str(data["digest"]), likely=likely,
                    made_of=str(data["made_of"]) if "made_of" in data else "", phones_crc=phones_crc(data.zip),
                )  # fmt: skip
    except DAMAGE as error:
        raise DataError(f"{path}: damaged shard ({error}); delete it and build the corpus again") from error
    if digest_of((audio, rig, likely)) != shard.digest:
        raise DataError(f"{path}: shard does not match its digest; delete it and build the corpus again")
    check_shard(shard, bool(np.isfinite(rig).all()))
    return shard


def phones_crc(archive: zipfile.ZipFile) -> int:
    """CRC-32 of a shard's phones, as its archive's table says it: they need not be read."""
    return archive.getinfo("phones.npy").CRC


def layout_in(data: Any) -> RigLayout:
    """The rig of a shard's curves: names, least, rest and most of its channels, which are 0, 0 and 1 in shards written
    before they were kept. Raises `ValueError` where they do not fit."""
    names = tuple(str(name) for name in data["channels"])
    ranges = data["ranges"] if "ranges" in data else np.repeat([[0.0], [0.0], [1.0]], len(names), axis=1)
    if ranges.shape != (3, len(names)):
        raise ValueError(f"ranges of shape {ranges.shape} for {len(names)} channels")
    low, rest, high = (tuple(float(value) for value in row) for row in ranges)
    try:
        return RigLayout(names, low, high, rest)
    except RigError as error:
        raise ValueError(str(error)) from error


def check_shard(shard: Shard, is_finite: bool) -> None:
    """Raises `DataError` unless its parts belong together: the digest covers its sound and curves alone.

    is_finite: whether all of its curves are.
    """
    count, problems = len(shard.names), [] if is_finite else ["NaN or infinity among its curves"]
    for what, offsets, whole in (("sound", shard.offsets, shard.audio), ("curves", shard.rig_offsets, shard.rig)):
        fits = offsets.shape == (count + 1,) and offsets.dtype.kind in "iu"
        if not fits or offsets[0] != 0 or offsets[-1] != len(whole) or (np.diff(offsets.astype(np.int64)) < 0).any():
            problems.append(f"offsets of its {what} that do not go from 0 to {len(whole)} in {count} steps forward")
    if shard.likely is not None:
        first = shard.likely[:1]
        if len(shard.likely) != len(shard.rig) or first.dtype != np.uint8 or first.shape[1:] != (len(CLASSES),):
            problems.append(f"likely classes that are not {len(CLASSES)} bytes for each of {len(shard.rig)} rows")
    if len(shard.phones) != count or len(shard.speakers) != count:
        problems.append(f"{len(shard.phones)} lists of phones and {len(shard.speakers)} speakers for {count} names")
    if problems:
        raise DataError(f"{shard.path}: damaged shard: {'; '.join(problems)}; delete it and build the corpus again")
