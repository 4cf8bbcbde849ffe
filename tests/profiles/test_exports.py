"""Traces and gauges, read back by the format's own rules."""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import accumulate
from pathlib import Path

import pytest
from records import record

from profiles.__main__ import main
from profiles.show.exports import chrome_trace, prometheus


def test_the_trace_holds_every_frame_in_its_place() -> None:
    made = record()
    trace = json.loads(chrome_trace(made))
    events = trace["traceEvents"]
    named = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert sorted(named.values()) == sorted(facts.name for facts in made.artifacts)
    for tid, case in enumerate(made.cases, 1):
        frames = [e for e in events if e.get("tid") == tid and e["ph"] == "X" and e["name"] in ("frame", "late frame")]
        assert {named[event["pid"]] for event in frames} == {case.artifact}
        starts = [event["ts"] for event in frames]
        assert starts == sorted(starts)
        if case.pace:
            dues = [at * case.pace.period_us for at in range(len(frames))]
            ends = list(accumulate((due + us for due, us in zip(dues, case.pace.response_us, strict=True)), max))
            assert [event["ts"] + event["dur"] for event in frames] == pytest.approx(ends, abs=0.01)
            assert all(start >= due - 0.01 for start, due in zip(starts, dues, strict=True))
            missed = [e for e in events if e.get("tid") == tid and e["ph"] == "i"]
            assert len(missed) == len(case.pace.late) == sum(e["name"] == "late frame" for e in frames) > 0
        else:
            assert [event["dur"] for event in frames] == case.timing.samples_us
        ends = [event["ts"] + event["dur"] for event in frames]
        assert all(end <= start + 0.01 for end, start in zip(ends, starts[1:], strict=False)), "slices do not overlap"


def test_operators_stand_inside_the_first_frame() -> None:
    made = record()
    events = json.loads(chrome_trace(made))["traceEvents"]
    tid = 1 + next(at for at, case in enumerate(made.cases) if case.operators)
    first = next(e for e in events if e.get("tid") == tid and e["name"] == "frame")
    rows = [e for e in events if e.get("tid") == tid and "macs" in e.get("args", {})]
    assert [e["name"] for e in rows] == ["convolution #2", "GELU #1"]
    assert rows[-1]["ts"] + rows[-1]["dur"] <= first["dur"] + 0.01
    assert rows[0]["args"]["us"] == 700.0


def test_gauges_are_read_by_prometheus_own_parser() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    made = record()
    families = {family.name: family for family in parser.text_string_to_metric_families(prometheus(made))}
    frame = {
        (s.labels["artifact"], s.labels["machine"], s.labels["threads"], s.labels["pacing"], s.labels["quantile"]): s
        for s in families["tinyface_frame_seconds"].samples
    }
    case = made.cases[0]
    sample = frame[(case.artifact, "here", "1", "flat_out", "0.99")]
    assert sample.value == pytest.approx(case.timing.p99_us / 1e6)
    assert sample.labels["figure"] == "measured_here"
    assert len(frame) == 4 * len(made.cases)
    memory = {s.labels["row"]: s.value for s in families["tinyface_memory_bytes"].samples}
    assert memory["counted"] == 4_633_000
    late = families["tinyface_late_frames"].samples
    assert [s.value for s in late] == [4, 4]
    met = {s.labels["demand"]: s.value for s in families["tinyface_demand_met"].samples}
    assert (met["memory"], met["time of a frame"]) == (1, 0)
    assert math.isnan(met["late frames"])
    assert "tinyface_lip_closure_accuracy_ratio" in families


def test_the_command_line_writes_both(tmp_path: Path) -> None:
    record().write(tmp_path / "in.json")
    trace, gauges = tmp_path / "trace.json", tmp_path / "tinyface.prom"
    options = ["--out", str(tmp_path / "out"), "--trace", str(trace), "--prometheus", str(gauges)]
    assert main(["render", str(tmp_path / "in.json"), *options]) == 0
    assert json.loads(trace.read_text("utf-8"))["displayTimeUnit"] == "ms"
    assert gauges.read_text("utf-8").startswith("# HELP tinyface_")


def test_cores_have_gauges_of_their_own() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    made = record()
    settings = [dataclasses.replace(made.cases[0].setting, pinned_cores=[core]) for core in (0, 1)]
    both = dataclasses.replace(made, cases=[dataclasses.replace(made.cases[0], setting=one) for one in settings])
    families = {family.name: family for family in parser.text_string_to_metric_families(prometheus(both))}
    assert {sample.labels["cores"] for sample in families["tinyface_real_time_factor"].samples} == {"0", "1"}
