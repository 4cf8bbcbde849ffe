"""What a device that is not here would take: the program's own counts, this machine's measured rates, public figures.

    calibration = calibrate(cases, ...)             # this machine: its peak, and what share of it each artefact reaches
    estimate(calibration, artifact, device)         # Estimate: microseconds, and an interval
    predictions(calibration, cases)                 # the same arithmetic for what was measured here too

    time of a frame =  products / (share of peak * peak)  +  other operators / their rate  +  weights / memory rate

*Products* are convolutions and the like, counted in multiply-adds from the program itself. Their share of peak, and
the rate of the other operators, are this machine's, measured on the same artefact (or, in a check, on another one). A
device keeps the share of peak and brings its own peak (`profiles/devices/*.yaml`). A game empties the caches between
frames, so weights come from memory each time. The interval holds what the checks here were off by, and assumptions,
named below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from profiles.counts import Counts
from profiles.device import Device
from profiles.figures import Case, Estimate, OperatorRow, Prediction
from profiles.harness import run_fresh

SHARE_OF_PEAK = 0.85  # assumption: of its theoretical peak a good product of matrices reaches 0.75 to 0.95 on any core
FACTOR_HERE = 1.25  # stated interval of a prediction for this very machine: times and divided by this
FACTOR_ISA = {"avx512": 1.15, "avx2": 1.25, "neon": 1.5, "wasm_simd128": 2.0}  # assumption: kernels for another ISA
FACTOR_ASSUMED = 1.2  # assumption: of a device whose clock or width is assumed itself
FACTOR_INT8 = 1.3  # assumption: int8 kernels differ more between processors than float ones
LIKE_WORK = 10.0  # artefacts within this ratio of multiply-adds are held against each other
_INT8_GAIN = {"avx512_vnni": 4.0, "asimddp": 4.0}  # int8 multiply-adds for one of float, where these instructions are


@dataclass(frozen=True)
class Work:
    """What one frame is made of. other_bytes: read and written by all operators that are no products."""

    macs: float
    other_bytes: float
    weight_bytes: float


@dataclass(frozen=True)
class Rates:
    """How fast this machine does it. product_share: of the machine's peak. overhead_us: outside all operators."""

    product_share: float
    other_bytes_per_us: float
    overhead_us: float


@dataclass(frozen=True)
class Fit:
    """One artefact, taken apart: its counts, and the rates that give back its measured time."""

    artifact: str
    precision: str
    frame_us: float
    work: Work
    rates: Rates


@dataclass(frozen=True)
class Calibration:
    """This machine's peak by number of threads, memory rate, and the artefacts measured on it."""

    peak_macs_per_us: dict[int, float]
    read_bytes_per_us: dict[int, float]
    int8_gain: float
    fits: dict[str, Fit]

    def peak(self, precision: str, threads: int = 1) -> float:
        """Multiply-adds a microsecond; of `int8` by the instructions that there are."""
        return self.peak_macs_per_us[threads] * (self.int8_gain if precision == "int8" else 1.0)


def calibrate(
    cases: Sequence[Case],
    precisions: dict[str, str],
    weight_bytes: dict[str, int],
    isa: Sequence[str],
    say: Callable[[str], None] = lambda line: None,
) -> Calibration:
    """Measure this machine's peak, and fit each artefact that has a plain case (one thread, warm) with its operators.

    precisions, weight_bytes: by artefact; isa: of this machine, as `environment()` says. Raises `ArtifactError` if the
    micro-benchmark does not run.
    """
    threads = sorted({1, *(case.setting.threads for case in cases)})
    say(f"roofline: this machine's peak on {', '.join(map(str, threads))} threads")
    peaks = {count: run_fresh("profiles._peak", str(count)) for count in threads}
    calibration = Calibration(
        peak_macs_per_us={count: found["macs_per_s"] / 1e6 for count, found in peaks.items()},
        read_bytes_per_us={count: found["read_bytes_per_s"] / 1e6 for count, found in peaks.items()},
        int8_gain=max([2.0, *(gain for name, gain in _INT8_GAIN.items() if name in isa)]),
        fits={},
    )
    for case in cases:
        if _is_plain(case) and case.operators and case.artifact not in calibration.fits:
            precision = precisions[case.artifact]
            peak = calibration.peak(precision)
            fitted = fit(case, precision, weight_bytes[case.artifact], peak)
            if fitted:
                calibration.fits[case.artifact] = fitted
    return calibration


