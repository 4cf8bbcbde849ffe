"""Batches for training: random stretches of speech with the rig label of every frame in them.

A stretch holds `frames` windows whose frames lie `step_samples` apart: 320 (one trunk column, for the shared pass)
or 16000/30 (exact 30 fps frames). Speed is perturbed by resampling, which moves pitch, formants and tempo together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.corpus.rows.classes import Said
from distill.corpus.shards import LABEL_HZ, Shard
from distill.files.pcm import stretched, to_float
from distill.speech.augment import Augment
from distill.teachers.track import RigTrack
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError
from sdk.window import WindowSpec

_BEHIND = int(0.4 * SAMPLE_RATE_HZ)  # samples behind an utterance that are learned too
SPEEDS = ((1, 1), (1, 1), (9, 10), (10, 9), (8, 9), (9, 8), (5, 4), (4, 5))  # resampled length : original


@dataclass(frozen=True)
class Batch:
    """`audio` `(B, 1, n)`; `rig` `(B, frames, channels)`; frame f's window starts at sample `starts[f]` of its row.

    `clean`: the audio before augmentation, of the same shape and timing. `classes` `(B, frames)` int64 and `likely`
    `(B, frames, classes)` uint8: the phone of each frame, as `classes.Said` tells it.
    """

    audio: np.ndarray
    clean: np.ndarray
    rig: np.ndarray
    starts: np.ndarray
    classes: np.ndarray
    likely: np.ndarray


class UtterancePicker:
    """Draws utterances of shards, in memory or on disk, as likely as they are long. `mix` weighs the shards' sources
    (`human`). `names`: the rig channels wanted, in order; all of the labels' by default. `hours`: draw from so many
    hours alone, the same share of each source (`within_hours`); 0: from all.

    Raises `DataError` without shards, or if their labels lack a channel.
    """

    def __init__(
        self, shards: Sequence[Shard], mix: dict[str, float], names: Sequence[str] | None = None, hours: float = 0.0
    ) -> None:
        if not shards:
            raise DataError("no shards to train on; build them with `python -m distill.recipes.corpus`")
        for shard in shards:
            lacking = [name for name in names or shards[0].channels if name not in shard.channels]
            if lacking:
                raise DataError(
                    f"{shard.path}: its labels have no {', '.join(lacking)}: they are of another rig. Label the corpus "
                    "with a teacher of this rig, or train a variant of the labels' rig"
                )
        self.shards = shards
        self.channels = list(names or shards[0].channels)
        rest = np.array(shards[0].layout.neutral, np.float32)
        self.neutral = shards[0].layout.select(rest, self.channels)
        source = [shard.source for shard in shards]
        seconds = {
            name: sum(s.seconds for s, k in zip(shards, source, strict=True) if k == name) for name in set(source)
        }
        lengths = [np.diff(shard.offsets) for shard in shards]
        counts = [len(each) for each in lengths]
        # arrays, not tuples: at 960 h there are a quarter of a million utterances
        self.numbers = np.repeat(np.arange(len(shards), dtype=np.int32), counts)
        self.places = np.concatenate([np.arange(count, dtype=np.int32) for count in counts])
        weights = np.concatenate(
            [mix.get(k, 1.0) * each / (SAMPLE_RATE_HZ * seconds[k]) for k, each in zip(source, lengths, strict=True)]
        )
        self.seconds = sum(seconds.values())
        if hours:
            samples = np.concatenate(lengths)
            kept = within_hours(samples, np.repeat(source, counts), hours)
            weights = weights * kept
            self.seconds = float(samples[kept].sum()) / SAMPLE_RATE_HZ
        self.cumulative = np.cumsum(weights / weights.sum())

    def draw(self, random: np.random.Generator) -> tuple[np.ndarray, RigTrack]:
        """One utterance: audio `(n,)` int16 and its labels."""
        shard, i = self.pick(random)
        return shard.utterance(i)

    def variance(self, utterances: int = 400) -> np.ndarray:
        """Of each channel `(channels,)` over labels of some utterances, the same ones every time."""
        random = np.random.default_rng(0)
        tracks = [self.draw(random)[1] for _ in range(utterances)]
        values = np.concatenate([t.layout.select(t.values, self.channels) for t in tracks])
        return np.asarray(values.var(axis=0, dtype=np.float64), np.float32)

    def pick(self, random: np.random.Generator) -> tuple[Shard, int]:
        """One utterance by its shard and its place there."""
        pick = min(int(np.searchsorted(self.cumulative, random.random())), len(self.places) - 1)
        return self.shards[self.numbers[pick]], int(self.places[pick])


def within_hours(lengths: np.ndarray, sources: np.ndarray, hours: float) -> np.ndarray:
    """Which utterances `(n,)` bool are among `hours` of a corpus, of each source the same share, at least one of each.

    lengths: `(n,)` in samples. sources: `(n,)` names. The choice is always the same, and fewer hours lie within more:
    a curve over hours adds speech and changes none.
    """
    kept = np.zeros(len(lengths), bool)
    share = hours * 3600 * SAMPLE_RATE_HZ / lengths.sum()
    for source in sorted(set(sources)):
        places = np.random.default_rng(0).permutation(np.flatnonzero(sources == source))
        before = np.cumsum(lengths[places]) - lengths[places]
        kept[places[before < share * lengths[places].sum()]] = True
    return kept


class Stretches:
    """Draws batches of windows from shards; `mix`, `names` and `hours` as `UtterancePicker`."""

    def __init__(
        self,
        shards: Sequence[Shard],
        window: WindowSpec,
        mix: dict[str, float],
        augment: Augment | None,
        names: Sequence[str] | None = None,
        hours: float = 0.0,
    ) -> None:
        self.picker = UtterancePicker(shards, mix, names, hours)
        self.window = window
        self.augment = augment

    @property
    def seconds(self) -> float:
        return self.picker.seconds

    def batch(self, random: np.random.Generator, size: int, frames: int, step_samples: float) -> Batch:
        """`size` stretches of `frames` frames each."""
        starts = (np.arange(frames) * step_samples).astype(np.int64)
        length = int(starts[-1]) + self.window.length_samples
        drawn = [self._stretch(random, length, starts) for _ in range(size)]
        audio, clean, rig, classes, likely = (np.stack(parts) for parts in zip(*drawn, strict=True))
        return Batch(audio[:, None], clean[:, None], rig, starts, classes, likely)

    def _stretch(self, random: np.random.Generator, length: int, starts: np.ndarray) -> tuple[np.ndarray, ...]:
        shard, i = self.picker.pick(random)
        audio, track = shard.utterance(i)
        up, down = SPEEDS[random.integers(len(SPEEDS))] if self.augment else (1, 1)
        needed = -(-length * down // up)
        # from the first frame at the utterance's first sample, its history silence as at the start of a stream, to the
        # last frame behind its end, where a mouth comes to rest: however far ahead a window hears
        past = self.window.past_samples * down // up
        to_last = int((starts[-1] + self.window.past_samples) * down / up)
        first = int(random.integers(-past, max(len(audio) + _BEHIND - to_last, 1 - past)))
        piece = np.zeros(needed, dtype=np.float32)
        lo, hi = max(first, 0), min(first + needed, len(audio))
        if hi > lo:
            piece[lo - first : hi - first] = to_float(audio[lo:hi])
        piece = stretched(piece, up, down)
        piece = np.pad(piece, (0, max(length - len(piece), 0)))[:length]
        times = (first + (starts + self.window.past_samples) * (down / up)) / SAMPLE_RATE_HZ
        rig = track.layout.select(track.at(times), self.picker.channels)
        outside = (times < 0) | (times > len(audio) / SAMPLE_RATE_HZ + 1 / LABEL_HZ)
        rig[outside] = self.picker.neutral
        classes, likely = Said.of(shard, i).at(times)
        classes[outside], likely[outside] = 0, 0  # nobody speaks
        return (self.augment(piece, random) if self.augment else piece), piece, rig, classes, likely
