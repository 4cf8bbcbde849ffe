"""The estimate gives back what it was made from, follows a device's facts, and is checked by the same arithmetic."""

from __future__ import annotations

import dataclasses

import pytest
from records import environment

from profiles.judge.calibration import Calibration, calibrate, fit, fit_calls
from profiles.judge.roofline import FACTOR_ISA, SHARE_OF_PEAK, estimate, interval_factor, predictions
from profiles.measure.counts import Counts
from profiles.model.device import Device, Fact, load_device
from profiles.model.figures import Case, OperatorRow, Setting, Timing

PEAK = 50_000.0  # multiply-adds a microsecond
READ = 10_000.0


def row(name: str, us: float | None, macs: int, size: int) -> OperatorRow:
    return OperatorRow(name, name.split()[0], "xnnpack", 1, us, macs, size, "measured_here")


def case(artifact: str, scale: float = 1.0, overhead_us: float = 20.0, **setting: object) -> Case:
    """A program that reaches 0.8 of PEAK, moves 20,000 bytes a microsecond elsewhere, and 20 us outside of both."""
    rows = [
        row("convolution #1", 1000 * scale, int(0.8 * PEAK * 1000 * scale), 400_000),
        row("gelu #1", 100 * scale, 0, int(2_000_000 * scale)),
    ]
    us = 1100 * scale + overhead_us
    return Case(
        artifact, "here", Setting("xnnpack", **setting), "measured_here", Timing.of([[us]]), None, 0.1, cpu_us=us,
        operators=rows,
    )  # fmt: skip


def calibration(*cases: Case, precision: str = "fp32") -> Calibration:
    made = Calibration({1: PEAK, 2: 1.8 * PEAK}, {1: READ, 2: READ}, 4.0, {})
    for one in cases:
        fitted = fit(one, precision, 3_000_000, made.peak(precision))
        assert fitted is not None
        made.fits[one.artifact] = fitted
    return made


def console(**hardware: object) -> Device:
    device = load_device("console_current")
    return dataclasses.replace(device, hardware=dataclasses.replace(device.hardware, **hardware))


def test_a_fit_is_the_rates_that_were_put_in() -> None:
    rates = calibration(case("a")).fits["a"].rates
    assert rates.product_share == pytest.approx(0.8)
    assert rates.other_bytes_per_us == pytest.approx(20_000)
    assert rates.overhead_us == pytest.approx(20)


def test_a_tracer_that_slows_operators_down_does_not_exceed_the_frame() -> None:
    slowed = dataclasses.replace(case("a"), cpu_us=550.0)
    rates = calibration(slowed).fits["a"].rates
    assert rates.overhead_us == 0
    assert rates.product_share == pytest.approx(1.6)


def test_another_artefact_of_the_same_rates_is_predicted_exactly() -> None:
    found = predictions(calibration(case("large"), case("small", 0.2)), [])
    assert {one.title for one in found} == {
        "small from the rates of large, 1 thread",
        "large from the rates of small, 1 thread",
    }
    assert all(one.error_percent == pytest.approx(0, abs=0.1) and one.within_stated for one in found)


def test_threads_and_cold_caches_are_predicted_and_judged() -> None:
    made = calibration(case("a"))
    two = dataclasses.replace(case("a", threads=2), timing=Timing.of([[2000.0]]))
    cold = dataclasses.replace(case("a", cache="cold"), cpu_us=1450.0)
    beside = case("a", load="renderer")
    found = {one.title: one for one in predictions(made, [two, cold, beside])}
    assert len(found) == 2, "neighbours are nothing that the arithmetic knows of"
    threads = found["a on 2 threads from 1 thread"]
    assert threads.predicted_us == pytest.approx(1100 / 1.8 + 20, abs=0.1)
    assert not threads.within_stated
    assert threads.error_percent < -60
    caches = found["a with cold caches from warm ones"]
    assert caches.predicted_us == pytest.approx(1120 + 300, abs=0.1)
    assert caches.within_stated


def test_an_estimate_follows_the_facts_of_the_device() -> None:
    made, device = calibration(case("a")), console()
    slow = estimate(made, "a", device)
    fast = estimate(
        made, "a", console(clock_ghz=Fact(2 * device.hardware.clock_ghz.value, "public: said by a test file"))
    )
    assert slow is not None
    assert fast is not None
    assert slow.basis["computing_us"] == pytest.approx(2 * fast.basis["computing_us"], rel=1e-3)
    assert slow.basis["fetching_us"] == fast.basis["fetching_us"] == pytest.approx(3_000_000 / 15_000)
    peak = 16 * device.hardware.clock_ghz.value * 1000 * SHARE_OF_PEAK
    assert slow.us == pytest.approx(40_000_000 / (0.8 * peak) + 100 * PEAK / peak + 200, abs=0.5)
    assert slow.low_us < slow.us < slow.high_us
    assert slow.bound == "compute"
    assert estimate(made, "unknown", device) is None


def test_a_device_that_cannot_feed_its_core_is_bound_by_memory() -> None:
    found = estimate(calibration(case("a")), "a", console(core_gb_per_s=Fact(0.5, "assumption: a test's own idea")))
    assert found is not None
    assert found.bound == "memory"
    assert found.us > 3_000_000 / 500


def test_the_interval_grows_with_what_is_not_known() -> None:
    made = calibration(case("a"), case("b", 0.3))
    sure = console(clock_ghz=Fact(3.2, "public: said by a test file"))
    exact = interval_factor(made, sure, "fp32")
    assert exact >= FACTOR_ISA["avx2"]
    assert interval_factor(made, console(), "fp32") > exact, "its clock is an assumption"
    assert interval_factor(made, sure, "int8") > exact
    odd = dataclasses.replace(
        case("odd", 0.3), operators=[row("convolution #1", 990.0, 12_000_000, 4), *case("b").operators[1:]]
    )
    assert interval_factor(calibration(case("a"), odd), sure, "fp32") > exact, "the checks here were further off"


