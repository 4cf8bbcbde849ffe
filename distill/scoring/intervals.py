"""How far a score may be trusted: percentile bootstrap over speakers, who are what a new user is drawn from.

whose: the speaker (or the clip, where a set has one speaker) of every event
resample the speakers with replacement -> all their events -> the score -> its 2.5 and 97.5 percentiles
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 200


def picks(whose: Sequence[str] | np.ndarray, resamples: int = RESAMPLES, seed: int = 1) -> list[np.ndarray]:
    """Indices of the events of each resample; none where there are fewer than two speakers to draw from."""
    names, member = np.unique(np.asarray(whose), return_inverse=True)
    if len(names) < 2:
        return []
    order = np.argsort(member, kind="stable")
    ends = np.cumsum(np.bincount(member, minlength=len(names)))
    events = np.split(order, ends[:-1])
    random = np.random.default_rng(seed)
    drawn = random.integers(len(names), size=(resamples, len(names)))
    return [np.concatenate([events[i] for i in row]) for row in drawn]


def interval(
    score: Callable[[np.ndarray], float], whose: Sequence[str] | np.ndarray, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % interval of `score(indices of events)` over resampled speakers; NaN where it cannot be had."""
    found = np.array([score(pick) for pick in picks(whose, resamples)])
    return bounds(found)


def bounds(found: np.ndarray) -> tuple[float, float]:
    """2.5 and 97.5 percentiles of `found` `(n,)`, NaN left out."""
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
