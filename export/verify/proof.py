"""Proof that a finished artefact does what its checkpoint does: opened again in a fresh process, on golden audio."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from distill.students.spec import Student
from distill.students.stream import HOP_SAMPLES, StreamStudent
from export.load.golden import golden_stretches, golden_windows
from export.quantise.grids import is_int8
from profiles.measure.harness import run_fresh
from sdk.errors import ArtifactError, VerificationError

TOLERANCE = 1e-4  # largest difference of any channel in any frame, at float32
INT8_TOLERANCE = 0.05  # the same in int8, where a sum on the edge between two steps may fall to either side


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
            run_fresh("export.verify._replay", *map(str, paths), str(source), str(result))
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
