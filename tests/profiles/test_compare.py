"""A slowdown is caught and noise is not: on made noise, and on noise that was recorded on a busy machine."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import case, environment, minute, record, timing

from profiles.__main__ import main
from profiles.judge.compare import Change, compare, independent_shift, judge, launch_figures, paired_shift, took_turns
from profiles.judge.trials import slowed, trial
from profiles.measure.native import PROGRAM, library_sha256
from profiles.model.environment import environment as profiled_environment
from profiles.model.environment import sources_sha256
from profiles.model.figures import Case, MemoryRow, Setting, Timing
from profiles.model.record import Machine, Record
from profiles.show.spread import spread
from profiles.show.table import wide_table
from sdk.errors import ProfileError

TRIALS = range(10)
NAME = "s5 fp32 xnnpack"


def one_case(made: Case) -> Record:
    return dataclasses.replace(record((NAME,)), cases=[made], estimates=[], checks=[])


def another_file(made: Record) -> Record:
    """The same record of artefacts of other bytes."""
    return dataclasses.replace(made, artifacts=[dataclasses.replace(a, sha256="f" * 64) for a in made.artifacts])


def time_of(old: Case, new: Case, **options: Any) -> Change:
    changes = compare(one_case(old), another_file(one_case(new)), **options)
    return next(change for change in changes if "time" in change.quantity)


@pytest.mark.parametrize("trial", TRIALS)
def test_made_noise(trial: int) -> None:
    """Launches differ by 4 %, as measured: two runs of one program are no regression, one of 20 % more time is."""
    generator = np.random.default_rng(trial)
    old, new, planted = (timing(generator, us, launches=8) for us in (1900, 1900, 1900 * 1.2))
    new, planted = (dataclasses.replace(made, started_s=[s + 1e4 for s in made.started_s]) for made in (new, planted))
    assert time_of(old, new).verdict != "regression"
    found = time_of(old, planted)
    assert found.verdict == "regression"
    assert found.low is not None
    assert 1 < found.low < 1.2 < found.ratio * 1.1
    assert time_of(planted, old).verdict == "improvement"


@cache
def recorded() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(Path(__file__).with_name("real_noise.json").read_text("utf-8"))["launches"])


def recorded_case(trial: int, who: str) -> Case:
    """A case of five real processes."""
    rounds = [(r["launch"], one) for r in recorded() if (r["trial"], r["who"]) == (trial, who) for one in r["rounds"]]
    return dataclasses.replace(
        case(NAME), timing=Timing.of([one["quantiles_us"] for _, one in rounds]),
        started_s=[one["started_s"] for _, one in rounds], launch=[launch for launch, _ in rounds],
        cpu_rounds_us=[one["cpu_us"] for _, one in rounds], reference_us=[one["reference_us"] for _, one in rounds],
    )  # fmt: skip


@pytest.mark.parametrize("trial", TRIALS)
def test_real_noise(trial: int) -> None:
    """Neighbours tripled the wall clock in bursts. Two runs in turns, two at other times; 20 % and 25 % more work."""
    old, new, planted = (recorded_case(trial, who) for who in ("old", "new", "planted"))
    later = recorded_case((trial + 3) % 10, "new")
    assert took_turns(old, new)
    assert not took_turns(old, later)
    for same in (new, later):
        assert time_of(old, same).verdict != "regression"
        assert time_of(old, slowed(same, 1.2)).verdict == "regression"
    assert time_of(old, planted).verdict == "regression"
    assert time_of(old, planted, clock="cpu").verdict == "regression"


def test_plain_medians_would_have_failed() -> None:
    """The judge of the method: on the same recordings the naive comparison of medians calls noise a regression."""
    medians = [[recorded_case(trial, who).timing.p50_us for who in ("old", "new", "planted")] for trial in TRIALS]
    assert any(new > 1.1 * old for old, new, _ in medians)


def test_what_the_tests_reject_is_what_the_interval_excludes() -> None:
    from scipy.stats import mannwhitneyu, wilcoxon

    generator = np.random.default_rng(5)
    for size in (5, 6, 8):
        old, new = generator.normal(0, 0.05, size), generator.normal(0.06, 0.05, size)
        shift, low, high = independent_shift(old, new)
        assert low is not None
        assert high is not None
        assert low <= shift <= high
        assert (mannwhitneyu(new, old, alternative="greater", method="exact").pvalue <= 0.05) == (low > 0)
        _, low, high = paired_shift(old, new)
        assert low is not None
        assert (wilcoxon(new - old, alternative="greater", method="exact").pvalue <= 0.05) == (low > 0)


def test_too_few_launches_tell_nothing() -> None:
    assert independent_shift([0.0, 0.01], [0.5, 0.51])[1:] == (None, None)
    assert judge(1.6, None, None, 1.1) == "cannot tell"


def test_one_process_is_held_to_a_wider_threshold() -> None:
    """Rounds of one process agree far better than processes do, so their test alone would call 10 % of noise real."""
    old = timing(np.random.default_rng(1), 1900, launches=1, rounds=10)
    assert launch_figures(old, "wall", False)[1] is False
    tight = slowed(old, 1.15)
    assert time_of(old, tight).verdict != "regression"
    assert time_of(old, tight).threshold == pytest.approx(1.22)
    assert time_of(old, slowed(old, 1.35)).verdict == "regression"


def test_launches_are_never_held_against_rounds() -> None:
    old, new = (timing(np.random.default_rng(seed), 1900, launches) for seed, launches in ((1, 8), (2, 1)))
    assert time_of(old, new).how.startswith("16 + 2 rounds")


def test_a_run_against_itself() -> None:
    made = record()
    changes = compare(made, made)
    assert {change.verdict for change in changes} <= {"no change", "cannot tell"}
    assert all(change.ratio == pytest.approx(1) for change in changes)
    assert not any("turns" in change.how for change in changes)


def test_one_file_is_never_slower_than_itself() -> None:
    """Three of six pairs of runs of one s8 were called regressions."""
    old = case(NAME)
    (change,) = [c for c in compare(one_case(old), one_case(slowed(old, 1.5))) if "time" in c.quantity]
    assert change.verdict == "no change"
    assert change.how.startswith("one file, by its SHA-256")
    new = one_case(slowed(old, 1.5))
    newer = dataclasses.replace(new.environment, versions={**new.environment.versions, "executorch": "9.9"})
    changes = compare(one_case(old), dataclasses.replace(new, environment=newer))
    assert changes[0].verdict == "regression", "another runtime may well be slower"


@pytest.mark.parametrize("backend", ["python_sdk", "xnnpack", "native"])
def test_another_line_of_our_own_code_may_well_be_slower(backend: str) -> None:
    """One artefact and the same packages: ten times slower was no change, whatever had become of our code."""
    old = dataclasses.replace(case(NAME), setting=Setting(backend), memory=[])

    def verdict(before: dict[str, str], after: dict[str, str]) -> str:
        made = [one_case(old), one_case(slowed(old, 10.0))]
        places = [dataclasses.replace(environment(), versions=versions) for versions in (before, after)]
        (change,) = compare(*(dataclasses.replace(m, environment=e) for m, e in zip(made, places, strict=True)))
        return change.verdict

    name = "native library" if backend == "native" else "sdk sources"
    assert verdict({name: "1"}, {name: "2"}) == "regression"
    assert verdict({name: "1"}, {name: "1"}) == "no change"
    assert verdict({}, {}) == "regression", "a record of before names no code of ours, so it may be any"


def test_a_native_library_is_told_by_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built again from other lines it has the same version, and the library may lie beside the program."""
    for folder, name in (("bin", "profiler"), ("lib", "libframe_stream.so")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"built")
    monkeypatch.setenv(PROGRAM, str(tmp_path / "bin" / "profiler"))
    found = {library_sha256()}
    for path in ("bin/profiler", "lib/libframe_stream.so"):
        (tmp_path / path).write_bytes(b"built again")
        found.add(library_sha256())
    assert len(found) == 3


