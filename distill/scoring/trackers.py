"""Who may be scored, each as one function: an utterance -> its frames at 30 fps, as a game would get them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import sdk
from distill.files.checkpoint import Checkpoint
from distill.files.teacher import SUFFIX as TEACHER_SUFFIX
from distill.scoring.conditions import FPS, Item
from distill.scoring.controls import CONTROLS
from distill.students.spec import Student, StudentSpec
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.teachers.articulatory.teacher import animate
from distill.teachers.registry import PACKAGE, teacher_kind, teacher_names
from sdk.artifact import is_sealed
from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.engines.base import Engine
from sdk.ensemble import RealtimeEnsemble
from sdk.errors import ConfigError
from sdk.hops import BetweenState, HopSpec, between
from sdk.rig import RigLayout
from sdk.tools.plugins import load_plugin
from sdk.window import WindowSpec

Tracker = Callable[[Item, np.ndarray], np.ndarray]
WINDOWS_TOGETHER = 8  # faster than one by one, and than more


def engine_tracker(engine: Engine) -> Tracker:
    """Frames of an artefact, as a game would get them, at 30 fps."""

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        frames = sdk.predict(engine, item.audio, fps=FPS)
        return np.stack([frame.values for frame in frames])[: len(reference)]

    return track


def student_tracker(student: Student, spec: StudentSpec, layout: RigLayout | None = None) -> Tracker:
    """Frames of a student in torch, as its artefact would give them: a stream in one pass, or window by window.

    layout: of its checkpoint, where that is not the spec's own.
    """
    if isinstance(student, StreamStudent):
        return stream_tracker(student, spec, layout)
    rig, window = layout or spec.layout, WindowSpec(spec.input_samples, spec.future_samples)
    clock = FrameClock.at(FPS).doubled() if spec.ensemble else FrameClock.at(FPS)

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        smoothed = RealtimeEnsemble(spec.ensemble) if spec.ensemble else None
        first, count = (-1, 2 * len(reference) + 1) if smoothed else (0, len(reference))
        padded = np.pad(item.audio, (window.length_samples, 2 * window.length_samples))
        starts = [clock.sample(first + k) - window.past_samples + window.length_samples for k in range(count)]
        windows = torch.from_numpy(np.stack([padded[at : at + window.length_samples] for at in starts]))
        with torch.inference_mode():
            parts = [student(part[:, None]) for part in windows.split(WINDOWS_TOGETHER)]
        values = torch.cat(parts).numpy()
        if smoothed:
            values = np.stack([frame for frame in map(smoothed.push, values) if frame is not None])
        return rig.clamp(values)

    return track


def stream_tracker(student: StreamStudent, spec: StudentSpec, layout: RigLayout | None = None) -> Tracker:
    """Frames of a stream student in one pass, at 30 fps between its hops, as a player would give them."""
    clock, hops, rig = FrameClock.at(FPS), HopSpec(HOP_SAMPLES, spec.future_samples), layout or spec.layout

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        count = hops.hops_until(clock.sample(len(reference) - 1))
        audio = np.zeros(count * HOP_SAMPLES, dtype=np.float32)
        audio[: len(item.audio)] = item.audio[: len(audio)]
        with torch.inference_mode():
            values = student(torch.from_numpy(audio).reshape(1, 1, -1))[0].numpy()
        state, frames = BetweenState(0, None, 0), []
        for row in values:
            state, due = between(state, row, clock, hops)
            frames += [frame for _, frame in due]
        return np.stack([rig.clamp(frame) for frame in frames[: len(reference)]])

    return track


def recognising_tracker() -> Tracker:
    """The articulatory teacher on phones that it recognises by itself (English)."""
    from distill.speech.aligned import Aligner

    aligner = Aligner()

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        phones = aligner.label(item.audio)
        return animate(phones, len(item.audio) / SAMPLE_RATE_HZ + 0.1, FPS).values[: len(reference)]

    return track


def teacher_tracker(teacher: Any) -> Tracker:
    """The labels of a trained teacher, at 30 fps."""

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        values: np.ndarray = teacher.label(item.audio).at(np.arange(len(reference)) / FPS)
        return values

    return track


def open_judged(artefact: str, trusted: bool = False) -> tuple[RigLayout, Tracker, str | None]:
    """What is scored: its rig, its tracker, and the SHA-256 of its weights (None where it has none).

    artefact: an artefact (`.pte`, `.pt`), a checkpoint (`.pt`), or a teacher: its file (`checkpoints/neural.teacher`),
    its name (`voice2face`), or both (`voice2face:FILE`), or a control (`loudness`). trusted: whether somebody vouches
    for the maker of a sealed TorchScript file, which is a program. Raises `ArtifactError` for such a file that nobody
    vouches for, and what opening it raises.
    """
    if artefact in CONTROLS:
        return RigLayout.arkit(), CONTROLS[artefact](), None
    name, _, file = artefact.partition(":")
    path = Path(artefact)
    if name in teacher_names() and not path.exists():
        return _teacher(load_plugin(PACKAGE, name, "TEACHER"), *([Path(file)] if file else []))
    if path.suffix == TEACHER_SUFFIX:
        return _teacher(teacher_kind(path).teacher, path)
    if path.suffix == ".pt" and path.is_file() and not is_sealed(path):
        checkpoint = Checkpoint.load(path)
        tracker = student_tracker(checkpoint.student(), checkpoint.spec, checkpoint.layout)
        return checkpoint.layout, tracker, checkpoint.weights_sha256
    engine = sdk.open(artefact, trusted=trusted)  # asks here, so that no command can forget to
    return engine.manifest.layout, engine_tracker(engine), engine.manifest.weights_sha256


def _teacher(make: Callable[..., Any], *file: Path) -> tuple[RigLayout, Tracker, str | None]:
    try:
        teacher = make(*file)
    except TypeError as error:
        raise ConfigError(
            f"this teacher is not opened so ({error}); name it without a file, or give its file"
        ) from error
    return teacher.layout, teacher_tracker(teacher), getattr(teacher, "weights_sha256", None)
