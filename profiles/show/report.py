"""A record as people read it: one HTML page that needs no network, and the same as Markdown.

    write_report(record, Path("build/profile"))          # report.json, report.md, report.html

Pages come from `templates/`; plots from `plots.py`. Nothing is computed here that the record does not
hold: whoever doubts a figure finds its samples in `report.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from profiles.judge.compare import Change
from profiles.judge.verdict import answer
from profiles.model.figures import Case, Estimate, OperatorRow
from profiles.model.record import Check, Record
from profiles.show import plots
from profiles.show import words as show
from profiles.show.table import shown
from profiles.show.tables import tables
from sdk.errors import ProfileError
from sdk.tools.whole import whole_file

TEMPLATES = Path(__file__).resolve().parent / "templates"
DEFAULT_LIMITS_MS = {"video after audio (ITU-R BT.1359)": 90.0, "Han et al. 2025": 140.0, "streamed": 200.0}
_OPERATORS_SHOWN = 14
REPORTS = ("report.json", "report.md", "report.html")
_SECTIONS = {
    "verdict": "verdict", "changes": "against the run before", "comparison": "side by side", "artefacts": "artefacts",
    "latency": "latency", "histogram": "histogram", "timeline": "a minute", "memory": "memory",
    "operators": "operators", "estimates": "estimates", "skipped": "skipped", "environment": "environment",
}  # fmt: skip


def write_report(record: Record, out: Path, changes: Sequence[Change] = ()) -> list[Path]:
    """Write `report.json`, `report.md` and `report.html` into the folder `out`, which is made; returns their paths.

    changes: against an earlier run, shown where there are some. Raises `ProfileError` where it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProfileError(f"cannot make the folder {out}: {error.strerror or error}") from error
    record.write(out / "report.json")  # first: a drawing that fails must not cost the measurement
    texts = {"report.md": markdown(record, changes), "report.html": html(record, changes)}
    for name, text in texts.items():
        with whole_file(out / name, ProfileError) as stream:
            stream.write(text.encode("utf-8"))
    return [out / "report.json", *(out / name for name in texts)]


def html(record: Record, changes: Sequence[Change] = ()) -> str:
    """One page with everything in it: styles, plots, tables."""
    context = _context(record, changes)
    context["plots"] = _plots(record, context, changes)
    sections = [anchor for anchor in _SECTIONS if _is_shown(anchor, record, context)]
    return _render("report.html.j2", context | {"contents": [(anchor, _SECTIONS[anchor]) for anchor in sections]})


def markdown(record: Record, changes: Sequence[Change] = ()) -> str:
    """The same figures as text with tables."""
    context = _context(record, changes)
    return _airy(no_html(_render("report.md.j2", context | tables(record, context))))


