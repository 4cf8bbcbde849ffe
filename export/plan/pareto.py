"""The table behind a choice: every point with its memory, size, time and scores; which are dominated, which fit.

A point is dominated when another is at least as good in quality, memory and time, and better in one. Memory and time
are computed, unless the point was built here before (`--all`): then the figures are those that were measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from export.lower.backends.base import load_backend
from export.plan.built import Built, Key
from export.plan.choose import Candidate, ranked
from profiles.show.table import markdown
from profiles.show.words import show_bytes
from sdk.errors import BudgetExceeded

NEAR = 0.1  # of computed memory against measured: what the tests of every backend hold it to
HEAD = (
    "point", "quality", "PBM", "jitter", "computed", "measured", "off", "file", "µs a frame", "fits", "verdict",
)  # fmt: skip


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


def may_fit(candidate: Candidate, budget_bytes: int, built: Mapping[Key, Built]) -> bool:
    """Whether it keeps up with speech and, by what is known of it, can be within the budget.

    What is computed is within `NEAR` of what is measured, and not nearer: a point in between has to be measured.
    """
    known = built.get(key(candidate))
    least = known.counted_bytes if known else candidate.rows.counted_bytes / (1 + NEAR)
    return candidate.cost.is_real_time and least <= budget_bytes


def surely_fits(candidate: Candidate, budget_bytes: int, built: Mapping[Key, Built]) -> bool:
    """Whether nothing needs to be measured to know that it is within the budget."""
    known = built.get(key(candidate))
    most = known.counted_bytes if known else candidate.rows.counted_bytes * (1 + NEAR)
    return candidate.cost.is_real_time and most <= budget_bytes


def first_that_fits(
    planned: Sequence[Candidate],
    budget_bytes: int,
    built: dict[Key, Built],
    weigh: Callable[[Candidate], Built] | None = None,
) -> Candidate | None:
    """The first of `planned` that fits, as a build finds it; None where none does.

    weigh: measures one that is too near the budget to tell, and it stays in `built`. Without, what is computed decides.
    """
    for candidate in planned:
        if not may_fit(candidate, budget_bytes, built):
            continue
        if weigh and not surely_fits(candidate, budget_bytes, built):
            built[key(candidate)] = weigh(candidate)
        if needs(candidate, built) <= budget_bytes:
            return candidate
    return None


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


def exceeded(
    budget_bytes: int, wanted: Sequence[Candidate], others: Sequence[Candidate], built: Mapping[Key, Built]
) -> BudgetExceeded:
    """The error for `wanted` checkpoints of which none fits: what each needs, what would fit, and by how much.

    What was measured is said as it is; what is computed is said with `about`, and the advice leaves room for it.
    """
    wanted = [c for c in wanted if c.cost.is_real_time] or wanted
    closest, *rest = sorted(wanted, key=lambda c: needs(c, built))
    need, is_measured = needs(closest, built), key(closest) in built
    kinds = {
        "packed weights": closest.rows.packed_weights_bytes, "weights in place": closest.rows.in_place_bytes,
        "workspace": closest.rows.workspace_bytes, "planned arenas": closest.rows.planned_arenas_bytes,
        "operators": closest.rows.operators_bytes, "stream state": closest.rows.stream_state_bytes,
    }  # fmt: skip
    parts = ", ".join(f"{name} {show_bytes(size)}" for name, size in kinds.items() if size)
    text = (
        f"{closest.name} needs {_said(closest, built)}, the budget is {show_bytes(budget_bytes)}: computed {parts}; "
        f"that is {show_bytes(max(need - budget_bytes, 0))} too much."
    )
    if rest:
        text += f" The others need more: {', '.join(f'{c.name} {_said(c, built)}' for c in rest)}."
    fits = [c for c in ranked(others) if may_fit(c, budget_bytes, built)]
    fast = [c for c in fits if not load_backend(c.backend).is_last_resort] or fits
    sure = [c.name for c in fast if surely_fits(c, budget_bytes, built)]
    perhaps = [c.name for c in fast if c.name not in sure]
    if fast:
        found = {"Fits": sure, "Perhaps, once measured": perhaps}
        return BudgetExceeded(" ".join([text, *(f"{how}: {', '.join(who)}." for how, who in found.items() if who)]))
    # in whole steps of 100 KB, or of 1 KB where it was measured, so that the advice still holds
    advice_kb = -(-need // 1000) + 1 if is_measured else -(-need * (1 + NEAR) // 100_000) * 100
    return BudgetExceeded(f"{text} Nothing fits; give --budget {advice_kb:.0f}KB or more, or train a smaller variant.")


def _said(candidate: Candidate, built: Mapping[Key, Built]) -> str:
    return ("" if key(candidate) in built else "about ") + show_bytes(needs(candidate, built))
