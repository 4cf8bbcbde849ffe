"""Prints the table behind a choice: `python -m export.build --explain`.

Nothing is lowered for it but what is too near the budget to tell: that is measured, as the build would do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.deliver.report import why_chosen
from export.load.checkpoints import Wanted
from export.lower.backends.base import backend_names, cannot_run, load_backend
from export.measure.counted import counted
from export.pipeline import BUILT, make_program, measured_too_large, plan_all
from export.plan.built import Built, Key, find_built
from export.plan.choose import Candidate
from export.plan.pareto import Row, exceeded, first_that_fits, key, may_fit, needs, pareto_rows, table
from profiles.show.table import markdown
from profiles.show.words import show_bytes
from sdk.tools.command import say

LEGEND = (
    "Best first: by the whole mouth (docs/whole_mouth.md) where that was measured, then by quality. "
    "quality: recall of lip closures at 2 % false ones, mean over the test sets. PBM, jitter: on human speech in "
    "quiet. computed: memory before lowering; measured: of the file, in a fresh process, where it was built here. "
    "~: computed or estimated. A point is dominated where another is no worse in quality, memory and time."
)


def explain(budget_bytes: int, wanted: Wanted, built: Mapping[Key, Built] | None = None) -> str:
    """What `build` with the same arguments would choose, and why, as a table.

    built: points measured before; those below `build/all` where it is None. Raises as `build`.
    """
    planned, others = plan_all(wanted, say)
    known = dict(find_built(BUILT) if built is None else built)
    chosen = first_that_fits(planned, budget_bytes, known, _weigh)
    shown = pareto_rows(planned, budget_bytes, known, chosen)
    if chosen is None:
        print(table(shown))
        raise exceeded(budget_bytes, planned, others(), known)
    why = why_chosen(chosen, planned, _rejected(planned, budget_bytes, known))
    return f"{table(shown)}\n\n{LEGEND}\n\n{show_bytes(budget_bytes)}: {why}"


def _weigh(candidate: Candidate) -> Built:
    """What a point takes that is lowered and measured for this, and dropped again."""
    say(f"      {candidate.name}: too near the budget to tell: measured")
    with tempfile.TemporaryDirectory() as folder:
        _, measured = make_program(candidate, Path(folder), lambda line: None)
    return Built(counted(candidate.rows, measured), measured.file_bytes, measured.median_us)


def _rejected(planned: Sequence[Candidate], budget_bytes: int, known: Mapping[Key, Built]) -> dict[str, str]:
    """What measuring said of those that seemed to fit, or nearly."""
    near = [c for c in planned if may_fit(c, budget_bytes, {}) and key(c) in known]
    large = [c for c in near if needs(c, known) > budget_bytes]
    return {c.name: measured_too_large(c, needs(c, known)) for c in large}


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
