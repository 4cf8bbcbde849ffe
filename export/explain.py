"""Prints the table behind a choice without building anything: `python -m export.build --explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from export.deliver.report import why_chosen
from export.load.checkpoints import Wanted
from export.lower.backends.base import backend_names, cannot_run, load_backend
from export.pipeline import BUILT, plan_all
from export.plan.choose import exceeded
from export.plan.pareto import Built, Key, Row, find_built, first_that_fits, pareto_rows, table
from profiles.show.table import markdown
from profiles.show.words import show_bytes
from sdk.tools.command import say

LEGEND = (
    "quality: recall of lip closures at 2 % false ones, mean over the test sets. PBM, jitter: on human speech in "
    "quiet. computed: memory before lowering; measured: of the file, in a fresh process, where it was built here. "
    "~: computed or estimated. A point is dominated where another is no worse in quality, memory and time."
)


def explain(budget_bytes: int, wanted: Wanted, built: Mapping[Key, Built] | None = None) -> str:
    """What `build` with the same arguments would choose, and why, as a table.

    built: points measured before; those below `build/all` where it is None. Raises as `build`.
    """
    planned, others = plan_all(wanted, say)
    known = find_built(BUILT) if built is None else built
    chosen = first_that_fits(planned, budget_bytes, known)
    shown = pareto_rows(planned, budget_bytes, known, chosen)
    if chosen is None:
        print(table(shown))
        raise exceeded(budget_bytes, planned, others())
    why = why_chosen(chosen, planned, budget_bytes)
    return f"{table(shown)}\n\n{LEGEND}\n\n{show_bytes(budget_bytes)}: {why}"


def report_table(report: Mapping[str, Any]) -> str:
    """The table of a finished build's report."""
    return f"{table([Row(**row) for row in report['candidates']])}\n\n{LEGEND}\n"


def backend_table() -> str:
    """Every backend: whether it exports and runs here, or what is missing."""
    head = ("backend", "what", "programs run on", "precisions", "exports here", "runs here")
    rows = []
    for name in backend_names():
        one = load_backend(name)
        missing = one.missing()
        runs = "no" if missing else cannot_run(one)
        rows.append([name, one.title, one.runs_on, ", ".join(one.precisions), missing or "yes", runs or "yes"])
    return markdown(head, rows)
