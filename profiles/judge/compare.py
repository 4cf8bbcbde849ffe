"""Is the new run slower than the old one, or was it only the machine's mood? A regression test that knows noise.

    python -m profiles compare OLD.json NEW.json --fail-above 10%

Frames of one process are no independent samples: measured here, whole processes of one artefact differ by 4 %
(standard deviation) for where their memory happens to lie, while the rounds inside one agree better. So the unit of
the test is the *launch*, a fresh process. Its figure is the median over its rounds of the 20th percentile of frames (a
neighbour only ever adds time, so the quick frames tell what the program takes), divided by a fixed piece of arithmetic
that ran right beside the round, where both runs have it. Of 90 pairs of unrelated runs of s5 beside busy neighbours,
plain medians called 17 a regression and missed 29 of 90 real ones (+25 %); processor time called 8, this none, and
neither missed any. What quick runs of s6 to s8 came to stands in RELIABILITY.md; `python -m profiles spread` tells it
for another machine (`trials.py`).

A regression must be both *significant* and *large*: the one-sided test says slower (p <= 0.05: exact Mann-Whitney, or
Wilcoxon's signed ranks where launches of the two runs took turns), and the estimate (Hodges-Lehmann) exceeds the
threshold. And plain time must not say the opposite: where the reference drifted between the runs, nobody can tell. One
file (by its SHA-256), run by the same packages and the same code of ours, is never slower than itself. The interval of
90 % is that of the same test, so it lies above 1 exactly when the test says slower. A run of a single process cannot
tell its own spread; there the rounds are tested, and the threshold grows by `ONE_LAUNCH`.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from profiles.model.figures import COUNTED, HELD, Case, percentile
from profiles.model.record import NATIVE_LIBRARY, OUR_SOURCES, Environment, Record
from sdk.errors import ProfileError

ALPHA = 0.05
QUICK_PERCENT = 20.0
FEWEST_LAUNCHES = 4  # 4 against 4 can be ordered in 70 ways, so the most extreme has p = 1/70; 3 against 3 in 20
FEWEST_PAIRS = 5
ONE_LAUNCH = 0.12  # two single processes differed by up to 13 % (s5, ten processes)
Verdict = Literal["regression", "improvement", "no change", "cannot tell"]
Clock = Literal["cpu", "wall"]


@dataclass(frozen=True)
class Change:
    """One quantity of one case in both runs. ratio: new over old; low, high: its interval of 90 %, None if not known.

    threshold: the smallest ratio that counts as a regression. how: the test, in words.
    """

    case: str
    quantity: str
    unit: str
    old: float
    new: float
    ratio: float
    low: float | None
    high: float | None
    threshold: float
    verdict: Verdict
    how: str


def compare(old: Record, new: Record, fail_above: float = 0.10, clock: Clock = "wall") -> list[Change]:
    """Changes of all cases that both records have, worst first.

    fail_above: the smallest loss that counts, 0.10 for 10 %. clock: `cpu` for processor time, which falls back
    to `wall` where a case lacks it. Raises `ProfileError` when there is nothing to compare or the processors differ.
    """
    if not 0 < fail_above < 10:
        raise ProfileError(f"cannot fail above {fail_above:.0%}: give a share such as 10%")
    pairs = matched([old, new])
    if not pairs:
        raise ProfileError(
            f"nothing to compare: the old run has {_some(old)}, the new one {_some(new)}. "
            "Profile the same artefacts with the same threads and pacing"
        )
    for a, b in pairs:
        _check_processors(old.environment_of(a), new.environment_of(b), a)
    changes = [change for a, b in pairs for change in _changes(a, b, fail_above, clock, _one_file(old, new, a))]
    order: list[Verdict] = ["regression", "cannot tell", "improvement", "no change"]
    return sorted(changes, key=lambda change: (order.index(change.verdict), -change.ratio))


def _check_processors(old: Environment | None, new: Environment | None, case: Case) -> None:
    """Of the machine that the case ran on. A record of before the devices' own were kept does not tell theirs."""
    if old and new and (old.cpu, old.machine) != (new.cpu, new.machine):
        raise ProfileError(
            f"cannot compare {case.title}: the old run was made on {old.cpu} ({old.machine}), the new one on {new.cpu} "
            f"({new.machine}). Times of different processors say nothing about the artefact; profile both on one"
        )


def _one_file(old: Record, new: Record, case: Case) -> bool:
    """Whether a case's artefact is the same file in both runs, run by the same tools."""
    before, after = ({facts.name: facts.sha256 for facts in record.artifacts} for record in (old, new))
    same = before.get(case.artifact) is not None and before.get(case.artifact) == after.get(case.artifact)
    one, other = old.environment_of(case), new.environment_of(case)
    if not same or one is None or other is None:
        return False
    return _same_tools(one.versions, other.versions, case.setting.backend)


