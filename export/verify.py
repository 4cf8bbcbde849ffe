"""Proof that a finished artefact does what its checkpoint does: opened again in a fresh process, on golden audio."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from distill.students.spec import Student
from distill.students.stream import HOP_SAMPLES, StreamStudent
from export.grids import is_int8
from profiles.harness import run_fresh
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ArtifactError, AudioError, VerificationError

TOLERANCE = 1e-4  # largest difference of any channel in any frame, at float32
INT8_TOLERANCE = 0.05  # the same in int8, where a sum on the edge between two steps may fall to either side
SENTENCE = Path(__file__).resolve().parent.parent / "runtime_examples" / "animate" / "sentence.flac"
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


def tolerance(student: Student) -> float:
    """How far a program of `student` may be from it."""
    return INT8_TOLERANCE if is_int8(student) else TOLERANCE


def verify(paths: Sequence[Path], student: Student, allowed: float | None = None) -> dict[str, float]:
    """Largest absolute difference from eager, by file name. Raises `VerificationError` above its `tolerance`.

    paths: sealed artefacts; all are opened by the sdk in one fresh process. allowed: instead of that tolerance, for a
    backend that computes in fewer bits of its own accord.
    """
    if isinstance(student, StreamStudent):
        speech = golden_stretches()[-1]
        windows = speech[: len(speech) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
        whole = torch.from_numpy(windows).reshape(1, 1, -1)  # the one-pass twin judges the steps
    else:
        windows = golden_windows(student.window_samples)
        whole = torch.from_numpy(windows)[:, None]
    with torch.inference_mode():
        expected = student.eval()(whole).reshape(len(windows), -1).numpy()
    if expected.std(axis=0).max() < 1e-6:
        raise VerificationError(
            "the student gives the same frame for every window of speech: there is nothing to compare. "
            "Its weights are untrained or broken; train the checkpoint again"
        )
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "windows.npy"), Path(folder, "frames.npy")
        np.save(source, windows)
        try:
            run_fresh("export._replay", *map(str, paths), str(source), str(result))
        except ArtifactError as error:
            raise VerificationError(f"the finished artefact cannot be used: {error}") from error
        found = np.load(result)
    errors = {path.name: float(np.abs(frames - expected).max()) for path, frames in zip(paths, found, strict=True)}
    allowed = tolerance(student) if allowed is None else allowed
    wrong = [f"{name} by {error:.1e}" for name, error in errors.items() if not error <= allowed]
    if wrong:
        raise VerificationError(
            f"the exported program does not do what the checkpoint does: off {', '.join(wrong)} on golden speech, "
            f"allowed {allowed:.0e}. This is a fault of the export; report it with the checkpoint"
        )
    return errors
