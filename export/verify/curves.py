"""Frames of a student in torch, of either family and at any precision, without lowering it: what a sweep listens to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill.corpus.shelf import load_shards
from distill.files.pcm import to_float
from distill.scoring.conditions import FPS, Item
from distill.scoring.trackers import student_tracker
from distill.speech.phones import from_json
from distill.students.spec import Student, StudentSpec
from sdk.clock import SAMPLE_RATE_HZ, FrameClock


def frames_of(student: Student, spec: StudentSpec, items: Sequence[Item]) -> list[np.ndarray]:
    """`(frames, channels)` of every item."""
    track, clock = student_tracker(student, spec), FrameClock.at(FPS)
    return [track(item, np.empty((clock.frames_before(len(item.audio)), 0))) for item in items]


def valid_items(corpus: Path, seconds: float) -> list[Item]:
    """Utterances that no student was trained on, up to `seconds` of each source of `corpus` (human, espeak)."""
    items: list[Item] = []
    left: dict[str, float] = {}
    for shard in load_shards(corpus, "valid"):
        source = shard.source
        for number in range(len(shard)):
            audio, _ = shard.utterance(number)
            if left.setdefault(source, seconds) <= 0:
                break
            left[source] -= len(audio) / SAMPLE_RATE_HZ
            items.append(Item(shard.names[number], to_float(audio), from_json(shard.phones[number])))
    return items
