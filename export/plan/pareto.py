"""The table behind a choice: every point with its memory, size, time and scores; which are dominated, which fit.

A point is dominated when another is at least as good in quality, memory and time, and better in one. Memory and time
are computed, unless the point was built here before (`--all`): then the figures are those that were measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.plan.choose import Candidate
from profiles.show.table import markdown
from profiles.show.words import show_bytes

Key = tuple[str, str, str, str]
HEAD = (
    "point", "quality", "PBM", "jitter", "computed", "measured", "off", "file", "µs a frame", "fits", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    """What was measured on a finished artefact. call_us: of one step of its program."""

    counted_bytes: int
    file_bytes: int
    call_us: float


@dataclass(frozen=True)
class Row:
    """One point of the table. Bytes that nobody measured are None. frame_us: a frame at the student's own rate, by
    `frame_us_is`. pbm, jitter: on the first test set, None where it was not scored."""

    name: str
    student: str
    precision: str
    backend: str
    quality: float
    pbm: float | None
    jitter: float | None
    computed_counted_bytes: int
    measured_counted_bytes: int | None
    file_bytes: int
    file_bytes_is: str
    macs_per_s: float
    frame_us: float | None
    frame_us_is: str
    is_real_time: bool
    fits: bool
    dominated_by: str
    is_chosen: bool

    @property
    def counted_bytes(self) -> int:
        """What the point needs, by the best knowledge."""
        return self.measured_counted_bytes or self.computed_counted_bytes


def key(candidate: Candidate) -> Key:
    """What makes a point the same one as another."""
    point = candidate.point
    return candidate.checkpoint.spec.name, point.weights_sha256, point.precision, candidate.backend


def needs(candidate: Candidate, built: Mapping[Key, Built]) -> int:
    """Bytes: measured where the point was built, else computed."""
    known = built.get(key(candidate))
    return known.counted_bytes if known else candidate.rows.counted_bytes


def find_built(folder: Path) -> dict[Key, Built]:
    """Points measured in the reports below `folder`; files that are no such report are passed over."""
    found: dict[Key, Built] = {}
    for path in sorted(folder.glob("*/report.json")):
        try:
            report = json.loads(path.read_text("utf-8"))
            choice, measured = report["choice"], report["files"]["model.pte"]["measured_here"]
            place = tuple(choice[name] for name in ("student", "weights_sha256", "precision", "backend"))
            if measured["steady_bytes"] is not None:
                counted = report["memory"]["counted_bytes"]
                found[place] = Built(counted, measured["file_bytes"], measured["median_us"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def pareto_rows(
    candidates: Sequence[Candidate], budget_bytes: int, built: Mapping[Key, Built], chosen: Candidate | None = None
) -> list[Row]:
    """The table in the order of `candidates`."""
    rows = [_row(one, budget_bytes, built.get(key(one)), one is chosen) for one in candidates]
    return [_with_dominator(row, rows) for row in rows]


def _row(one: Candidate, budget_bytes: int, built: Built | None, is_chosen: bool) -> Row:
    first: Any = next(iter(one.point.scores.values()), {})
    scores = first if isinstance(first, Mapping) else {}
    human = one.point.scores.get("human", scores)
    needs = built.counted_bytes if built else one.rows.counted_bytes
    return Row(
        name=one.name, student=one.checkpoint.spec.name, precision=one.point.precision, backend=one.backend,
        quality=one.quality, pbm=human.get("pbm"), jitter=human.get("jitter"),
        computed_counted_bytes=one.rows.counted_bytes, measured_counted_bytes=built.counted_bytes if built else None,
        file_bytes=built.file_bytes if built else one.rows.program_bytes,
        file_bytes_is="measured here" if built else "computed", macs_per_s=one.cost.macs_per_s,
        frame_us=one.cost.frame_us_of(built.call_us) if built else one.cost.frame_us,
        frame_us_is="measured here" if built else "estimated", is_real_time=one.cost.is_real_time,
        fits=needs <= budget_bytes and one.cost.is_real_time, dominated_by="", is_chosen=is_chosen,
    )  # fmt: skip


def _with_dominator(row: Row, rows: Sequence[Row]) -> Row:
    """The row with the name of the best one that dominates it."""
    better = [other for other in rows if _dominates(other, row)]
    if not better:
        return row
    best = max(better, key=lambda other: (other.quality, -other.counted_bytes))
    return Row(**{**asdict(row), "dominated_by": best.name})


def _dominates(a: Row, b: Row) -> bool:
    if a.frame_us is None or b.frame_us is None:
        return False
    pairs = [(a.quality, b.quality), (-a.counted_bytes, -b.counted_bytes), (-a.frame_us, -b.frame_us)]
    return all(one >= other for one, other in pairs) and any(one > other for one, other in pairs)


def first_that_fits(planned: Sequence[Candidate], budget_bytes: int, built: Mapping[Key, Built]) -> Candidate | None:
    """The first of `planned` that fits by what is known of it, measured before computed; None where none does."""
    return next((c for c in planned if needs(c, built) <= budget_bytes and c.cost.is_real_time), None)


def table(rows: Sequence[Row]) -> str:
    """Markdown: `~` stands before what is estimated or computed where a measurement could stand."""
    return markdown(HEAD, [cells(row) for row in rows])


def cells(row: Row) -> list[str]:
    """The cells of a row under `HEAD`."""
    measured = row.measured_counted_bytes
    off = "–" if not measured else f"{100 * (row.computed_counted_bytes - measured) / measured:+.1f} %"
    about = "" if row.frame_us_is == "measured here" else "~"
    verdict = "**chosen**" if row.is_chosen else f"dominated by {row.dominated_by}" if row.dominated_by else ""
    if not row.is_real_time:
        verdict = "slower than speech"
    return [
        row.name, f"{row.quality:.3f}" if row.quality else "not scored",
        "–" if row.pbm is None else f"{100 * row.pbm:.1f} %", "–" if row.jitter is None else f"{row.jitter:.3f}",
        show_bytes(row.computed_counted_bytes), "–" if measured is None else show_bytes(measured), off,
        ("" if row.file_bytes_is == "measured here" else "~") + show_bytes(row.file_bytes),
        "–" if row.frame_us is None else f"{about}{row.frame_us:,.0f}", "yes" if row.fits else "no", verdict,
    ]  # fmt: skip