def fit(case: Case, precision: str, weight_bytes: int, peak_macs_per_us: float) -> Fit | None:
    """The counts and rates of one plain case; None where its operators were not timed.

    Processor time stands for the frame: on one thread it is the wall's, without what neighbours took.
    """
    products = [row for row in case.operators if row.macs]
    others = [row for row in case.operators if not row.macs]
    product_us, other_us = _time_us(products), _time_us(others)
    if not product_us or not other_us:
        return None
    work = Work(sum(row.macs or 0 for row in products), sum(row.bytes or 0 for row in others), weight_bytes)
    frame_us = case.timing.p50_us if case.cpu_us is None else case.cpu_us
    traced_us = product_us + other_us
    # a tracer and a neighbour make operators look slower together: never let them exceed the frame they are part of
    scale = min(1.0, frame_us / traced_us)
    rates = Rates(
        product_share=work.macs / (product_us * scale) / peak_macs_per_us,
        other_bytes_per_us=work.other_bytes / (other_us * scale),
        overhead_us=max(0.0, frame_us - traced_us),
    )
    return Fit(case.artifact, precision, frame_us, work, rates)


def frame_us(work: Work, rates: Rates, peak_macs_per_us: float, other_scale: float = 1.0) -> float:
    """A frame with everything in the caches. other_scale: how much faster other operators are than where they were
    measured."""
    products = work.macs / (rates.product_share * peak_macs_per_us)
    return products + work.other_bytes / (rates.other_bytes_per_us * other_scale) + rates.overhead_us


def estimate(
    calibration: Calibration, artifact: str, device: Device, backend: str = "xnnpack", counts: Counts | None = None
) -> Estimate | None:
    """What one frame of `artifact` would take on `device`, on as many threads as it leaves us; None if not calibrated.

    bound: `memory` if fetching the weights takes longer than computing with them. counts: of instructions and
    references, set beside the estimate for the reader; they do not enter it.
    """
    fitted = calibration.fits.get(artifact)
    if fitted is None:
        return None
    threads = device.threads
    peak = device.peak_macs_per_s(fitted.precision, threads) * SHARE_OF_PEAK / 1e6
    # other operators work on vectors in the cache: they follow the float rate of the core, as products do
    other_scale = device.peak_macs_per_s("fp32", threads) * SHARE_OF_PEAK / 1e6 / calibration.peak_macs_per_us[1]
    rates = Rates(
        fitted.rates.product_share, fitted.rates.other_bytes_per_us, 0.0
    )  # ours is Python's, not the device's
    computing = frame_us(fitted.work, rates, peak, other_scale)
    fetching = fitted.work.weight_bytes / (device.bytes_per_s(threads) / 1e6)
    factor = interval_factor(calibration, device, fitted.precision)
    return Estimate(
        artifact=artifact, device=device.name, backend=backend, threads=threads, us=round(computing + fetching, 1),
        low_us=round(max(computing, fetching) / factor, 1), high_us=round((computing + fetching) * factor, 1),
        bound="memory" if fetching > computing else "compute",
        method="counts of the program, rates measured on this machine, peak and memory rate of the device's file; "
        f"interval: slowest to fastest by {factor:.2f}, and fetching hidden behind computing at best",
        basis={
            "macs": fitted.work.macs, "weight_bytes": fitted.work.weight_bytes, "other_bytes": fitted.work.other_bytes,
            "host_frame_us": round(fitted.frame_us, 1),
            "host_peak_macs_per_us": round(calibration.peak(fitted.precision), 1),
            "host_share_of_peak": round(fitted.rates.product_share, 3), "device_peak_macs_per_us": round(peak, 1),
            "device_bytes_per_us": round(device.bytes_per_s(threads) / 1e6, 1), "computing_us": round(computing, 1),
            "fetching_us": round(fetching, 1), "interval_factor": round(factor, 3),
            **({f"counted_{name}": float(value) for name, value in asdict(counts).items()} if counts else {}),
        },
    )  # fmt: skip


