"""What is said in recordings, where a table beside them tells it.

    trans.tsv          name <tab> text          in the recording's folder or one of the three above it
    84-121123.trans.txt   name <space> TEXT     LibriSpeech's, in the recording's own folder

Names are those of files without their suffix. Words that are known are aligned, not recognised: on 241 clips of people
never trained on, `s6` shuts on 91 % of /p b m/ so labelled and on 73 % of those that a recogniser heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sdk.errors import DataError
from sdk.tools.limits import read_text

TABLE, CHAPTER = "trans.tsv", "*.trans.txt"
_ABOVE = 4  # folders that are looked into for a table, the recording's own among them


def transcripts(paths: Iterable[Path]) -> dict[Path, str]:
    """The words of those of `paths` that a table tells, without marks. Raises `DataError` for a damaged table."""
    tables: dict[Path, dict[str, str]] = {}
    found = {}
    for path in paths:
        for folder in (path.parent, *path.parent.parents)[:_ABOVE]:
            if folder not in tables:
                tables[folder] = _read(folder)
            if (words := tables[folder].get(path.stem)) is not None:
                found[path] = words
                break
    return found


def _read(folder: Path) -> dict[str, str]:
    chapters = [(file, " ") for file in sorted(folder.glob(CHAPTER))]
    tables = [(folder / TABLE, "\t")] if (folder / TABLE).is_file() else []
    found = {}
    for file, between in (*tables, *chapters):
        for line in read_text(file, DataError).splitlines():
            name, _, text = line.partition(between)
            if words := " ".join(re.sub(r"[^\w' ]", " ", text).lower().split()):
                found[name] = words
    return found
