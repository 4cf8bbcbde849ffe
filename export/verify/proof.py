"""Proof that a finished artefact does what its checkpoint does: opened again in a fresh process, on golden audio."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from distill.students.spec import Student
from distill.students.stream import HOP_SAMPLES, StreamStudent
from export.load.golden import golden_stretches, golden_windows
from export.lower.deploy_stream import CROWD_VOICES
from export.quantise.grids import DynamicConv, is_int8
from profiles.measure.harness import run_fresh
from sdk.errors import ArtifactError, VerificationError

TOLERANCE = 1e-4  # largest difference of any channel in any frame, at float32
INT8_TOLERANCE = 0.05  # the same in int8, where a sum on the edge between two steps may fall to either side
_HOPS_TOGETHER = 25  # half a second of each voice of a group


def tolerance(student: Student) -> float:
    """How far a program of `student` may be from it."""
    return INT8_TOLERANCE if is_int8(student) else TOLERANCE


def verify(files: Mapping[Path, Student], allowed: float | None = None) -> dict[str, float]:
    """Largest absolute difference of each file from its student, by the file's name. Raises `VerificationError` above
    the student's `tolerance`.

    files: sealed artefacts; all are opened by the sdk in one fresh process, and every method of each is run: a stream
    hears golden speech alone, and in groups as large as its `crowd` takes, one less and one more. allowed: instead
    of that tolerance, for a backend that computes in fewer bits of its own accord.
    """
    heard = [_heard(student) for student in files.values()]
    expected = [_expected(student, inputs) for student, inputs in zip(files.values(), heard, strict=True)]
    frames = _replayed(list(files), heard)
    apart: dict[str, float] = {}
    wrong: list[str] = []
    for (path, student), said, wanted in zip(files.items(), frames, expected, strict=True):
        errors = {how: float(np.abs(said[how] - wanted[how]).max()) for how in wanted}
        most = tolerance(student) if allowed is None else allowed
        apart[path.name] = max(errors.values())
        wrong += [f"{path.name} by {e:.1e} ({how}), allowed {most:.0e}" for how, e in errors.items() if not e <= most]
    if wrong:
        raise VerificationError(
            f"the exported program does not do what the checkpoint does: off {'; '.join(wrong)}, on golden speech. "
            "This is a fault of the export; report it with the checkpoint"
        )
    return apart


def _heard(student: Student) -> dict[str, np.ndarray]:
    """What a program of the student hears, by how: windows `(N, samples)`, or takes of so many voices."""
    return _takes(student) if isinstance(student, StreamStudent) else {"alone": golden_windows(student.window_samples)}


def _expected(student: Student, heard: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the student itself says to that; a stream's steps are judged by one pass over the whole take."""
    with torch.inference_mode():
        expected = {how: _judge(student, inputs) for how, inputs in heard.items()}
    if max(values.reshape(-1, values.shape[-1]).std(axis=0).max() for values in expected.values()) < 1e-6:
        raise VerificationError(
            "the student gives the same frame for every window of speech: there is nothing to compare. "
            "Its weights are untrained or broken; train the checkpoint again"
        )
    return expected


def _replayed(paths: Sequence[Path], heard: Sequence[Mapping[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """What each file says to what it heard, in one fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        sources = [Path(folder, f"{at}.npz") for at in range(len(paths))]
        for source, inputs in zip(sources, heard, strict=True):
            np.savez(source, **inputs)  # type: ignore[arg-type]
        words = [str(word) for pair in zip(paths, sources, strict=True) for word in pair]
        try:
            run_fresh("export.verify._replay", *words)
        except ArtifactError as error:
            raise VerificationError(f"the finished artefact cannot be used: {error}") from error
        found = []
        for source in sources:
            with np.load(source) as frames:
                found.append(dict(frames))
    return found


def _takes(student: StreamStudent) -> dict[str, np.ndarray]:
    """What each group of voices hears, `(voices, hops, hop samples)`: speech whole alone, short takes of it together.

    A student that chooses its grids at every call is heard alone: its one-pass twin chooses them once a take.
    """
    speech = golden_stretches()[-1]
    hops = speech[: len(speech) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
    takes = {"alone": hops[None]}
    if any(isinstance(layer, DynamicConv) for layer in student.modules()):
        return takes
    for voices in (2, CROWD_VOICES - 1, CROWD_VOICES, CROWD_VOICES + 1):
        starts = np.linspace(0, len(hops) - _HOPS_TOGETHER, voices).astype(int)
        takes[f"{voices} voices"] = np.stack([hops[start : start + _HOPS_TOGETHER] for start in starts])
    return takes


def _judge(student: Student, inputs: np.ndarray) -> np.ndarray:
    """What the student itself says to windows `(N, samples)` or takes `(voices, hops, samples)`."""
    if isinstance(student, StreamStudent):
        return student.eval()(torch.from_numpy(inputs).reshape(len(inputs), 1, -1)).numpy()
    return student.eval()(torch.from_numpy(inputs)[:, None]).reshape(len(inputs), -1).numpy()
