"""What is said in a recording, where a table beside it tells.

    trans.tsv             name <tab> text
    84-121123.trans.txt   name <space> TEXT     LibriSpeech's

Tables lie in the recording's folder or one of the three above it; names are those of files without their suffix. Words
that are known are aligned, not recognised: on 241 clips of people never trained on, `s6` shuts on 91 % of /p b m/ so
labelled and on 73 % of those that a recogniser heard.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from sdk.errors import DataError
from sdk.tools.limits import read_text

_ABOVE = 4  # folders that are looked into, the recording's own among them


def words_of(path: Path) -> str:
    """The words of the recording at `path`, without marks; empty where no table tells. Raises `DataError` for a damaged
    table."""
    for folder in (path.parent, *path.parent.parents)[:_ABOVE]:
        if words := _tables(folder).get(path.stem):
            return words
    return ""


@functools.cache
def _tables(folder: Path) -> dict[str, str]:
    found = {}
    for pattern, between in (("trans.tsv", "\t"), ("*.trans.txt", " ")):
        for file in sorted(folder.glob(pattern)):
            for line in read_text(file, DataError).splitlines():
                name, _, text = line.partition(between)
                if words := " ".join(re.sub(r"[^\w' ]", " ", text).lower().split()):
                    found[name] = words
    return found
