"""Synthetic speech in files: utterances of 16 kHz audio with their phones and texts, in a plain `.npz` without pickle.

    audio int16 (samples,)   all utterances end to end
    offsets int64 (n + 1,)   utterance i is audio[offsets[i] : offsets[i + 1]]
    phones, speakers, languages, texts   string (n,); phones as JSON rows
    recipe string ()         what made the file

The same recipe makes the same file, to the byte, on the same machine. No rig is in it: a corpus is made from such files
(`corpus/shards.py`), and labels what they hold.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill.files.disk import atomic_open
from distill.speech.phones import Phone, from_json, to_json
from sdk.errors import DataError
from sdk.tools.limits import read_arrays

RATE_HZ = 16000
_VERSION = 2  # raise it when the same recipe would make other audio or labels


@dataclass(frozen=True)
class Spoken:
    """Audio int16 `(n,)` at 16 kHz, its phones in seconds, who speaks which language, and the text."""

    audio: np.ndarray
    phones: list[Phone]
    speaker: str
    language: str
    text: str

    @property
    def duration_s(self) -> float:
        return len(self.audio) / RATE_HZ


def spoken_name(seed: int, shard: int, language: str = "") -> str:
    """The file name of one shard of synthetic speech; `language` of one that holds no other."""
    return f"espeak-{f'{language}-' if language else ''}s{seed}-{shard:05d}.npz"


def spoken_recipe(seed: int, shard: int, utterances: int, language: str = "") -> str:
    """What a shard of synthetic speech is made from."""
    return f"espeak v{_VERSION} seed {seed} shard {shard} utterances {utterances}{language and f' {language} held out'}"


def write_spoken(path: Path, utterances: Sequence[Spoken], recipe: str) -> None:
    """Write the utterances to `path`, whole or not at all. Raises `DataError` when the disk refuses."""
    offsets = np.cumsum([0, *(len(u.audio) for u in utterances)], dtype=np.int64)
    with atomic_open(path) as stream:
        np.savez(
            stream,
            audio=np.concatenate([np.zeros(0, np.int16), *(u.audio for u in utterances)]),
            offsets=offsets,
            phones=np.array([to_json(u.phones) for u in utterances]),
            speakers=np.array([u.speaker for u in utterances]),
            languages=np.array([u.language for u in utterances]),
            texts=np.array([u.text for u in utterances]),
            recipe=np.array(recipe),
        )


def read_spoken(path: Path, recipe: str | None = None) -> list[Spoken]:
    """The utterances that `write_spoken` wrote.

    Raises `DataError` that names the file if it is damaged or foreign, or, when `recipe` is given, if another made it.
    """
    try:
        shard = read_arrays(path, DataError)
        audio, offsets, phones, speakers, languages, texts, made_by = (
            shard[key] for key in ("audio", "offsets", "phones", "speakers", "languages", "texts", "recipe")
        )
        if audio.dtype != np.int16 or offsets[0] != 0 or offsets[-1] != len(audio) or (np.diff(offsets) < 0).any():
            raise ValueError("offsets do not fit the audio")
        rows = zip(offsets[:-1], offsets[1:], phones, speakers, languages, texts, strict=True)
        utterances = [Spoken(audio[a:b], from_json(str(p)), str(s), str(n), str(t)) for a, b, p, s, n, t in rows]
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise DataError(f"{path}: damaged speech shard ({error})") from error
    if recipe is not None and str(made_by) != recipe:
        raise DataError(f"{path}: made by another recipe ({made_by!s}, not {recipe})")
    return utterances


def is_spoken(path: Path, recipe: str) -> bool:
    """Whether `path` holds what `recipe` makes. Warns of a file that is damaged or another's: it is made again."""
    if not path.exists():
        return False
    try:
        read_spoken(path, recipe)
    except DataError as error:
        warnings.warn(f"{error}; making it again", stacklevel=4)
        return False
    return True
