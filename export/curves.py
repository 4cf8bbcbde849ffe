"""Frames of a student in torch, of either family and at any precision, without lowering it: what a sweep listens to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from distill.data.labels import from_json
from distill.recipes.evaluate import FPS, Item, Tracker
from distill.recipes.heterogeneous import load_shards
from distill.recipes.sweep import stream_tracker
from distill.students.spec import Student, StudentSpec, WindowStudentSpec
from distill.students.stream import StreamStudent
from sdk.clock import SAMPLE_RATE_HZ, FrameClock

_WINDOWS_TOGETHER = 64


def tracker(student: Student, spec: StudentSpec) -> Tracker:
    """Frames of `student` at 30 fps, as its artefact would give them: a stream in one pass, or window by window."""
    if isinstance(student, StreamStudent):
        assert not isinstance(spec, WindowStudentSpec)
        return stream_tracker(student, spec)
    assert isinstance(spec, WindowStudentSpec)
    clock, window = FrameClock.at(FPS), spec.window

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        padded = np.pad(item.audio, (window.past_samples, window.length_samples))
        starts = [clock.sample(frame) for frame in range(len(reference))]
        windows = np.stack([padded[start : start + window.length_samples] for start in starts])
        with torch.inference_mode():
            parts = [student(part[:, None]) for part in torch.from_numpy(windows).split(_WINDOWS_TOGETHER)]
        return np.stack([spec.layout.clamp(frame) for frame in torch.cat(parts).numpy()])

    return track


def frames_of(student: Student, spec: StudentSpec, items: Sequence[Item]) -> list[np.ndarray]:
    """`(frames, channels)` of every item."""
    track, clock = tracker(student, spec), FrameClock.at(FPS)
    return [track(item, np.empty((clock.frames_before(len(item.audio)), 0))) for item in items]


def valid_items(corpus: Path, seconds: float) -> list[Item]:
    """Utterances that no student was trained on, up to `seconds` of each source of `corpus` (human, espeak)."""
    items: list[Item] = []
    left: dict[str, float] = {}
    for shard in load_shards(corpus, "valid"):
        source = shard.path.name.split("-")[1]
        for number in range(len(shard)):
            audio, _ = shard.utterance(number)
            if left.setdefault(source, seconds) <= 0:
                break
            left[source] -= len(audio) / SAMPLE_RATE_HZ
            items.append(Item(shard.names[number], audio.astype(np.float32) / 32768, from_json(shard.phones[number])))
    return items