def _same_tools(before: Mapping[str, str], after: Mapping[str, str], backend: str) -> bool:
    """Whether the packages and our own code agree that a case of `backend` is run by.

    The native library holds all that runs in it, and nothing else runs it. What a record does not name (one of before
    our code stood in it) may be any.
    """
    if backend == "native":
        return NATIVE_LIBRARY in before and before[NATIVE_LIBRARY] == after.get(NATIVE_LIBRARY)
    one, other = ({k: v for k, v in versions.items() if k != NATIVE_LIBRARY} for versions in (before, after))
    return OUR_SOURCES in one and one == other


def matched(records: Sequence[Record]) -> list[list[Case]]:
    """Each case that all `records` have, once a record.

    Where it was pinned does not tell cases apart while every record has one of its kind: a core here is as good as
    another. Where one has several, a slow core is none of a quick one: the same cores are the same case.
    """
    found: list[list[Case]] = []
    for kind in dict.fromkeys(map(_kind, records[0].cases)):
        groups = [[case for case in record.cases if _kind(case) == kind] for record in records]
        if all(len(group) == 1 for group in groups):
            found.append([case for (case,) in groups])
            continue
        for cores in dict.fromkeys(case.setting.cores for case in groups[0]):
            on_them = [[case for case in group if case.setting.cores == cores] for group in groups]
            found += map(list, zip(*on_them, strict=False))
    return found


def _kind(case: Case) -> tuple[str, str, str, str]:
    return case.artifact, case.machine, case.setting.title, case.label


def shared_title(cases: Sequence[Case]) -> str:
    """What matched cases are called: with their cores, where all were on the same."""
    cores = {case.setting.cores for case in cases}
    return cases[0].title + (f", {cores.pop()}" if len(cores) == 1 and cases[0].setting.cores else "")


def launch_figures(case: Case, clock: Clock, against_reference: bool) -> tuple[list[float], bool]:
    """The figure of each process, and whether there were several; of a single process, one of each round.

    Microseconds a frame; against_reference: multiples of the arithmetic beside it instead.
    """
    rounds = case.cpu_rounds_us if clock == "cpu" else [percentile(one, QUICK_PERCENT) for one in case.timing.rounds_us]
    if against_reference:
        rounds = [us / reference for us, reference in zip(rounds, case.reference_us, strict=True)]
    if len(set(case.launch)) < FEWEST_LAUNCHES:
        return rounds, False
    groups = [[us for us, at in zip(rounds, case.launch, strict=True) if at == n] for n in sorted(set(case.launch))]
    return [statistics.median(group) for group in groups], True


def took_turns(a: Case, b: Case) -> bool:
    """Whether the launches of two cases alternate in time: a, b, a, b, ... of equal number."""
    starts = [_starts(case) for case in (a, b)]
    if not starts[0] or len(starts[0]) != len(starts[1]):
        return False
    order = sorted([(s, 0) for s in starts[0]] + [(s, 1) for s in starts[1]])
    apart = len({start for start, _ in order}) == len(order)  # a run compared with itself took no turns
    return apart and all(first[1] != second[1] for first, second in zip(order[::2], order[1::2], strict=True))


def _starts(case: Case) -> list[float]:
    if len(case.started_s) != len(case.launch):
        return []
    return [min(s for s, at in zip(case.started_s, case.launch, strict=True) if at == n) for n in set(case.launch)]


def _changes(a: Case, b: Case, fail_above: float, clock: Clock, one_file: bool) -> list[Change]:
    timed = time_change(a, b, fail_above, clock)
    if one_file:
        timed = dataclasses.replace(timed, verdict="no change", how=f"one file, by its SHA-256; {timed.how}")
    changes = [timed]
    for name in (COUNTED, HELD):
        before, after = a.memory_bytes(name), b.memory_bytes(name)
        if before and after:
            changes.append(_memory(shared_title([a, b]), name, before, after, fail_above))
    return changes


def _memory(case: str, name: str, before: int, after: int, fail_above: float) -> Change:
    """Bytes are counted, not sampled: any difference is real, and only its size decides."""
    ratio = after / before
    verdict: Verdict = "no change"
    if ratio > 1 + fail_above:
        verdict = "regression"
    elif ratio < 1 / (1 + fail_above):
        verdict = "improvement"
    return Change(
        case, f"memory {name}", "MB", before / 1e6, after / 1e6, ratio, None, None, 1 + fail_above, verdict, "counted"
    )