def no_html(text: str) -> str:
    """Markdown in which what others named (a student, a file) is text and no element of a page."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _airy(text: str) -> str:
    """Markdown with one empty line around each paragraph, table, list and heading, which its readers insist on."""
    lines: list[str] = []
    for line in filter(None, map(str.rstrip, text.split("\n"))):
        kind = line[0] if line[0] in "|-" else ""
        if lines and not (kind and lines[-1].startswith(kind)):
            lines.append("")
        lines.append(line)
    return "\n".join(lines) + "\n"


def _render(template: str, context: dict[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, trim_blocks=True,
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
        keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template(template).render(context)


def _context(record: Record, changes: Sequence[Change]) -> dict[str, Any]:
    """All that both templates name."""
    names = [facts.name for facts in record.artifacts]
    limits = record.device.limits_ms if record.device else DEFAULT_LIMITS_MS
    plain = shown(record.cases)
    memory_cases = list(
        {(c.place, c.setting.backend, c.setting.voices): c for c in record.cases[::-1] if c.memory}.values()
    )
    memory_cases.reverse()
    return {
        "record": record, "title": _title(record), "colour": show.colours(names), "limits_ms": limits,
        "verdicts": _verdicts(record), "changes": list(changes), "changes_summary": summary(changes),
        "latencies": _latencies(record.cases, limits), "latency_parts": _latency_parts(record.cases),
        "busy": busy(record),
        "histogram_cases": [case for case in plain if case.setting.threads == 1] or plain,
        "paced": [case for case in record.cases if case.pace is not None and case.pace.response_us],
        "memory_cases": memory_cases, "memory_rows": _memory_rows(memory_cases),
        "operators": [_operators(case) for case in record.cases if case.operators],
        "environment": _environment(record), "spread": spread_percent,
        **{name: getattr(show, name) for name in dir(show) if name.startswith("show_")},
    }  # fmt: skip


def _is_shown(anchor: str, record: Record, context: dict[str, Any]) -> bool:
    present = {
        "verdict": record.device, "changes": context["changes"], "operators": context["operators"],
        "estimates": record.estimates or record.predictions, "skipped": record.skipped,
    }  # fmt: skip
    if anchor in ("latency", "histogram", "timeline", "memory"):
        return bool(context["plots"].get(anchor))
    return bool(present.get(anchor, True))


def _plots(record: Record, context: dict[str, Any], changes: Sequence[Change]) -> dict[str, str]:
    """The plots that there is something to draw for, by name; "" for the others."""
    colour, device = context["colour"], record.device
    latency = [row["case"] for row in context["latencies"]]
    our_ms, budget = (device.our_ms, device.memory_budget_bytes) if device else (None, None)
    return {
        "comparison": plots.comparison(record.cases, record.estimates, colour, our_ms) if record.cases else "",
        "latency": plots.latency(latency, context["limits_ms"]) if latency else "",
        "histogram": plots.histogram(context["histogram_cases"], colour) if context["histogram_cases"] else "",
        "timeline": plots.timeline(context["paced"], colour) if context["paced"] else "",
        "memory": plots.memory(context["memory_cases"], colour, budget) if context["memory_cases"] else "",
        "changes": plots.changes(changes) if changes else "",
    }


def summary(changes: Sequence[Change]) -> str:
    """One sentence on a comparison."""
    counts = {
        v: sum(c.verdict == v for c in changes) for v in ("regression", "improvement", "no change", "cannot tell")
    }
    plural = "s" if counts["regression"] != 1 else ""
    words = (
        f"{counts['regression']} regression{plural}, {counts['improvement']} better, {counts['no change']} unchanged"
    )
    return f"{words}, {counts['cannot tell']} that cannot be told, of {len(changes)} quantities."


def busy(record: Record) -> str:
    """A warning where the machine had other work, or ""."""
    env = record.environment
    if not env.load_average or env.load_average[0] < 0.5:
        return ""
    return (
        f"The machine was not idle when this began: load average {env.load_average[0]:.1f} on {env.cores} cores. Wall "
        "times hold what its neighbours took; processor times (CPU) and memory hardly do."
    )


def spread_percent(estimate: Estimate) -> float:
    """Half the width of the interval around an estimate, in percent of it; the larger side."""
    return max(estimate.high_us - estimate.us, estimate.us - estimate.low_us) / estimate.us * 100.0


def _title(record: Record) -> str:
    names = ", ".join(facts.name for facts in record.artifacts)
    names = names if len(record.artifacts) < 4 else f"{len(record.artifacts)} artefacts"
    return f"Profile of {names}" + (f" for {record.device.title}" if record.device else "")


def _verdicts(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "name": facts.name,
            "answer": answer(facts.name, record.checks),
            "checks": [_check(check) for check in record.checks if check.artifact == facts.name],
        }
        for facts in record.artifacts
    ]


def _check(check: Check) -> dict[str, Any]:
    """One demand for the page: the bar reaches 2/3 of its width at the limit, and ends at 3/2 of it."""
    percent, filled, spread = check.uncertainty_percent, None, None
    if check.value is not None and check.limit:
        filled = min(100.0, check.value / check.limit * 200 / 3)
        spread = min(100.0, filled * (1 + (percent or 0.0) / 100))
    return {
        "demand": check.demand, "value": check.value, "limit": check.limit, "note": check.note, "label": check.label,
        "percent": percent, "filled": filled, "spread": spread, "passed": check.passed,
        "is_fact": check.value is None, "shown": show.show_number(check.value, check.unit),
        "shown_limit": show.show_number(check.limit, check.unit),
        "mark": {True: "✓", False: "✗", None: "?"}[check.passed],
        "state": {True: "passed", False: "failed", None: "open"}[check.passed],
    }  # fmt: skip


def _latency_parts(cases: Sequence[Case]) -> list[str]:
    return next((list(case.latency[0].parts_ms) for case in cases if case.latency), [])


def _latencies(cases: Sequence[Case], limits_ms: dict[str, float]) -> list[dict[str, Any]]:
    """Cases with a whole breakdown: parts at the 99th percentile, totals at all, the audio delay that hides it."""
    found, seen = [], set()
    for case in sorted(
        cases, key=lambda case: case.pace is None
    ):  # paced runs first, as they show late wake-ups; sorting keeps the order otherwise
        rows = {row.percentile: row for row in case.latency}
        alone = case.setting.load == "none" and case.setting.cache == "warm" and case.setting.voices == 1
        if len(rows) == 4 and alone and case.place not in seen:
            seen.add(case.place)
            worst = rows["p99"]
            totals = [rows[name].total_ms for name in ("p50", "p95", "p99", "max")]
            delays = [worst.audio_delay_ms(limit) for limit in limits_ms.values()]
            found.append({"case": case, "parts": list(worst.parts_ms.values()), "totals": totals, "delays": delays})
    return found


def _memory_rows(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Rows by name, parts first, a cell for each case."""
    named = {(row.name, row.part): None for case in cases for row in case.memory}
    order = sorted(named, key=lambda pair: not pair[1])  # parts first; sorting keeps the order otherwise
    return [
        {"name": name, "part": part, "cells": [next((r for r in c.memory if r.name == name), None) for c in cases]}
        for name, part in order
    ]


