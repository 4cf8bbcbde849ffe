"""The phone at each instant as a number; letters that move the face alike, a target of the phone teacher, are one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from distill.speech.phones import Phone
from distill.speech.phonetics import CLASSES, targets

UNKNOWN_CLASS = -100  # what torch's cross entropy leaves out
_SILENT_S = 0.10  # a gap between phones that is shorter belongs to nobody
_PLACES = {target: number for number, target in enumerate(CLASSES)}


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