def test_our_own_code_is_part_of_the_environment() -> None:
    here = profiled_environment().versions
    assert here["sdk sources"] == sources_sha256("sdk")[:16] != sources_sha256("profiles")[:16]
    assert here["tinyface"]


def test_clocks_that_contradict_one_another_tell_nothing() -> None:
    """Plain time fell, and beside a reference that fell further it rose: nobody can tell."""
    old = timing(np.random.default_rng(3), 1900, launches=8)
    old = dataclasses.replace(old, reference_us=[100.0] * len(old.timing.rounds_us))
    quick = slowed(old, 0.95)
    drifted = dataclasses.replace(quick, reference_us=[us / 1.4 for us in old.reference_us])
    assert time_of(old, drifted).ratio > 1.2
    assert time_of(old, drifted).verdict == "cannot tell"
    assert time_of(drifted, old).verdict == "cannot tell"


def test_more_memory_is_a_regression_without_statistics() -> None:
    old = case(NAME)
    grown = [MemoryRow("counted", 5_400_000, False, "measured_here")]
    changes = compare(one_case(old), one_case(dataclasses.replace(old, memory=grown)))
    assert changes[0].quantity == "memory counted"
    assert changes[0].verdict == "regression"
    assert compare(one_case(old), one_case(dataclasses.replace(old, memory=grown)), 0.2)[0].verdict == "no change"


def test_paced_runs_are_compared_too() -> None:
    old = minute(NAME)
    assert time_of(old, slowed(old, 1.5)).verdict == "regression"


def pinned(made: Case, core: int, factor: float = 1.0, **changes: Any) -> Case:
    setting = dataclasses.replace(made.setting, pinned_cores=[core])
    return dataclasses.replace(slowed(made, factor), setting=setting, **changes)


