"""Can the lips be read? Ten classes of phones told from the rig by a linear classifier, other speakers than it learnt.

rig values of the frames at -33, 0, +33 ms of a phone's middle, standardised
  -> multinomial logistic regression, C = 0.1, balanced class weights
  -> folds of speakers: learn on three quarters of them, ask about the rest -> balanced accuracy (chance 0.10)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from distill.scoring.intervals import RESAMPLES, bounds, picks
from distill.scoring.mouth.phone_classes import CLASSES, class_of
from distill.speech.phones import Phone
from distill.speech.visemes import english

FOLDS = 4
SEEN = 1e-3  # a channel that spreads less is still: what the styles' page reads by
VISIBLE = 0.01  # one that spreads by less than a hundredth of its way moves, and nobody who looks at the face sees it


@dataclass
class Legibility:
    """Collects phones over utterances: whose, which class, and three frames of rig values each."""

    whose: list[str] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)  # as the English tables have them
    poses: list[np.ndarray] = field(default_factory=list)  # (3, channels)

    def add(self, values: np.ndarray, fps: float, phones: Sequence[Phone], whose: str) -> None:
        """One utterance: rig values `(N, channels)` at `fps` frames a second from t = 0, and its phones."""
        for phone in phones:
            label = class_of(phone.symbol)
            middle = round((phone.start + phone.end) / 2 * fps)
            if label is None or not 1 <= middle < len(values) - 1:
                continue
            self.whose.append(whose)
            self.classes.append(CLASSES.index(label))
            self.symbols.append(english(phone.symbol) or "")
            self.poses.append(values[middle - 1 : middle + 2].astype(np.float32))

    def extend(self, other: Legibility) -> None:
        """Take in what another has collected."""
        self.whose += other.whose
        self.classes += other.classes
        self.symbols += other.symbols
        self.poses += other.poses

    def mean_poses(self) -> dict[str, np.ndarray]:
        """The mean rig vector `(channels,)` in the middle of each phone that was said, by its IPA symbol."""
        symbols = np.array(self.symbols)
        middles = np.array([pose[1] for pose in self.poses])
        return {str(symbol): middles[symbols == symbol].mean(axis=0) for symbol in np.unique(symbols)}

    def scores(self, resamples: int = 0) -> dict[str, Any]:
        """`legibility` (balanced accuracy over the classes there are), `read_as_<class>` (its recall), `phones`, and
        over how many speakers or clips it was folded; NaN below four. Intervals: of the answers, not learnt again.

        `legibility_seen`: off the channels alone that spread by `VISIBLE`. The reader scales every channel to one
        spread, and what a student mutters in one that hardly moves counts as what its jaw says: a student trained at
        a high rate to the end mutters more."""
        nan = float("nan")
        asked = {"phones": len(self.classes), "folded_over": len(set(self.whose))}
        names = [f"read_as_{name}" for name in CLASSES]
        read = self.read()
        if read is None:
            return {"legibility": nan, "legibility_seen": nan, **dict.fromkeys(names, nan), **asked}
        visible = self.seen(VISIBLE).read()
        found: dict[str, Any] = {
            "legibility": read.legibility,
            "legibility_seen": visible.legibility if visible else nan,
            **dict(zip(names, map(float, read.recalls()), strict=True)),
            **asked,
        }
        if resamples:
            drawn = np.array([read.recalls(pick) for pick in picks(self.whose, resamples)])
            ends = {name: bounds(column) for name, column in zip(names, drawn.T, strict=True)}
            found["intervals"] = {"legibility": bounds(np.nanmean(drawn, axis=1)), **ends}
        return found

    def seen(self, moves: float = SEEN) -> Legibility:
        """The same phones read off the channels that can be seen to move: whose values spread by more than `moves`."""
        middles = np.stack([pose[1] for pose in self.poses])
        return self.of(np.flatnonzero(middles.std(axis=0) > moves))

    def of(self, places: np.ndarray) -> Legibility:
        """The same phones read off the channels `places` alone."""
        return replace(self, poses=[pose[:, places] for pose in self.poses])

    def read(self) -> Reading | None:
        """Every phone as it is read; None where there are too few speakers, or classes, to ask."""
        if len(set(self.whose)) < FOLDS or len(set(self.classes)) < 2:
            return None
        truth = np.array(self.classes)
        poses = np.stack(self.poses)
        poses = poses.reshape(len(truth), poses.shape[1] * poses.shape[2])
        return Reading(truth, answers(poses, truth, np.array(self.whose)), self.whose)


@dataclass(frozen=True)
class Reading:
    """Classes of phones as they were said `truth` and as they are read `said`, both `(n,)`, and by whom."""

    truth: np.ndarray
    said: np.ndarray
    whose: Sequence[str]

    def recalls(self, pick: np.ndarray | slice = slice(None)) -> np.ndarray:
        """`(10,)`: the share of each class, of the phones `pick`, that was read as itself; NaN for one not there."""
        return recalls(self.truth[pick], self.said[pick])

    @property
    def legibility(self) -> float:
        """Balanced accuracy over the classes there are."""
        return float(np.nanmean(self.recalls()))


def answers(poses: np.ndarray, classes: np.ndarray, whose: np.ndarray) -> np.ndarray:
    """The class that is read from each of `poses` `(n, features)` by a classifier that never met its speaker."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    moving = poses[:, poses.std(axis=0) > 1e-6]
    said = np.full(len(classes), -1)
    if not moving.shape[1]:  # a still mouth says nothing
        moving = np.zeros((len(poses), 1), dtype=np.float32)
    for train, test in GroupKFold(FOLDS).split(moving, classes, whose):
        reader = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=300))
        said[test] = reader.fit(moving[train], classes[train]).predict(moving[test])
    return said


def recalls(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """`(10,)`: the share of each class that was read as itself; NaN for one that does not occur."""
    asked = np.bincount(truth, minlength=len(CLASSES)).astype(np.float64)
    right = np.bincount(truth[truth == said], minlength=len(CLASSES))
    return np.divide(right, asked, out=np.full(len(CLASSES), np.nan), where=asked > 0)


def lost(before: Reading | None, after: Reading | None, resamples: int = RESAMPLES) -> tuple[float, float, float]:
    """How much less legible `after` is than `before`, of the same phones: the difference, and its interval over
    speakers, each drawn for both at once; NaN where one could not be read."""
    if before is None or after is None:
        return float("nan"), float("nan"), float("nan")
    drawn = [
        np.nanmean(before.recalls(pick)) - np.nanmean(after.recalls(pick)) for pick in picks(before.whose, resamples)
    ]
    low, high = bounds(np.array(drawn))
    return before.legibility - after.legibility, low, high
