"""What a comparison is worth on this machine: every two of repeated runs of one program, as they are and with a loss
planted in the later one.

    python -m profiles spread RUN1.json RUN2.json RUN3.json ...

Runs of one program differ by nothing but the machine, so each verdict "slower" is a false one; a run whose times are
multiplied is that of a slower program beside the same noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from profiles.judge.compare import Verdict, shared_title, time_change
from profiles.model.figures import Case, Timing

FAIL_ABOVE = 0.10
PLANTED = (0.15, 0.25, 0.50)


@dataclass(frozen=True)
class Trial:
    """One case: the pairs of its runs; how many were called slower, quicker or left open with nothing changed; and, by
    the loss planted, how many were called slower."""

    case: str
    pairs: int
    slower: int
    quicker: int
    unsure: int
    seen: dict[float, int]


def trial(cases: Sequence[Case]) -> Trial:
    """All pairs of two or more runs of one case, both ways round: `n (n - 1)` of them."""
    pairs = [pair for one, two in combinations(cases, 2) for pair in ((one, two), (two, one))]
    told = [_verdict(old, new) for old, new in pairs]
    seen = {loss: [_verdict(old, slowed(new, 1 + loss)) for old, new in pairs].count("regression") for loss in PLANTED}
    slower, quicker, unsure = (told.count(verdict) for verdict in ("regression", "improvement", "cannot tell"))
    return Trial(shared_title(cases), len(pairs), slower, quicker, unsure, seen)


def _verdict(old: Case, new: Case) -> Verdict:
    return time_change(old, new, FAIL_ABOVE, "wall").verdict


def slowed(case: Case, factor: float) -> Case:
    """The same measurement of a program that takes `factor` times as long."""
    rounds = [[us * factor for us in samples] for samples in case.timing.rounds_us]
    cpu = [us * factor for us in case.cpu_rounds_us]
    return dataclasses.replace(case, timing=Timing.of(rounds), cpu_rounds_us=cpu)
