"""Files on disk: sound in, results out; nothing half written is ever left under its final name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sdk.errors import AudioError, DataError

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}


def load_mono(path: Path | str, rate_hz: int = 16000) -> np.ndarray:
    """The whole recording as float32 `(n,)` in -1..1, mixed to mono and resampled to `rate_hz`.

    Raises `AudioError` for a file that is no sound, is empty, or holds NaN or infinite samples.
    """
    import soundfile
    from scipy.signal import resample_poly

    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path}: not readable as sound ({error}); give wav, flac, ogg or mp3") from error
    mono = samples.mean(axis=1)
    if mono.size == 0:
        raise AudioError(f"{path}: holds no samples")
    if not np.isfinite(mono).all():
        raise AudioError(f"{path}: holds NaN or infinite samples")
    if rate != rate_hz:
        common = np.gcd(rate, rate_hz)
        mono = resample_poly(mono, rate_hz // common, rate // common).astype(np.float32)
    return mono


@contextmanager
def atomic_open(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well (temp file, fsync, rename).

    Raises `DataError` when the disk is full or not writable; what stood under `path` before is then untouched.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}; nothing was changed") from error
    finally:
        temporary.unlink(missing_ok=True)


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
