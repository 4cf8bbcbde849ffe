"""Batches for stream students: rows of continuous speech, whole utterances one after another with pauses between.

    row   |..pause..|== utterance ==|..|==== utterance ====|...|== utter     cut at the row's end
    rig       one label at each hop's instant: 320 (j + 1) - future samples after the row's start

A row begins as a stream does, in silence with an empty state, so one pass trains every hop of it as it will be run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import resample_poly

from distill.corpus.rows.windows import SPEEDS, UtterancePicker
from distill.corpus.shards import LABEL_HZ, Shard
from distill.speech.augment import Augment
from sdk.clock import SAMPLE_RATE_HZ

PAUSE_S = (0.05, 0.8)


@dataclass(frozen=True)
class Rows:
    """`audio` `(B, 1, 320 N)`; `rig` `(B, N, channels)`: what each hop's values should be."""

    audio: np.ndarray
    rig: np.ndarray


class StreamRows:
    """Draws batches of rows from shards; arguments as `windows.Stretches`. future_samples: of the student.

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
    ) -> None:
        self.picker = UtterancePicker(shards, mix, names)
        self.hop_samples = hop_samples
        self.future_samples = future_samples
        self.augment = augment

    def batch(self, random: np.random.Generator, size: int, hops: int) -> Rows:
        """`size` rows of `hops` hops each."""
        rows = [self._row(random, hops) for _ in range(size)]
        return Rows(np.stack([audio for audio, _ in rows])[:, None], np.stack([rig for _, rig in rows]))

    def _row(self, random: np.random.Generator, hops: int) -> tuple[np.ndarray, np.ndarray]:
        length = hops * self.hop_samples
        instants = np.arange(1, hops + 1) * self.hop_samples - self.future_samples
        audio = np.zeros(length, dtype=np.float32)
        rig = np.zeros((hops, len(self.picker.channels)), dtype=np.float32)
        at = 0
        while at < length:
            speech, track, up, down = self._utterance(random)
            pause = int(random.uniform(*PAUSE_S) * SAMPLE_RATE_HZ)
            piece = np.concatenate([np.zeros(pause, dtype=np.float32), speech])
            if self.augment:  # with its pause, so that noise alone is heard too
                piece = self.augment(piece, random)
            end = min(at + len(piece), length)
            audio[at:end] = piece[: end - at]
            times = (instants - at - pause) * (down / up) / SAMPLE_RATE_HZ
            inside = (times >= 0) & (times <= len(speech) * (down / up) / SAMPLE_RATE_HZ + 1 / LABEL_HZ)
            rig[inside] = track.layout.select(track.at(times[inside]), self.picker.channels)
            at += len(piece)
        return audio, rig

    def _utterance(self, random: np.random.Generator):  # type: ignore[no-untyped-def]
        audio, track = self.picker.draw(random)
        up, down = SPEEDS[random.integers(len(SPEEDS))] if self.augment else (1, 1)
        speech = audio.astype(np.float32) / 32768
        if up != down:
            speech = resample_poly(speech, up, down).astype(np.float32)
        return speech, track, up, down
