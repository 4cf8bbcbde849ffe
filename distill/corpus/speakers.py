"""Who speaks in a recording, and on which side of the split he lies: speakers are split as speakers.

    train   what students learn from
    valid   about one speaker in twenty: seeds, steps and plans are chosen on them
    held    about one in twelve: nobody learns from them or chooses by them; figures are reported on them

A speaker is known by the table `clips.tsv` (columns `name` and `speaker`) in the recording's folder or the one above
it, or by the file names of LibriSpeech (`103-1240-0000`), LibriTTS (`103_1241_000000_000001`) and VCTK (`p225_003`,
`p225_003_mic1`). Where nobody says who speaks, a recording is only trained on: its speaker may be any other's.
"""

from __future__ import annotations

import csv
import functools
import io
import re
import zlib
from pathlib import Path

from sdk.errors import DataError
from sdk.tools.limits import read_text

UNKNOWN = "?"  # begins the name of a speaker whom nobody named
VALID_PERCENT, HELD_PERCENT = 5, 8
SIDES = ("train", "valid", "held")
# speaker, chapter and utterance as LibriSpeech counts them, and not a date: no speaker is 2024, or 12 on 12-05-2024
_LIBRISPEECH = r"([1-9]\d{0,4})[-_][1-9]\d{2,}[-_](?:\d{4}|\d{6})(?:_\d+)?"
_NAMED = (re.compile(_LIBRISPEECH), re.compile(r"(p\d{3}|s5)_\d{3}(?:_mic[12])?"))


def speaker_of(path: Path) -> str:
    """Who speaks in the recording at `path`. Raises `DataError` for a table that cannot be read."""
    for folder in (path.parent, path.parent.parent):
        if named := read_speakers(folder / "clips.tsv").get(path.stem):
            return named
    for pattern in _NAMED:
        if match := pattern.fullmatch(path.stem):
            return match.group(1)
    return UNKNOWN + path.stem


def split_of(speaker: str) -> str:
    """The side of a speaker, by a hash of the name."""
    if speaker.startswith(UNKNOWN):
        return "train"
    place = zlib.crc32(speaker.encode()) % 100
    return "valid" if place < VALID_PERCENT else "held" if place < VALID_PERCENT + HELD_PERCENT else "train"


@functools.cache
def read_speakers(path: Path) -> dict[str, str]:
    """Who speaks in which recording, from a table with the columns `name` and `speaker`; empty without such a file.
    Quotation marks are a text's own. Raises `DataError` for a table that cannot be read."""
    if not path.is_file():
        return {}
    text = io.StringIO(read_text(path, DataError), newline="")
    try:
        rows = list(csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE))
    except csv.Error as error:
        raise DataError(f"{path}: not a table of recordings and speakers ({error})") from error
    return {row["name"]: row["speaker"] for row in rows if row.get("name") and row.get("speaker")}
