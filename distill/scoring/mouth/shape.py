"""Does each sound have its own shape? Lips in centimetres, against exact phones through the articulatory teacher.

Contrast: the mean mouth in the middle of rounded phones less that of spread ones. Tuck: lower lip behind the upper one
at f v against p b m. Error: the lip ring's distance to the exact-phone teacher in cm, in all frames of speech; beside
it that of the mean pose of the same labels, which no still mouth can beat, and their ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from distill.scoring import metrics
from distill.scoring.intervals import bounds, picks
from distill.scoring.mouth.phone_classes import class_of
from distill.scoring.mouth.space import MEASURES, MouthSpace
from distill.speech.phones import SILENCE, Phone
from sdk.rig import RigLayout

_ASKED = ("round", "spread", "tuck", "shut")
_TUCK = MEASURES.index("tuck")
_WIDTH = MEASURES.index("width")


@dataclass
class Shape:
    """Collects the middles of phones and sums over frames, whose each is."""

    whose: list[str] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    middles: list[np.ndarray] = field(default_factory=list)  # shape weights (K,)
    of_clip: list[str] = field(default_factory=list)
    sums: list[dict[str, np.ndarray]] = field(default_factory=list)  # of a clip's frames

    def add(
        self, values: np.ndarray, layout: RigLayout, exact: np.ndarray, fps: float, phones: Sequence[Phone],
        whose: str, space: MouthSpace,
    ) -> None:  # fmt: skip
        """One utterance: rig values `(N, channels)`, and `exact` `(N, 52)` of the exact-phone teacher, ARKit's rig."""
        ours, theirs = space.shapes(values, layout), space.shapes(exact, RigLayout.arkit())
        count = min(len(ours), len(theirs))
        for phone in phones:
            label, middle = class_of(phone.symbol), round((phone.start + phone.end) / 2 * fps)
            if label in _ASKED and middle < count:
                self.whose.append(whose)
                self.kinds.append(_ASKED.index(label))
                self.middles.append(ours[middle])
        times = np.arange(count) / fps
        spoken = np.zeros(count, dtype=bool)
        for phone in phones:
            if phone.symbol != SILENCE:
                spoken |= (times >= phone.start) & (times < phone.end)
        if spoken.any():
            self.of_clip.append(whose)
            self.sums.append(_sums(ours[:count][spoken], theirs[:count][spoken], space))

    def extend(self, other: Shape) -> None:
        """Take in what another has collected."""
        self.whose += other.whose
        self.kinds += other.kinds
        self.middles += other.middles
        self.of_clip += other.of_clip
        self.sums += other.sums

    def scores(self, space: MouthSpace, resamples: int = 0) -> dict[str, Any]:
        """`round_spread_cm` (largest move at the lips), `round_spread_width_cm` (spread wider than rounded),
        `tuck_auc`, `error_cm`, `mean_pose_error_cm`, `error_of_mean_pose`, and r to the labels of each measure."""
        kinds, middles = np.array(self.kinds), np.array(self.middles)
        found: dict[str, Any] = {**_contrasts(kinds, middles, space), **_errors(self.sums, space)}
        if resamples:
            drawn = [_contrasts(kinds[pick], middles[pick], space) for pick in picks(self.whose, resamples)]
            clips = [_errors([self.sums[i] for i in pick], space) for pick in picks(self.of_clip, resamples)]
            found["intervals"] = {
                name: bounds(np.array([one[name] for one in rows]))
                for rows in (drawn, clips) if rows for name in rows[0]
            }  # fmt: skip
        return found


def _contrasts(kinds: np.ndarray, middles: np.ndarray, space: MouthSpace) -> dict[str, float]:
    of = [middles[kinds == i] if len(kinds) else np.zeros((0, 1)) for i in range(len(_ASKED))]
    found = dict.fromkeys(("round_spread_cm", "round_spread_width_cm", "tuck_auc"), float("nan"))
    if len(of[0]) and len(of[1]):
        move = of[0].mean(axis=0) - of[1].mean(axis=0)
        wide = space.measures(np.stack([of[1].mean(axis=0), of[0].mean(axis=0)]))[:, _WIDTH]
        found |= {"round_spread_cm": space.largest_move_cm(move), "round_spread_width_cm": float(wide[0] - wide[1])}
    if len(of[2]) and len(of[3]):
        found["tuck_auc"] = metrics.auc(space.measures(of[2])[:, _TUCK], space.measures(of[3])[:, _TUCK])
    return found


def _sums(ours: np.ndarray, theirs: np.ndarray, space: MouthSpace) -> dict[str, np.ndarray]:
    """What errors are made of, additive over clips: n frames, ring errors, labels; x ours, y theirs of each measure."""
    x, y = space.measures(ours), space.measures(theirs)
    return {
        "n": np.array(float(len(ours))),
        "error": space.ring_squared_cm2(ours - theirs).sum(),
        "label": theirs.sum(axis=0),
        "label_squared": space.ring_squared_cm2(theirs).sum(),
        "moments": np.stack([x.sum(0), y.sum(0), (x * x).sum(0), (y * y).sum(0), (x * y).sum(0)]),
    }


def _errors(clips: Sequence[dict[str, np.ndarray]], space: MouthSpace) -> dict[str, float]:
    names = ("error_cm", "mean_pose_error_cm", "error_of_mean_pose", *(f"{m}_r" for m in MEASURES))
    if not clips:
        return dict.fromkeys(names, float("nan"))
    total = {key: np.sum([clip[key] for clip in clips], axis=0) for key in clips[0]}
    n = float(total["n"])
    error = float(np.sqrt(total["error"] / n))
    still = float(np.sqrt(max(total["label_squared"] / n - space.ring_squared_cm2(total["label"] / n), 0.0)))
    x, y, xx, yy, xy = np.asarray(total["moments"]) / n
    spread = np.sqrt(np.maximum(xx - x * x, 0) * np.maximum(yy - y * y, 0))
    r = np.divide(xy - x * y, spread, out=np.full(len(MEASURES), np.nan), where=spread > 1e-9)
    ratio = error / still if still else float("nan")
    return dict(zip(names, (error, still, ratio, *map(float, r)), strict=True))
