"""Golden speech: what calibrates a rounding without a corpus, and what finished artefacts are verified on."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import AudioError

SENTENCE = Path(__file__).resolve().parents[2] / "runtime_examples" / "animate" / "sentence.flac"
_WINDOWS_EACH = 24


def golden_speech(seconds: float = 4.0) -> np.ndarray:
    """A speech-like signal, float32 `(n,)`, the same on every machine: no file is needed to verify.

    Syllables of a gliding voice through moving formants, hiss in between, then what real input also brings: digital
    silence, a constant offset, and a clipped stretch.
    """
    time = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pitch_hz = 130 + 40 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    voice = np.zeros_like(time)
    for harmonic in range(1, 31):
        hz = harmonic * pitch_hz
        gain = np.zeros_like(time)
        for centre, sweep, rate in ((500, 250, 1.9), (1500, 600, 1.3), (2600, 200, 2.3)):
            formant_hz = centre + sweep * np.sin(2 * np.pi * rate * time)
            gain += 1 / (1 + ((hz - formant_hz) / 120) ** 2)
        voice += gain * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 4 * time), 0, None) ** 0.5
    hiss = np.random.default_rng(7).standard_normal(len(time)) * np.clip(-np.sin(2 * np.pi * 4 * time) - 0.8, 0, None)
    speech = 0.15 * voice * syllables + 0.5 * hiss
    fifth = len(time) // 5
    speech[fifth * 2 : fifth * 2 + 9000] = 0.0
    speech[fifth * 3 : fifth * 4] += 0.2
    speech[fifth * 4 :] *= 8
    return np.clip(speech, -1, 1).astype(np.float32)


def golden_windows(window_samples: int) -> np.ndarray:
    """Windows to compare on, float32 `(N, window_samples)`: of all golden stretches."""
    windows = []
    for audio in golden_stretches():
        padded = np.pad(audio, (0, max(0, window_samples - len(audio))))
        starts = np.linspace(0, len(padded) - window_samples, _WINDOWS_EACH).astype(int)
        windows += [padded[start : start + window_samples] for start in starts]
    return np.stack(windows).astype(np.float32)


def golden_stretches() -> list[np.ndarray]:
    """Golden speech, and the example sentence if it is there."""
    stretches = [golden_speech()]
    if SENTENCE.exists():
        from distill.files.disk import load_mono

        # golden speech alone is enough to verify; a broken example is for its own test to say
        with contextlib.suppress(AudioError, ImportError):
            stretches.append(load_mono(SENTENCE))
    return stretches
