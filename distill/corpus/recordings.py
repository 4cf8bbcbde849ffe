"""A folder tree of any recordings as a list of pieces to label: counted by their headers, decoded only when read.

    tree --headers--> pieces in the order of their paths --(shuffled, dealt to subsets)--> batches of a shard each

A recording of more than 73.6 s is halved until its parts are shorter (the paper, appendix A), each cut moved to the
quietest moment within two seconds, so that no word is torn. Whoever reads a part finds the same cuts from the same
sound, so parts of one recording may go to different shards, and no part is ever decoded for another's sake.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from distill.corpus.shards import SHARD_SECONDS, Utterance
from distill.corpus.speakers import SIDES, speaker_of, split_of
from distill.files.disk import find_audio, load_mono, to_rate
from distill.files.pcm import to_int16
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import AudioError, ConfigError
from sdk.sounds.sound import open_sound

LONGEST_S = 73.6
_REACH_S = 2.0  # how far a cut may move to find a pause
_PAUSE_S = 0.2  # how long a moment must be quiet for
_BLOCK_FRAMES = 1 << 20
_UNKNOWN_FRAMES = 1 << 40  # libsndfile's answer for a stream whose header does not say


@dataclass(frozen=True)
class Piece:
    """Part `part` of the `parts` of a recording of `frames` at `rate_hz`; `name` and `speaker` as in a shard."""

    path: str  # and not a Path: there are a quarter of a million of them
    name: str
    speaker: str
    frames: int
    rate_hz: int
    part: int = 0
    parts: int = 1

    @property
    def samples(self) -> int:
        """How long it will be at 16 kHz; a part may be up to two seconds longer or shorter at either end."""
        whole = -(-self.frames * SAMPLE_RATE_HZ // self.rate_hz)
        return whole * (self.part + 1) // self.parts - whole * self.part // self.parts


@dataclass(frozen=True)
class ShardPieces:
    """The pieces of one shard, `<split>-<source>-<number>`."""

    name: str
    pieces: tuple[Piece, ...]

    @property
    def samples(self) -> int:
        return sum(piece.samples for piece in self.pieces)

    @property
    def made_of(self) -> str:
        """Digest of what is known of its recordings by their headers, wherever they lie."""
        told = [(p.name, p.speaker, p.frames, p.rate_hz, p.part, p.parts) for p in self.pieces]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def find_pieces(folders: Iterable[Path], longest_s: float = LONGEST_S) -> tuple[list[Piece], list[str]]:
    """All recordings below `folders` by their headers, in the order of their paths, and a message for each that is no
    sound. Recordings of one file name are told apart by a hash of their path inside the folder.

    Raises `DataError` for a folder without sound files.
    """
    from tqdm import tqdm

    found: dict[Path, tuple[Path, str]] = {}  # a file that two of the folders hold counts once
    for number, folder in enumerate(folders):
        root = folder.resolve()
        for path in find_audio(folder):
            place = path.relative_to(folder)
            found.setdefault(root / place, (path, f"{number}:{place.as_posix()}"))
    shared = Counter(path.stem for path, _ in found.values())
    pieces: list[Piece] = []
    failures: list[str] = []
    for path, place in tqdm(found.values(), desc="looking", unit="recording", delay=5, mininterval=5):
        name = path.stem if shared[path.stem] == 1 else f"{path.stem}-{zlib.crc32(place.encode()):08x}"
        try:
            frames, rate_hz = _count_frames(path)
        except AudioError as error:
            failures.append(str(error))
            continue
        whole = Piece(str(path), name, speaker_of(path), frames, rate_hz)
        parts = 1
        while frames > longest_s * rate_hz * parts:
            parts *= 2
        several = [replace(whole, name=f"{name}@{k + 1}of{parts}", part=k, parts=parts) for k in range(parts)]
        pieces += several if parts > 1 else [whole]
    return pieces, failures


def _count_frames(path: Path) -> tuple[int, int]:
    with open_sound(path) as sound:
        frames = int(sound.frames)
        if not 0 < frames < _UNKNOWN_FRAMES:  # said by no header: a FLAC that was streamed; or empty
            frames = sum(len(block) for block in _blocks(sound, path, None))
        if not frames:
            raise AudioError(f"{path}: holds no samples")
        return frames, int(sound.samplerate)


def _blocks(sound: Any, path: Path | str, frames: int | None) -> Iterable[np.ndarray]:
    """Mono float32 blocks from where `sound` is: `frames` of them in all, or what there is."""
    left = frames
    while left is None or left > 0:
        try:
            block = sound.read(min(_BLOCK_FRAMES, left or _BLOCK_FRAMES), dtype="float32", always_2d=True)
        except (RuntimeError, OSError) as error:
            raise AudioError(f"{path}: damaged ({error}); give a sound file that plays to its end") from error
        if not len(block):
            return
        left = None if left is None else left - len(block)
        yield block.mean(axis=1)


def read_piece(piece: Piece) -> Utterance:
    """Its sound as an utterance without phones; of a long recording no more is held than the part.

    Raises `AudioError` for what cannot be decoded, is empty, or holds NaN or infinite samples.
    """
    if piece.parts == 1:
        mono = load_mono(piece.path)
    else:
        with open_sound(piece.path) as sound:
            start, stop = (_cut(sound, piece, number) for number in (piece.part, piece.part + 1))
            last = piece.part + 1 == piece.parts  # to the end, wherever that is: headers of mp3 are guesses
            mono = _read(sound, piece, start, None if last else stop - start)
        if not np.isfinite(mono).all():
            raise AudioError(f"{piece.path}: holds NaN or infinite samples")
        mono = to_rate(mono, piece.rate_hz, SAMPLE_RATE_HZ)
    return Utterance(piece.name, piece.speaker, to_int16(mono), [])


def _read(sound: Any, piece: Piece, start: int, frames: int | None) -> np.ndarray:
    try:
        sound.seek(start)
    except (RuntimeError, OSError) as error:
        raise AudioError(f"{piece.path}: cannot be read from its middle ({error}); convert it to flac") from error
    blocks = list(_blocks(sound, piece.path, frames))
    mono = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
    if len(mono) < (frames or 1):
        raise AudioError(f"{piece.path}: ends before its header says; give a sound file that plays to its end")
    return mono


def _cut(sound: Any, piece: Piece, number: int) -> int:
    """The frame at which part `number` begins: the quietest fifth of a second near its even share."""
    even = piece.frames * number // piece.parts
    if number in (0, piece.parts):
        return even
    reach = min(int(_REACH_S * piece.rate_hz), piece.frames // piece.parts // 4)
    hop = max(piece.rate_hz // 100, 1)
    near = _read(sound, piece, even - reach, 2 * reach).astype(np.float64)
    count = len(near) // hop
    energy = np.add.reduceat(near[: count * hop] ** 2, np.arange(0, count * hop, hop))
    width = min(max(int(_PAUSE_S * 100), 1), count)
    quietest = int(np.convolve(energy, np.ones(width), "valid").argmin())
    cut = even - reach + (quietest + width // 2) * hop
    return cut - cut % (piece.rate_hz // math.gcd(piece.rate_hz, SAMPLE_RATE_HZ))  # where a sample at 16 kHz lies, too


def deal(
    pieces: Sequence[Piece], source: str, subsets: int = 0, seed: int = 1, shard_s: float = SHARD_SECONDS
) -> list[ShardPieces]:
    """Pieces to shards of `shard_s`, split by speaker; the same pieces always give the same shards.

    subsets: 0 keeps the order of the pieces, which in a tree of speakers puts a speaker's all into one shard. From 1
    on the training pieces are shuffled by `seed` and dealt into so many subsets of as many each (section 4.1.3: 48),
    each of one shard or more, `train-<source>-<subset>-<number>`, so that any of them is a fair sample of all.
    Raises `ConfigError` for more subsets than there are pieces to train on.
    """
    sides: dict[str, list[Piece]] = {side: [] for side in SIDES}
    for piece in pieces:
        sides[split_of(piece.speaker)].append(piece)
    if not subsets:
        return [b for side, found in sides.items() for b in _fill(f"{side}-{source}", found, shard_s)]
    if not 0 < subsets <= len(sides["train"]):
        raise ConfigError(f"subsets {subsets} is not within 1 to {len(sides['train'])}, the pieces to train on")
    order = np.random.default_rng(seed).permutation(len(sides["train"]))
    dealt: list[list[Piece]] = [[] for _ in range(subsets)]
    for place, i in enumerate(order):
        dealt[place % subsets].append(sides["train"][i])
    digits = max(len(str(subsets - 1)), 2)
    batches = [b for k, part in enumerate(dealt) for b in _fill(f"train-{source}-{k:0{digits}d}", part, shard_s)]
    return batches + [b for side in SIDES[1:] for b in _fill(f"{side}-{source}", sides[side], shard_s)]


def _fill(prefix: str, pieces: Sequence[Piece], shard_s: float) -> Iterable[ShardPieces]:
    waiting: list[Piece] = []
    samples = number = 0
    for piece in pieces:
        waiting.append(piece)
        samples += piece.samples
        if samples >= shard_s * SAMPLE_RATE_HZ:
            yield ShardPieces(f"{prefix}-{number:03d}", tuple(waiting))
            waiting, samples, number = [], 0, number + 1
    if waiting:
        yield ShardPieces(f"{prefix}-{number:03d}", tuple(waiting))
