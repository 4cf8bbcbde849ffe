"""How far repeated runs of the same profile lie apart: what a figure of one run is worth, and what a comparison is.

python -m profiles spread RUN1.json RUN2.json RUN3.json ...
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from profiles.judge.compare import launch_figures, matched, shared_title
from profiles.judge.trials import FAIL_ABOVE, PLANTED, Trial, trial
from profiles.model.figures import Case
from profiles.model.record import Record
from profiles.show.table import markdown
from profiles.show.words import show_number
from sdk.errors import ProfileError


@dataclass(frozen=True)
class Spread:
    """One figure in all runs. deviation_percent: standard deviation; range_percent: largest less smallest."""

    case: str
    quantity: str
    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def deviation_percent(self) -> float:
        return 100.0 * statistics.stdev(self.values) / self.median

    @property
    def range_percent(self) -> float:
        return 100.0 * (max(self.values) - min(self.values)) / self.median


def spread(records: Sequence[Record]) -> list[Spread]:
    """Every figure that all `records` have. Raises `ProfileError` for fewer than two, or nothing in common."""
    return [row for cases in _in_common(records) for row in _of(cases)]


def trials(records: Sequence[Record]) -> list[Trial]:
    """What a comparison says of every two of `records`. Raises as `spread`."""
    return [trial(cases) for cases in _in_common(records)]


def _in_common(records: Sequence[Record]) -> list[list[Case]]:
    """Each case that all runs have, once a run."""
    if len(records) < 2:
        raise ProfileError("a spread needs two runs or more: profile the same artefacts again and give all report.json")
    found = matched(records)
    if not found:
        raise ProfileError("the runs have no case in common: profile the same artefacts with the same threads")
    return found


def show(rows: Sequence[Spread], judged: Sequence[Trial]) -> str:
    """Markdown: two tables."""
    head = ("case", "quantity", "runs", "median", "standard deviation", "largest - smallest")
    cells = [
        [r.case, r.quantity, str(len(r.values)), show_number(r.median, r.unit), f"{r.deviation_percent:.1f} %",
         f"{r.range_percent:.1f} %"]
        for r in rows
    ]  # fmt: skip
    share = lambda count, of: f"{count} of {of}"  # noqa: E731
    compared = (f"compared, --fail-above {FAIL_ABOVE:.0%}", "slower", "quicker", "cannot tell")
    verdicts = [
        [t.case, *(share(count, t.pairs) for count in (t.slower, t.quicker, t.unsure)),
         *(share(t.seen[loss], t.pairs) for loss in PLANTED)]
        for t in judged
    ]  # fmt: skip
    planted = [f"+{loss:.0%} planted: slower" for loss in PLANTED]
    return f"{markdown(head, cells)}\n{markdown((*compared, *planted), verdicts)}\n"


def _of(cases: Sequence[Case]) -> list[Spread]:
    """Median, tail, quick frames (as a comparison takes them, and beside the reference), memory."""
    title, rows = shared_title(cases), []
    rows.append(Spread(title, "p50", tuple(case.timing.p50_us / 1e3 for case in cases), "ms"))
    rows.append(Spread(title, "p99", tuple(case.timing.p99_us / 1e3 for case in cases), "ms"))
    quick = tuple(statistics.median(launch_figures(case, "wall", False)[0]) / 1e3 for case in cases)
    rows.append(Spread(title, "quick frames", quick, "ms"))
    if all(case.reference_us for case in cases):
        relative = tuple(statistics.median(launch_figures(case, "wall", True)[0]) for case in cases)
        rows.append(Spread(title, "quick frames / reference", relative, ""))
    counted = [case.memory_bytes("counted") for case in cases]
    if all(counted):
        rows.append(Spread(title, "memory counted", tuple((size or 0) / 1e6 for size in counted), "MB"))
    return rows
