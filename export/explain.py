"""Prints the table behind a choice: `python -m export.build --explain`.

Nothing is lowered for it but what is too near the budget to tell: that is measured, as the build would do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.deliver.report import why_chosen
from export.load.checkpoints import Wanted
from export.lower.backends.base import backend_names, cannot_run, load_backend
from export.pipeline import BUILT, make_program, plan_all, weighed
from export.plan.built import Built, Key, find_built
from export.plan.choose import Candidate
from export.plan.decide import decide, exceeded
from export.plan.pareto import Row, pareto_rows, table
from profiles.show.table import markdown
from profiles.show.words import show_bytes
from sdk.tools.command import say

LEGEND = (
    "Best first, by the second column. whole mouth: mean of other AUC, legibility and recall on development speakers "
    "(docs/whole_mouth.md); those within its interval of the best are as good as it, and the cheaper comes first. "
    "recall: of lip closures at 2 % false ones, mean over the test sets; whoever has it alone ranks behind. "
    "PBM, jitter: on the development speakers, in quiet. "
    "computed: memory before lowering; measured: of the file, in a fresh process, where it was built here. "
    "~: computed or estimated. A point is dominated where another is no worse in quality, memory and time."
)


def explain(budget_bytes: int, wanted: Wanted, built: Mapping[Key, Built] | None = None) -> str:
    """What `build` with the same arguments would choose, and why, as a table.

    built: points measured before; those below `build/all` where it is None. Raises as `build`.
    """
    planned, others = plan_all(wanted, say)
    decision = decide(planned, budget_bytes, find_built(BUILT) if built is None else built, _weigh, say=say)
    shown = table(pareto_rows(decision))
    if decision.chosen is None:
        print(shown)
        raise exceeded(decision, others())
    return f"{shown}\n\n{LEGEND}\n\n{show_bytes(budget_bytes)}: {why_chosen(decision)}"


def _weigh(candidate: Candidate) -> Built:
    """What a point takes that is lowered and measured for this, and dropped again."""
    say(f"      {candidate.name}: too near the budget to tell: measured")
    with tempfile.TemporaryDirectory() as folder:
        _, measured = make_program(candidate, Path(folder), lambda line: None)
    return weighed(candidate, measured)


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
