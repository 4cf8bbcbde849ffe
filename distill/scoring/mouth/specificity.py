"""Do the lips shut on /p b m/ alone? Closures against other consonants and vowels, and shuts where none belongs.

A mouth that follows loudness finds most closures where 2 % of open vowels are shut: vowels are loud, consonants not.
It shuts on /t k s/ as well. So closures are asked against t d k g n ng s z sh zh ch jh th dh l h y with no p b m f v w
within 120 ms and no pause within 66 ms, by the least gap from two frames before to two frames behind the middle (66 ms
at 30 fps) and by the gap in the middle itself; and speech without p b m f v w is searched for shut lips. Behind the
last phone lips should shut and stay shut: asked from 100 to 400 ms behind it, as far as the sound goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from distill.scoring import metrics
from distill.scoring.intervals import bounds, picks
from distill.scoring.mouth.phone_classes import BESIDE_S, OTHER_CONSONANTS, VOWELS, clear_of_labials, is_labial, pauses
from distill.speech.phones import BILABIALS, Phone, spoken
from sdk.faces.face import CLOSED_CM

KINDS = ("closure", "other", "vowel")
BEHIND_S = (0.1, 0.4)
CLOSURE, OTHER, VOWEL = range(3)


@dataclass
class Specificity:
    """Collects phones over utterances, one row each: whose it is, its kind, its least gap and its middle's in cm."""

    whose: list[str] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    least_cm: list[float] = field(default_factory=list)
    middle_cm: list[float] = field(default_factory=list)
    free: list[tuple[str, int, float]] = field(default_factory=list)  # whose, shuts, minutes of speech without labials
    behind: list[tuple[str, int, int]] = field(default_factory=list)  # whose, frames with lips shut, frames

    def add(self, gap_cm: np.ndarray, fps: float, phones: Sequence[Phone], whose: str) -> None:
        """One utterance: lip gap `(N,)` at `fps` frames a second from t = 0, and its phones."""
        if not len(gap_cm) or not phones:
            return
        asked = {
            CLOSURE: [p for p in phones if p.symbol[:1] in BILABIALS],
            OTHER: list(clear_of_labials(phones, OTHER_CONSONANTS)),
            VOWEL: list(clear_of_labials(phones, VOWELS)),
        }
        near = metrics.least_nearby(gap_cm)
        for kind, found in asked.items():
            for phone in found:
                middle = round((phone.start + phone.end) / 2 * fps)
                if middle < len(gap_cm):
                    self.whose.append(whose)
                    self.kinds.append(kind)
                    self.least_cm.append(float(near[middle]))
                    self.middle_cm.append(float(gap_cm[middle]))
        free = free_frames(phones, fps, len(gap_cm))
        shut = (gap_cm <= CLOSED_CM) & free
        starts = int(np.sum(shut & ~np.concatenate([[False], shut[:-1]])))
        self.free.append((whose, starts, float(free.sum()) / fps / 60))
        last = max((phone.end for phone in spoken(phones)), default=len(gap_cm) / fps)
        first, stop = (math.ceil((last + after) * fps) for after in BEHIND_S)
        rest = gap_cm[first:stop]
        self.behind.append((whose, int(np.sum(rest <= CLOSED_CM)), len(rest)))

    def extend(self, other: Specificity) -> None:
        """Take in what another has collected."""
        self.whose += other.whose
        self.kinds += other.kinds
        self.least_cm += other.least_cm
        self.middle_cm += other.middle_cm
        self.free += other.free
        self.behind += other.behind

    def scores(self, resamples: int = 0) -> dict[str, Any]:
        """`closures_found`, `others_shut`, `vowels_shut` (shares at 0.15 cm, least gap; `..._middle`: in the middle),
        `other_auc`, `vowel_auc` and both `..._middle`, `false_shuts_per_min`, `shut_behind` (share of frames); NaN
        where there is nothing to judge.

        resamples: above 0, `intervals` holds [low, high] of each over so many draws of the speakers.
        """
        kinds = np.array(self.kinds, dtype=np.int64)
        gaps = np.array([self.least_cm, self.middle_cm], dtype=np.float64).reshape(2, -1)
        rated: dict[str, Sequence[tuple[str, int, float]]] = {
            "false_shuts_per_min": self.free, "shut_behind": self.behind
        }  # fmt: skip
        shares = {k: np.array([row[1:] for row in of], dtype=np.float64).reshape(-1, 2) for k, of in rated.items()}
        found: dict[str, Any] = {**_scores(kinds, gaps), **{name: _rate(rows) for name, rows in shares.items()}}
        found |= {f"{name}s": int(np.sum(kinds == i)) for i, name in enumerate(KINDS)}
        if resamples:
            drawn = [_scores(kinds[pick], gaps[:, pick]) for pick in picks(self.whose, resamples)]
            ends = {name: bounds(np.array([one[name] for one in drawn])) for name in _scores(kinds, gaps)}
            for name, rows in shares.items():
                rates = [_rate(rows[pick]) for pick in picks([row[0] for row in rated[name]], resamples)]
                ends[name] = bounds(np.array(rates))
            found["intervals"] = ends
        return found


def free_frames(phones: Sequence[Phone], fps: float, count: int) -> np.ndarray:
    """`(count,)` bool: speech more than 120 ms from any p b m f v w and from any pause, where no lips shut."""
    times = np.arange(count) / fps
    free = np.ones(count, dtype=bool)
    for start, end in [(p.start, p.end) for p in phones if is_labial(p)] + pauses(phones):
        free &= (times < start - BESIDE_S) | (times > end + BESIDE_S)
    return free


def _scores(kinds: np.ndarray, gaps: np.ndarray) -> dict[str, float]:
    found: dict[str, float] = {}
    for gap, end in zip(gaps, ("", "_middle"), strict=True):
        of = [gap[kinds == kind] for kind in range(3)]
        shares = [float(np.mean(g <= CLOSED_CM)) if len(g) else float("nan") for g in of]
        found |= dict(zip((f"closures_found{end}", f"others_shut{end}", f"vowels_shut{end}"), shares, strict=True))
        for name, rest in (("other_auc", of[OTHER]), ("vowel_auc", of[VOWEL])):
            known = len(rest) and len(of[CLOSURE])
            found[f"{name}{end}"] = metrics.auc(rest, of[CLOSURE]) if known else float("nan")
    return found


def _rate(rows: np.ndarray) -> float:
    """What the first column of `(n, 2)` comes to for one of the second: shuts a minute, shut frames a frame."""
    of = float(rows[:, 1].sum())
    return float(rows[:, 0].sum()) / of if of else float("nan")
