"""Which point to build, of all checkpoints x precisions x backends: the best scores that fit, known before lowering."""

from __future__ import annotations

from collections.abc import Sequence
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
from export.plan.quality import Quality, grades, quality
from export.quantise.precision import Point


@dataclass(frozen=True, eq=False)
class Candidate:
    """A checkpoint at a precision for a backend, with its quality, its computed memory and its estimated cost."""

    path: Path
    checkpoint: Checkpoint
    point: Point
    backend: str
    rows: MemoryRows
    cost: Cost
    quality: Quality

    @property
    def name(self) -> str:
        """`s6`, `s6 int8`, `s8 portable`: what differs from the usual is said."""
        words = [self.path.stem, self.point.precision, self.backend]
        return " ".join(word for word in words if word not in ("fp32", "xnnpack"))


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

    Quality by its grade (`quality.py`): those within the interval of the best are as good as it, and the cheaper first.
    """
    graded = grades([c.quality for c in candidates])

    def key(place: int) -> tuple[Any, ...]:
        c = candidates[place]
        slow = load_backend(c.backend).is_last_resort
        return not c.cost.is_real_time, slow, graded[place], c.cost.call_us or 0.0, c.rows.counted_bytes, c.name

    return [candidates[place] for place in sorted(range(len(candidates)), key=key)]
