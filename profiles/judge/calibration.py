"""This machine's rates, from what was measured on it: its peak, and each artefact taken apart.

    calibration = calibrate(cases, precisions, weight_bytes, environment())
    calibration.fits["s5 fp32 xnnpack"].rates

    time of a frame =  products / (share of peak * peak)  +  other operators / their rate

*Products* are convolutions and the like, counted in multiply-adds from the program itself. A stream student's operators
are too short for the tracer, and calling them costs more than their work:

    time of a frame =  products / (share of peak * peak)  +  calls * time of a call

Its work is what each further voice adds to a call of the program's `crowd`, its calls are what is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from profiles.measure.harness import run_fresh
from profiles.model.figures import Case, OperatorRow, Setting, in_integers
from profiles.model.record import Environment

HOST_CLOCK_GHZ = 3.0  # assumption: of this machine, where its system does not tell
ENOUGH_TRACED = 0.5  # of a frame's time must stand in its operators, for them to tell where it goes
_INT8_GAIN = {"avx512_vnni": 4.0, "asimddp": 4.0}  # int8 multiply-adds for one of float, where these instructions are
_DELEGATED = ("xnnpack", "portable")


@dataclass(frozen=True)
class Work:
    """What one frame is made of. other_bytes: read and written by all operators that are no products.

    calls: of operators too short to be timed, of whatever kind; 0 where they were timed.
    """

    macs: float
    other_bytes: float
    weight_bytes: float
    calls: float = 0.0


@dataclass(frozen=True)
class Rates:
    """How fast this machine does it. product_share: of the machine's peak. overhead_us: outside all operators."""

    product_share: float
    other_bytes_per_us: float
    overhead_us: float
    call_us: float = 0.0


@dataclass(frozen=True)
class Fit:
    """One artefact, taken apart: its counts, and the rates that give back its measured time through `backend`."""

    artifact: str
    precision: str
    backend: str
    frame_us: float
    work: Work
    rates: Rates

    @property
    def is_calls(self) -> bool:
        """Whether calling its operators is most of what it takes: more threads would not help."""
        return self.work.calls > 0


@dataclass(frozen=True)
class Calibration:
    """This machine's peak by number of threads, memory rate, and the artefacts measured on it."""

    peak_macs_per_us: dict[int, float]
    read_bytes_per_us: dict[int, float]
    int8_gain: float
    fits: dict[str, Fit]
    clock_ghz: float = HOST_CLOCK_GHZ

    def peak(self, precision: str, threads: int = 1) -> float:
        """Multiply-adds a microsecond; of integers by the instructions that there are."""
        return self.peak_macs_per_us[threads] * (self.int8_gain if in_integers(precision) else 1.0)


def calibrate(
    cases: Sequence[Case],
    precisions: dict[str, str],
    weight_bytes: dict[str, int],
    here: Environment,
    say: Callable[[str], None] = lambda line: None,
) -> Calibration:
    """Measure this machine's peak, and fit each artefact that has a plain case (one thread, warm) with its operators.

    precisions, weight_bytes: by artefact; here: as `environment()` says. Raises `ArtifactError` if the micro-benchmark
    does not run.
    """
    threads = sorted({1, *(case.setting.threads for case in cases)})
    say(f"roofline: this machine's peak on {', '.join(map(str, threads))} threads")
    peaks = {count: run_fresh("profiles.measure._peak", str(count)) for count in threads}
    calibration = Calibration(
        peak_macs_per_us={count: found["macs_per_s"] / 1e6 for count, found in peaks.items()},
        read_bytes_per_us={count: found["read_bytes_per_s"] / 1e6 for count, found in peaks.items()},
        int8_gain=max([2.0, *(gain for name, gain in _INT8_GAIN.items() if name in here.isa)]),
        fits={},
        clock_ghz=here.clock_ghz or HOST_CLOCK_GHZ,
    )
    for case in cases:
        if _is_plain(case) and case.operators and case.artifact not in calibration.fits:
            precision = precisions[case.artifact]
            peak = calibration.peak(precision)
            fitted = fit(case, precision, weight_bytes[case.artifact], peak) or fit_calls(
                case, cases, precision, weight_bytes[case.artifact], peak
            )
            if fitted:
                calibration.fits[case.artifact] = fitted
    return calibration


