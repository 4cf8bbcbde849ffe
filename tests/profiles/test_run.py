"""A whole run from the command line on a real program, and every mistake that a person can make with it."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from records import case
from sealed import manifest, write_script

from profiles import __main__ as commands
from profiles import run
from profiles.__main__ import main
from profiles.measure.cpu import Job
from profiles.measure.from_device import KIND, merge_launches, read_result, read_results
from profiles.measure.plan import Plan, Subject, jobs_of, names, subjects_of
from profiles.measure.steps import step_frames
from profiles.model import environment as surroundings
from profiles.model.environment import available_cores, environment
from profiles.model.figures import Case
from profiles.model.record import ArtifactFacts, Record, Skipped
from profiles.run import profile
from sdk.artifact import Artifact, open_artifact
from sdk.errors import ArtifactError, EngineUnavailable, ProfileError


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_script(tmp_path_factory.mktemp("scripts") / "tiny" / "model.pt")


@pytest.fixture(scope="module")
def profiled(script: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """The smallest whole run: one artefact, two launches, a second of speech, everything written."""
    out = tmp_path_factory.mktemp("profile")
    options = ["--device", "desktop_cpu", "--quick", "--seconds", "1", "--launches", "2", "--gpu", "off"]
    exports = ["--trace", str(out / "trace.json"), "--prometheus", str(out / "tinyface.prom")]
    assert main([str(script), "--trust", "--out", str(out), *options, *exports]) == 0
    return out, Record.read(out / "report.json")


@pytest.mark.slow
def test_a_whole_run(profiled: tuple[Path, Record], script: Path) -> None:
    out, record = profiled
    (facts,) = record.artifacts
    assert facts.sha256 == open_artifact(script).sha256
    assert facts.pbm == {"human": 0.81}
    settings = {(case.setting.backend, case.setting.pacing): case for case in record.cases}
    assert {("torchscript", "flat_out"), ("torchscript", "real_time"), ("python_sdk", "flat_out")} <= set(settings)
    plain = settings[("torchscript", "flat_out")]
    assert plain.label == "measured_here"
    assert sorted(set(plain.launch)) == [0, 1]
    assert len(plain.latency) == 4
    paced = settings[("torchscript", "real_time")].pace
    assert paced is not None
    assert len(paced.response_us) == 30
    assert record.device is not None
    assert record.device.name == "desktop_cpu"
    assert {check.demand for check in record.checks} >= {"memory", "time of a frame", "backend", "precision"}
    assert record.command.startswith("python -m profiles ")
    for name in ("report.md", "report.html", "trace.json", "tinyface.prom"):
        assert (out / name).stat().st_size > 500, name


@pytest.mark.slow
def test_a_table_and_a_comparison_of_it(profiled: tuple[Path, Record], capsys: pytest.CaptureFixture[str]) -> None:
    path = str(profiled[0] / "report.json")
    assert main(["table", path]) == 0
    assert "| tiny fp32 cpu .pt" in capsys.readouterr().out
    assert main(["compare", path, path]) == 0


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a run that ends with status 2 says."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_mistakes_are_told_in_words(script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out"), "--gpu", "off"]
    (tmp_path / "cut.pt").write_bytes(script.read_bytes()[:500])
    (tmp_path / "typo.yaml").write_text("title: mine\nmemori: 3\n", "utf-8")
    assert "cannot read" in fails([str(tmp_path / "none.pte"), *out], capsys)
    assert "truncated" in fails([str(tmp_path / "cut.pt"), *out], capsys)
    assert "--trust" in fails([str(script), *out], capsys), "a TorchScript file is a program"
    out += ["--trust"]
    assert "steam_deck" in fails([str(script), "--device", "steamdeck", *out], capsys), "the right names are told"
    assert "memori is unknown" in fails([str(script), "--device", str(tmp_path / "typo.yaml"), *out], capsys)
    core = max(os.sched_getaffinity(0)) + 100 if hasattr(os, "sched_getaffinity") else 0
    assert "not available" in fails([str(script), "--pin", str(core), *out], capsys) or core == 0
    assert "whole numbers" in fails([str(script), "--threads", "1;2", *out], capsys)
    assert "1 or more" in fails([str(script), "--launches", "0", *out], capsys)
    assert "no backend 'torchskript'; there are: " in fails([str(script), "--backends", "torchskript", *out], capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Required or asked for by name, it is a mistake; it is listed with its reason all the same."""
    only_gpu = [str(script), "--trust", "--backends", "cuda_torchscript", "--out", str(tmp_path / "out"), "--no-native"]
    assert "a GPU was required" in fails([*only_gpu, "--gpu", "require"], capsys)
    said = fails([*only_gpu, "--quick"], capsys)
    assert "--backends cuda_torchscript: asked for by name, and ran nowhere" in said
    record = Record.read(tmp_path / "out" / "report.json")
    assert record.cases == []
    assert any("CUDA" in skipped.reason for skipped in record.skipped)


