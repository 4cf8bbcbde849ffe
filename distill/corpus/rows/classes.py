"""The phone at each instant as a number; letters that move the face alike, a target of the phone teacher, are one.

phones of a shard --> the class of each instant, one of them
likely of a shard --> how likely its teacher holds each class there: what it is not sure of, a student need not be
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from distill.corpus.shards import LABEL_HZ, Shard
from distill.speech.phones import Phone, from_json
from distill.speech.phonetics import CLASSES, targets

UNKNOWN_CLASS = -100  # what torch's cross entropy leaves out
_SILENT_S = 0.10  # a gap between phones that is shorter belongs to nobody
_PLACES = {target: number for number, target in enumerate(CLASSES)}


@dataclass(frozen=True)
class Said:
    """What is said in one utterance: its phones, and `likely` uint8 `(rows, classes)` at 100 rows a second (255:
    certainly) where the teacher that labelled it says so."""

    phones: Sequence[Phone]
    likely: np.ndarray | None = None

    @classmethod
    def of(cls, shard: Shard, i: int) -> Said:
        """In utterance `i` of a shard."""
        rows = slice(shard.rig_offsets[i], shard.rig_offsets[i + 1])
        return cls(from_json(shard.phones[i]), None if shard.likely is None else shard.likely[rows])

    def at(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """At times `(n,)`, ascending: `phone_classes`; what is likely, uint8 `(n, classes)`, 0 where nobody says."""
        likely = np.zeros((len(times_s), len(CLASSES)), np.uint8)
        if self.likely is not None and len(self.likely):
            likely[:] = self.likely[np.clip(np.rint(times_s * LABEL_HZ), 0, len(self.likely) - 1).astype(np.int64)]
        return phone_classes(self.phones, times_s), likely


def phone_classes(phones: Sequence[Phone], times_s: np.ndarray) -> np.ndarray:
    """The class of each time `(n,)`, ascending: the target that the phone passes through there; `UNKNOWN_CLASS` where
    none is, and everywhere in a recording without phones: nobody knows what is said there."""
    if not phones:
        return np.full(len(times_s), UNKNOWN_CLASS, dtype=np.int64)
    spans: list[tuple[float, float, int]] = []  # later ones count
    reached = 0.0
    for phone in phones:
        if phone.start - reached < _SILENT_S:
            spans.append((reached, phone.start, UNKNOWN_CLASS))
        classes = _classes_of(phone.symbol)
        step = (phone.end - phone.start) / len(classes)
        edges = [*(phone.start + step * number for number in range(len(classes))), phone.end]
        spans.extend(zip(edges[:-1], edges[1:], classes, strict=True))
        reached = max(reached, phone.end)
    found = np.zeros(len(times_s), dtype=np.int64)
    firsts, lasts = (np.searchsorted(times_s, [span[side] for span in spans]) for side in (0, 1))
    for first, last, (_, _, place) in zip(firsts, lasts, spans, strict=True):
        found[first:last] = place
    return found


@cache  # a target is costly to look up, and there are as many symbols as letters
def _classes_of(symbol: str) -> tuple[int, ...]:
    return tuple(_PLACES.get(target, UNKNOWN_CLASS) for target in targets(symbol))
