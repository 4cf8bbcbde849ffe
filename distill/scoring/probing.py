"""What the layers of a student know: phones and visemes read off them by small classifiers (4.7, Fig. 12).

A frame's window goes through the student; what each layer answers, flattened, is the embedding of the phone that is
heard at the frame. PCA keeps 100 components, and an MLP of two layers of 300 learns to name the phone, or its viseme by
one of three mappings (`distill/speech/visemes.py`). Weighted F1 on utterances that no classifier learned from. `always`
is the F1 of naming the commonest class: what knowing nothing is worth.

Layers count as Table 1 does, each after its activation: 16 of a window student. A layer of more values than a PCA has
memory for is projected at random onto 2048 first, which keeps distances to a few percent (Johnson and Lindenstrauss).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill.scoring.conditions import FPS, Item
from distill.scoring.probe_report import LABELS, PHONEME, SetScores
from distill.speech.visemes import MAPPINGS, english
from distill.students.hubert_cnn import HubertCnnStudent
from distill.students.mfcc import MfccStudent
from distill.students.spec import Student
from distill.students.window import WindowStudent
from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.errors import ConfigError, DataError
from sdk.tools.command import say
from sdk.window import WindowSpec

COMPONENTS, HIDDEN, PROJECTED = 100, (300, 300), 2048
TEST_PART = 0.2  # of the utterances
LEAST = 20  # frames to learn a class from; rarer ones are left out
WINDOWS_TOGETHER = 16


@dataclass(frozen=True)
class Frames:
    """Which utterance, at which sample, and the phone that is heard there; each `(N,)`."""

    utterances: np.ndarray
    samples: np.ndarray
    phones: np.ndarray

    def __len__(self) -> int:
        return len(self.phones)

    def __getitem__(self, chosen: np.ndarray) -> Frames:
        return Frames(self.utterances[chosen], self.samples[chosen], self.phones[chosen])


def labelled_frames(items: Sequence[Item]) -> Frames:
    """Every frame at 30 fps at which a phone of the tables is heard; others are left out. Raises `DataError`: none."""
    found: list[tuple[int, int, str]] = []
    clock = FrameClock.at(FPS)
    for number, item in enumerate(items):
        ends = [phone.end for phone in item.phones]
        for frame in range(item.frames):
            sample = clock.sample(frame)
            at = bisect_right(ends, sample / SAMPLE_RATE_HZ)
            if at < len(ends) and item.phones[at].start <= sample / SAMPLE_RATE_HZ:
                phone = english(item.phones[at].symbol)
                found += [(number, sample, phone)] if phone else []
    if not found:
        raise DataError("no frame of these recordings has a phone of the English tables")
    utterances, samples, phones = zip(*found, strict=True)
    return Frames(np.array(utterances), np.array(samples), np.array(phones))


def windows_of(items: Sequence[Item], frames: Frames, window: WindowSpec) -> np.ndarray:
    """The window of each frame, float32 `(N, window_samples)`, silence around the recordings."""
    rows = np.zeros((len(frames), window.length_samples), dtype=np.float32)
    for row, number, sample in zip(rows, frames.utterances, frames.samples, strict=True):
        audio, first = items[number].audio, int(sample) - window.past_samples
        low, high = max(first, 0), min(first + window.length_samples, len(audio))
        row[low - first : high - first] = audio[low:high]
    return rows


def split(frames: Frames, train: int, test: int, seed: int) -> tuple[Frames, Frames]:
    """At most `train` and `test` frames of different utterances, each phone as common as it is among all of them.

    Raises `DataError` where fewer than five utterances are given.
    """
    from sklearn.model_selection import GroupShuffleSplit

    if len(set(frames.utterances)) < 5:
        raise DataError("fewer than five utterances: nothing would be left to test on that was not learned from")
    shuffle = GroupShuffleSplit(1, test_size=TEST_PART, random_state=seed)
    learn, judge = next(shuffle.split(frames.phones, groups=frames.utterances))
    return _stratified(frames[learn], train, seed), _stratified(frames[judge], test, seed)


def _stratified(frames: Frames, most: int, seed: int) -> Frames:
    """At most `most`, every phone by its share; shares below one frame fall to chance."""
    if len(frames) <= most:
        return frames
    random = np.random.default_rng(seed)
    order = random.permutation(len(frames))
    order = order[np.argsort(frames.phones[order], kind="stable")]  # phone by phone, each shuffled
    places = (np.arange(most) + random.random()) * (len(order) / most)
    return frames[np.sort(order[places.astype(int)])]


def layers_of(student: Student) -> list[tuple[str, nn.Module]]:
    """Name of every layer and the module that hears it after its activation; the last one answers itself."""
    head = [student.fc1, student.fc2, student.fc3]
    if isinstance(student, WindowStudent):
        after = [*student.strided, student.linear_norm, student.wide, student.tail_norm, *student.tail[1:], *head]
        names = ["conv1", *(f"conv{n}" for n in range(2, 8)), "linear", "wide", *(f"tail{n}" for n in range(1, 5))]
    elif isinstance(student, HubertCnnStudent):
        convs: Any = student.encoder.conv_layers
        after = [*convs[1:], student.norm, *student.tail[1:], *head]
        names = [*(f"hubert{n}" for n in range(1, 8)), *(f"tail{n}" for n in range(1, 5))]
    elif isinstance(student, MfccStudent):
        after = [student.frequency[0], *student.frequency[1:], *student.time, *head]
        names = ["mfcc", *(f"frequency{n}" for n in range(1, len(student.frequency) + 1))]
        names += [f"time{n}" for n in range(1, len(student.time) + 1)]
    else:
        raise ConfigError("a stream student has no window whose layers could be probed: give a window student")
    return list(zip([*names, "fc1", "fc2", "out"], [*after, student.fc3], strict=True))


@contextmanager
def listening(student: Student) -> Iterator[Callable[[Tensor], list[Tensor]]]:
    """A function: windows (B, 1, n) -> what each of `layers_of` says, each (B, values)."""
    layers, heard = layers_of(student), {}
    hooks = []
    for number, (_, module) in enumerate(layers[:-1]):

        def keep(module: nn.Module, inputs: tuple[Tensor, ...], number: int = number) -> None:
            heard[number] = inputs[0].flatten(1)

        hooks.append(module.register_forward_pre_hook(keep))

    def listen(windows: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            out = student(windows)
        return [*(heard[number] for number in range(len(layers) - 1)), out]

    try:
        yield listen
    finally:
        for hook in hooks:
            hook.remove()


class Ears:
    """What the layers of a student answer to windows, brought to at most `PROJECTED` values each."""

    def __init__(self, student: Student, seed: int) -> None:
        self.student, self.seed = student.eval(), seed
        self.names = [name for name, _ in layers_of(student)]
        self.projections: dict[str, Any] = {}

    def hear(self, items: Sequence[Item], frames: Frames, window: WindowSpec) -> dict[str, np.ndarray]:
        """Of every layer by its name, float32 `(N, values)`."""
        from tqdm import tqdm

        rows: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        starts = range(0, len(frames), WINDOWS_TOGETHER)
        with listening(self.student) as listen:
            for start in tqdm(starts, desc="listening", unit="batch", leave=False, mininterval=10):
                part = frames[np.arange(start, min(start + WINDOWS_TOGETHER, len(frames)))]
                batch = torch.from_numpy(windows_of(items, part, window))[:, None]
                for name, values in zip(self.names, listen(batch), strict=True):
                    rows[name].append(self._projected(name, values.numpy()))
        return {name: np.concatenate(parts) for name, parts in rows.items()}

    def _projected(self, name: str, row: np.ndarray) -> np.ndarray:
        from sklearn.random_projection import SparseRandomProjection

        if row.shape[1] <= PROJECTED:
            return row.astype(np.float32)
        if name not in self.projections:
            self.projections[name] = SparseRandomProjection(PROJECTED, random_state=self.seed).fit(row)
        made: np.ndarray = self.projections[name].transform(row)
        return made.astype(np.float32)


def labels_of(phones: np.ndarray, kind: str) -> np.ndarray:
    """Class of every phone, `""` where the mapping has none for it."""
    return phones if kind == PHONEME else np.array([MAPPINGS[kind].get(phone, "") for phone in phones])


def judged(learn: np.ndarray, classes: np.ndarray, test: np.ndarray, truth: np.ndarray, seed: int) -> float:
    """Weighted F1 on `test`, whose classes are `truth`, of an MLP that learned `classes` from `learn` `(N, values)`."""
    from sklearn.decomposition import PCA
    from sklearn.metrics import f1_score
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(
        PCA(min(COMPONENTS, *learn.shape), svd_solver="randomized", random_state=seed),
        StandardScaler(),
        MLPClassifier(HIDDEN, early_stopping=True, n_iter_no_change=5, random_state=seed),
    )
    classifier.fit(learn, classes)
    return float(f1_score(truth, classifier.predict(test), average="weighted", zero_division=0.0))


def always(classes: np.ndarray, truth: np.ndarray) -> float:
    """Weighted F1 of saying the commonest of `classes` every time: recall 1 and precision its share, of that class."""
    names, counts = np.unique(classes, return_counts=True)
    share = float(np.mean(truth == names[counts.argmax()]))
    return share * 2 * share / (1 + share)


def probe(student: Student, window: WindowSpec, items: Sequence[Item], most: tuple[int, int], seed: int) -> SetScores:
    """F1 of every layer and kind of label on one set. most: frames to learn from and to test on."""
    learn, test = split(labelled_frames(items), *most, seed)
    ears = Ears(student, seed)
    known, heard = ears.hear(items, learn, window), ears.hear(items, test, window)
    kinds: dict[str, dict[str, float]] = {}
    layers: dict[str, dict[str, float]] = {name: {} for name in ears.names}
    for kind in LABELS:
        classes, truth = labels_of(learn.phones, kind), labels_of(test.phones, kind)
        names, counts = np.unique(classes, return_counts=True)
        usual = [str(name) for name, count in zip(names, counts, strict=True) if name and count >= LEAST]
        if len(usual) < 2:
            raise DataError(f"fewer than two classes of {kind} have {LEAST} frames to learn from: give more speech")
        mine, theirs = np.isin(classes, usual), np.isin(truth, usual)
        kinds[kind] = {
            "classes": len(usual), "learned": int(mine.sum()), "tested": int(theirs.sum()),
            "always": always(classes[mine], truth[theirs]),
        }  # fmt: skip
        for name in ears.names:
            f1 = judged(known[name][mine], classes[mine], heard[name][theirs], truth[theirs], seed)
            layers[name][kind] = f1
            say(f"{kind:>10} {name:>12} {f1:.3f}")
    return {"utterances": len(items), "kinds": kinds, "layers": layers}
