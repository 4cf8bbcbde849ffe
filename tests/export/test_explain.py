"""The table behind a choice: what it holds, what it recommends, and that nothing is lowered for it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from random_students import Built, make_checkpoint, make_stream_checkpoint

import sdk
from distill.files.checkpoint import Checkpoint
from export import every
from export import pipeline as building
from export.build import main
from export.explain import LEGEND, explain
from export.load.checkpoints import Wanted
from export.lower.backends.base import Backend, backend_names, cannot_run, exportable, load_backend
from export.pipeline import build
from export.plan.built import Built as Measured
from export.plan.built import find_built
from export.plan.choose import Candidate, plan, ranked
from export.plan.cost import Cost
from export.plan.decide import Decision, exceeded, key
from export.plan.pareto import pareto_rows, table
from export.plan.quality import RECALL, Quality
from export.plan.target import allowed_backends
from export.quantise.precision import PRECISIONS, float_point
from export.studies import choices as choosing
from export.studies.choices import choices
from profiles.model.device import device_names, load_device
from sdk.errors import BudgetExceeded, ConfigError, EngineUnavailable, TinyfaceError


@pytest.fixture(scope="module")
def planned(shelf: Path) -> list[Candidate]:
    path = shelf / "s2.pt"
    checkpoint = Checkpoint.load(path)
    return plan(path, checkpoint, float_point(checkpoint), ("xnnpack", "portable"))


def altered(candidate: Candidate, name: str, quality: float, bytes_: int, us: float) -> Candidate:
    """`candidate` under another name with other figures; memory is its workspace alone."""
    rows = dataclasses.replace(
        candidate.rows, packed_weights_bytes=0, operators_bytes=0, planned_arenas_bytes=0, in_place_bytes=0,
        stream_state_bytes=0, opening_bytes=0, workspace_bytes=bytes_,
    )  # fmt: skip
    cost = Cost(candidate.cost.macs, 30, 30, us)
    return dataclasses.replace(
        candidate, path=Path(f"{name}.pt"), rows=rows, cost=cost, quality=Quality(quality, RECALL)
    )


def test_what_is_too_slow_is_not_called_too_large(planned: list[Candidate]) -> None:
    """Of 1.87 MB under 20 MB it was said that it needs 0 B too much, and to give 2100 KB."""
    slow = [altered(planned[0], name, 0.9, size, 60_000.0) for name, size in (("s0", 1_870_000), ("s1", 900_000))]
    said = str(exceeded(Decision(20_000_000, slow, {}), []))
    assert said.startswith("nothing keeps up with speech on one core: s0 about 60.0 ms for a frame of 33.3 ms, s1 ")
    assert said.endswith("No budget helps: give another --precision or --backend, or train a smaller variant.")
    large = altered(planned[0], "s5", 0.9, 30_000_000, 50.0)
    said = str(exceeded(Decision(20_000_000, [large, slow[0]], {}), []))
    assert said.startswith("s5 needs about 30.00 MB, the budget is 20.00 MB")
    assert "Too slow for speech: s0 about 60.0 ms" in said
    assert "give --budget 33100KB" in said
    whys = [choosing.choice_for("", points, 20_000_000, "auto", {}).why for points in (slow, [large, *slow])]
    assert whys == [
        "nothing keeps up with speech: s0 about 60.0 ms for a frame of 33.3 ms",
        "nothing fits: s5 is closest, 10.00 MB too much",
    ]


def test_what_another_beats_in_everything_is_dominated(planned: list[Candidate]) -> None:
    one = planned[0]
    points = [
        altered(one, "best", 0.9, 5000, 50.0), altered(one, "small", 0.7, 1000, 50.0),
        altered(one, "worse", 0.8, 6000, 60.0), altered(one, "fast", 0.8, 6000, 10.0),
        altered(one, "twin", 0.9, 5000, 50.0),
    ]  # fmt: skip
    rows = {row.name: row for row in pareto_rows(Decision(5000, points, {}, points[0]))}
    assert {name: row.dominated_by for name, row in rows.items()} == {
        "best": "", "small": "", "worse": "best", "fast": "", "twin": "",
    }  # fmt: skip
    assert [name for name, row in rows.items() if row.fits] == ["best", "small", "twin"]
    assert [name for name, row in rows.items() if row.is_chosen] == ["best"]
    shown = table(list(rows.values()))
    assert "dominated by best" in shown
    assert "**chosen**" in shown


def test_a_measured_figure_wins_over_a_computed_one(planned: list[Candidate]) -> None:
    one = altered(planned[0], "one", 0.9, 5000, 50.0)
    (row,) = pareto_rows(Decision(6000, [one], {key(one): Measured(7000, 123, 80.0)}))
    assert (row.computed_counted_bytes, row.measured_counted_bytes, row.counted_bytes) == (5000, 7000, 7000)
    assert not row.fits
    assert (row.frame_us, row.frame_us_is, row.file_bytes) == (80.0, "measured here", 123)


def test_lips_are_of_one_set_in_all_rows(planned: list[Candidate]) -> None:
    """A twin that was scored on fewer sets printed those of another, under a legend that named one."""
    scores = {"strangers": {"pbm": 0.1, "jitter": 0.1}, "human": {"pbm": 0.2, "jitter": 0.2}}
    points = [
        dataclasses.replace(altered(planned[0], name, 0.9, 5000, 50.0), point=point)
        for name, point in (
            ("all", dataclasses.replace(planned[0].point, scores={**scores, "people": {"pbm": 0.3, "jitter": 0.3}})),
            ("few", dataclasses.replace(planned[0].point, scores=scores)),
            ("odd", dataclasses.replace(planned[0].point, scores={"people": 3})),
        )
    ]
    rows = pareto_rows(Decision(5000, points, {}))
    assert [(row.pbm, row.jitter) for row in rows] == [(0.3, 0.3), (None, None), (None, None)]
    assert "on the development speakers, in quiet" in LEGEND
    assert table(rows).splitlines()[3].split("|")[3].strip() == "–"


def test_fast_backends_come_first_and_what_is_too_slow_last(planned: list[Candidate]) -> None:
    xnnpack, portable = planned
    slow = altered(xnnpack, "slow", 1.0, 10, 40_000.0)
    poor = dataclasses.replace(xnnpack, quality=Quality(0.1, RECALL))
    assert not slow.cost.is_real_time
    able = dataclasses.replace(portable, cost=dataclasses.replace(portable.cost, call_us=10.0))
    assert ranked([slow, able, poor]) == [poor, able, slow]


def test_explain_lowers_nothing(shelf: Path, built: Built, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("lowered")

    monkeypatch.setattr(building, "lower", fail)
    monkeypatch.setattr(building, "measure", fail)
    wanted = Wanted(checkpoints=shelf)
    text = explain(2_000_000, wanted, built=find_built(built.out.parent))
    assert "2.00 MB: s2 has the best recall at 2 % (0.800) of what fits; too large: s5" in text
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| s")}
    assert {"s2", "s3", "s5", "s2 portable"} <= set(lines)
    assert "**chosen**" in lines["s2"]
    assert "~" not in lines["s2"], "it was built and measured"
    assert "not scored" in lines["s3"]
    with pytest.raises(BudgetExceeded):
        explain(10_000, wanted, built={})
    assert list(tmp_path.iterdir()) == []


def test_the_report_holds_the_table(built: Built) -> None:
    rows = {row["name"]: row for row in built.report["candidates"]}
    assert rows["s2"]["is_chosen"]
    assert not rows["s5"]["fits"]
    assert rows["s2 portable"]["backend"] == "portable"
    memory = built.report["memory"]
    assert abs(memory["counted_error_percent"]) < 10
    assert abs(memory["error_percent"]["program_bytes"]) < 10
    assert memory["extra_voice"]["computed_bytes"] == 8192 * 4
    assert 8192 * 4 <= memory["extra_voice"]["measured_bytes"] < 8192 * 4 + 2000


def test_choices_for_budgets_and_devices(shelf: Path) -> None:
    devices = [name for name in device_names() if load_device(name).leaves_us.precisions[0] == "fp32"]
    targets = [("2MB", "2MB", None), ("10KB", "10KB", None), *((name, None, name) for name in devices)]
    found = {one.target: one for one in choices(targets, {}, shelf)}
    assert found["2MB"].chosen == "s2"
    assert found["2MB"].why.startswith("better but too large: s5 needs")
    assert (found["10KB"].chosen, found["10KB"].counted_bytes) == ("", None)
    assert found["10KB"].why.startswith("nothing fits: s3")
    for name in devices:
        assert found[name].budget_bytes == load_device(name).memory_budget_bytes
        assert found[name].chosen == ("s5" if found[name].budget_bytes >= 4_000_000 else "s2")
        assert found[name].precision == "auto"
    assert len(choosing.table(list(found.values())).splitlines()) == 2 + len(targets)


@pytest.mark.parametrize("name", backend_names())
def test_every_backend_says_what_it_is_and_what_it_lacks(name: str) -> None:
    backend = load_backend(name)
    assert isinstance(backend, Backend)
    assert backend.title
    assert backend.runs_on
    assert set(backend.precisions) <= set(PRECISIONS)
    assert isinstance(cannot_run(backend), str)
    missing = backend.missing()
    if missing:
        with pytest.raises(EngineUnavailable, match=f"backend {name} cannot export here"):
            exportable(name)
        assert len(missing.split()) > 3, "the remedy is named"
    else:
        assert exportable(name) == backend


def test_a_student_that_was_never_scored_is_not_called_the_best(tmp_path: Path) -> None:
    make_checkpoint("s2", 8, None).save(tmp_path / "s2.pt")
    text = explain(2_000_000, Wanted(checkpoints=tmp_path), {})
    assert "2.00 MB: s2 is the first that fits; it was never scored" in text
    assert "has the best" not in text


def test_backends_that_there_are_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--backend", "abacus", "--budget", "8MB", "--out", str(tmp_path / "out")]) == 2
    assert "no backend 'abacus'; there are: " in capsys.readouterr().err
    with pytest.raises(ConfigError, match="phone_low does not run portable"):
        allowed_backends("phone_low", "portable")
    assert "xnnpack" in allowed_backends("phone_low")
    assert main(["--backend", "vulkan", "--budget", "8MB", "--explain"]) == 2
    assert "there is no table for it; say where to build" in capsys.readouterr().err
    assert main(["--backend", "tinyface", "--explain", "--out", str(tmp_path / "out")]) == 2
    assert "leave --explain out" in capsys.readouterr().err, "asked for and never printed"
    assert main(["--all", "--explain", "--out", str(tmp_path / "out")]) == 2
    assert "leave --explain out" in capsys.readouterr().err
    for name in ("vulkan", "tinyface"):
        assert main(["--all", "--backend", name, "--out", str(tmp_path / "out")]) == 2
        assert f"nobody can compute that of {name}: leave --all out" in capsys.readouterr().err
    assert main(["--backends"]) == 0
    listed = capsys.readouterr().out
    assert all(f"| {name} " in listed for name in backend_names())


@pytest.mark.usefixtures("unheard")
def test_portable_kernels_are_built_where_nothing_else_fits(tmp_path: Path) -> None:
    """A budget between the two: weights in place, no crowd, and the same frames."""
    make_stream_checkpoint().save(tmp_path / "s6.pt")
    checkpoint = Checkpoint.load(tmp_path / "s6.pt")
    fast, slow = plan(tmp_path / "s6.pt", checkpoint, float_point(checkpoint), ("xnnpack", "portable"))
    assert slow.rows.counted_bytes < 0.7 * fast.rows.counted_bytes
    between_bytes = (fast.rows.counted_bytes + slow.rows.counted_bytes) // 2
    report = build(between_bytes, tmp_path / "out", Wanted(checkpoints=tmp_path))
    assert report["choice"]["backend"] == "portable"
    assert "slow ones, as nothing for a faster backend fits; too large: s6" in report["choice"]["why"]
    assert "too large: s6" in report["choice"]["why"]
    assert report["files"]["model.pte"]["delegates"] == 0
    assert report["memory"]["computed"]["in_place_bytes"] == report["memory"]["computed"]["parameters_bytes"]
    assert abs(report["memory"]["counted_error_percent"]) < 10
    manifest = sdk.open_artifact(tmp_path / "out" / "model.pte").manifest
    assert (manifest.backend, manifest.crowd_voices) == ("portable", 0)
    assert report["verification"]["max_abs_error"]["model.pte"] < 1e-4


@pytest.mark.usefixtures("unheard")
def test_every_point_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_checkpoint("s2", 8, 0.8).save(tmp_path / "s2.pt")
    make_checkpoint("s3", 12, 0.7).save(tmp_path / "s3.pt")
    make, out, seen = every.make_program, tmp_path / "all", []

    def sometimes(candidate: Candidate, *rest: Any) -> Any:
        seen.append(candidate.name)
        if candidate.name == "s3" and len(seen) < 3:
            raise TinyfaceError("not today")
        return make(candidate, *rest)

    monkeypatch.setattr(every, "make_program", sometimes)
    monkeypatch.setattr(building, "verify", lambda files: dict.fromkeys((path.name for path in files), 0.0))
    wanted = Wanted(precision="fp32", checkpoints=tmp_path, backends=("xnnpack",))
    first = every.build_every(out, wanted)
    assert first["failed"] == {"s3": "not today"}
    assert [one["name"] for one in first["built"]] == ["s2"]
    second = every.build_every(out, wanted)
    assert seen == ["s2", "s3", "s3"], "what was built before is not built again"
    assert not second["failed"]
    assert sorted(path.name for path in out.iterdir()) == [
        "s2-fp32-xnnpack", "s3-fp32-xnnpack", "summary.json", "summary.md",
    ]  # fmt: skip
    assert json.loads((out / "summary.json").read_text())["worst_error_percent"] == second["worst_error_percent"] < 10
    assert "Worst error of what a budget counts" in (out / "summary.md").read_text()
    assert len(find_built(out)) == 2


def test_the_command_lines(shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--checkpoint", str(shelf / "s2.pt"), "--backend", "xnnpack"]
    assert main(["--explain", "--budget", "2MB", *only]) == 0
    said = capsys.readouterr().out
    assert "**chosen**" in said
    assert "2.00 MB: s2 has the best recall at 2 %" in said
    assert main(["--explain", "--budget", "10KB", *only]) == 2
    said = capsys.readouterr()
    assert "| s2 " in said.out, "the table is shown all the same"
    assert "BudgetExceeded: s2 needs" in said.err
    assert main(["--backend", "vulkan", "--budget", "8QB", "--out", str(tmp_path / "x")]) == 2
    assert "'QB' is unknown" in capsys.readouterr().err
    assert main(["--all", "--budget", "2MB", *only]) == 2
    assert "leave --budget and --device out" in capsys.readouterr().err
    assert main(["--all", *only]) == 2
    assert "--out FOLDER" in capsys.readouterr().err
    assert main(["--budget", "2MB", *only]) == 2
    assert "or ask for the table alone with --explain" in capsys.readouterr().err
    assert choosing.main(["--budget", "8QB"]) == 2
    assert "'QB' is unknown" in capsys.readouterr().err
    assert choosing.main(["--json", str(tmp_path)]) == 2
    assert "it is a folder; give the name of a file" in capsys.readouterr().err
    assert choosing.main(["--device", "abacus"]) == 2
    assert "no device 'abacus'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_precisions_by_name_leave_out_what_was_never_scored(tmp_path: Path) -> None:
    """Quantising a student only to rank it last would take minutes."""
    from distill.files.twin import twin_path
    from export.pipeline import plan_all
    from export.quantise.rounding import post_training

    for name, seed in (("s6", 0), ("s7", 1)):
        make_stream_checkpoint(seed).save(tmp_path / f"{name}.pt")
    parent = Checkpoint.load(tmp_path / "s6.pt")
    post_training(parent).save(twin_path(tmp_path / "s6.pt"))
    said: list[str] = []
    planned, _ = plan_all(Wanted(precision="int8", checkpoints=tmp_path, backends=("xnnpack",)), said.append)
    assert [c.name for c in planned] == ["s6 int8"]
    assert any("left out: s7: no int8 twin, so never scored; --student NAME makes one" in line for line in said)