def test_exit_status_stands_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["compare", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        text = capsys.readouterr().out
        assert "Exit status: 0 done (compare: no regression), 1 a regression was found, 2 a mistake" in text
        assert "a pinned core that this" in text


def test_devices_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices"]) == 0
    assert "raspberry_pi5" in capsys.readouterr().out


def facts_of(path: Path) -> ArtifactFacts:
    return ArtifactFacts.of(open_artifact(path), "tiny", str(path))


def artifact(folder: str, **changes: Any) -> Artifact:
    return Artifact(Path(folder, "model.pt"), manifest(**changes), 1, "ab" * 32)


def test_names_are_short_and_each_once() -> None:
    executorch = {"runtime": "executorch", "backend": "xnnpack"}
    assert names([artifact("a", **executorch), artifact("a")]) == ["tiny fp32 xnnpack", "tiny fp32 cpu .pt"]
    twice = [artifact("a", **executorch), artifact("b", **executorch), artifact("b", **executorch)]
    assert names(twice) == ["tiny fp32 xnnpack (a)", "tiny fp32 xnnpack (b)", "tiny fp32 xnnpack (b) #2"]


def test_the_plan_becomes_cases(script: Path) -> None:
    """Artefacts of one setting stand together, and more threads than cores are left out with the reason."""
    subjects = subjects_of([script, script], True)
    plan = Plan(threads=(1, available_cores() + 1), backends=("torchscript",), loads=("none", "renderer"))
    jobs, skipped = jobs_of(subjects, plan)
    titles = [job.setting.title for job in jobs]
    assert titles == [title for title in dict.fromkeys(titles) for _ in range(2)]
    assert "torchscript, 1 thread, real time, beside renderer" in titles
    assert [entry.reason.split(";")[0] for entry in skipped] == [f"there are {available_cores()} cores here"] * 2
    assert all(isinstance(job, Job) for job in jobs)
    with pytest.raises(ProfileError, match="nothing to profile"):
        profile([], None, plan)


def test_a_stream_with_a_crowd_has_a_case_for_it(script: Path) -> None:
    stream = {"kind": "stream", "window_samples": 320, "future_samples": 704, "state": [[1, 1, 1]], "crowd_voices": 8}
    made = artifact("a", runtime="executorch", backend="xnnpack", **stream)
    subject = dataclasses.replace(subjects_of([script], True)[0], artifact=made)
    jobs, _ = jobs_of([subject], Plan.quick())
    crowds = [job.setting for job in jobs if job.setting.voices == 8]
    assert [setting.title for setting in crowds] == ["xnnpack, 1 thread, flat out, 8 voices"]


def result(path: Path, **changes: Any) -> dict[str, Any]:
    """What the C++ profiler writes: two rounds flat out, a paced run."""
    plain = {
        "threads": 1, "pacing": "flat_out", "cache": "warm", "load": "none", "pinned_cores": [], "voices": 1,
        "rounds_us": [[1000.0, 1100.0], [1050.0, 1200.0]], "started_s": [1.0, 2.0], "cpu_us": 1040.0, "load_ms": 20.0,
        "memory": [{"name": "counted", "bytes": 4_900_000, "part": False}], "pace": None, "p50_us": 1050.0,
    }  # fmt: skip
    pace = {"period_us": 33333.3, "deadline_us": 33333.3, "response_us": [2000.0, 40000.0]}
    made = {
        "schema": 1, "kind": KIND, "machine": "steam_deck", "sha256": open_artifact(path).sha256, "student": "tiny",
        "environment": dataclasses.asdict(environment()), "note": "",
        "cases": [plain, plain | {"pacing": "real_time", "rounds_us": [[2e3]], "started_s": [3.0], "pace": pace}],
        "operators": [{"name": "linear", "kind": "linear", "where": "native", "calls": 1, "us": 900.0}],
    }  # fmt: skip
    return made | changes


def test_what_a_device_brought_back(script: Path, tmp_path: Path) -> None:
    (tmp_path / "deck.json").write_text(json.dumps(result(script)), "utf-8")
    plain, paced = read_result(tmp_path / "deck.json", [facts_of(script)])
    assert (plain.artifact, plain.machine, plain.label) == ("tiny", "steam_deck", "measured_on_device")
    assert plain.memory_bytes("counted") is None, "what the profiler of before called so lacks the peak of opening"
    assert plain.memory_bytes("model and state") == 4_900_000
    assert plain.timing.p50_us == 1050.0
    assert plain.real_time_factor == pytest.approx(1050 * 30 / 1e6)
    assert plain.memory[0].label == "measured_on_device"
    assert [row.name for row in plain.operators] == ["linear"]
    assert paced.operators == []
    assert paced.pace is not None
    assert paced.pace.late == [1]
    assert plain.uncertainty_percent is None, "one process cannot tell how processes differ"


def test_what_was_played_as_the_manifest_says_is_taken(script: Path, tmp_path: Path) -> None:
    played = result(script, fps=30.0, ensemble=False, chunk_ms=10)
    (tmp_path / "deck.json").write_text(json.dumps(played), "utf-8")
    assert len(read_result(tmp_path / "deck.json", [facts_of(script)])) == 2


def test_a_device_keeps_its_own_processor_and_notes(script: Path, tmp_path: Path) -> None:
    there = dataclasses.asdict(environment()) | {"cpu": "Van Gogh"}
    for name, changes in {
        "docked": {"note": "docked, 15 W"}, "hand": {"note": "in the hand"},
        "other": {"environment": there | {"cpu": "X"}},
    }.items():  # fmt: skip
        text = json.dumps(result(script, **{"environment": there} | changes))
        (tmp_path / f"{name}.json").write_text(text, "utf-8")
    paths = [tmp_path / "docked.json", tmp_path / "hand.json"]
    cases, (machine,) = read_results(paths, [facts_of(script)])
    assert (len(cases), machine.name, machine.environment.cpu) == (4, "steam_deck", "Van Gogh")
    assert machine.notes == ["docked, 15 W", "in the hand"]
    with pytest.raises(ProfileError, match=r"other.json: comes from a steam_deck with X .* with Van Gogh"):
        read_results([*paths, tmp_path / "other.json"], [facts_of(script)])


def test_launches_of_the_native_profiler_become_one_case(script: Path, tmp_path: Path) -> None:
    (tmp_path / "here.json").write_text(json.dumps(result(script, machine="here")), "utf-8")
    runs = [read_result(tmp_path / "here.json", [facts_of(script)]) for _ in range(4)]
    plain, paced = merge_launches(runs)
    assert plain.label == "measured_here"
    assert plain.launch == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(plain.timing.samples_us) == 16
    assert plain.uncertainty_percent == 0
    assert paced.pace is not None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "cd" * 32}, "which is none of tiny"),
        ({"schema": 2}, "schema 2; this version reads"),
        ({"kind": "something else"}, "kind 'something else'"),
        ({"colour": 1}, "colour is unknown"),
        ({"fps": 60.0}, r"tiny was played at 60 frames a second, which its manifest has at 30 \(--fps\)"),
        ({"fps": 29.97}, "at 29.97 frames a second"),
        ({"ensemble": True}, r"with the ensemble, unlike its manifest \(--ensemble\)"),
        ({"chunk_ms": 100}, r"in blocks of 100 ms, where delays are reckoned with 10 \(--chunk-ms\)"),
        ({"cases": [{"threads": "one"}]}, r"cases\[0\].threads is 'one', not a whole number; .*rounds_us is missing"),
    ],
)
def test_results_that_cannot_be_used(script: Path, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    (tmp_path / "deck.json").write_text(json.dumps(result(script, **changes)), "utf-8")
    with pytest.raises(ProfileError, match=says) as caught:
        read_result(tmp_path / "deck.json", [facts_of(script)])
    assert "deck.json" in str(caught.value)


def test_a_device_result_decides_the_verdict(script: Path, tmp_path: Path) -> None:
    """Merged by the command line, without measuring anything here."""
    (tmp_path / "deck.json").write_text(json.dumps(result(script)), "utf-8")
    options = ["--backends", "native", "--no-native", "--gpu", "off", "--native", str(tmp_path / "deck.json")]
    assert main([str(script), "--trust", "--device", "steam_deck", "--out", str(tmp_path / "out"), *options]) == 0
    record = Record.read(tmp_path / "out" / "report.json")
    assert [machine.name for machine in record.machines] == ["steam_deck"]
    assert "- steam_deck: " in (tmp_path / "out" / "report.md").read_text("utf-8")
    assert {case.machine for case in record.cases} == {"steam_deck"}
    assert all(len(case.latency) == 4 for case in record.cases)
    found = {check.demand: check for check in record.checks}
    assert found["time of a frame"].label == "measured_on_device"
    assert (found["late frames"].value, found["late frames"].passed) == (1.0, False)
    assert main([str(script), "--trust", "--device", "phone_low", "--out", str(tmp_path / "other"), *options]) == 0
    other = Record.read(tmp_path / "other" / "report.json")
    assert any("it is not phone_low: " in one.reason for one in other.skipped if "steam_deck" in one.case)
    assert not any(check.label == "measured_on_device" for check in other.checks if "latency" in check.demand)


def test_a_required_gpu_needs_a_script(script: Path) -> None:
    subject = subjects_of([script], True)[0]
    pte = dataclasses.replace(subject, artifact=artifact("a", runtime="executorch", backend="xnnpack"))
    with pytest.raises(EngineUnavailable, match=r"a CUDA device runs a \.pt, and none was given"):
        run._on_gpu([pte], Plan(gpu="require"), lambda line: None)
    assert run._on_gpu([pte], Plan(gpu="off"), lambda line: None) == []


def test_the_environment_is_this_machine() -> None:
    here = environment()
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    release, found = (version.partition("+")[0] for version in (torch.__version__, here.versions["torch"]))
    assert found == release, "a wheel for CUDA may keep its build to itself"
    assert here.python.count(".") == 2


def test_the_clock_is_what_a_core_reaches_and_not_what_it_idles_at(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/proc/cpuinfo": "cpu MHz\t\t: 800.0\n"}
    monkeypatch.setattr(surroundings, "_read", lambda path: files.get(path, ""))
    assert environment().clock_ghz == 0.8, "all that such a system tells"
    files["/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"] = "4200000\n"
    assert environment().clock_ghz == 4.2


@pytest.mark.parametrize("option", ["--out", "--trace", "--prometheus"])
def test_a_place_that_cannot_be_written_is_told_before_the_minutes(
    option: str, script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(commands, "profile", never)
    (tmp_path / "file").write_text("in the way", "utf-8")
    (tmp_path / "folder").mkdir()
    out = [] if option == "--out" else ["--out", str(tmp_path / "out")]
    places = [tmp_path / "file" / "below"] + [tmp_path / "folder", tmp_path / "none" / "x"] * (option != "--out")
    for place in places:
        assert f"cannot write {place}" in fails([str(script), "--trust", *out, option, str(place)], capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"], "nothing is made either"


def test_without_scipy_it_is_told_before_the_minutes(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "find_spec", lambda name: None if name == "scipy" else object())
    for arguments in ([str(script), "--out", str(tmp_path / "out")], ["spread", "a.json", "b.json"]):
        assert "reports need scipy: pip install" in fails(arguments, capsys)


def test_a_gpu_that_fails_costs_its_own_cases_alone(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_there(*_: Any) -> None:
        raise ArtifactError("out of memory")

    monkeypatch.setattr(run.gpu, "why_no_gpu", lambda: "")
    monkeypatch.setattr(run.gpu, "_case", fails_there)
    subjects = subjects_of([script], True)
    found = run._on_gpu(subjects, Plan(), lambda line: None)
    assert [one.reason for one in found if isinstance(one, Skipped)] == ["out of memory"] * 2
    with pytest.raises(EngineUnavailable, match="nothing ran on one: out of memory"):
        run._on_gpu(subjects, Plan(gpu="require"), lambda line: None)


def test_a_native_profiler_that_fails_costs_its_own_cases_alone(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = subjects_of([script], True)[0]
    made = dataclasses.replace(first, artifact=artifact("a", runtime="executorch", backend="xnnpack"))
    bad = dataclasses.replace(made, facts=dataclasses.replace(made.facts, name="bad"))
    one = case("s5 fp32 xnnpack")

    def sometimes(subject: Subject, *_: Any, **__: Any) -> list[Case]:
        if subject is bad:
            raise ArtifactError("the profiler refuses it")
        return [one]

    monkeypatch.setattr(run, "find_profiler", lambda: Path("profiler"))
    monkeypatch.setattr(run, "_run_native", sometimes)
    found = run._native([made, bad], Plan(launches=2), lambda line: None)
    assert [type(one).__name__ for one in found] == ["Case", "Skipped"]
    assert found[1] == Skipped("bad: native", "the profiler refuses it")


def test_weights_are_fetched_once_a_run_and_not_once_a_frame(
    script: Path, echo_pt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hops of the stream make one frame, for which its weights are fetched twice."""
    given: list[dict[str, int]] = []

    def calibrate(cases: Any, precisions: Any, weights: dict[str, int], *_: Any) -> None:
        given.append(weights)
        raise ProfileError("asked for its weights alone")

    monkeypatch.setattr(run, "calibrate", calibrate)
    subjects = subjects_of([script, echo_pt], trusted=True)
    run._estimated([case("s5 fp32 xnnpack")], subjects, None, Plan(), environment(), lambda line: None)
    frames = [step_frames(one.artifact.manifest) for one in subjects]
    assert frames == [1, 0.5]
    assert list(given[0].values()) == [
        4 * one.facts.parameters / per for one, per in zip(subjects, frames, strict=True)
    ]
