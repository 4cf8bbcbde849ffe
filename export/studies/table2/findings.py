"""What the rows of Table 2 show against each other, with intervals, and against what the paper found.

Two students are compared only where one plan trained both (their seeds may differ): what else their plans differ by
would be taken for what the pair is about. Such pairs are named, with what differs (`unlike`).

A difference of two students is judged on the very same closures and open vowels of the test set: 2000 times, as many
of each are drawn with replacement, for both students alike, thresholds set anew. What lips can be read is judged on the
same phones, drawn by speakers (clips, where there is one speaker). Where 0 lies within the middle 95 % of the
differences, they are inside noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distill.scoring.intervals import picks
from distill.scoring.metrics import auc
from distill.scoring.mouth.legibility import recalls
from distill.scoring.mouth.specificity import CLOSURE, OTHER
from export.studies.table2.rows import Paper, Row, present
from sdk.errors import DataError
from sdk.faces.face import CLOSED_CM

PAIRS = (
    ("m_kd", "m_no_kd", "distillation, MFCC"),
    ("h_kd", "h_no_kd", "distillation, HuBERT's CNN"),
    ("s0", "m_kd", "raw waveform against MFCC"),
    ("s0", "h_kd", "own layers against HuBERT's CNN"),
    ("s1_plus", "s1", "hybrid, half the channels"),
    ("s2_plus", "s2", "hybrid, a quarter of the channels"),
    ("s3_plus", "s3", "hybrid, 128 ms"),
    ("s4_plus", "s4", "hybrid, 64 ms"),
    ("s5_plus", "s5", "hybrid, half the channels, 64 ms"),
    ("s4_plus_smooth", "s4_plus", "smoothed, 64 ms"),
    ("s4_plus_thirds", "s4_plus", "smoothed by the paper's thirds, 64 ms"),
    ("s5_plus_smooth", "s5_plus", "smoothed, half the channels, 64 ms"),
    ("s5_plus_thirds", "s5_plus", "smoothed by the paper's thirds, half the channels, 64 ms"),
)
_MEANT = {"m_no_kd": {"hours"}, "h_no_kd": {"hours"}}  # without distillation: little speech (0.8 h), labelled alike
DRAWS = 2000
NOISE = "inside noise"


@dataclass(frozen=True)
class Difference:
    """`first` less `second` in points (0..100) with the ends of its 95 % interval."""

    points: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        if self.low <= 0 <= self.high:
            return NOISE
        return "better" if self.points > 0 else "worse"

    def __str__(self) -> str:
        return f"{self.points:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


@dataclass(frozen=True)
class WholeDifference:
    """How two students differ in what lips can be read: other consonants shut, AUC of closures against these, and
    legibility; more is worse of the first."""

    others_shut: Difference
    other_auc: Difference
    legibility: Difference


@dataclass(frozen=True)
class Finding:
    """One comparison on one key: PBM accuracy and recall at 2 %, the ratio of jitters (first to second), what the
    paper's PBM accuracy of its own recordings differs by, and what lips can be read, where that was measured."""

    first: Row
    second: Row
    about: str
    key: str
    pbm: Difference
    recall: Difference
    jitter_ratio: float | None
    paper_points: float
    whole: WholeDifference | None = None

    @property
    def agrees(self) -> str:
        """Whether PBM accuracy moved as in the paper."""
        if self.pbm.verdict == NOISE:
            return "not shown here: " + NOISE
        same = (self.pbm.points > 0) == (self.paper_points > 0)
        return "as in the paper" if same else "the other way round"


def findings(rows: Sequence[Row], paper: Paper, keys: Sequence[str]) -> list[Finding]:
    """Every pair of `PAIRS` by one plan of which both are there with their closures, on each key that both were scored
    on."""
    found = []
    for first, second, about in _pairs(rows):
        if unlike(first, second):
            continue
        old = [paper.figure(row.name, "in_house") for row in (first, second)]
        for key in keys:
            if f"{key}/closures_cm" not in first.gaps or f"{key}/closures_cm" not in second.gaps:
                continue
            pbm, recall = compare(first, second, key)
            jitters = first.score(key, "jitter"), second.score(key, "jitter")
            ratio = jitters[0] / jitters[1] if jitters[0] and jitters[1] else None
            assert old[0] is not None
            assert old[1] is not None
            whole = compare_whole(first, second, key)
            found.append(Finding(first, second, about, key, pbm, recall, ratio, old[0] - old[1], whole))
    return found


