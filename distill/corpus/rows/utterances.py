"""Batches for a teacher that hears whole utterances: rows of speech with the rig and the phone class of every column.

    row   |..pause..|== utterance ==|..|==== utterance ====|...|== utter     one microphone, room and noise a row
    rig, classes                      one of each every 20 ms, at sample 320 t; a few rows hold noise alone, at rest

Phone classes are those of `classes.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.corpus.rows.classes import phone_classes
from distill.corpus.rows.windows import SPEEDS, UtterancePicker
from distill.corpus.shards import LABEL_HZ, Shard
from distill.files.pcm import stretched, to_float
from distill.speech.augment import Augment
from distill.speech.phones import Phone, from_json
from distill.teachers.track import RigTrack
from sdk.clock import SAMPLE_RATE_HZ

PAUSE_S = (0.05, 0.8)
_NOISE_ONLY = 0.03


@dataclass(frozen=True)
class UtteranceRows:
    """`audio` `(B, n)` float32; `rig` `(B, n / 320, channels)`; `classes` `(B, n / 320)` int64, places in `CLASSES`."""

    audio: np.ndarray
    rig: np.ndarray
    classes: np.ndarray


class Utterances:
    """Draws batches of rows from shards; `mix`, `names` and `hours` as `windows.UtterancePicker`.

    Raises `DataError` without shards, or if their labels lack a channel.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        column_samples: int,
        mix: dict[str, float],
        augment: Augment | None,
        names: Sequence[str] | None = None,
        hours: float = 0.0,
    ) -> None:
        self.picker = UtterancePicker(shards, mix, names, hours)
        self.column_samples = column_samples
        self.augment = augment

    def batch(self, random: np.random.Generator, rows: int, columns: int) -> UtteranceRows:
        """`rows` rows of `columns` columns each."""
        drawn = [self._row(random, columns) for _ in range(rows)]
        audio, rig, classes = (np.stack(parts) for parts in zip(*drawn, strict=True))
        return UtteranceRows(audio, rig, classes)

    def _row(self, random: np.random.Generator, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        length = columns * self.column_samples
        instants = np.arange(columns) * self.column_samples
        audio = np.zeros(length, dtype=np.float32)
        rig = np.tile(self.picker.neutral, (columns, 1))
        classes = np.zeros(columns, dtype=np.int64)
        if self.augment and random.random() < _NOISE_ONLY:
            return self.augment.noise(length, random), rig, classes
        # a row may begin inside its first utterance, so that long ones are heard to their ends
        at = -int(random.uniform(0, 4) * SAMPLE_RATE_HZ) if random.random() < 0.5 else 0
        while at < length:
            speech, track, phones, scale = self._utterance(random)
            at += int(random.uniform(*PAUSE_S) * SAMPLE_RATE_HZ)
            first, last = max(at, 0), min(at + len(speech), length)
            if last > first:
                audio[first:last] = speech[first - at : last - at]
                times = (instants - at) * scale / SAMPLE_RATE_HZ
                inside = (times >= 0) & (times <= len(speech) * scale / SAMPLE_RATE_HZ + 1 / LABEL_HZ)
                rig[inside] = track.layout.select(track.at(times[inside]), self.picker.channels)
                classes[inside] = phone_classes(phones, times[inside])
            at += len(speech)
        return (self.augment(audio, random) if self.augment else audio), rig, classes

    def _utterance(self, random: np.random.Generator) -> tuple[np.ndarray, RigTrack, list[Phone], float]:
        """Speech `(n,)` float32, its labels, and how many seconds of them one second of it holds."""
        shard, i = self.picker.pick(random)
        audio, track = shard.utterance(i)
        up, down = SPEEDS[random.integers(len(SPEEDS))] if self.augment else (1, 1)
        speech = stretched(to_float(audio), up, down)
        return speech / max(float(np.abs(speech).max()), 1e-3), track, from_json(shard.phones[i]), down / up