def test_a_slow_core_is_no_regression_of_a_quick_one() -> None:
    """Core 0 was held against core 1, and one of both was lost from spread, table and gauges."""
    made = case(NAME)
    both = [pinned(made, 0), pinned(made, 1, 2.0)]
    old = dataclasses.replace(one_case(made), cases=both)
    new = another_file(dataclasses.replace(old, cases=both[::-1]))
    timed = [change for change in compare(old, new) if "time" in change.quantity]
    assert [change.verdict for change in timed] == ["no change"] * 2
    assert {change.case for change in timed} == {f"{NAME}: xnnpack, 1 thread, flat out, core {core}" for core in (0, 1)}
    assert {row.case for row in spread([old, new])} == {change.case for change in timed}
    assert "xnnpack, 1 thread, core 0" in wide_table(old)
    assert "xnnpack, 1 thread, core 1" in wide_table(old)
    alone = another_file(dataclasses.replace(old, cases=[pinned(made, 3)]))
    assert compare(one_case(made), alone)[0].case == f"{NAME}: xnnpack, 1 thread, flat out", "one each: any core"
    with pytest.raises(ProfileError, match="nothing to compare"):
        compare(old, alone)


def test_a_device_s_times_are_of_its_own_processor() -> None:
    """Two hosts that read what one phone brought back are the phone's machine neither."""
    there = dataclasses.replace(environment(), cpu="Phone", versions={"frame_stream": "1"})
    made = dataclasses.replace(case(NAME), machine="phone", label="measured_on_device", memory=[])
    old = dataclasses.replace(one_case(made), machines=[Machine("phone", there, ["in a case"])])
    host = dataclasses.replace(environment(), cpu="Another")
    new = dataclasses.replace(another_file(old), environment=host)
    assert compare(old, new)[0].verdict == "no change"
    other = dataclasses.replace(new, machines=[Machine("phone", dataclasses.replace(there, cpu="Newer"), [])])
    with pytest.raises(ProfileError, match=r"on phone: the old run was made on Phone .*Newer"):
        compare(old, other)
    assert compare(dataclasses.replace(old, machines=[]), other), "a record of before does not tell"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"environment": dataclasses.replace(environment(), cpu="Other")}, "Times of different processors"),
        ({"cases": []}, "nothing to compare"),
    ],
)
def test_runs_that_cannot_be_compared(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        compare(record(), dataclasses.replace(record(), **change))


def test_a_share_that_is_none() -> None:
    with pytest.raises(ProfileError, match="give a share"):
        compare(record(), record(), fail_above=0.0)


def test_exit_status_for_ci(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 no regression, 1 a regression, 2 a mistake; the table says which case."""
    old = case(NAME)
    one_case(old).write(tmp_path / "old.json")
    another_file(one_case(slowed(old, 1.2))).write(tmp_path / "new.json")
    (tmp_path / "broken.json").write_text("{", "utf-8")
    old_path, new_path = str(tmp_path / "old.json"), str(tmp_path / "new.json")
    assert main(["compare", old_path, old_path]) == 0
    assert main(["compare", old_path, new_path, "--fail-above", "10%"]) == 1
    assert "1 regression," in capsys.readouterr().out
    assert main(["compare", old_path, new_path, "--fail-above", "0.3", "--out", str(tmp_path / "report")]) == 0
    assert "Against the run before" in (tmp_path / "report" / "report.html").read_text("utf-8")
    for wrong in ([old_path, str(tmp_path / "broken.json")], [old_path, new_path, "--fail-above", "ten"]):
        assert main(["compare", *wrong]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert "Traceback" not in error


def test_spread_of_repeated_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [record((NAME,), seed) for seed in (10, 20, 30, 40, 50)]
    rows = {(row.case, row.quantity): row for row in spread(runs)}
    row = rows[f"{NAME}: xnnpack, 1 thread, flat out", "quick frames"]
    assert len(row.values) == 5
    assert 0 < row.deviation_percent < 6
    assert row.range_percent > row.deviation_percent
    assert math.isclose(rows[f"{NAME}: xnnpack, 1 thread, flat out", "memory counted"].range_percent, 0)
    for at, run in enumerate(runs):
        run.write(tmp_path / f"{at}.json")
    assert main(["spread", *(str(tmp_path / f"{at}.json") for at in range(5))]) == 0
    out = capsys.readouterr().out
    assert "standard deviation" in out
    assert "+25% planted: slower" in out
    assert main(["spread", str(tmp_path / "0.json")]) == 2


def test_what_a_comparison_is_worth() -> None:
    """Runs of one program: none is called slower, a loss of half is always seen; and a machine whose launches lie
    apart by as much as that sees none."""
    calm, wild = (
        trial([timing(np.random.default_rng(seed), 1900, launches=8, launch_noise=noise) for seed in range(5)])
        for noise in (0.02, 0.6)
    )
    assert calm.pairs == 20
    assert (calm.slower, calm.quicker) == (0, 0)
    assert calm.seen[0.5] == 20
    assert calm.seen[0.15] <= calm.seen[0.25] <= calm.seen[0.5]
    assert wild.seen[0.25] < 10
