"""The harness measures what it says, in the settings it says, and says what it cannot measure."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from profiles.measure import _worker, cpu
from profiles.measure.cpu import Job, check_setting, measure_cases, median_uncertainty_percent, memory_rows, why_not
from profiles.model.figures import Case, Setting
from profiles.model.record import Skipped
from sdk.errors import ArtifactError, ProfileError


def run(jobs: list[Job], **changes: object) -> list[Case | Skipped]:
    return list(measure_cases(jobs, **({"launches": 1, "rounds": 2, "frames": 5, "memory": False} | changes)))


def test_a_plain_case_tells_all(known_pte: Path) -> None:
    jobs = [Job(known_pte, name, Setting("xnnpack")) for name in ("a", "b")]
    said: list[str] = []
    first, second = run(jobs, launches=3, say=said.append)
    assert isinstance(first, Case)
    assert isinstance(second, Case)
    assert said == ["xnnpack, 1 thread, flat out: a, b"]
    assert first.label == "measured_here"
    assert [len(samples) for samples in first.timing.rounds_us] == [5] * 6
    assert first.launch == [0, 0, 1, 1, 2, 2]
    assert len(first.cpu_rounds_us) == len(first.reference_us) == len(first.started_s) == 6
    taken = sorted((start, name) for case, name in ((first, "a"), (second, "b")) for start in case.started_s)
    assert [name for _, name in taken] == ["a", "b"] * 6, "they take turns, round by round"
    assert first.uncertainty_percent is not None
    assert first.uncertainty_percent > 0
    assert first.load_ms is not None
    assert 0 < first.load_ms < 30_000
    assert first.real_time_factor == pytest.approx(first.timing.p50_us * 25 / 1e6)
    assert first.pace is None


def test_real_time_pace_counts_late_frames(known_pt: Path) -> None:
    job = Job(known_pt, "a", Setting("torchscript", pacing="real_time", pinned_cores=[min(os.sched_getaffinity(0))]))
    (case,) = run([job], seconds=1.0, deadline_ms=1e-3)
    assert isinstance(case, Case)
    assert case.pace is not None
    assert case.pace.period_us == 40_000
    assert len(case.pace.response_us) == 25, "one second at 25 frames a second"
    assert len(case.pace.late) == 25, "no program answers within a nanosecond"
    assert min(case.pace.response_us) >= min(case.timing.samples_us) - 1, "a response holds the work"
    assert case.started_s
    assert not case.reference_us


def test_a_step_may_be_less_than_a_frame(echo_pt: Path) -> None:
    """A stream's hop of 20 ms is half a frame at 25 a second: its time a frame is twice that of a step."""
    plain, paced = run(
        [Job(echo_pt, "a", Setting("torchscript")), Job(echo_pt, "a", Setting("torchscript", pacing="real_time"))],
        seconds=0.5,
    )
    assert isinstance(plain, Case)
    assert isinstance(paced, Case)
    assert [len(samples) for samples in plain.timing.rounds_us] == [10, 10], "5 frames are 10 steps"
    assert paced.pace is not None
    assert paced.pace.period_us == 20_000
    assert len(paced.pace.response_us) == 25


@pytest.mark.parametrize("setting", [Setting("xnnpack", cache="cold"), Setting("xnnpack", load="renderer")])
def test_cold_caches_and_neighbours_take_one_launch(
    known_pte: Path, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cpu.last_cache_bytes() >= 0
    monkeypatch.setattr(cpu, "last_cache_bytes", lambda: 0)  # a gigabyte on a large server, which takes seconds to fill
    (case,) = run([Job(known_pte, "a", setting)], launches=3, frames=1)
    assert isinstance(case, Case)
    assert case.launch == [0] * 6
    assert case.uncertainty_percent is None, "one process says nothing of how processes differ"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (Setting("xnnpack", pinned_cores=[997]), r"core 997 is not available: this process may use \d.*taskset"),
        (Setting("xnnpack", threads=0), "0 threads"),
        (Setting("xnnpack", load="mining"), "no load 'mining'.*there are: none, renderer"),
    ],
)
def test_settings_that_cannot_be_are_refused(setting: Setting, says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        check_setting(setting)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (Setting("torchscript"), "the file runs on xnnpack"),
        (Setting("openvino"), "the file runs on xnnpack; for openvino export one"),
        (Setting("eager"), "make bench"),
        (Setting("python_sdk", threads=2), "one thread"),
        (Setting("xnnpack", voices=4), "runs 1 voices, not 4"),
    ],
)
def test_cases_that_an_artefact_does_not_have_are_skipped(known_pte: Path, setting: Setting, says: str) -> None:
    assert says in why_not(Job(known_pte, "a", setting))
    (skipped,) = run([Job(known_pte, "a", setting)])
    assert isinstance(skipped, Skipped)
    assert says in skipped.reason
    assert skipped.case.startswith("a: ")