def unlike(first: Row, second: Row) -> list[str]:
    """The fields by which the plans of two rows differ, but for the seed and what such a pair is about: how many hours
    of labelled speech a student without distillation has."""
    names = sorted({*first.plan, *second.plan} - {"seed"} - _MEANT.get(second.name, set()))
    return [name for name in names if first.plan.get(name) != second.plan.get(name)]


def refused_pairs(rows: Sequence[Row]) -> list[tuple[Row, Row, str, list[str]]]:
    """Pairs of which both are there and unlike: first, second, what the pair is about, what their plans differ by."""
    pairs = [(first, second, about, unlike(first, second)) for first, second, about in _pairs(rows)]
    return [pair for pair in pairs if pair[-1]]


def _pairs(rows: Sequence[Row]) -> list[tuple[Row, Row, str]]:
    """`PAIRS` of which both are there."""
    here = present(rows)
    return [(here[one], here[other], about) for one, other, about in PAIRS if one in here and other in here]


def compare(first: Row, second: Row, key: str, draws: int = DRAWS) -> tuple[Difference, Difference]:
    """(PBM accuracy, recall at 2 % false closure) of two rows on the same events. Raises `DataError` if they are not
    the same."""
    ours, theirs = ({name: row.gaps[f"{key}/{name}"] for name in _EVENTS} for row in (first, second))
    if any(len(ours[name]) != len(theirs[name]) for name in _EVENTS) or (ours["asked"] != theirs["asked"]).any():
        raise DataError(
            f"{key}: {first.label} and {second.label} were scored on other utterances; score both again with --rescore"
        )
    random = np.random.default_rng(0)
    closures = random.integers(len(ours["asked"]), size=(draws, len(ours["asked"])))
    vowels = random.integers(len(ours["vowels_cm"]), size=(draws, len(ours["vowels_cm"])))
    drawn = [(_pbm(each, closures), _recall(each, closures, vowels)) for each in (ours, theirs)]
    every = np.arange(len(ours["asked"]))[None], np.arange(len(ours["vowels_cm"]))[None]
    whole = [(_pbm(each, every[0])[0], _recall(each, *every)[0]) for each in (ours, theirs)]
    pbm, recall = (_difference(whole[0][i] - whole[1][i], drawn[0][i] - drawn[1][i]) for i in (0, 1))
    return pbm, recall


