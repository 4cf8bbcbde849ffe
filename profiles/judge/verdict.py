"""What a device demands, held against what an artefact takes: each demand with its figure, its limit and an answer.

The answer is yes or no only where the whole interval lies on one side of the limit. A device is judged by figures that
came from it; without them by estimates for it; never by the time that this machine took. Memory is the same bytes on
every device, up to the tiles in which weights are packed, so what was counted here stands for all.

A host chooses the backend and the threads, so the best of those counts. It does not choose its caches or the pace of
speech, so of warm caches, cold ones and real time the worst counts. Times are those of one voice: a crowd's are shares
of a call that every voice waits for, so they answer for no voice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from profiles.measure.cpu import median_uncertainty_percent
from profiles.model.device import plays, runs
from profiles.model.figures import COUNTED, HELD, PERCENTILES, Case, Estimate, Label, LatencyRow, MemoryRow, percentile
from profiles.model.record import ArtifactFacts, Check, DeviceFacts

Answer = Literal["fits", "does not fit", "cannot tell"]
MEMORY, TIME, LATE = "memory", "time of a frame", "late frames"
_WORSE = (True, None, False)  # answers, each worse than the one before
_WAYS = {("flat_out", "cold"): "cold caches", ("real_time", "warm"): "real time"}  # beside flat out with warm caches


def checks(
    artifacts: Iterable[ArtifactFacts], cases: Sequence[Case], estimates: Sequence[Estimate], device: DeviceFacts
) -> list[Check]:
    """Every demand of `device` on every artefact, in the order in which a reader asks."""
    found: list[Check] = []
    for facts in artifacts:
        own = [case for case in cases if case.artifact == facts.name]
        there = [case for case in own if case.machine == device.name]
        here = [case for case in own if case.machine == "here"]  # what a third machine brought back is not asked
        alone = _alone(there, device)
        guessed = [e for e in estimates if e.artifact == facts.name and e.device == device.name]
        frame = _frame_time(facts.name, alone, guessed, device, cold_factor(own))
        found += [_memory(facts.name, there, own, device), frame, _late(facts.name, alone), *_allowed(facts, device)]
        found += _latency(facts.name, alone, here, frame, device)
    return found


def answer(name: str, found: Iterable[Check]) -> Answer:
    """Whether artefact `name` fits. Latency limits are for the reader to choose from, so they do not decide."""
    decisive = [
        c.passed for c in found if c.artifact == name and not c.demand.startswith("latency") and c.demand != LATE
    ]
    if False in decisive:
        return "does not fit"
    return "cannot tell" if None in decisive or not decisive else "fits"


def _judge(value: float, limit: float, uncertainty_percent: float | None) -> bool | None:
    """Whether value <= limit; None where the uncertainty reaches across the limit."""
    spread = value * (uncertainty_percent or 0.0) / 100.0
    if value + spread <= limit:
        return True
    return False if value - spread > limit else None


def _alone(cases: Iterable[Case], device: DeviceFacts) -> list[Case]:
    """Cases of one voice, nothing beside it, on no more threads than `device` leaves us."""
    settings = ((case, case.setting) for case in cases)
    return [c for c, s in settings if s.voices == 1 and s.load == "none" and s.threads <= device.threads]


def _decisive(cases: Sequence[Case], badness: Callable[[Case], tuple[float, ...]]) -> tuple[Case, list[Case]]:
    """The case to judge by, and all of its backend and threads: the worst of them, of the threads where that is best.

    Threads that were measured in fewer ways (without cold caches, say) cannot win by what they were spared. Cores that
    a case was pinned to are not told apart: elsewhere a thread may land on the slowest.
    """
    groups: dict[tuple[str, int], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.setting.backend, case.setting.threads), []).append(case)
    ways = {chosen: {(c.setting.pacing, c.setting.cache) for c in group} for chosen, group in groups.items()}
    whole = [group for chosen, group in groups.items() if not any(ways[chosen] < other for other in ways.values())]
    return min(((max(group, key=badness), group) for group in whole), key=lambda pair: badness(pair[0]))


def _memory(name: str, there: Sequence[Case], own: Sequence[Case], device: DeviceFacts) -> Check:
    """What the device counted; else what was counted here, whatever else the device brought back; else what stayed."""
    limit = device.memory_budget_bytes / 1e6
    told = ((_rows(cases, row), row) for row in (COUNTED, HELD) for cases in (there, own))
    rows, what = next(((rows, what) for rows, what in told if rows), ([], ""))
    if not rows:
        return Check(name, MEMORY, None, limit, "MB", None, "measured_here", None, "no case counted its memory")
    row, case = max(rows, key=lambda pair: pair[0].bytes)
    value = row.bytes / 1e6
    if what == HELD:  # the least that it takes: that it is too much can be told, that it fits cannot
        note = f"{HELD} alone, {case.setting.title}: what opening takes for a moment is counted on the program here"
        passed = False if value > limit else None
        return Check(name, MEMORY, value, limit, "MB", passed, row.label, None, note)
    note = f"the largest of {len(rows)} cases: {case.setting.title}" if len(rows) > 1 else case.setting.title
    return Check(
        name, MEMORY, value, limit, "MB", _judge(value, limit, row.uncertainty_percent), row.label,
        row.uncertainty_percent, note,
    )  # fmt: skip


def _rows(cases: Sequence[Case], name: str) -> list[tuple[MemoryRow, Case]]:
    return [(row, case) for case in cases for row in case.memory if row.name == name]


def cold_factor(cases: Sequence[Case]) -> float:
    """How many times as long a frame took here at the speed of speech as flat out: between frames its caches cool.

    The largest over settings that were measured both ways, by processor time where both have it; 1 where none was.
    """
    flat = {_place(c): c for c in cases if c.setting.is_plain}
    found = [1.0]
    for paced in (c for c in cases if c.pace is not None and c.setting.load == "none"):
        warm = flat.get(_place(paced))
        if warm and paced.cpu_us and warm.cpu_us:
            found.append(paced.cpu_us / warm.cpu_us)
        elif warm:
            found.append(paced.timing.p50_us / warm.timing.p50_us)
    return max(found)


def _place(case: Case) -> tuple[str, str, int, int, str]:
    """What two cases share that differ in pace alone: a slow core's cooled caches are not a quick one's."""
    setting = case.setting
    return case.machine, setting.backend, setting.threads, setting.voices, setting.cores


def p99_uncertainty_percent(case: Case) -> float | None:
    """Of a case's 99th percentile, by those of its launches; None where fewer than three tell how they differ.

    That of its median says nothing here: a tail scatters several times as much.
    """
    launches: dict[int, list[float]] = {}
    for samples, number in zip(case.timing.rounds_us, case.launch, strict=False):
        launches.setdefault(number, []).extend(samples)
    return median_uncertainty_percent([percentile(samples, PERCENTILES["p99"]) for samples in launches.values()])


def _frame_time(
    name: str, alone: Sequence[Case], guessed: Sequence[Estimate], device: DeviceFacts, cold: float
) -> Check:
    """The 99th percentile where the device brought it back, of its decisive case; else the estimate with its interval.

    An estimate is of warm caches; a frame at the speed of speech takes up to `cold` times that, so its end moves out.
    """
    if alone:

        def judged(case: Case) -> bool | None:
            return _judge(case.timing.p99_us / 1e3, device.our_ms, p99_uncertainty_percent(case))

        worst, all_ways = _decisive(alone, lambda case: (_WORSE.index(judged(case)), case.timing.p99_us))
        note = f"99th percentile, {worst.setting.title}" + f", the worst of {len(all_ways)} cases" * (len(all_ways) > 1)
        taken = {(case.setting.pacing, case.setting.cache) for case in all_ways}
        if lacking := [words for way, words in _WAYS.items() if way not in taken]:
            note += f"; not brought back: {', '.join(lacking)}"
        value, percent = worst.timing.p99_us / 1e3, p99_uncertainty_percent(worst)
        return Check(name, TIME, value, device.our_ms, "ms", judged(worst), worst.label, percent, note)
    allowed = [e for e in guessed if e.threads <= device.threads]
    if not allowed:
        why = "no figures of one voice from the device and no estimate for it: bring back a result with --native"
        return Check(name, TIME, None, device.our_ms, "ms", None, "estimated", None, why)
    e = min(allowed, key=lambda e: e.us)
    high_us = e.high_us * cold
    passed = True if high_us / 1e3 <= device.our_ms else False if e.low_us / 1e3 > device.our_ms else None
    percent = max(high_us - e.us, e.us - e.low_us) / e.us * 100
    note = f"{e.low_us / 1e3:.3g} to {high_us / 1e3:.3g} ms, {e.backend}, bound by {e.bound}"
    if cold > 1.0:
        note += f"; its end holds what cooled caches cost at the speed of speech here, {cold:.2g} times warm ones"
    return Check(name, TIME, e.us / 1e3, device.our_ms, "ms", passed, "estimated", percent, note)


def _late(name: str, alone: Sequence[Case]) -> Check:
    """Frames that came late in a run of one voice at the speed of speech on the device itself: none may."""
    paced = [(case.pace, case.label) for case in alone if case.pace is not None]
    if not paced:
        return Check(name, LATE, None, 0.0, "frames", None, "measured_on_device", None, "no paced run from the device")
    label: Label = paced[0][1]
    late, count = sum(len(pace.late) for pace, _ in paced), sum(len(pace.response_us) for pace, _ in paced)
    return Check(name, LATE, float(late), 0.0, "frames", late == 0, label, None, f"of {count}")


def _allowed(facts: ArtifactFacts, device: DeviceFacts) -> list[Check]:
    """The backend and the precision must be among those that the device runs; there is nothing to measure."""
    rows = (
        ("backend", facts.backend, plays(device.backends, facts.backend), device.backends),
        ("precision", facts.precision, runs(device.precisions, facts.precision), device.precisions),
    )
    return [
        Check(
            facts.name,
            demand,
            None,
            None,
            "",
            is_allowed,
            "measured_here",
            None,
            f"{has}; allowed: {', '.join(allowed)}",
        )
        for demand, has, is_allowed, allowed in rows
    ]


def _latency(name: str, alone: Sequence[Case], here: Sequence[Case], frame: Check, device: DeviceFacts) -> list[Check]:
    """The whole delay at the 99th percentile: of the device's own decisive case; else the shortest of here, in
    which only the fixed parts and the tail are kept."""
    own, others = ([case for case in cases if case.latency] for cases in (alone, here))
    if own:
        case, _ = _decisive(own, lambda case: (_p99(case).total_ms,))
    elif others:
        case = min(others, key=lambda case: _p99(case).total_ms)
    else:
        return []
    row = _p99(case)
    total, label, percent = _total_on(row, case, frame)
    found = []
    for limit_name, limit in device.limits_ms.items():
        passed = _judge(total, limit, percent)
        delay = max(0.0, total - limit)
        note = "" if delay == 0 else f"delay the audio by {math.ceil(delay)} ms to hide it"
        found.append(Check(name, f"latency, {limit_name}", total, limit, "ms", passed, label, percent, note))
    return found


def _p99(case: Case) -> LatencyRow:
    """The delay at the 99th percentile of the inference, of a case that has its delays."""
    return next(row for row in case.latency if row.percentile == "p99")


def _total_on(row: LatencyRow, case: Case, frame: Check) -> tuple[float, Label, float | None]:
    """The total of `row`, its inference replaced by the device's; the fixed parts carry no uncertainty.

    `row` is of a 99th percentile, and an estimate is of a median: it is taken as many times as the one stood above the
    other here. Where nothing is known of the device's inference, it takes all of our share of a frame.
    """
    if case.label == "measured_on_device":
        return row.total_ms, case.label, None
    if frame.value is None:
        return row.total_ms - row.inference_ms + (frame.limit or 0.0), "estimated", None
    inference = frame.value * (_tail(row, case) if frame.label == "estimated" else 1.0)
    total = row.total_ms - row.inference_ms + inference
    return total, frame.label, (frame.uncertainty_percent or 0.0) * inference / total


def _tail(row: LatencyRow, case: Case) -> float:
    """How many times the median the inference of `row` took in the same case; 1 where no median stands there."""
    median = next((one.inference_ms for one in case.latency if one.percentile == "p50"), row.inference_ms)
    return max(1.0, row.inference_ms / median) if median else 1.0
