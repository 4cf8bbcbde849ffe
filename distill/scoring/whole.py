"""Every measure of a whole mouth at once: specificity, legibility and shape, which a mouth driven by loudness fails.

    found = whole_mouth(track, items, layout)       # a flat dict of numbers; resamples=200 brings 95 % intervals

What is collected adds up over utterances, so that several processes may share a set. On the command line:
`python -m distill.recipes.evaluate CHECKPOINT --whole ...`, with the controls (`controls.py`) as rows beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from distill.scoring import metrics
from distill.scoring.conditions import FPS, Item
from distill.scoring.mouth.legibility import Legibility
from distill.scoring.mouth.shape import Shape
from distill.scoring.mouth.space import MouthSpace
from distill.scoring.mouth.specificity import Specificity
from sdk.rig import RigLayout

RESAMPLES = 200
COLUMNS = (
    "closures_found", "others_shut", "other_auc", "vowel_auc", "false_shuts_per_min", "legibility", "legibility_seen",
    "read_as_round", "round_spread_cm", "tuck_auc", "error_of_mean_pose", "width_r", "shut_behind",
)  # fmt: skip


@dataclass
class WholeMouth:
    """All that is collected of one set, on one head: the `space` of `add` and of `scores` is the same."""

    specificity: Specificity = field(default_factory=Specificity)
    legibility: Legibility = field(default_factory=Legibility)
    shape: Shape = field(default_factory=Shape)

    def add(
        self, item: Item, values: np.ndarray, layout: RigLayout, space: MouthSpace, reference: np.ndarray | None = None
    ) -> None:
        """One utterance with phones and its frames `(n, channels)` at 30 fps; `reference` saves making it again."""
        if not item.phones or not len(values):
            return
        whose = item.speaker or item.name
        exact = item.reference if reference is None else reference
        self.specificity.add(space.face.lip_gap_cm(values, layout), FPS, item.phones, whose)
        self.legibility.add(values, FPS, item.phones, whose)
        self.shape.add(values, layout, exact, FPS, item.phones, whose, space)

    def extend(self, other: WholeMouth) -> None:
        """Take in what another has collected."""
        self.specificity.extend(other.specificity)
        self.legibility.extend(other.legibility)
        self.shape.extend(other.shape)

    def events(self) -> dict[str, np.ndarray]:
        """Every phone that was asked about, for intervals of differences: `kinds` (n,), places in `specificity.KINDS`,
        `least_cm` (n,) and `whose` (n,), a number a speaker; `truth` and `said` (m,), classes as they are and as they
        are read, and `reader` (m,), whose. Empty where there are too few speakers, or clips, to read."""
        read = self.legibility.read()
        if read is None:
            return {}
        whose, reader = (np.unique(names, return_inverse=True)[1] for names in (self.specificity.whose, read.whose))
        kinds, least_cm = np.array(self.specificity.kinds), np.array(self.specificity.least_cm)
        events = {"kinds": kinds, "least_cm": least_cm, "whose": whose}
        return {**events, "truth": read.truth, "said": read.said, "reader": reader}

    def scores(self, space: MouthSpace, resamples: int = 0) -> dict[str, Any]:
        """Plain numbers by the names of the measures' own docstrings; `intervals` holds [low, high] of those that have
        one, over speakers, or over clips where there is one speaker."""
        parts = [self.specificity.scores(resamples), self.legibility.scores(resamples)]
        parts.append(self.shape.scores(space, resamples))
        intervals = {name: ends for part in parts for name, ends in part.pop("intervals", {}).items()}
        found: dict[str, Any] = {name: value for part in parts for name, value in part.items()}
        return {**found, **({"intervals": intervals} if intervals else {})}


def whole_mouth(
    track: Callable[[Item, np.ndarray], np.ndarray], items: Sequence[Item], layout: RigLayout, resamples: int = 0
) -> dict[str, Any]:
    """All scores of `track(item, reference) -> (frames, channels)` over a set, and the old recall at 2 % and AUC."""
    judge, lips, space = WholeMouth(), metrics.LipJudge(), MouthSpace.default()
    for item in speakers_or_clips(items):
        reference = item.reference
        values = track(item, reference)
        judge.add(item, values, layout, space, reference)
        lips.add(space.face.lip_gap_cm(values, layout), FPS, item.phones)
    old = lips.scores()
    return {"recall_at_2pct": old.recall_at_2pct, "auc": old.auc, **judge.scores(space, resamples)}


def speakers_or_clips(items: Sequence[Item]) -> list[Item]:
    """The items of several speakers as they are; of one speaker, each clip on its own: folds go over clips then."""
    if len({item.speaker for item in items}) > 1:
        return list(items)
    return [dataclasses.replace(item, speaker="") for item in items]


def whole_table(rows: Mapping[str, Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> str:
    """A Markdown table: a line for each system, a column for each of `columns`, intervals where they are known."""
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = [whole_cell(row.get(c), row.get("intervals", {}).get(c)) for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def whole_cell(value: float | None, ends: Sequence[float] | None) -> str:
    """A figure with its interval for a table, "" where there is none."""
    if value is None or not np.isfinite(value):
        return ""
    digits = 1 if abs(value) >= 10 else 3
    known = ends is not None and np.isfinite(ends).all()
    return f"{value:.{digits}f}" + (f" ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})" if known and ends else "")
