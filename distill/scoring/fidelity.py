"""How near a face comes to what its teacher says: every frame of people that nobody was trained on is a question.

    corpus, one side --> clips: sound, the teacher's labels at 30 fps, where somebody speaks --> a tracker's answers

Phones that somebody wrote down judge what a person sees, but a validation set holds few closures of few speakers, and
two trainings of one student lie within its interval. The teacher's labels are there for every frame of every
recording, so this tells trainings apart that the other cannot. It judges nothing else: who copies a teacher's faults
is near it too. (*Fidelity* of distillation: Stanton et al. 2021.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distill.corpus.rows.classes import Said
from distill.corpus.shards import Shard
from distill.files.pcm import to_float
from distill.scoring.conditions import FPS, Item
from distill.scoring.intervals import bounds, picks
from distill.scoring.metrics import auc
from sdk.errors import DataError
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

COLUMNS = ("shapes", "mouth", "shut_auc")
_STILL = 0.01  # standard deviation of a channel's labels below which it does not move
_SILENT = 128  # of 255: from here on the teacher holds that nobody speaks


@dataclass(frozen=True)
class Clip:
    """One utterance: its sound, the labels `(frames, channels)` and which of the frames are of speech `(frames,)`."""

    item: Item
    labels: np.ndarray
    spoken: np.ndarray


@dataclass(frozen=True)
class Answers:
    """Frames of speech, one after another: errors `shapes` and `mouth` (see `Fidelity`) and the lip gap in cm, `(n,)`
    each."""

    shapes: np.ndarray
    mouth: np.ndarray
    gap_cm: np.ndarray


def clips_of(shards: Sequence[Shard], source: str = "human") -> list[Clip]:
    """The utterances of the shards of `source`, whoever labelled them. Raises `DataError` where there are none."""
    found = [clip for shard in shards if shard.source == source for clip in _clips(shard)]
    if not found:
        raise DataError(f"none of the {len(shards)} shards holds {source} speech that was labelled")
    return found


def _clips(shard: Shard) -> list[Clip]:
    found = []
    for i, name in enumerate(shard.names):
        audio, track = shard.utterance(i)
        item = Item(name, to_float(audio), [], speaker=shard.speakers[i])
        times_s = np.arange(item.frames) / FPS
        classes, likely = Said.of(shard, i).at(times_s)
        spoken = likely[:, 0] < _SILENT if likely.any() else classes != 0
        found.append(Clip(item, track.at(times_s), spoken))
    return found


class Fidelity:
    """The ruler of a set of clips whose labels are of `layout`, on the default head.

    shapes      squared errors of the channels that move, each over its own variance in the labels
    mouth       mean squared error of the mouth's vertices
    shut_auc    the chance that a frame whose lips the teacher shuts (0.075 cm) is more shut than one it opens (0.3 cm)

    The first two are over those of the labels' own mean: 1 is a face that never moves. Frames of speech alone count.
    """

    def __init__(self, clips: Sequence[Clip], layout: RigLayout) -> None:
        self.clips, self.layout, self._face = list(clips), layout, Face.default()
        self._labels = np.concatenate([clip.labels[clip.spoken] for clip in self.clips])
        if not len(self._labels):
            raise DataError("nobody speaks in these clips: no label to be near to")
        spread = self._labels.std(0, dtype=np.float64)
        self._weights = np.where(spread > _STILL, 1 / np.maximum(spread, _STILL) ** 2, 0.0)
        self._root = self._face.mouth_root(layout)
        whose = np.repeat([c.item.speaker or c.item.name for c in self.clips], [c.spoken.sum() for c in self.clips])
        self._picks = picks(whose)
        gap_cm = self._face.lip_gap_cm(self._labels, layout)
        self._shut, self._open = gap_cm <= CLOSED_CM / 2, gap_cm >= 2 * CLOSED_CM
        self._still = self._answers(np.broadcast_to(self._labels.mean(0), self._labels.shape))

    def ask(
        self, track: Callable[[Item, np.ndarray], np.ndarray], change: Callable[[Item], Item] = lambda item: item
    ) -> Answers:
        """What `track(item, labels) -> (frames, channels)` answers to every clip, its sound changed by `change`."""
        said = [track(change(clip.item), clip.labels)[clip.spoken] for clip in self.clips]
        return self._answers(np.concatenate(said))

    def scores(self, answers: Answers, at: np.ndarray | None = None) -> dict[str, float]:
        """`COLUMNS` of all frames, or of those `at` these places."""
        where = np.arange(len(self._labels)) if at is None else at
        shut, open_ = where[self._shut[where]], where[self._open[where]]
        still, gap_cm = self._still, answers.gap_cm
        return {
            "shapes": float(answers.shapes[where].mean() / still.shapes[where].mean()),
            "mouth": float(answers.mouth[where].mean() / still.mouth[where].mean()),
            "shut_auc": auc(gap_cm[open_], gap_cm[shut]) if len(open_) and len(shut) else float("nan"),
        }

    def interval(self, answers: Answers, less: Answers | None = None) -> dict[str, tuple[float, float]]:
        """95 % intervals of `scores`, or of what `answers` score more than `less`, over speakers drawn anew."""
        drawn = self._resampled(answers)
        if less is not None:
            drawn = drawn - self._resampled(less)
        return {name: bounds(column) for name, column in zip(COLUMNS, drawn.T, strict=True)}

    def _resampled(self, answers: Answers) -> np.ndarray:
        drawn = [list(self.scores(answers, at).values()) for at in self._picks]
        return np.array(drawn).reshape(-1, len(COLUMNS))

    def _answers(self, said: np.ndarray) -> Answers:
        wrong = said - self._labels
        return Answers(
            (wrong**2 * self._weights).sum(1),
            ((wrong @ self._root) ** 2).sum(1),
            self._face.lip_gap_cm(self.layout.clamp(np.asarray(said, np.float32)), self.layout),
        )
