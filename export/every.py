"""Every point of a folder of checkpoints, built, measured and verified: `python -m export.build --all --out build/all`.

Each lands in a folder of its own, `s7-int8-xnnpack`, as a build under a budget would leave it. One that was built here,
of the same weights by the same tools, and is whole, is not built again: a stopped run goes on where it was. At the end
stand `summary.json` and `summary.md`: computed memory against measured, row by row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.deliver.delivery import deliver, workshop
from export.deliver.papers import write_papers
from export.deliver.report import choice_report
from export.load.checkpoints import Wanted
from export.load.versions import tools
from export.lower.memory import error_percent
from export.pipeline import finish, make_program, plan_all
from export.plan.built import believed, find_built
from export.plan.choose import Candidate
from export.plan.decide import Decision, key
from export.plan.pareto import pareto_rows, table
from profiles.measure.harness import sharing_imports
from profiles.show.table import markdown
from profiles.show.words import show_bytes
from sdk.errors import DataError, TinyfaceError
from sdk.tools.command import say
from sdk.tools.whole import whole_file

UNLIMITED_BYTES = 1 << 40
SUMMARY_SCHEMA = 1
_ROWS = ("counted_bytes", "load_peak_bytes", "workspace_bytes", "steady_bytes", "program_bytes")


@sharing_imports()
def build_every(out: Path, wanted: Wanted) -> dict[str, Any]:
    """Build each point into a folder of `out`; returns the content of `summary.json`.

    A point that cannot be built is listed with the reason; the others are built all the same. Raises as `build` where
    nothing can be planned or nothing can be written.
    """
    planned, _ = plan_all(wanted, say)
    reports, failed = [], {}
    for number, candidate in enumerate(planned, 1):
        folder = out / folder_name(candidate)
        report = _earlier(folder, candidate)
        say(f"{number}/{len(planned)} {candidate.name}{': built before' if report else ''}")
        try:
            reports.append(report or _build_one(candidate, folder))
        except DataError:
            raise
        except TinyfaceError as error:
            failed[candidate.name] = str(error)
            say(f"      left out: {error}")
    summary = _summary(planned, reports, failed, out)
    for name, text in (
        ("summary.json", json.dumps(summary, indent=2, ensure_ascii=False)),
        ("summary.md", _page(summary)),
    ):
        with whole_file(out / name, DataError) as stream:
            stream.write(text.encode("utf-8"))
    return summary


def folder_name(candidate: Candidate) -> str:
    return f"{candidate.path.stem}-{candidate.point.precision}-{candidate.backend}"


def _build_one(candidate: Candidate, out: Path) -> dict[str, Any]:
    with workshop(out) as folder:
        lowered, measured = make_program(candidate, folder, say)
        decision = Decision(UNLIMITED_BYTES, [candidate], {}, candidate)
        report = choice_report(decision) | finish(decision, lowered, measured, folder, say)
        write_papers(folder, report, candidate.path, candidate.checkpoint, say)
        deliver(folder, out)
    return report


def _earlier(folder: Path, candidate: Candidate) -> dict[str, Any] | None:
    """The report of the same point, built here with the same tools and still whole, or None."""
    found = believed(folder)
    return found[2] if found and found[0] == key(candidate) else None


def _summary(
    planned: Sequence[Candidate], reports: Sequence[dict[str, Any]], failed: dict[str, str], out: Path
) -> dict[str, Any]:
    names = {key(c): c for c in planned}
    built = []
    for report in reports:
        choice, memory = report["choice"], report["memory"]
        candidate = names[tuple(choice[name] for name in ("student", "weights_sha256", "precision", "backend"))]
        computed = candidate.rows.as_dict()  # what would be planned today, not what the report remembers
        measured = memory["measured"] | {"counted_bytes": memory["counted_bytes"]}
        built.append({
            "name": candidate.name, "folder": folder_name(candidate),
            "computed": {row: computed[row] for row in _ROWS}, "measured": {row: measured[row] for row in _ROWS},
            "error_percent": {row: error_percent(computed[row], measured[row]) for row in _ROWS},
            "max_abs_error": report["verification"]["max_abs_error"].get("model.pte"),
        })  # fmt: skip
    errors = [abs(one["error_percent"]["counted_bytes"] or 0.0) for one in built]
    rows = pareto_rows(Decision(UNLIMITED_BYTES, planned, find_built(out)))
    return {
        "schema": SUMMARY_SCHEMA, "built": built, "failed": failed, "versions": tools(),
        "worst_error_percent": max(errors, default=None), "points": table(rows),
    }  # fmt: skip


def _page(summary: dict[str, Any]) -> str:
    """The summary as Markdown."""
    head = ["point", *(f"{row.removesuffix('_bytes').replace('_', ' ')}: computed / measured" for row in _ROWS)]
    lines = []
    for one in summary["built"]:
        cells = []
        for row in _ROWS:
            error, measured = one["error_percent"][row], one["measured"][row]
            off = "" if error is None else f", {error:+.1f} %"
            cells.append(f"{show_bytes(one['computed'][row])} / {show_bytes(measured) if measured else '–'}{off}")
        lines.append([one["name"], *cells])
    worst = summary["worst_error_percent"]
    tail = f"Worst error of what a budget counts: {worst:.1f} %." if worst is not None else "Nothing was measured."
    failed = "".join(f"\n- {name}: {why}" for name, why in summary["failed"].items())
    parts = ["# Every point", summary["points"], "## Memory: computed / measured", markdown(head, lines), tail]
    return "\n\n".join([*parts, *(["## Not built" + failed] if failed else [])]) + "\n"
