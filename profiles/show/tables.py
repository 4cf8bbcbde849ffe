"""The tables of the Markdown report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profiles.judge.compare import Change
from profiles.model.record import Record
from profiles.show.table import best_score, markdown
from profiles.show.words import LABELS, show_bytes, show_count, show_label, show_ms, show_number, show_percent


def tables(record: Record, context: dict[str, Any]) -> dict[str, str]:
    """Tables by the name under which the template knows them; "" where there is nothing to tell."""
    for card in context["verdicts"]:
        card["table"] = _checks(card["checks"])
    for group in context["operators"]:
        group["table"] = _operators(group["rows"])
    return {
        "cases_table": _cases(record), "artifacts_table": _artifacts(record),
        "changes_table": changes_table(context["changes"]), "latency_table": _latency(context),
        "paced_table": _paced(context["paced"]), "memory_table": _memory(context),
        "estimates_table": _estimates(record), "predictions_table": _predictions(record),
    }  # fmt: skip


def _checks(checks: list[dict[str, Any]]) -> str:
    words = {True: "yes", False: "**no**", None: "open"}
    rows = []
    for check in checks:
        label = "" if check["is_fact"] else show_label(check["label"], check["percent"])
        rows.append(
            [check["demand"], words[check["passed"]], check["shown"], check["shown_limit"], label, check["note"]]
        )
    return markdown(("demand", "met", "value", "limit", "figure", "note"), rows)


def _cases(record: Record) -> str:
    head = ("case", "p50", "p95", "p99", "max", "CPU", "real-time factor", "load ms", "memory", "figures")
    rows = []
    for case in record.cases:
        t, counted = case.timing, case.memory_bytes("counted")
        times = [show_ms(us) for us in (t.p50_us, t.p95_us, t.p99_us, t.max_us, case.cpu_us)]
        memory = "–" if counted is None else show_bytes(counted)
        label = show_label(case.label, case.uncertainty_percent)
        rows.append([case.title, *times, f"{case.real_time_factor:.3g}", show_number(case.load_ms), memory, label])
    return markdown(head, rows)


def _artifacts(record: Record) -> str:
    head = ("artefact", "kind", "runs on", "parameters", "file", "future", "PBM", "jitter", "path", "SHA-256")
    rows = [
        [a.name, a.kind, f"{a.runtime}, {a.backend}", show_count(a.parameters), show_bytes(a.file_bytes),
         show_number(a.future_ms, "ms"), show_percent(best_score(a.pbm)), show_number(best_score(a.jitter)), a.path,
         a.sha256[:16]]
        for a in record.artifacts
    ]  # fmt: skip
    return markdown(head, rows)


def changes_table(changes: Sequence[Change]) -> str:
    """A comparison of two runs; "" for none."""
    head = ("case", "quantity", "old", "new", "new / old", "90 % interval", "verdict", "test")
    rows = []
    for c in changes:
        interval = "–" if c.low is None or c.high is None else f"{c.low:.3f} to {c.high:.3f}"
        old, new = show_number(c.old, c.unit), show_number(c.new, c.unit)
        rows.append([c.case, c.quantity, old, new, f"{c.ratio:.3f}", interval, c.verdict, c.how])
    return markdown(head, rows) if rows else ""


def _latency(context: dict[str, Any]) -> str:
    totals = ["p50 total", "p95", "p99", "max"]
    delays = [f"audio delay for {ms:g}" for ms in context["limits_ms"].values()]
    rows = []
    for row in context["latencies"]:
        figures = [*map(show_number, row["parts"]), *(f"{ms:.1f}" for ms in row["totals"])]
        hidden = [f"{ms:.0f}" if ms else "0" for ms in row["delays"]]
        rows.append([row["case"].title, *figures, *hidden, LABELS[row["case"].label]])
    return markdown(("case", *context["latency_parts"], *totals, *delays, "figures"), rows)


def _paced(cases: list[Any]) -> str:
    rows = []
    for case in cases:
        pace = case.pace
        seconds = len(pace.response_us) * pace.period_us / 1e6
        figures = [str(len(pace.response_us)), f"{seconds:.0f}", str(len(pace.late)), show_ms(max(pace.response_us))]
        rows.append([case.title, *figures, show_ms(pace.deadline_us), LABELS[case.label]])
    return markdown(("case", "frames", "seconds", "late", "worst ms", "due ms", "figures"), rows) if rows else ""


def _memory(context: dict[str, Any]) -> str:
    rows = []
    for row in context["memory_rows"]:
        cells = [
            f"{show_bytes(c.bytes)}, {show_label(c.label, c.uncertainty_percent)}" if c else "–" for c in row["cells"]
        ]
        rows.append([row["name"] + ("" if row["part"] else " (total)"), *cells])
    return markdown(("row", *(case.title for case in context["memory_cases"])), rows) if rows else ""


def _operators(rows: list[dict[str, Any]]) -> str:
    head = ("operator", "runs in", "calls", "ms a frame", "share", "multiply-adds", "bytes", "figures")
    return markdown(head, [
        [r["name"], r["where"], str(r["calls"]), show_ms(r["us"]), show_percent(r["share"]), show_count(r["macs"]),
         "–" if r["bytes"] is None else show_bytes(r["bytes"]), show_label(r["label"], r["uncertainty_percent"])]
        for r in rows
    ])  # fmt: skip


def _estimates(record: Record) -> str:
    head = ("artefact", "device", "backend", "threads", "ms a frame", "from", "to", "bound by", "method")
    rows = [
        [e.artifact, e.device, e.backend, str(e.threads), show_ms(e.us), show_ms(e.low_us), show_ms(e.high_us), e.bound,
         f"estimated: {e.method}"]
        for e in record.estimates
    ]  # fmt: skip
    return markdown(head, rows) if rows else ""


def _predictions(record: Record) -> str:
    head = ("predicted", "estimated ms", "measured ms", "error", "within the interval")
    rows = [
        [p.title, show_ms(p.predicted_us), show_ms(p.measured_us), f"{p.error_percent:+.1f} %",
         "yes" if p.within_stated else "no"]
        for p in record.predictions
    ]  # fmt: skip
    return markdown(head, rows) if rows else ""