def test_artefacts_of_quite_another_size_are_not_held_against_each_other() -> None:
    assert predictions(calibration(case("large"), case("tiny", 0.01, overhead_us=0.2)), []) == []


def test_a_result_from_a_device_is_no_check_of_this_machine() -> None:
    brought = dataclasses.replace(case("a", threads=2), label="measured_on_device")
    assert predictions(calibration(case("a")), [brought]) == []


def test_counts_stand_beside_an_estimate_and_do_not_enter_it() -> None:
    made = calibration(case("a"))
    plain, beside = estimate(made, "a", console()), estimate(made, "a", console(), counts=Counts(9_000, 5_000, 400, 7))
    assert plain is not None
    assert beside is not None
    assert beside.us == plain.us
    assert beside.basis["counted_instructions"] == 9_000
    assert beside.basis["counted_last_cache_misses"] == 7


def crowded(artifact: str, alone_us: float, crowd_us: float, calls: int, macs: int) -> list[Case]:
    """A stream student: operators too short to be timed, alone and sixteen voices a call (microseconds a voice)."""
    rows = [row(f"convolution #{at}", None, macs // calls, 100) for at in range(calls)]
    alone = dataclasses.replace(case(artifact), timing=Timing.of([[alone_us]]), cpu_us=alone_us, operators=rows)
    crowd = dataclasses.replace(
        case(artifact, voices=16), timing=Timing.of([[crowd_us]]), cpu_us=crowd_us, operators=[]
    )
    return [alone, crowd]


def test_short_operators_are_split_into_calls_and_work() -> None:
    """One call is 40 us whoever shares it, and each voice adds 10 us of work."""
    cases = crowded("a", 50.0, 10 + 40 / 16, calls=80, macs=400_000)
    assert fit(cases[0], "fp32", 1000, PEAK) is None, "its operators have no times"
    fitted = fit_calls(cases[0], cases, "fp32", 1000, PEAK)
    assert fitted is not None
    assert fitted.is_calls
    assert fitted.rates.call_us == pytest.approx(0.5)
    assert fitted.rates.product_share == pytest.approx(400_000 / 10 / PEAK)
    assert fit_calls(cases[0], cases[:1], "fp32", 1000, PEAK) is None, "nothing to tell work from calls by"


def test_calls_are_those_of_the_native_library_where_it_was_measured() -> None:
    cases = crowded("a", 50.0, 10 + 40 / 16, calls=80, macs=400_000)
    native = [
        dataclasses.replace(
            one, setting=Setting("native", voices=one.setting.voices), timing=Timing.of([[us]]), cpu_us=us, operators=[]
        )
        for one, us in zip(cases, (18.0, 10.5), strict=True)
    ]
    fitted = fit_calls(cases[0], [*cases, *native], "fp32", 1000, PEAK)
    assert fitted is not None
    assert (fitted.backend, fitted.frame_us) == ("native", 18.0)
    assert fitted.rates.call_us == pytest.approx(8 / 80)


def test_calls_follow_a_devices_clock_and_work_its_peak() -> None:
    cases = crowded("a", 50.0, 10 + 40 / 16, calls=80, macs=400_000)
    made = calibration()
    fitted = fit_calls(cases[0], cases, "fp32", 1000, PEAK)
    assert fitted is not None
    made.fits["a"] = fitted
    device = console()
    found = estimate(made, "a", device)
    assert found is not None
    peak = device.peak_macs_per_s("fp32") * SHARE_OF_PEAK / 1e6
    calls_us = 40 * made.clock_ghz / device.hardware.clock_ghz.value
    fetching_us = 1000 / (device.bytes_per_s() / 1e6)
    assert found.us == pytest.approx(10 * PEAK / peak + calls_us + fetching_us, abs=0.1)
    assert found.threads == 1, "more threads would not help"
    assert found.high_us / found.us > interval_factor(made, device, "fp32") / 1.01
    two = dataclasses.replace(cases[0], setting=Setting("xnnpack", threads=2))
    assert predictions(made, [two]) == []


def test_int8_is_held_against_the_peak_of_int8() -> None:
    made = calibration(case("a"), precision="int8")
    assert made.fits["a"].rates.product_share == pytest.approx(0.2)
    found = estimate(made, "a", console())
    assert found is not None
    assert found.basis["device_peak_macs_per_us"] == pytest.approx(32 * 3.2 * 1000 * SHARE_OF_PEAK, rel=1e-3)


def test_calibrating_measures_this_machine() -> None:
    """The micro-benchmark runs for real; only cases that are plain and carry operators are fitted."""
    cases = [case("a"), dataclasses.replace(case("b"), operators=[]), case("c", cache="cold")]
    names = {"a": "fp32", "b": "fp32", "c": "fp32"}
    made = calibrate(cases, names, dict.fromkeys(names, 1000), environment())
    assert list(made.fits) == ["a"]
    assert made.peak_macs_per_us[1] > 100
    assert made.read_bytes_per_us[1] > 10
    assert made.int8_gain == 2


def test_an_estimate_is_of_the_backend_that_it_is_reckoned_from() -> None:
    """Of a portable program `xnnpack` was said."""
    one = case("a")
    portable = dataclasses.replace(one, setting=dataclasses.replace(one.setting, backend="portable"))
    for made, backend in ((one, "xnnpack"), (portable, "portable")):
        found = estimate(calibration(made), "a", console())
        assert found is not None
        assert found.backend == backend
