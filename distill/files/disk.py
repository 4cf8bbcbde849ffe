"""Files on disk: sound in, results out; nothing half written is ever left under its final name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from distill.files.pcm import stretched
from sdk.errors import AudioError, DataError
from sdk.sounds.sound import read_sound
from sdk.tools.whole import whole_file

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}

_FINEST = 100_000  # the largest term of a ratio of rates
_LOUD = 0.2  # no sound of a voice goes from here to -1 and back within two samples


def load_mono(path: Path | str, rate_hz: int = 16000) -> np.ndarray:
    """The whole recording as float32 `(n,)` in -1..1, mixed to mono and resampled to `rate_hz`.

    Raises `AudioError` for a file that is no sound, is empty, or holds NaN or infinite samples.
    """
    samples, rate = read_sound(path)
    mono = samples.mean(axis=1)
    if mono.size == 0:
        raise AudioError(f"{path}: holds no samples")
    if not np.isfinite(mono).all():
        raise AudioError(f"{path}: holds NaN or infinite samples")
    return to_rate(unwrapped(mono), rate, rate_hz)


def unwrapped(mono: np.ndarray) -> np.ndarray:
    """`mono` `(n,)` in which no sample has gone round: a peak of +1 does not fit 16 bits, and who scales to it without
    clipping writes -1 between two loud positive samples (eight clips of LJSpeech in circulation click so)."""
    gone = (mono[1:-1] <= -1.0) & (mono[:-2] > _LOUD) & (mono[2:] > _LOUD)
    return np.concatenate([mono[:1], np.where(gone, np.float32(1.0), mono[1:-1]), mono[-1:]]) if gone.any() else mono


def to_rate(mono: np.ndarray, rate_hz: int, wanted_hz: int) -> np.ndarray:
    """`mono` `(n,)` at another rate: float32 `(ceil(n * wanted / rate),)`, or as it is where the rates are one.

    The filter grows with the ratio's terms: of 767,999 Hz it would have 15 million taps. Above 100 kHz, where
    terms are larger still, the ratio is the nearest of smaller ones: at most 18 ms in an hour away.
    """
    ratio = Fraction(wanted_hz, rate_hz).limit_denominator(_FINEST)
    made = stretched(mono, ratio.numerator, ratio.denominator)
    count = -(-len(mono) * wanted_hz // rate_hz)
    return made[:count] if len(made) >= count else np.pad(made, (0, count - len(made)))


@contextmanager
def atomic_open(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well; its folder is made (`sdk/tools/whole.py`).

    Raises `DataError` when the disk is full or not writable; what stood under `path` before is then untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}; nothing was changed") from error
    with whole_file(path, DataError) as stream:
        yield stream


def check_writable(path: Path) -> None:
    """Fail before the hours of work and not after them: raises `DataError` if no file can be written to `path`."""
    if path.is_dir():
        raise DataError(f"cannot write {path}: it is a folder; give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}; choose another place") from error


def atomic_write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with atomic_open(path) as stream:
        stream.write(text.encode("utf-8"))


def find_audio(root: Path) -> list[Path]:
    """All sound files below `root`, sorted. Raises `DataError` if there are none."""
    found = sorted(p for p in root.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise DataError(f"{root}: no sound files below it ({', '.join(sorted(AUDIO_SUFFIXES))})")
    return found
