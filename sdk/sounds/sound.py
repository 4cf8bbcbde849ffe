"""Sound files at the door: what soundfile opens, or one sentence that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sdk.errors import AudioError, EngineUnavailable, pip_install
from sdk.sounds.recording import check_sound, read_recording


def open_sound(path: Path | str) -> Any:
    """An open `soundfile.SoundFile`. Raises `AudioError` for what is no sound, `EngineUnavailable` without it."""
    try:
        import soundfile
    except ImportError as error:
        raise EngineUnavailable(f"reading sound files needs soundfile ({error}): {pip_install('play')}") from error
    try:
        sound = soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, OSError, TypeError) as error:  # TypeError: headerless sound, `.raw`
        raise AudioError(f"{path}: not readable as sound ({error}); give wav, flac, ogg or mp3") from error
    try:
        check_sound(sound.samplerate, sound.channels, str(path))
    except AudioError:
        sound.close()
        raise
    return sound


def read_sound(path: Path | str) -> tuple[np.ndarray, int]:
    """The whole file: float32 `(n, channels)`, and its rate in Hz. Raises what `open_recording` raises."""
    return read_recording(path)