def interval_factor(calibration: Calibration, device: Device, precision: str) -> float:
    """How far the truth may lie either way: the factors of independent causes, joined as squares of their logarithms.

    What checks between the artefacts here were off by, another instruction set, assumed facts, int8.
    """
    hardware = device.hardware
    factors = [max(1.1, _worst_between_artifacts(calibration)), FACTOR_ISA[hardware.isa]]
    width = hardware.int8_macs_per_cycle if precision == "int8" else hardware.fp32_macs_per_cycle
    factors += [FACTOR_ASSUMED] * (hardware.clock_ghz.is_assumed or width.is_assumed)
    factors += [FACTOR_INT8] * (precision == "int8")
    return math.exp(math.sqrt(sum(math.log(factor) ** 2 for factor in factors)))


def predictions(calibration: Calibration, cases: Sequence[Case]) -> list[Prediction]:
    """The arithmetic held against what was measured here: another artefact, more threads, cold caches.

    Each is said to hold within a factor of `FACTOR_HERE`. Artefacts of quite another size are not held against each
    other: where operators are tiny, calling them costs more than their work.
    """
    found = []
    for known in calibration.fits.values():
        for other in calibration.fits.values():
            if other is not known and other.precision == known.precision and _are_alike(other, known):
                peak = calibration.peak(other.precision)
                title = f"{other.artifact} from the rates of {known.artifact}, 1 thread"
                found.append(_prediction(title, frame_us(other.work, known.rates, peak), other.frame_us))
    for case in cases:
        fitted = calibration.fits.get(case.artifact)
        setting = case.setting
        usual = setting.pacing == "flat_out" and setting.load == "none" and setting.voices == 1
        usual = usual and case.label == "measured_here"
        if fitted is None or not usual or setting.backend not in _DELEGATED:
            continue
        if setting.threads > 1 and setting.cache == "warm":
            peak, gain = calibration.peak(fitted.precision, setting.threads), _thread_gain(calibration, setting.threads)
            predicted = frame_us(fitted.work, fitted.rates, peak, gain)
            title = f"{case.artifact} on {setting.threads} threads from 1 thread"
            found.append(_prediction(title, predicted, case.timing.p50_us))
        if setting.threads == 1 and setting.cache == "cold":
            fetching = fitted.work.weight_bytes / calibration.read_bytes_per_us[1]
            title = f"{case.artifact} with cold caches from warm ones"
            found.append(_prediction(title, fitted.frame_us + fetching, case.cpu_us or case.timing.p50_us))
    return found


_DELEGATED = ("xnnpack", "portable")


def _prediction(title: str, predicted_us: float, measured_us: float) -> Prediction:
    within = abs(math.log(predicted_us / measured_us)) <= math.log(FACTOR_HERE)
    return Prediction(title, round(predicted_us, 1), round(measured_us, 1), within)


def _worst_between_artifacts(calibration: Calibration) -> float:
    checks = predictions(calibration, [])
    return max((math.exp(abs(math.log(each.predicted_us / each.measured_us))) for each in checks), default=FACTOR_HERE)


def _are_alike(one: Fit, other: Fit) -> bool:
    return max(one.work.macs, other.work.macs) <= LIKE_WORK * min(one.work.macs, other.work.macs)


def _thread_gain(calibration: Calibration, threads: int) -> float:
    return calibration.peak_macs_per_us[threads] / calibration.peak_macs_per_us[1]


def _is_plain(case: Case) -> bool:
    setting = case.setting
    one = setting.threads == setting.voices == 1 and setting.backend in _DELEGATED
    return one and setting.is_plain and case.label == "measured_here"


def _time_us(rows: Sequence[OperatorRow]) -> float:
    return sum(row.us or 0.0 for row in rows)
