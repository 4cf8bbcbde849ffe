"""Phones of recordings by any recogniser of English that is here, in parallel, kept on disk.

pocketsphinx   37 MB of BSD models in its wheel; what `make demo` needs        (`aligned.py`)
hama           a better ear; its phones, timed by pocketsphinx; an extra       (`hama_phones.py`)

Where the words are known (`files/transcripts.py`) pocketsphinx aligns them, whoever recognises the rest.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from distill.files.disk import atomic_write_text, load_mono
from distill.files.transcripts import words_of
from distill.speech.aligned import Aligner
from distill.speech.hama_phones import HamaAligner
from distill.speech.phones import Phone, from_json, to_json
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError, DataError
from sdk.tools.children import end_with_parent
from sdk.tools.limits import read_text


class Recogniser(Protocol):
    """Phones of 16 kHz mono float32 `(n,)`; `[]` where nothing is heard. text: what is said there, to be aligned and
    not recognised; raises `DataError` where that cannot be."""

    def label(self, samples: np.ndarray, text: str | None = None) -> list[Phone]: ...


RECOGNISERS: dict[str, Callable[[], Recogniser]] = {"pocketsphinx": Aligner, "hama": HamaAligner}


def recogniser(name: str) -> Recogniser:
    """A recogniser by name. Raises `ConfigError` for a wrong one, `EngineUnavailable` where it is not installed."""
    if name not in RECOGNISERS:
        raise ConfigError(f"no recogniser {name!r}; there are: {', '.join(RECOGNISERS)}")
    return RECOGNISERS[name]()


def label_file(path: Path, out: Path, ears: Recogniser, text: str = "") -> Path:
    """Write the phones of one recording to `out` (JSON rows), unless they are there already: those of its `text`, or
    what `ears` hear where there is none or it cannot be aligned (a word is in no dictionary)."""
    if not out.exists():
        audio = load_mono(path, SAMPLE_RATE_HZ)
        phones: list[Phone] = []
        if text:
            with suppress(DataError):
                phones = ears.label(audio, text)
        atomic_write_text(out, to_json(phones or ears.label(audio)))
    return out


_ears: Recogniser | None = None


def _label_in_worker(job: tuple[Path, Path, str], name: str) -> str | None:
    global _ears  # one recogniser per worker process; loading one takes a second
    path, out, text = job
    _ears = _ears or recogniser(name)
    try:
        label_file(path, out, _ears, text)
    except (DataError, OSError, RuntimeError, ValueError) as error:
        return f"{path}: {error}"
    return None


def label_files(
    paths: Iterable[Path], out_of: Callable[[Path], Path], workers: int = 1, name: str = "pocketsphinx"
) -> tuple[list[Path], list[str]]:
    """Label many recordings in parallel, by their words or by the recogniser `name`; what is on disk already is kept.

    Returns the label files and one message per recording that could not be labelled. Raises as `recogniser`.
    """
    from tqdm import tqdm

    jobs = [(path, out_of(path)) for path in paths]
    todo = [(path, out, words_of(path)) for path, out in jobs if not out.exists()]
    failures: list[str] = []
    if todo:
        recogniser(name)  # what is missing is said here, not by every worker
        with multiprocessing.get_context("spawn").Pool(min(workers, len(todo)), end_with_parent) as pool:
            results = pool.imap_unordered(partial(_label_in_worker, name=name), todo)
            failures = [f for f in tqdm(results, total=len(todo), desc="aligning", unit="clip") if f]
    return [out for _, out in jobs if out.exists()], failures


def read_labels(path: Path) -> list[Phone]:
    """The phones that `label_file` wrote. Raises `DataError` that names a damaged file."""
    try:
        return from_json(read_text(path, DataError))
    except ValueError as error:  # DataError is one of these
        raise DataError(f"{path}: {error}; delete it to label the recording again") from error
