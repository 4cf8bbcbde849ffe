"""Lip metrics by definition, on lip-gap curves in cm and phones in seconds.

PBM accuracy and jitter are the paper's (4.2.2, 4.2.3). The threshold-free figures are ours, because a fixed 0.15 cm
says nothing about the price: recall of closures at a given rate of falsely shut open vowels, and AUC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from distill.corpus.capture.mouth import CapturedMouth
from distill.speech.phones import Phone, bilabial_spans, open_vowel_spans
from sdk.faces.face import CLOSED_CM

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


@dataclass(frozen=True)
class Gaps:
    """What lip scores are made of, one value an event: least gap of each closure `closures_cm`, how many of its frames
    are `asked` and how many of them `shut` (<= 0.15 cm), and the gap in the middle of each open vowel `vowels_cm`."""

    closures_cm: np.ndarray
    asked: np.ndarray
    shut: np.ndarray
    vowels_cm: np.ndarray


class LipJudge:
    """Collects closures and open vowels over utterances; `scores()` at the end."""

    def __init__(self) -> None:
        self._closures: list[tuple[float, int, int]] = []  # least gap in cm, frames asked, frames shut
        self._vowels: list[float] = []

    def add(self, gap_cm: np.ndarray, fps: float, phones: Sequence[Phone]) -> None:
        """One utterance: lip gap `(N,)` at `fps` frames a second from t = 0, and its phones."""
        count = len(gap_cm)
        if not count:
            return
        least = least_nearby(gap_cm)
        for start, end in bilabial_spans(phones):
            frames = frames_of(start, end, fps, count)
            if len(frames):
                self.add_closure(least[frames])
        for start, end in open_vowel_spans(phones):
            middle = round((start + end) / 2 * fps)
            if middle < count:
                self._vowels.append(float(gap_cm[middle]))

    def add_closure(self, least_cm: np.ndarray) -> None:
        """One closure: for each of its frames the least gap nearby, `(n,)`, n at least 1."""
        self._closures.append((float(least_cm.min()), len(least_cm), int(np.sum(least_cm <= CLOSED_CM))))

    def add_open(self, gap_cm: float) -> None:
        """One moment at which the mouth is open."""
        self._vowels.append(gap_cm)

    def extend(self, other: LipJudge) -> None:
        """Take in what another judge has collected."""
        self._closures += other._closures
        self._vowels += other._vowels

    @property
    def gaps(self) -> Gaps:
        """Everything added, event by event."""
        closures = np.array(self._closures, dtype=np.float64).reshape(-1, 3)
        return Gaps(closures[:, 0], closures[:, 1], closures[:, 2], np.array(self._vowels, dtype=np.float64))

    def scores(self) -> LipScores:
        """Scores of everything added; NaN where there was nothing to judge."""
        return lip_scores(self.gaps)


def frames_of(start_s: float, end_s: float, fps: float, count: int) -> np.ndarray:
    """The frames from `start_s` to `end_s`, both included, of the first `count`; of a span between two frames the one
    nearest to its middle. Empty where it lies behind them all."""
    frames = np.arange(int(np.ceil(start_s * fps)), int(np.floor(end_s * fps)) + 1)
    if not len(frames):
        frames = np.array([round((start_s + end_s) / 2 * fps)])
    return frames[frames < count]


def least_nearby(gap_cm: np.ndarray) -> np.ndarray:
    """`(N,)` -> the least of the frames up to two before and behind each, `(N,)` (4.2.2)."""
    padded = np.pad(gap_cm, TOLERANCE_FRAMES, constant_values=np.inf)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * TOLERANCE_FRAMES + 1).min(axis=1))


def lip_scores(gaps: Gaps) -> LipScores:
    """Scores of events; NaN where there is no closure or no open vowel."""
    closures, vowels = gaps.closures_cm, gaps.vowels_cm
    if not len(closures) or not len(vowels):
        nan = float("nan")
        return LipScores(nan, nan, nan, nan, nan, len(closures), len(vowels))
    threshold = recall_threshold(vowels, 0.02)
    return LipScores(
        pbm=float(gaps.shut.sum() / gaps.asked.sum()),
        false_closure=float(np.mean(vowels <= CLOSED_CM)),
        recall_at_2pct=float(np.mean(closures <= threshold)),
        threshold_cm=threshold,
        auc=auc(vowels, closures),
        closures=len(closures),
        vowels=len(vowels),
    )


@dataclass
class CaptureJudge:
    """Agreement with a captured mouth. Its closures and openings are judged as /p b m/ and open vowels are; besides,
    the share of captured rest in which our lips are shut, and how our jaw follows the captured one."""

    lips: LipJudge = field(default_factory=LipJudge)
    rest_shut: list[bool] = field(default_factory=list)
    jaws: list[np.ndarray] = field(default_factory=list)  # (2, n): ours, captured

    def add(self, gap_cm: np.ndarray, jaw: np.ndarray, capture: CapturedMouth) -> None:
        """One clip: our lip gap and jaw `(N,)` at the frames of the capture."""
        count = min(len(gap_cm), len(capture.jaw))
        gap_cm, least = gap_cm[:count], least_nearby(gap_cm[:count])
        for first, behind in capture.closures:
            if first < count:
                self.lips.add_closure(least[first:behind])
        for frame in capture.opens:
            if frame < count:
                self.lips.add_open(float(gap_cm[frame]))
        for first, behind in capture.rest:
            self.rest_shut += [bool(shut) for shut in gap_cm[first:behind] <= CLOSED_CM]
        self.jaws.append(np.stack([jaw[:count], capture.jaw[:count]]))

    def extend(self, other: CaptureJudge) -> None:
        """Take in what another judge has collected."""
        self.lips.extend(other.lips)
        self.rest_shut += other.rest_shut
        self.jaws += other.jaws

    def scores(self) -> dict[str, float]:
        """`rest_shut` 0..1 and `jaw_correlation` (Pearson, all frames of all clips); NaN where there is nothing."""
        ours, theirs = np.concatenate(self.jaws, axis=1) if self.jaws else np.zeros((2, 0))
        moved = len(ours) > 1 and ours.std() > 0 and theirs.std() > 0
        return {
            "rest_shut": float(np.mean(self.rest_shut)) if self.rest_shut else float("nan"),
            "jaw_correlation": float(np.corrcoef(ours, theirs)[0, 1]) if moved else float("nan"),
        }


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
