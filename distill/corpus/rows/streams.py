"""Batches for stream students: rows of continuous speech, whole utterances one after another with pauses between.

    row   |..pause..|== utterance ==|..|==== utterance ====|...|== utter     cut at the row's end
    rig       one label at each hop's instant: 320 (j + 1) - future samples after the row's start

A row begins as a stream does, with an empty state, so one pass trains every hop of it as it will be run: in silence, or
where somebody speaks already, as when a microphone is opened in the middle of a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.corpus.rows.classes import Said
from distill.corpus.rows.windows import SPEEDS, UtterancePicker
from distill.corpus.shards import LABEL_HZ, Shard
from distill.files.pcm import stretched, to_float
from distill.speech.augment import Augment
from distill.speech.phonetics import CLASSES
from sdk.clock import SAMPLE_RATE_HZ

PAUSE_S = (0.05, 0.8)
NOISE_S = (0.5, 4.0)  # how long noise alone stands in place of an utterance
INSIDE = 0.5  # how many of the rows that begin with an utterance begin inside it


@dataclass(frozen=True)
class Rows:
    """`audio` `(B, 1, 320 N)`; `clean`: the same before augmentation; `rig` `(B, N, channels)`: what each hop's values
    should be; `classes` `(B, N)` int64: the phone there, a place in `CLASSES`, or `UNKNOWN_CLASS`; `likely` uint8
    `(B, N, classes)`: how likely the teacher holds each, 0 where it does not say."""

    audio: np.ndarray
    clean: np.ndarray
    rig: np.ndarray
    classes: np.ndarray
    likely: np.ndarray


class StreamRows:
    """Draws batches of rows from shards; arguments as `windows.Stretches`. future_samples: of the student. noise_alone:
    how often noise stands in place of an utterance.

    Raises `DataError` without shards, or if their labels lack a channel.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        hop_samples: int,
        future_samples: int,
        mix: dict[str, float],
        augment: Augment | None,
        names: Sequence[str] | None = None,
        hours: float = 0.0,
        noise_alone: float = 0.0,
    ) -> None:
        self.picker = UtterancePicker(shards, mix, names, hours)
        self.hop_samples = hop_samples
        self.future_samples = future_samples
        self.augment = augment
        self.noise_alone = noise_alone

    def batch(self, random: np.random.Generator, size: int, hops: int) -> Rows:
        """`size` rows of `hops` hops each."""
        rows = [self._row(random, hops) for _ in range(size)]
        audio, clean, rig, classes, likely = (np.stack(parts) for parts in zip(*rows, strict=True))
        return Rows(audio[:, None], clean[:, None], rig, classes, likely)

    def _row(self, random: np.random.Generator, hops: int) -> tuple[np.ndarray, ...]:
        length = hops * self.hop_samples
        instants = np.arange(1, hops + 1) * self.hop_samples - self.future_samples
        audio, clean = np.zeros(length, dtype=np.float32), np.zeros(length, dtype=np.float32)
        rig = np.tile(self.picker.neutral, (hops, 1))
        classes, likely = np.zeros(hops, dtype=np.int64), np.zeros((hops, len(CLASSES)), dtype=np.uint8)
        at = 0
        while at < length:
            if self.augment and random.random() < self.noise_alone:  # nobody speaks, and something is heard
                end = min(at + int(random.uniform(*NOISE_S) * SAMPLE_RATE_HZ), length)
                audio[at:end] = self.augment.noise(end - at, random)
                at = end
                continue
            speech, track, said, up, down = self._utterance(random)
            pause, skipped = int(random.uniform(*PAUSE_S) * SAMPLE_RATE_HZ), 0
            if at == 0 and self.augment and random.random() < INSIDE:
                pause, skipped = 0, int(random.uniform(0, 0.8) * len(speech))
                speech = speech[skipped:]
            piece = np.concatenate([np.zeros(pause, dtype=np.float32), speech])
            end = min(at + len(piece), length)
            clean[at:end] = piece[: end - at]
            if self.augment:  # with its pause, so that noise alone is heard too
                piece = self.augment(piece, random)
            audio[at:end] = piece[: end - at]
            times = (instants - at - pause + skipped) * (down / up) / SAMPLE_RATE_HZ
            inside = (times >= 0) & (times <= (skipped + len(speech)) * (down / up) / SAMPLE_RATE_HZ + 1 / LABEL_HZ)
            rig[inside] = track.layout.select(track.at(times[inside]), self.picker.channels)
            classes[inside], likely[inside] = said.at(times[inside])
            at += len(piece)
        return audio, clean, rig, classes, likely

    def _utterance(self, random: np.random.Generator):  # type: ignore[no-untyped-def]
        shard, i = self.picker.pick(random)
        audio, track = shard.utterance(i)
        up, down = SPEEDS[random.integers(len(SPEEDS))] if self.augment else (1, 1)
        return stretched(to_float(audio), up, down), track, Said.of(shard, i), up, down