def compare_whole(first: Row, second: Row, key: str, draws: int = DRAWS // 4) -> WholeDifference | None:
    """What lips of two rows can be read, on the same phones; None where it was not measured of both. Raises `DataError`
    if the phones are others."""
    if any(f"{key}/whole.kinds" not in row.gaps for row in (first, second)):
        return None
    ours, theirs = ({name: row.gaps[f"{key}/whole.{name}"] for name in _PHONES} for row in (first, second))
    if any(not np.array_equal(ours[name], theirs[name]) for name in ("kinds", "whose", "truth", "reader")):
        raise DataError(
            f"{key}: {first.label} and {second.label} were read on other phones; score both again with --rescore"
        )
    asked, read = picks(ours["whose"], draws), picks(ours["reader"], draws)
    shut, told, legible = (
        _difference(
            score(ours, slice(None)) - score(theirs, slice(None)),
            np.array([score(ours, pick) - score(theirs, pick) for pick in drawn]),
        )
        for score, drawn in ((_others_shut, asked), (_other_auc, asked), (_legibility, read))
    )
    return WholeDifference(shut, told, legible)


_PHONES = ("kinds", "least_cm", "whose", "truth", "said", "reader")


def _others_shut(events: Mapping[str, np.ndarray], pick: np.ndarray | slice) -> float:
    return float(np.mean(events["least_cm"][pick][events["kinds"][pick] == OTHER] <= CLOSED_CM))


def _other_auc(events: Mapping[str, np.ndarray], pick: np.ndarray | slice) -> float:
    kinds, least_cm = events["kinds"][pick], events["least_cm"][pick]
    return auc(least_cm[kinds == OTHER], least_cm[kinds == CLOSURE])


def _legibility(events: Mapping[str, np.ndarray], pick: np.ndarray | slice) -> float:
    return float(np.nanmean(recalls(events["truth"][pick], events["said"][pick])))


_EVENTS = ("closures_cm", "asked", "shut", "vowels_cm")


def _pbm(gaps: Mapping[str, np.ndarray], closures: np.ndarray) -> np.ndarray:
    return np.asarray(gaps["shut"][closures].sum(axis=1) / gaps["asked"][closures].sum(axis=1))


def _recall(gaps: Mapping[str, np.ndarray], closures: np.ndarray, vowels: np.ndarray) -> np.ndarray:
    """As `metrics.recall_threshold` and `lip_scores` have it, for every draw."""
    allowed = int(np.floor(0.02 * vowels.shape[1]))
    thresholds = np.partition(gaps["vowels_cm"][vowels], allowed, axis=1)[:, allowed]
    return np.asarray((gaps["closures_cm"][closures] < thresholds[:, None]).mean(axis=1))


def _difference(whole: float, drawn: np.ndarray) -> Difference:
    low, high = np.percentile(100 * drawn, [2.5, 97.5])
    return Difference(100 * float(whole), float(low), float(high))


@dataclass(frozen=True)
class Target:
    """Something every named student must keep: what, the figure of each, and the limit. unmeasured: of whom nobody
    knows whether they keep it."""

    about: str
    unit: str
    limit: float
    at_least: bool
    values: dict[str, float]
    unmeasured: list[str]

    @property
    def failed(self) -> list[str]:
        kept = (lambda v: v >= self.limit) if self.at_least else (lambda v: v <= self.limit)
        return [label for label, value in self.values.items() if not kept(value)]


def targets(rows: Sequence[Row]) -> list[Target]:
    """What the students were built to reach; a target whose figures were not measured has no values."""
    here = present(rows)
    teacher = here.get("teacher", Row("teacher"))
    plus = [row for row in here.values() if "plus" in row.name]
    shipped = [row for row in here.values() if row.name.startswith("s")]

    def relative(row: Row, key: str, figure: str) -> float | None:
        base, own = teacher.score(key, figure), row.score(key, figure)
        return None if not base or own is None else 100 * own / base

    def share(row: Row, key: str, figure: str) -> float | None:
        own = row.score(key, figure)
        return None if own is None else 100 * own

    def jitter_away(row: Row) -> float | None:
        own = relative(row, "human", "jitter")
        return None if own is None else abs(own - 100)

    def still(row: Row) -> float | None:
        rest = row.scores.get("rest")
        return 100 * min(each["shut"] for each in rest.values()) if rest else None

    def target(
        about: str, limit: float, at_least: bool, of: Sequence[Row], figure: Callable[[Row], float | None]
    ) -> Target:
        found = {row.label: figure(row) for row in of}
        values = {label: value for label, value in found.items() if value is not None}
        return Target(about, "%", limit, at_least, values, [label for label in found if label not in values])

    named = [here[name] for name in ("s2_plus", "s5_plus") if name in here]
    return [
        target(
            "PBM accuracy of the teacher's, human speech in quiet", 90, True, plus,
            lambda row: relative(row, "human", "pbm"),
        ),
        target(
            "PBM accuracy of the teacher's, at 10 dB", 80, True, plus, lambda row: relative(row, "human_10db", "pbm")
        ),
        target(
            "false closure on open vowels, in quiet", 2, False, plus, lambda row: share(row, "human", "false_closure")
        ),
        target(
            "closures found at 2 % false ones, in quiet", 96, True, named,
            lambda row: share(row, "human", "recall_at_2pct"),
        ),
        target("jitter away from the teacher's", 20, False, shipped, jitter_away),
        target("frames shut where nobody speaks, the worst of silence and noise", 99, True, shipped, still),
    ]  # fmt: skip