def time_change(a: Case, b: Case, fail_above: float, clock: Clock) -> Change:
    """What became of the time of one case, whatever files were run."""
    used: Clock = "cpu" if clock == "cpu" and a.cpu_rounds_us and b.cpu_rounds_us else "wall"
    relative = all(len(case.reference_us) == len(case.timing.rounds_us) for case in (a, b))
    (before, several_a), (after, several_b) = (launch_figures(case, used, relative) for case in (a, b))
    several = several_a and several_b
    if several_a != several_b:  # never launches of one against rounds of the other
        before, after = (launch_figures(dataclasses.replace(c, launch=[]), used, relative)[0] for c in (a, b))
    paired = several and len(before) >= FEWEST_PAIRS and took_turns(a, b)
    threshold = 1 + fail_above + (0.0 if several else ONE_LAUNCH)
    logs = [[math.log(value) for value in side] for side in (before, after)]
    shift, low, high = (paired_shift if paired else independent_shift)(*logs)
    verdict = judge(math.exp(shift), low, high, threshold)
    plain = _typical_ms(b, used) / _typical_ms(a, used)
    if (verdict == "regression" and plain <= 1) or (verdict == "improvement" and plain >= 1):
        verdict = "cannot tell"  # the reference drifted, or the program did: the two clocks contradict one another
    how = f"{len(before)} + {len(after)} " + ("launches" if several else "rounds of one process")
    how += ", taking turns, signed ranks" if paired else ", Mann-Whitney"
    quantity = ("processor" if used == "cpu" else "wall") + " time a frame" + ", beside a reference" * relative
    return Change(
        shared_title([a, b]), quantity, "ms",
        _typical_ms(a, used), _typical_ms(b, used), math.exp(shift), None if low is None else math.exp(low),
        None if high is None else math.exp(high), threshold, verdict, how,
    )  # fmt: skip


def _typical_ms(case: Case, clock: Clock) -> float:
    """The figure in plain milliseconds, for people."""
    return statistics.median(launch_figures(case, clock, False)[0]) / 1e3


def judge(ratio: float, low: float | None, high: float | None, threshold: float) -> Verdict:
    """The verdict on a ratio whose logarithm lies in `low` to `high`; see the head of this file."""
    if low is None or high is None:
        return "cannot tell"
    if low > 0 and ratio > threshold:
        return "regression"
    if high < 0 and ratio < 1 / threshold:
        return "improvement"
    return "no change" if high < math.log(threshold) or ratio <= threshold else "cannot tell"


def independent_shift(old: Sequence[float], new: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Hodges-Lehmann estimate of new - old, and the interval that an exact Mann-Whitney test does not reject."""
    from scipy.stats import mannwhitneyu

    def p_above(by: float) -> float:
        return float(mannwhitneyu([x - by for x in new], old, alternative="greater", method="exact").pvalue)

    def p_below(by: float) -> float:
        return float(mannwhitneyu([x - by for x in new], old, alternative="less", method="exact").pvalue)

    return _shift(sorted(b - a for a in old for b in new), p_above, p_below)


def paired_shift(old: Sequence[float], new: Sequence[float]) -> tuple[float, float | None, float | None]:
    """The same for launches that took turns: Walsh averages of the differences, exact signed-rank test."""
    from scipy.stats import wilcoxon

    differences = [b - a for a, b in zip(old, new, strict=True)]
    walsh = sorted((x + y) / 2 for at, x in enumerate(differences) for y in differences[at:])

    def p_above(by: float) -> float:
        return float(wilcoxon([x - by for x in differences], alternative="greater", method="exact").pvalue)

    def p_below(by: float) -> float:
        return float(wilcoxon([x - by for x in differences], alternative="less", method="exact").pvalue)

    return _shift(walsh, p_above, p_below)


def _shift(
    steps: list[float], p_above: Callable[[float], float], p_below: Callable[[float], float]
) -> tuple[float, float | None, float | None]:
    """The median step, and the outermost steps beyond which the test rejects; None where too few can ever reject."""
    beyond = 1e-9  # just past a step: on it, two samples would tie
    shift = statistics.median(steps)
    if p_above(steps[0] - 1.0) > ALPHA:
        return shift, None, None
    # the larger the step taken off, the less is left to call larger: both tests are monotonous, so halve the range
    low = bisect_right(steps, ALPHA, key=lambda step: p_above(step + beyond))
    high = len(steps) - 1 - bisect_right(steps[::-1], ALPHA, key=lambda step: p_below(step - beyond))
    return shift, steps[min(low, len(steps) - 1)], steps[max(high, 0)]


def _some(record: Record) -> str:
    titles = [case.title for case in record.cases]
    return "; ".join(titles[:3]) + (f" and {len(titles) - 3} more" if len(titles) > 3 else "") or "no case"
