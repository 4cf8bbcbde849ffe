"""What is counted while utterances are scored, in pieces that add up, so that several processes may share the work."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.disk import atomic_open
from distill.scoring import metrics
from distill.scoring.conditions import CONDITIONS, FPS, REST, Item, conditions
from distill.scoring.mouth.measured_lips import LipsInVideo
from distill.scoring.mouth.space import MouthSpace
from distill.scoring.trackers import Tracker, engine_tracker, open_judged, recognising_tracker, teacher_tracker
from distill.scoring.whole import RESAMPLES, WholeMouth, speakers_or_clips
from distill.teachers.neural.teacher import NeuralTeacher
from sdk.engines.base import Engine
from sdk.errors import DataError
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout
from sdk.tools import children
from sdk.tools.limits import read_arrays

LABELS = "teacher"  # the word for the labels themselves
JOB_SAMPLES = 16000 * 40
RECOGNISED = ("human", "people", "strangers")  # recordings: their own labels are what a recogniser hears
JAW = "jawOpen"


@dataclass
class Tally:
    """What was found on some utterances; tallies of parts of a set add up to the tally of the set."""

    lips: metrics.LipJudge = field(default_factory=metrics.LipJudge)
    capture: metrics.CaptureJudge = field(default_factory=metrics.CaptureJudge)
    shut: list[bool] = field(default_factory=list)  # frames of sound in which nobody speaks
    curves: list[tuple[float, float, int]] = field(default_factory=list)  # MSE (NaN: no labels), jitter, frames
    whole: WholeMouth = field(default_factory=WholeMouth)
    video: LipsInVideo = field(default_factory=LipsInVideo)

    def add(
        self, item: Item, values: np.ndarray, layout: RigLayout, face: Face, space: MouthSpace | None = None
    ) -> None:
        """One utterance and its frames `(n, channels)`; with a `space` all of its mouth is measured."""
        if item.lips is not None:
            self.video.add(values, layout, item.audio, item.lips, space or MouthSpace.default())
            return
        gap = face.lip_gap_cm(values, layout)
        if item.capture is not None:
            jaw = layout.select(values, [JAW])[:, 0] if JAW in layout.names else np.zeros(len(values))
            self.capture.add(gap, jaw, item.capture)
        elif item.phones:
            self.lips.add(gap, FPS, item.phones)
        else:
            self.shut += [bool(shut) for shut in gap <= CLOSED_CM]
        reference, arkit = item.reference, RigLayout.arkit()
        if space is not None:
            self.whole.add(item, values, layout, space, reference)
        names = [name for name in layout.names if name in arkit.names] if reference.size else []
        error = metrics.mse(arkit.select(reference, names), layout.select(values, names)) if names else float("nan")
        self.curves.append((error, metrics.jitter(face.lower_lip_cm(values, layout)), len(values)))

    def extend(self, other: Tally) -> None:
        """Take in the tally of other utterances."""
        self.lips.extend(other.lips)
        self.capture.extend(other.capture)
        self.shut += other.shut
        self.curves += other.curves
        self.whole.extend(other.whole)
        self.video.extend(other.video)

    @property
    def gaps(self) -> metrics.Gaps:
        return self.capture.lips.gaps if self.capture.jaws else self.lips.gaps

    def scores(self, rest: bool = False, space: MouthSpace | None = None) -> dict[str, Any]:
        """Plain numbers; of a captured set no MSE, since its rig is another. rest: of sound in which nobody speaks, the
        share of frames with lips shut. space: as `add` had it, of the default head if not given."""
        if self.video.clips:
            return dict(self.video.scores())
        if rest:
            return {"shut": float(np.mean(self.shut)), "frames": len(self.shut)}
        errors, jitters, weights = np.array(self.curves).T
        found = dataclasses.asdict(metrics.lip_scores(self.gaps))
        if self.capture.jaws:
            return {**found, **self.capture.scores(), "jitter": float(np.average(jitters, weights=weights))}
        found |= {
            "mse": float(np.average(errors, weights=weights)),
            "jitter": float(np.average(jitters, weights=weights)),
        }
        if self.whole.legibility.whose:
            found["whole"] = self.whole.scores(space or MouthSpace.default(), RESAMPLES)
        return found


def tally(items: Sequence[Item], layout: RigLayout, face: Face, track: Tracker, whole: bool = False) -> Tally:
    """The tally of `track(item, reference) -> (frames, channels)` over a set."""
    found = Tally()
    space = MouthSpace.of(face) if whole or any(item.lips is not None for item in items) else None
    for item in items:
        found.add(item, track(item, item.reference), layout, face, space)
    return found


def score(items: Sequence[Item], layout: RigLayout, face: Face, track: Tracker) -> dict[str, Any]:
    """Scores of a tracker over a set, as plain numbers."""
    return tally(items, layout, face, track).scores()


def score_sets(judged: Engine | NeuralTeacher, sets: Mapping[str, list[Item]], face: Face) -> dict[str, Any]:
    """Scores of an engine or of a trained teacher in quiet and in noise, here and now."""
    if isinstance(judged, NeuralTeacher):
        layout, tracker = judged.layout, teacher_tracker(judged)
    else:
        layout, tracker = judged.manifest.layout, engine_tracker(judged)
    return {key: score(items, layout, face, tracker) for key, _, items in conditions(sets)}


@dataclass(frozen=True)
class Job:
    """Some utterances of one key, for one process. `face` is a path, or None for the default head; trusted: as
    `open_judged`."""

    judged: str
    key: str
    set_name: str
    items: list[Item]
    face: Path | None
    whole: bool = False
    trusted: bool = False

    def run(self) -> Tally:
        face = Face.from_file(self.face) if self.face else Face.default()
        if self.judged != LABELS:
            layout, tracker, _ = open_judged(self.judged, self.trusted)
            return tally(self.items, layout, face, tracker, self.whole)
        exact = self.items[0].phones and self.set_name not in RECOGNISED
        own: Tracker = (lambda item, reference: reference) if exact else recognising_tracker()
        return tally(self.items, RigLayout.arkit(), face, own, self.whole)


def jobs(
    judged: str, sets: Mapping[str, list[Item]], wanted: Sequence[str], rest: Mapping[str, list[Item]],
    face: Path | None, whole: bool = False, known: Mapping[str, Callable[[Item], Item]] = CONDITIONS,
    trusted: bool = False,
) -> list[Job]:  # fmt: skip
    """Everything to do, in pieces of about 40 s of speech, in the order of the table; `rest`: sound without speech."""
    rows = [(key, name, speakers_or_clips(items)) for key, name, items in conditions(sets, wanted, known)]
    rows += [(f"{REST}.{name}", REST, items) for name, items in rest.items()]
    found = []
    for key, name, items in rows:
        waiting: list[Item] = []
        for item in items:
            waiting.append(item)
            if sum(len(each.audio) for each in waiting) >= JOB_SAMPLES:
                found.append(Job(judged, key, name, waiting, face, whole, trusted))
                waiting = []
        if waiting:
            found.append(Job(judged, key, name, waiting, face, whole, trusted))
    return found


def run_jobs(todo: Sequence[Job], workers: int = 1) -> dict[str, Tally]:
    """The tally of each key. More than one worker: in fresh processes, one thread each; the sums are the same."""
    from tqdm import tqdm

    with tqdm(total=len(todo), desc="scoring", unit="piece", leave=False) as bar:
        if workers <= 1:
            pieces = []
            for job in todo:
                pieces.append(job.run())
                bar.update()
        else:
            with children.workers(workers, children.worker_context("torch"), _one_thread) as pool:
                pending = {pool.submit(job.run): i for i, job in enumerate(todo)}
                done: dict[int, Tally] = {}
                for future in as_completed(pending):
                    done[pending[future]] = future.result()
                    bar.update()
            pieces = [done[i] for i in range(len(todo))]
    found: dict[str, Tally] = {}
    for job, piece in zip(todo, pieces, strict=True):
        found.setdefault(job.key, Tally()).extend(piece)
    return found


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def scores_of(tallies: Mapping[str, Tally], face: Path | None = None) -> dict[str, Any]:
    """Scores by key; those of `rest` together under one key. face: as the jobs had it that were tallied."""
    found: dict[str, Any] = {}
    space = MouthSpace(Face.from_file(face)) if face else MouthSpace.default()
    for key, each in tallies.items():
        top, _, inner = key.partition(".")
        if top == REST:  # a set may be called by a folder's name, which may hold a dot
            found.setdefault(top, {})[inner] = each.scores(rest=True)
        else:
            found[key] = each.scores(space=space)
    return found


def write_gaps(path: Path, tallies: Mapping[str, Tally], weights_sha256: str) -> None:
    """Every closure and open vowel of every key, for intervals of differences: `human/closures_cm`, ... in an npz, and
    where the whole mouth was measured `human/whole.kinds`, ... (`WholeMouth.events`).

    Keys that stand there already are kept where they are of the same weights.
    """
    arrays = {
        f"{key}/{name}": value.astype(np.float32) for key, t in tallies.items() for name, value in vars(t.gaps).items()
    }
    arrays |= {
        f"{key}/whole.{name}": value.astype(np.float32 if name == "least_cm" else np.int16)
        for key, t in tallies.items()
        for name, value in t.whole.events().items()
    }
    found = {name: value for name, value in arrays.items() if len(value)}
    if path.exists():
        before = read_arrays(path, DataError)
        if "weights_sha256" in before and str(before["weights_sha256"]) == weights_sha256:
            found = {name: row for name, row in before.items() if name.partition("/")[0] not in tallies} | found
    with atomic_open(path) as stream:
        np.savez_compressed(stream, **{**found, "weights_sha256": np.array(weights_sha256)})
