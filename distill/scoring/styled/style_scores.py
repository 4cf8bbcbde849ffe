"""What a style does to a stream student's frames, on clips of strangers: is it told, and does the mouth still say it?

    every clip as the neutral student speaks it -> as the style's head speaks it, in the clip's own emotion and strength

Errors against the styled curves; closures at 0.15 cm, legibility, each beside the neutral student's with the interval
of what was lost over the people; and how often a classifier that learned emotions from labels tells them from frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.corpus.styled.styles import EMOTIONS, Style
from distill.scoring.intervals import interval
from distill.scoring.metrics import LipJudge
from distill.scoring.mouth.legibility import Legibility, lost
from distill.speech.phones import Phone
from distill.students.styled import StyleHead
from distill.teachers.regions import MOUTH, channels
from sdk.faces.face import Face
from sdk.rig import RigLayout

HOP_HZ = 50.0


@dataclass(frozen=True)
class Spoken:
    """What the student makes of a clip, a row a hop: `features` (N, width), `last` (N, rig) before tanh, what the style
    should add to the frames `added` (N, rig), and the style (S,). said (N,): which of `CLASSES` the phone is whose
    middle half the hop lies in, -1 where it lies in none."""

    name: str
    features: Tensor
    last: Tensor
    added: Tensor
    style: Tensor
    said: Tensor

    @property
    def emotion(self) -> str:
        return Style.of(self.name).emotion

    @property
    def person(self) -> str:
        return Style.of(self.name).person

    @property
    def wanted(self) -> Tensor:
        """The frames that a styled student should say (N, rig)."""
        return (torch.tanh(self.last) + self.added).clamp(0, 1)


@dataclass
class Sides:
    """Lips and phones of the same clips, as the neutral student and as the styled one speaks them."""

    lips: tuple[LipJudge, LipJudge] = field(default_factory=lambda: (LipJudge(), LipJudge()))
    read: tuple[Legibility, Legibility] = field(default_factory=lambda: (Legibility(), Legibility()))
    whose: list[str] = field(default_factory=list)  # of each closure

    def add(self, tracks: Sequence[np.ndarray], phones: Sequence[Phone], person: str, layout: RigLayout) -> None:
        """A clip's two tracks `(N, rig)`, a row a hop from t = 0."""
        for lips, read, track in zip(self.lips, self.read, tracks, strict=True):
            lips.add(Face.default().lip_gap_cm(track, layout), HOP_HZ, phones)
            read.add(track, HOP_HZ, phones, person)
        self.whose += [person] * (len(self.lips[0].gaps.asked) - len(self.whose))

    def scores(self) -> dict[str, Any]:
        """PBM and recall of both, and what was lost of PBM with its interval over people."""
        before, after = (judge.gaps for judge in self.lips)

        def lost_of(pick: np.ndarray) -> float:
            return float((before.shut[pick] - after.shut[pick]).sum() / before.asked[pick].sum())

        found = [judge.scores() for judge in self.lips]
        return {
            "pbm": [one.pbm for one in found],
            "pbm_lost": [lost_of(np.arange(len(self.whose))), *interval(lost_of, self.whose)],
            "recall_at_2pct": [one.recall_at_2pct for one in found],
            "false_closure": [one.false_closure for one in found],
            "closures": len(self.whose),
        }


def score(
    head: StyleHead, taught: Sequence[Spoken], clips: Sequence[Spoken], phones: Mapping[str, Sequence[Phone]],
    layout: RigLayout, future_s: float,
) -> dict[str, Any]:  # fmt: skip
    """Figures of `clips`, of which nobody is in `taught`, whose labels the classifier learns from. future_s: by how
    much the student's frames lie behind its sound."""
    sides = {name: Sides() for name in ("all", *EMOTIONS)}
    errors, seen, ideal = [], [], Legibility()
    for clip in clips:
        with torch.inference_mode():
            pair = torch.tanh(clip.last), head.values(clip.features, clip.last, clip.style)
        errors.append([float((values - clip.wanted).square().mean()) for values in pair])
        tracks = [layout.clamp(on_clock(values.numpy(), future_s)) for values in pair]
        for name in ("all", clip.emotion):
            sides[name].add(tracks, phones[clip.name], clip.person, layout)
        ideal.add(layout.clamp(on_clock(clip.wanted.numpy(), future_s)), HOP_HZ, phones[clip.name], clip.person)
        seen.append(summary(pair[1].clamp(0, 1)))  # as it is shown, and as the labels are
    lips = {name: one.scores() for name, one in sides.items() if one.whose}
    mouth = channels(layout, MOUTH)
    before, after = (one.read() for one in sides["all"].read)
    by_mouth = [one.of(mouth).read() for one in sides["all"].read]
    by_seen = [one.seen().read() for one in sides["all"].read]
    return {
        "mse_neutral": float(np.mean([e[0] for e in errors])),
        "mse_styled": float(np.mean([e[1] for e in errors])),
        **_told(taught, clips, np.stack(seen)),
        "legibility": [one.legibility if one else float("nan") for one in (before, after)],
        "legibility_lost": list(lost(before, after)),
        "legibility_lost_by_mouth": list(lost(by_mouth[0], by_mouth[1])),
        "legibility_lost_of_seen": list(lost(by_seen[0], by_seen[1])),
        "legibility_lost_of_labels": list(lost(before, ideal.read())),
        "legibility_lost_of_labels_by_mouth": list(lost(by_mouth[0], ideal.of(mouth).read())),
        "clips": len(clips),
        "people": len({clip.person for clip in clips}),
        **{key: {name: one[key] for name, one in lips.items()} for key in ("pbm", "pbm_lost", "recall_at_2pct")},
    }


def _told(taught: Sequence[Spoken], clips: Sequence[Spoken], seen: np.ndarray) -> dict[str, Any]:
    """How often a classifier that learned emotions from labels tells them from `seen`, a summary a clip, and from the
    clips' own labels: the most that can be asked for."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    told = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    told.fit(np.stack([summary(clip.wanted) for clip in taught]), [clip.emotion for clip in taught])
    emotions = np.array([clip.emotion for clip in clips])
    right = told.predict(seen) == emotions
    return {
        "emotion_told": float(right.mean()),
        "emotion_told_interval": list(
            interval(lambda pick: float(right[pick].mean()), [clip.person for clip in clips])
        ),
        "emotion_told_by": {name: float(right[emotions == name].mean()) for name in sorted(set(emotions.tolist()))},
        "emotion_told_of_labels": float(
            (told.predict(np.stack([summary(clip.wanted) for clip in clips])) == emotions).mean()
        ),
        "emotion_chance": 1 / len(EMOTIONS),
    }


def on_clock(values: np.ndarray, future_s: float) -> np.ndarray:
    """Rows of a stream, of which the i-th describes (i + 1) hops less `future_s`, at times 0, 1, 2, ... hops: linear
    between two, held beyond the ends."""
    at = np.clip(np.arange(len(values)) + future_s * HOP_HZ - 1, 0, len(values) - 1)
    below = np.minimum(at.astype(int), max(len(values) - 2, 0))
    share = (at - below)[:, None]
    found: np.ndarray = (1 - share) * values[below] + share * values[np.minimum(below + 1, len(values) - 1)]
    return found


def summary(values: Tensor) -> np.ndarray:
    """What the classifier is told of a clip (N, rig): mean and spread of each channel."""
    found: np.ndarray = torch.cat([values.mean(0), values.std(0)]).numpy()
    return found
