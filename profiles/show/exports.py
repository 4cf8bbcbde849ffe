"""A record for people who live in other tools: Chrome's trace viewer or Perfetto, and Prometheus.

chrome_trace(record)     # JSON text: open it at chrome://tracing or ui.perfetto.dev
prometheus(record)       # text exposition format: serve it, or leave it to node_exporter's textfile collector
"""

from __future__ import annotations

import json
from typing import Any

from profiles.model.figures import Case
from profiles.model.record import Record

_ANSWER = {True: 1.0, False: 0.0, None: float("nan")}


def chrome_trace(record: Record) -> str:
    """Trace Event Format: each case a track in the process of its artefact, each frame a slice, late ones marked.

    A paced case stands in true time: a frame begins when it was due, or when the one before let go, and ends when its
    values were there. Frames flat out follow one another, round by round; operators of a case stand under its first
    frame, in the program's order.
    """
    events: list[dict[str, Any]] = []
    processes = {facts.name: at for at, facts in enumerate(record.artifacts, 1)}
    for name, pid in processes.items():
        events.append({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}})
    for tid, case in enumerate(record.cases, 1):
        pid = processes[case.artifact]
        title = {"name": f"{case.setting.title} ({case.machine}, {case.label.replace('_', ' ')})"}
        events.append({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": title})
        events += _paced(case, pid, tid) if case.pace else _flat_out(case, pid, tid)
        events += _counters(case, pid)
    other = {"created": record.created, "cpu": record.environment.cpu, "command": record.command}
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": other}, allow_nan=False)


def _paced(case: Case, pid: int, tid: int) -> list[dict[str, Any]]:
    assert case.pace is not None
    late, events, free = set(case.pace.late), [], 0.0
    for at, response in enumerate(case.pace.response_us):
        due = at * case.pace.period_us
        start, free = max(due, free), max(due + response, free)  # slices of a track must not overlap
        args = {"frame": at, "response_us": response}
        events.append(_slice("late frame" if at in late else "frame", start, free - start, pid, tid, args))
        if at in late:
            mark = {"ph": "i", "name": "deadline missed", "ts": due + case.pace.deadline_us, "s": "t"}
            events.append(mark | {"pid": pid, "tid": tid})
    return events


def _flat_out(case: Case, pid: int, tid: int) -> list[dict[str, Any]]:
    events, now = [], 0.0
    for number, samples in enumerate(case.timing.rounds_us):
        launch: dict[str, Any] = {"launch": case.launch[number]} if case.launch else {}
        events.append(_slice(f"round {number}", now, sum(samples), pid, tid, launch))
        for us in samples:
            events.append(_slice("frame", now, us, pid, tid, {}))
            now += us
    operators = [row for row in case.operators if row.us is not None]
    start, scale = 0.0, case.timing.rounds_us[0][0] / max(sum(row.us or 0.0 for row in operators), 1e-9)
    for row in operators:  # scaled into the first frame: an operator's own time was taken in another run
        shown = (row.us or 0.0) * min(1.0, scale)
        args: dict[str, Any] = {"us": row.us, "macs": row.macs, "bytes": row.bytes, "where": row.where}
        events.append(_slice(row.name, start, shown, pid, tid, args | {"label": row.label}))
        start += shown
    return events


def _counters(case: Case, pid: int) -> list[dict[str, Any]]:
    parts = {row.name: row.bytes for row in case.memory if row.part}
    return [{"ph": "C", "name": f"memory, {case.machine}", "pid": pid, "ts": 0, "args": parts}] if parts else []


def _slice(name: str, start_us: float, us: float, pid: int, tid: int, args: dict[str, Any]) -> dict[str, Any]:
    place = {"ph": "X", "name": name, "ts": round(start_us, 3), "dur": round(us, 3), "pid": pid, "tid": tid}
    return place | {"args": args} if args else place


def prometheus(record: Record) -> str:
    """Gauges in base units (seconds, bytes, ratios), every one with the label that says where it comes from."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    setting = ("artifact", "machine", "backend", "threads", "pacing", "cache", "load", "voices", "cores", "figure")

    def gauge(name: str, words: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(f"tinyface_{name}", words, labels, registry=registry)

    words = "Time that one frame takes; of several voices, one's share of their call."
    frame = gauge("frame_seconds", words, (*setting, "quantile"))
    late = gauge("late_frames", "Frames that came after their deadline in the paced run.", setting)
    factor = gauge("real_time_factor", "Time taken over time played.", setting)
    load = gauge("load_seconds", "Opening the artefact, to its first frame.", setting)
    memory = gauge("memory_bytes", "Memory by row; counted is what a budget counts.", (*setting, "row"))
    for case in record.cases:
        s = case.setting
        cores = " ".join(map(str, s.pinned_cores))
        how = (s.backend, str(s.threads), s.pacing, s.cache, s.load, str(s.voices), cores)
        place = (case.artifact, case.machine, *how)
        of, t = (*place, case.label), case.timing
        for quantile, us in (("0.5", t.p50_us), ("0.95", t.p95_us), ("0.99", t.p99_us), ("1", t.max_us)):
            frame.labels(*of, quantile).set(us / 1e6)
        factor.labels(*of).set(case.real_time_factor)
        if case.pace:
            late.labels(*of).set(len(case.pace.late))
        if case.load_ms is not None:
            load.labels(*of).set(case.load_ms / 1e3)
        for row in case.memory:
            memory.labels(*place, row.label, row.name).set(row.bytes)
    _facts(record, gauge)
    return generate_latest(registry).decode("utf-8")


def _facts(record: Record, gauge: Any) -> None:
    """What is known of the artefacts, and the device's demands."""
    closure = gauge("lip_closure_accuracy_ratio", "PBM accuracy at 0.15 cm.", ("artifact", "scores"))
    jitter = gauge("jitter_cm2_per_frame4", "Jitter.", ("artifact", "scores"))
    estimated = gauge(
        "estimated_frame_seconds", "A frame on a device, by calculation.", ("artifact", "device", "bound")
    )
    met = gauge("demand_met", "1 met, 0 not, NaN cannot tell.", ("artifact", "device", "demand", "figure"))
    for facts in record.artifacts:
        for scores, value in facts.pbm.items():
            closure.labels(facts.name, scores).set(value)
        for scores, value in facts.jitter.items():
            jitter.labels(facts.name, scores).set(value)
    for e in record.estimates:
        for bound, us in (("low", e.low_us), ("expected", e.us), ("high", e.high_us)):
            estimated.labels(e.artifact, e.device, bound).set(us / 1e6)
    device = record.device.name if record.device else ""
    for check in record.checks:
        met.labels(check.artifact, device, check.demand, check.label).set(_ANSWER[check.passed])
