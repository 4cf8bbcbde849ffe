"""Which point to build, of all checkpoints x precisions x backends: the best scores that fit, known before lowering."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from export.lower.backends.base import Backend, backend_names, cannot_run, load_backend
from export.lower.memory import MemoryRows
from export.lower.program import Lowered
from export.lower.trace import trace_forward
from export.plan.cost import Cost, cost
from export.plan.known import known, known_program
from export.quantise.precision import Point

RANKED_SETS = ("espeak", "espeak_10db", "human", "human_10db")
CHOSEN_BY = "people"  # development speakers choose; the sets that tables report do not
CHOSEN_BY_MEASURES = ("other_auc", "legibility")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A checkpoint at a precision for a backend, with its quality, its computed memory and its estimated cost."""

    path: Path
    checkpoint: Checkpoint
    point: Point
    backend: str
    rows: MemoryRows
    cost: Cost
    quality: float

    @property
    def name(self) -> str:
        """`s6`, `s6 int8`, `s8 portable`: what differs from the usual is said."""
        words = [self.path.stem, self.point.precision, self.backend]
        return " ".join(word for word in words if word not in ("fp32", "xnnpack"))


def quality(scores: Mapping[str, Any]) -> float:
    """One number to rank checkpoints by, 0..1: recall of lip closures at 2 % false ones, mean over the test sets.

    That recall is what a viewer misses first, and it is free of the threshold that fixed-gap figures hang on. The sets
    are `RANKED_SETS`, whatever else was measured, so that checkpoints stay comparable when tests are added; where none
    of them was scored, every top-level key of `scores` weighs the same. A checkpoint that was never scored ranks last,
    at 0.
    """
    scores = {key: scores[key] for key in RANKED_SETS if key in scores} or scores
    found = [statistics.fmean(values) for values in map(_recalls, scores.values()) if values]
    return statistics.fmean(found) if found else 0.0


def whole_quality(scores: Mapping[str, Any]) -> tuple[float, float] | None:
    """(quality, half of its 95 % interval) by the whole mouth, or None where that was not measured.

    The mean of three, on development speakers: AUC of /p b m/ against other consonants, legibility, and the mean recall
    at 2 % in quiet and at 10 dB. The half interval takes the figures as independent and leaves the
    recall out, whose interval no file keeps: it is a little too small.
    """
    row = scores.get(CHOSEN_BY)
    whole = row.get("whole") if isinstance(row, Mapping) else None
    if not isinstance(row, Mapping) or not isinstance(whole, Mapping):
        return None
    recall = _recalls(row) + _recalls(scores.get(f"{CHOSEN_BY}_10db"))
    parts = [whole.get(name) for name in CHOSEN_BY_MEASURES]
    if not recall or any(part is None for part in parts):
        return None
    found = [*(float(part) for part in parts if part is not None), statistics.fmean(recall)]
    ends = [whole.get("intervals", {}).get(name) for name in CHOSEN_BY_MEASURES]
    halves = [(end[1] - end[0]) / 2 for end in ends if end and None not in end]
    return statistics.fmean(found), math.hypot(*halves) / len(found) if halves else 0.0


def _recalls(scores: Any) -> list[float]:
    if not isinstance(scores, Mapping):
        return []
    own = scores.get("recall_at_2pct")
    if isinstance(own, (int, float)):
        return [float(own)]
    return [value for inner in scores.values() for value in _recalls(inner)]


def automatic_backends() -> list[str]:
    """Backends that a budget may choose: their memory can be computed, and their programs run and are verified here."""
    backends = {name: load_backend(name) for name in backend_names()}
    return [name for name, one in backends.items() if one.rows and not one.missing() and not cannot_run(one)]


def plan(path: Path, checkpoint: Checkpoint, point: Point, backends: Sequence[str] = ("xnnpack",)) -> list[Candidate]:
    """A candidate for each of `backends` that takes the precision and whose memory can be computed.

    The student is traced once, for one voice; a third of a second, and none where its plan is known (`known.py`).
    """
    chosen = {name: load_backend(name) for name in backends}
    takers = {name: one for name, one in chosen.items() if one.rows and point.precision in one.precisions}
    if not takers:
        return []
    single, score = checkpoint.student(), quality(point.scores)
    traced = cache(lambda: trace_forward(point.student))
    found = []
    for name, one in takers.items():

        def make(one: Backend = one) -> tuple[MemoryRows, Cost]:
            assert one.rows
            return one.rows(traced(), single), cost(traced(), checkpoint.spec, one.speeds[point.precision])

        rows, taken = known(point, checkpoint.spec, name, make)
        found.append(Candidate(path, checkpoint, point, name, rows, taken, score))
    return found


def lower(candidate: Candidate) -> Lowered:
    """The program of a candidate, by its backend. Raises `VerificationError` where it does not lower whole."""
    point, spec, name = candidate.point, candidate.checkpoint.spec, candidate.backend
    return known_program(point, spec, name, lambda: load_backend(name).lower(point.student))


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Best first: what keeps up with speech, then fast backends, quality, least time, least memory, and by name.

    Those whose whole mouth was measured (`whole_quality`) come first, by it: those within its interval of the best that
    is left are as good as it, and the cheaper comes first. Whoever was never measured so ranks behind, by the old
    quality, which a mouth driven by loudness meets.
    """
    grades = _grades([whole_quality(c.point.scores) for c in candidates], [c.quality for c in candidates])

    def key(place: int) -> tuple[Any, ...]:
        c = candidates[place]
        slow = load_backend(c.backend).is_last_resort
        return not c.cost.is_real_time, slow, grades[place], c.cost.call_us or 0.0, c.rows.counted_bytes, c.name

    return [candidates[place] for place in sorted(range(len(candidates)), key=key)]


def _grades(wholes: Sequence[tuple[float, float] | None], old: Sequence[float]) -> list[float]:
    """A grade for each, 0 the best: by the whole mouth with its ties, then, behind all of those, by the old quality."""
    known = {place: one for place, one in enumerate(wholes) if one is not None}
    grades = [len(known) + 1 - quality for quality in old]
    left, grade = set(known), 0.0
    while left:
        best = max(left, key=lambda place: known[place][0])
        tied = {place for place in left if known[best][0] - known[place][0] <= max(known[best][1], known[place][1])}
        for place in tied:
            grades[place] = grade
        left, grade = left - tied, grade + 1
    return grades