def fit(case: Case, precision: str, weight_bytes: int, peak_macs_per_us: float) -> Fit | None:
    """The counts and rates of one plain case; None where its operators were not timed, or too little of them was.

    Processor time stands for the frame: on one thread it is the wall's, without what neighbours took.
    """
    products = [row for row in case.operators if row.macs]
    others = [row for row in case.operators if not row.macs]
    product_us, other_us = _time_us(products), _time_us(others)
    frame_us, traced_us = _frame_us(case), product_us + other_us
    if not product_us or not other_us or traced_us < ENOUGH_TRACED * frame_us:
        return None
    work = Work(sum(row.macs or 0 for row in products), sum(row.bytes or 0 for row in others), weight_bytes)
    # a tracer and a neighbour make operators look slower together: never let them exceed the frame they are part of
    scale = min(1.0, frame_us / traced_us)
    rates = Rates(
        product_share=work.macs / (product_us * scale) / peak_macs_per_us,
        other_bytes_per_us=work.other_bytes / (other_us * scale),
        overhead_us=max(0.0, frame_us - traced_us),
    )
    return Fit(case.artifact, precision, case.setting.backend, frame_us, work, rates)


def fit_calls(
    case: Case, cases: Sequence[Case], precision: str, weight_bytes: int, peak_macs_per_us: float
) -> Fit | None:
    """The counts and rates of a program whose operators are too short to be timed; None without a case of its crowd.

    What a voice costs alone and in a crowd tell its own work from what every call costs. Where the native library was
    measured too, its times count: a call through Python costs more than one on a device.
    """
    pairs = [
        (alone, crowd)
        for backend in ("native", case.setting.backend)
        for alone in _plain(case.artifact, Setting(backend), cases)
        for voices in sorted({c.setting.voices for c in cases} - {1})
        for crowd in _plain(case.artifact, Setting(backend, voices=voices), cases)
    ]
    macs = sum(row.macs or 0 for row in case.operators)
    if not pairs or not macs:
        return None
    alone, crowd = pairs[0]
    frame_us, voices = _frame_us(alone), crowd.setting.voices
    own_us = (_frame_us(crowd) * voices - frame_us) / (voices - 1)
    if not 0 < own_us < frame_us:
        return None
    work = Work(macs, 0.0, weight_bytes, calls=len(case.operators))
    rates = Rates(macs / own_us / peak_macs_per_us, math.inf, 0.0, call_us=(frame_us - own_us) / work.calls)
    return Fit(case.artifact, precision, alone.setting.backend, frame_us, work, rates)


def frame_us(
    work: Work, rates: Rates, peak_macs_per_us: float, other_scale: float = 1.0, call_scale: float = 1.0
) -> float:
    """A frame with everything in the caches. other_scale, call_scale: how much faster other operators, and calls, are
    than where they were measured."""
    products = work.macs / (rates.product_share * peak_macs_per_us)
    others = work.other_bytes / (rates.other_bytes_per_us * other_scale)
    return products + others + work.calls * rates.call_us / call_scale + rates.overhead_us


def is_usual(case: Case) -> bool:
    """Whether it was measured here on the program itself, flat out and undisturbed."""
    setting = case.setting
    alone = (setting.pacing, setting.load) == ("flat_out", "none")
    return alone and case.label == "measured_here" and setting.backend in _DELEGATED


def _plain(artifact: str, setting: Setting, cases: Sequence[Case]) -> list[Case]:
    """The cases of an artefact in this very setting, wherever pinned."""
    return [
        case
        for case in cases
        if case.artifact == artifact
        and case.label == "measured_here"
        and replace(case.setting, pinned_cores=[]) == setting
    ]


def _is_plain(case: Case) -> bool:
    return case.setting.threads == case.setting.voices == 1 and case.setting.is_plain and is_usual(case)


def _frame_us(case: Case) -> float:
    return case.timing.p50_us if case.cpu_us is None else case.cpu_us


def _time_us(rows: Sequence[OperatorRow]) -> float:
    return sum(row.us or 0.0 for row in rows)
