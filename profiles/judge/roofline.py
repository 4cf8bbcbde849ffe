"""What a device that is not here would take: the program's own counts, this machine's measured rates, public figures.

    calibration = calibrate(cases, ...)             # this machine: its peak, and what share of it each artefact reaches
    estimate(calibration, artifact, device)         # Estimate: microseconds, and an interval
    predictions(calibration, cases)                 # the same arithmetic for what was measured here too

A device keeps the share of peak that an artefact reaches here and brings its own peak (`profiles/devices/*.yaml`);
calls of short operators are scalar code and follow the clock. A game empties the caches between frames, so weights come
from memory each time. The interval holds what the checks here were off by, and assumptions, named below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

from profiles.judge.calibration import Calibration, Fit, frame_us, is_usual
from profiles.measure.counts import Counts
from profiles.model.device import Device
from profiles.model.figures import Case, Estimate, Prediction, in_integers

SHARE_OF_PEAK = 0.85  # assumption: of its theoretical peak a good product of matrices reaches 0.75 to 0.95 on any core
FACTOR_HERE = 1.25  # interval of a prediction for this very machine: from its 1 / 1.25 to its 1.25 times
FACTOR_ISA = {"avx512": 1.15, "avx2": 1.25, "neon": 1.5, "wasm_simd128": 2.0}  # assumption: kernels for another ISA
FACTOR_ASSUMED = 1.2  # assumption: for a device whose clock or vector width is itself an assumption
FACTOR_INT8 = 1.3  # assumption: int8 kernels differ more between processors than float ones
FACTOR_CALLS = 1.5  # assumption: scalar code a cycle differs by this between the cores that games run on
LIKE_WORK = 5.0  # artefacts within this ratio of multiply-adds are held against each other


def estimate(calibration: Calibration, artifact: str, device: Device, counts: Counts | None = None) -> Estimate | None:
    """What one frame of `artifact` would take on `device`, on as many threads as it leaves us; None if not calibrated.

    bound: `memory` if fetching the weights takes longer than computing with them. counts: of instructions and
    references, set beside the estimate for the reader; they do not enter it.
    """
    fitted = calibration.fits.get(artifact)
    if fitted is None:
        return None
    threads = 1 if fitted.is_calls else device.threads
    peak = device.peak_macs_per_s(fitted.precision, threads) * SHARE_OF_PEAK / 1e6
    # other operators work on vectors in the cache: they follow the float rate of the core, as products do
    other_scale = device.peak_macs_per_s("fp32", threads) * SHARE_OF_PEAK / 1e6 / calibration.peak_macs_per_us[1]
    call_scale = device.hardware.clock_ghz.value / calibration.clock_ghz
    rates = replace(fitted.rates, overhead_us=0.0)  # our overhead is Python's, which a device does not have
    computing = frame_us(fitted.work, rates, peak, other_scale, call_scale)
    fetching = fitted.work.weight_bytes / (device.bytes_per_s(threads) / 1e6)
    factor = interval_factor(calibration, device, fitted.precision, fitted.is_calls)
    return Estimate(
        artifact=artifact, device=device.name, backend=fitted.backend, threads=threads,
        us=round(computing + fetching, 1), low_us=round(max(computing, fetching) / factor, 1),
        high_us=round((computing + fetching) * factor, 1),
        bound="memory" if fetching > computing else "compute",
        method=f"counts of the program, rates measured on this machine ({fitted.backend}), peak and memory rate of the "
        f"device's file; interval: slowest to fastest by {factor:.2f}, and fetching hidden behind computing at best",
        basis={
            "macs": fitted.work.macs, "calls": fitted.work.calls,
            "weight_bytes": fitted.work.weight_bytes, "other_bytes": fitted.work.other_bytes,
            "host_frame_us": round(fitted.frame_us, 1),
            "host_peak_macs_per_us": round(calibration.peak(fitted.precision), 1),
            "host_share_of_peak": round(fitted.rates.product_share, 3), "device_peak_macs_per_us": round(peak, 1),
            "device_bytes_per_us": round(device.bytes_per_s(threads) / 1e6, 1), "computing_us": round(computing, 1),
            "fetching_us": round(fetching, 1), "interval_factor": round(factor, 3),
            **({f"counted_{name}": float(value) for name, value in asdict(counts).items()} if counts else {}),
        },
    )  # fmt: skip


def interval_factor(calibration: Calibration, device: Device, precision: str, is_calls: bool = False) -> float:
    """How far the truth may lie either way: the factors of independent causes, joined as squares of their logarithms.

    What checks between artefacts of this kind were off by here, another instruction set, assumed facts, int8, calls.
    """
    hardware = device.hardware
    factors = [max(1.1, _worst_between_artifacts(calibration, is_calls)), FACTOR_ISA[hardware.isa]]
    factors += [FACTOR_CALLS] * is_calls
    width = hardware.int8_macs_per_cycle if in_integers(precision) else hardware.fp32_macs_per_cycle
    factors += [FACTOR_ASSUMED] * (hardware.clock_ghz.is_assumed or width.is_assumed)
    factors += [FACTOR_INT8] * in_integers(precision)
    return math.exp(math.sqrt(sum(math.log(factor) ** 2 for factor in factors)))


def predictions(calibration: Calibration, cases: Sequence[Case]) -> list[Prediction]:
    """The arithmetic held against what was measured here: another artefact, more threads, cold caches.

    Each is said to hold within a factor of `FACTOR_HERE`. Artefacts of quite another size are not held against each
    other: where operators are tiny, calling them costs more than their work.
    """
    found = []
    for known, other in _pairs(calibration):
        peak = calibration.peak(other.precision)
        title = f"{other.artifact} from the rates of {known.artifact}, 1 thread"
        found.append(_prediction(title, frame_us(other.work, known.rates, peak), other.frame_us))
    for case in cases:
        fitted = calibration.fits.get(case.artifact)
        setting = case.setting
        if fitted is None or fitted.is_calls or setting.voices > 1 or not is_usual(case):
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


def _prediction(title: str, predicted_us: float, measured_us: float) -> Prediction:
    within = abs(math.log(predicted_us / measured_us)) <= math.log(FACTOR_HERE)
    return Prediction(title, round(predicted_us, 1), round(measured_us, 1), within)


def _pairs(calibration: Calibration) -> list[tuple[Fit, Fit]]:
    """(known, other) artefacts that are alike enough to be held against each other."""
    fits = calibration.fits.values()
    return [(known, other) for known in fits for other in fits if other is not known and _are_alike(known, other)]


def _worst_between_artifacts(calibration: Calibration, is_calls: bool) -> float:
    ratios = [
        frame_us(other.work, known.rates, calibration.peak(other.precision)) / other.frame_us
        for known, other in _pairs(calibration)
        if known.is_calls == is_calls
    ]
    return max((math.exp(abs(math.log(ratio))) for ratio in ratios), default=FACTOR_HERE)


def _are_alike(one: Fit, other: Fit) -> bool:
    same = (one.precision, one.backend, one.is_calls) == (other.precision, other.backend, other.is_calls)
    return same and max(one.work.macs, other.work.macs) <= LIKE_WORK * min(one.work.macs, other.work.macs)


def _thread_gain(calibration: Calibration, threads: int) -> float:
    return calibration.peak_macs_per_us[threads] / calibration.peak_macs_per_us[1]
