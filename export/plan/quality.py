"""How good a point is: its whole mouth where that was measured; else, behind all of those, the older recall.

What is printed, what dominates and what is chosen go by this one number and its grade.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WHOLE, RECALL = "whole mouth", "recall at 2 %"
RECALL_SETS = ("espeak", "espeak_10db", "human", "human_10db")
CHOSEN_BY = "people"  # development speakers choose; the sets that tables report do not
WHOLE_MEASURES = ("other_auc", "legibility")


@dataclass(frozen=True)
class Quality:
    """value: 0..1, by `measure`, which is "" where nothing was scored. half: of its 95 % interval, 0 where unknown."""

    value: float = 0.0
    measure: str = ""
    half: float = 0.0

    def __str__(self) -> str:
        return f"{self.value:.3f}" if self.measure else "not scored"


def quality(scores: Mapping[str, Any]) -> Quality:
    """By the better of the two measures that a point has, `WHOLE` or `RECALL`; what is no number was not scored."""
    try:
        found = _whole(scores) or _recall(scores)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):  # somebody else's file says them
        return Quality()
    return found if math.isfinite(found.value) and math.isfinite(found.half) else Quality()


def _whole(scores: Mapping[str, Any]) -> Quality | None:
    """The mean of three, on development speakers: AUC of /p b m/ against other consonants, legibility, and the mean
    recall at 2 % in quiet and at 10 dB; None where one is missing.

    The half interval takes the figures as independent and leaves the recall out, whose interval no file keeps: it is a
    little too small.
    """
    row = scores.get(CHOSEN_BY)
    whole = row.get("whole") if isinstance(row, Mapping) else None
    if not isinstance(row, Mapping) or not isinstance(whole, Mapping):
        return None
    recall = _recalls(row) + _recalls(scores.get(f"{CHOSEN_BY}_10db"))
    parts = [whole.get(name) for name in WHOLE_MEASURES]
    if not recall or any(part is None for part in parts):
        return None
    found = [*(float(part) for part in parts if part is not None), statistics.fmean(recall)]
    ends = [whole.get("intervals", {}).get(name) for name in WHOLE_MEASURES]
    halves = [(end[1] - end[0]) / 2 for end in ends if end and None not in end]
    return Quality(statistics.fmean(found), WHOLE, math.hypot(*halves) / len(found) if halves else 0.0)


def _recall(scores: Mapping[str, Any]) -> Quality:
    """Recall of lip closures at 2 % false ones, mean over the test sets: free of any threshold, and met by a mouth that
    loudness drives.

    The sets are `RECALL_SETS`, whatever else was measured, so that checkpoints stay comparable when tests are added;
    where none of them was scored, every top-level key of `scores` weighs the same.
    """
    scores = {key: scores[key] for key in RECALL_SETS if key in scores} or scores
    found = [statistics.fmean(values) for values in map(_recalls, scores.values()) if values]
    return Quality(statistics.fmean(found), RECALL) if found else Quality()


def _recalls(scores: Any) -> list[float]:
    if not isinstance(scores, Mapping):
        return []
    own = scores.get("recall_at_2pct")
    if isinstance(own, (int, float)):
        return [float(own)]
    return [value for inner in scores.values() for value in _recalls(inner)]


def grades(found: Sequence[Quality]) -> list[float]:
    """A grade for each, 0 the best: by the whole mouth with its ties, then by recall, then what was never scored.

    Those within the interval of the best that is left are as good as it.
    """
    left = {place for place, one in enumerate(found) if one.measure == WHOLE}
    last = len(left) + 2.0
    graded = [last - 1 - one.value if one.measure else last for one in found]
    grade = 0.0
    while left:
        best = max(left, key=lambda place: found[place].value)
        tied = {at for at in left if found[best].value - found[at].value <= max(found[best].half, found[at].half)}
        for place in tied:
            graded[place] = grade
        left, grade = left - tied, grade + 1
    return graded


def heading(measures: Iterable[str]) -> str:
    """What a column of qualities is called: the measure of all that were scored, or both."""
    found = set(measures) - {""}
    return f"{WHOLE}, else recall" if len(found) > 1 else found.pop() if found else "quality"


def cell(value: float, measure: str, head: str) -> str:
    """A quality in a column of that `heading`."""
    behind = " recall" if measure == RECALL != head else ""
    return f"{Quality(value, measure)}{behind}"