def _operators(case: Case) -> dict[str, Any]:
    """The operators that take longest, each with its share of what all take; how many are left out.

    Of small programs the tracer times none, or few: those without a time follow by their multiply-adds, and it is said.
    """
    total = sum(row.us or 0.0 for row in case.operators)
    ordered = sorted(case.operators, key=lambda row: (-(row.us or 0.0), -(row.macs or 0)))
    rest, untimed = ordered[_OPERATORS_SHOWN:], sum(row.us is None for row in case.operators)
    words = []
    if rest and total:
        words.append(f"{len(rest)} more: {show.show_percent(sum(row.us or 0.0 for row in rest) / total)} of that time.")
    elif rest:
        words.append(f"{len(rest)} more.")
    if untimed:
        all_of_them = untimed == len(case.operators)
        whom = "None of them reaches" if all_of_them else f"{untimed} of {len(case.operators)} do not reach"
        words.append(
            f"{whom} the microsecond that the runtime's tracer counts in: without a time, by their multiply-adds."
        )
    rows = [_operator(row, total) for row in ordered[:_OPERATORS_SHOWN]]
    return {"case": case, "rows": rows, "rest": " ".join(words)}


def _operator(row: OperatorRow, total_us: float) -> dict[str, Any]:
    share = row.us / total_us if row.us is not None and total_us else None
    intensity = row.macs / row.bytes if row.macs and row.bytes else None
    return {**vars(row), "share": share, "intensity": intensity}


def _environment(record: Record) -> list[tuple[str, str]]:
    env = record.environment
    loads = ", ".join(f"{value:.2f}" for value in env.load_average)
    rows = [
        ("machine", env.machine), ("processor", f"{env.cpu}, {env.cores} cores available"),
        ("instruction sets", ", ".join(env.isa)), ("governor", env.governor or "not known"),
        ("memory", show.show_bytes(env.memory_bytes) if env.memory_bytes else "not known"), ("system", env.system),
        ("python", env.python), *env.versions.items(), ("GPU", env.gpu or "none"),
        ("load average, 1, 5, 15 minutes", loads or "not known"), ("command", record.command),
    ]  # fmt: skip
    for one in record.machines:
        there = one.environment
        rows.append((one.name, "; ".join([f"{there.cpu}, {there.cores} cores, {there.system}", *one.notes])))
    return [(name, value) for name, value in rows if value]
