"""Lip metrics by definition, on lip-gap curves in cm and phones in seconds.

PBM accuracy and jitter are the paper's (4.2.2, 4.2.3). The threshold-free figures are ours, because a fixed 0.15 cm
says nothing about the price: recall of closures at a given rate of falsely shut open vowels, and AUC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.data.labels import Phone, bilabial_spans, open_vowel_spans
from sdk.face import CLOSED_CM

TOLERANCE_FRAMES = 2


def mse(label: np.ndarray, predicted: np.ndarray) -> float:
    """Mean squared error over frames and channels (4.2.1); both `(N, channels)`."""
    return float(np.mean((label - predicted) ** 2))


def jitter(lower_lip_cm: np.ndarray) -> float:
    """Eq. 9 and 10: E_t ||a_t(P)||^2 of the mid lower-lip vertex `(N, 3)` in cm^2 a frame^4; 0 below three frames."""
    if len(lower_lip_cm) < 3:
        return 0.0
    return float(np.mean(np.sum(np.diff(lower_lip_cm, n=2, axis=0) ** 2, axis=1)))


@dataclass(frozen=True)
class LipScores:
    """Lip scores of one test set. `pbm`: share of /p b m/ frames whose least gap within two frames is <= 0.15 cm.
    `false_closure`: share of open vowels shut (<= 0.15 cm) in their middle. `recall_at_2pct`: share of closures found
    at the threshold that shuts 2 % of open vowels, `threshold_cm`. `auc`: of closures against open vowels."""

    pbm: float
    false_closure: float
    recall_at_2pct: float
    threshold_cm: float
    auc: float
    closures: int
    vowels: int


class LipJudge:
    """Collects closures and open vowels over utterances; `scores()` at the end."""

    def __init__(self) -> None:
        self._pbm_frames: list[bool] = []
        self._closures: list[float] = []
        self._vowels: list[float] = []

    def add(self, gap_cm: np.ndarray, fps: float, phones: Sequence[Phone]) -> None:
        """One utterance: lip gap `(N,)` at `fps` frames a second from t = 0, and its phones."""
        count = len(gap_cm)
        if not count:
            return
        least = np.array([gap_cm[max(k - TOLERANCE_FRAMES, 0) : k + TOLERANCE_FRAMES + 1].min() for k in range(count)])
        for start, end in bilabial_spans(phones):
            frames = np.arange(int(np.ceil(start * fps)), int(np.floor(end * fps)) + 1)
            if not len(frames):  # shorter than a frame: the nearest one stands for it
                frames = np.array([round((start + end) / 2 * fps)])
            frames = frames[frames < count]
            if len(frames):
                self._pbm_frames += [bool(x) for x in least[frames] <= CLOSED_CM]
                self._closures.append(float(least[frames].min()))
        for start, end in open_vowel_spans(phones):
            middle = round((start + end) / 2 * fps)
            if middle < count:
                self._vowels.append(float(gap_cm[middle]))

    def scores(self) -> LipScores:
        """Scores of everything added; NaN where there was nothing to judge."""
        closures, vowels = np.array(self._closures), np.array(self._vowels)
        if not len(closures) or not len(vowels):
            nan = float("nan")
            return LipScores(nan, nan, nan, nan, nan, len(closures), len(vowels))
        threshold = recall_threshold(vowels, 0.02)
        return LipScores(
            pbm=float(np.mean(self._pbm_frames)),
            false_closure=float(np.mean(vowels <= CLOSED_CM)),
            recall_at_2pct=float(np.mean(closures <= threshold)),
            threshold_cm=threshold,
            auc=auc(vowels, closures),
            closures=len(closures),
            vowels=len(vowels),
        )


def recall_threshold(vowels_cm: np.ndarray, rate: float) -> float:
    """The largest gap at which at most `rate` of the vowels count as shut."""
    ordered = np.sort(vowels_cm)
    allowed = int(np.floor(rate * len(ordered)))
    return float(np.nextafter(ordered[min(allowed, len(ordered) - 1)], -np.inf))


def auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """Probability that a value of `higher` exceeds one of `lower`, ties half (Mann-Whitney)."""
    both = np.concatenate([higher, lower])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    wins = ranks[: len(higher)].sum() - len(higher) * (len(higher) + 1) / 2
    return float(wins / (len(higher) * len(lower)))
