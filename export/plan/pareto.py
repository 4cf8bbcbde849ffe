"""The table behind a choice: every point with its memory, size, time and scores; which are dominated, which fit.

A point is dominated when another is at least as good in quality, memory and time, and better in one; in quality as the
choice has it, so that one within the interval of the best is as good as it. Memory and time are computed, unless the
point was built here before (`--all`): then the figures are those that were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from export.plan.choose import Candidate
from export.plan.decide import Decision, key
from export.plan.quality import CHOSEN_BY, cell, grades, heading
from profiles.show.table import markdown
from profiles.show.words import show_bytes


@dataclass(frozen=True)
class Row:
    """One point of the table. Bytes that nobody measured are None. quality: by the measure `quality_is`, "" where it
    was never scored. frame_us: a frame at the student's own rate, by `frame_us_is`. pbm, jitter: of development
    speakers in quiet (`CHOSEN_BY`), None where they were not scored."""

    name: str
    student: str
    precision: str
    backend: str
    quality: float
    quality_is: str
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


def pareto_rows(decision: Decision) -> list[Row]:
    """The table, in the order of what was planned."""
    rows = [_row(one, decision) for one in decision.planned]
    graded = list(zip(grades([one.quality for one in decision.planned]), rows, strict=True))
    return [replace(row, dominated_by=_dominator(grade, row, graded)) for grade, row in graded]


def _row(one: Candidate, decision: Decision) -> Row:
    scored: Any = one.point.scores.get(CHOSEN_BY)  # no other set in its place: a column compares on one
    lips: Mapping[str, Any] = scored if isinstance(scored, Mapping) else {}
    built = decision.known.get(key(one))
    return Row(
        name=one.name, student=one.checkpoint.spec.name, precision=one.point.precision, backend=one.backend,
        quality=one.quality.value, quality_is=one.quality.measure, pbm=lips.get("pbm"), jitter=lips.get("jitter"),
        computed_counted_bytes=one.rows.counted_bytes, measured_counted_bytes=built.counted_bytes if built else None,
        file_bytes=built.file_bytes if built else one.rows.program_bytes,
        file_bytes_is="measured here" if built else "computed", macs_per_s=one.cost.macs_per_s,
        frame_us=one.cost.frame_us_of(built.call_us) if built else one.cost.frame_us,
        frame_us_is="measured here" if built else "estimated", is_real_time=one.cost.is_real_time,
        fits=decision.fits(one), dominated_by="", is_chosen=one is decision.chosen,
    )  # fmt: skip


def _dominator(grade: float, row: Row, graded: Sequence[tuple[float, Row]]) -> str:
    """The name of the best that dominates the row; "" where none does."""
    better = [(other, one.counted_bytes, one.name) for other, one in graded if _dominates(other, one, grade, row)]
    return min(better)[2] if better else ""


def _dominates(grade_a: float, a: Row, grade_b: float, b: Row) -> bool:
    if a.frame_us is None or b.frame_us is None:
        return False
    pairs = [(grade_a, grade_b), (a.counted_bytes, b.counted_bytes), (a.frame_us, b.frame_us)]
    return all(one <= other for one, other in pairs) and any(one < other for one, other in pairs)


def head(rows: Sequence[Row]) -> tuple[str, ...]:
    """The head of the table; its second column says what the qualities were measured by."""
    measure = heading(row.quality_is for row in rows)
    return "point", measure, "PBM", "jitter", "computed", "measured", "off", "file", "µs a frame", "fits", "verdict"


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """The cells of each row, under that `head`."""
    measure = heading(row.quality_is for row in rows)
    return [_cells(row, cell(row.quality, row.quality_is, measure)) for row in rows]


def table(rows: Sequence[Row]) -> str:
    """Markdown: `~` stands before what is estimated or computed where a measurement could stand."""
    return markdown(head(rows), cells(rows))


def _cells(row: Row, quality: str) -> list[str]:
    measured = row.measured_counted_bytes
    off = "–" if not measured else f"{100 * (row.computed_counted_bytes - measured) / measured:+.1f} %"
    about = "" if row.frame_us_is == "measured here" else "~"
    verdict = "**chosen**" if row.is_chosen else f"dominated by {row.dominated_by}" if row.dominated_by else ""
    if not row.is_real_time:
        verdict = "slower than speech"
    return [
        row.name, quality,
        "–" if row.pbm is None else f"{100 * row.pbm:.1f} %", "–" if row.jitter is None else f"{row.jitter:.3f}",
        show_bytes(row.computed_counted_bytes), "–" if measured is None else show_bytes(measured), off,
        ("" if row.file_bytes_is == "measured here" else "~") + show_bytes(row.file_bytes),
        "–" if row.frame_us is None else f"{about}{row.frame_us:,.0f}", "yes" if row.fits else "no", verdict,
    ]  # fmt: skip