def test_the_whole_python_path_is_a_case(known_pt: Path) -> None:
    (case,) = run([Job(known_pt, "a", Setting("python_sdk"))])
    assert isinstance(case, Case)
    assert case.timing.p50_us > 0


def test_a_program_that_does_not_load_is_told(known_pte: Path, tmp_path: Path) -> None:
    from sdk.artifact import open_artifact, seal

    bad = tmp_path / "bad.pte"
    bad.write_bytes(seal(b"this is no program" * 10, open_artifact(known_pte).manifest))
    with pytest.raises(ArtifactError, match=r"bad.pte: does not load and run \(xnnpack, 1 thread, flat out\)"):
        run([Job(bad, "a", Setting("xnnpack"))])
    (tmp_path / "foreign.pte").write_bytes(b"x" * 100)
    with pytest.raises(ArtifactError, match="no tinyface seal"):
        run([Job(tmp_path / "foreign.pte", "a", Setting("xnnpack"))])


def test_memory_adds_up(known_pte: Path) -> None:
    rows = {row.name: row.bytes for row in memory_rows(known_pte)}
    if not rows:
        pytest.skip("heap figures need glibc 2.33 or later")
    assert rows["packed weights and operators"] + rows["workspace"] == rows["steady"]
    assert rows["stream state"] == 1600 * 4
    assert rows["counted"] == max(rows["steady"], rows["load peak"]) + rows["stream state"]


def test_uncertainty_is_the_interval_of_a_median() -> None:
    assert median_uncertainty_percent([100.0, 101.0]) is None
    assert median_uncertainty_percent([100.0] * 5) == 0
    # five launches, sd 2: 1.25 * 2.78 * 2 / sqrt(5) of 100
    spread = [100.0 + 2 * value for value in (-1.264911, -0.632456, 0.0, 0.632456, 1.264911)]
    assert median_uncertainty_percent(spread) == pytest.approx(3.108, abs=0.01)


class Cache:
    """In place of what is read to cool the caches: counts how often it is."""

    def __init__(self) -> None:
        self.read = 0

    def sum(self) -> None:
        self.read += 1


def test_caches_of_a_cold_case_are_cooled_before_every_step() -> None:
    cache: Any = Cache()
    read_by_then: list[int] = []

    def step() -> float:
        read_by_then.append(cache.read)
        return 1.0

    _worker._round(step, 3, cache)
    assert read_by_then == [1, 2, 3]


@pytest.mark.parametrize("evicted", [0, 4096])
def test_a_worker_cools_as_many_bytes_as_it_is_told(evicted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    job = {
        "path": "a.pt", "runtime": "torchscript", "backend": "xnnpack", "threads": 1, "voices": 1,
        "pinned_cores": [], "shapes": [], "step_frames": 1.0, "rate_hz": 16000, "fps": 30.0, "evict_bytes": evicted,
    }  # fmt: skip
    given: list[Any] = []
    monkeypatch.setattr(_worker, "_program_opener", lambda _: lambda: lambda: 1.0)
    monkeypatch.setattr(_worker, "_answer", lambda _: None)
    monkeypatch.setattr(_worker, "_round", lambda step, frames, evict: given.append(evict))
    monkeypatch.setattr(sys, "argv", ["worker", json.dumps(job)])
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"do": "open"}\n{"do": "round", "frames": 1}\n'))
    _worker.main()
    assert [0 if evict is None else evict.nbytes for evict in given] == [evicted]
