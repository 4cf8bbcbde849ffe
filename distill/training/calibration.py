"""How wide a gap a trained teacher means shut lips by, read off speakers that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from distill.corpus.shards import LABEL_HZ
from distill.corpus.shelf import load_shards, shard_files
from distill.corpus.store import Stored
from distill.files.pcm import to_float
from distill.files.teacher import Trained
from distill.scoring.mouth.phone_classes import OTHER_CONSONANTS, REACH_S, clear_of_labials
from distill.speech.phones import Phone, from_json, open_vowel_spans
from distill.teachers.closing import can_close
from sdk.faces.face import CLOSED_CM, Face

_WIDEST_CM = 0.3  # no wider gap is ever taken for shut lips: twice the closed gap


def calibrated(
    trained: Trained[Any],
    corpus: Path | Stored | None,
    fps: float,
    curves: Callable[[np.ndarray], np.ndarray],
    clips: int = 0,
) -> Trained[Any]:
    """The teacher with its `shut_cm` read off the corpus's validation speakers, recordings where there are any.

    curves: what its network says of a waveform float32 `(n,)`, `fps` rows a second. clips: how many are enough; 0 =
    all. As it is for a rig that cannot close by name, and without validation speakers.
    """
    if corpus is None or not can_close(trained.layout) or not shard_files(corpus, "valid"):
        return trained
    shards = load_shards(corpus, "valid")
    shards = [shard for shard in shards if shard.source == "human"] or shards
    spoken = [(shard, i) for shard in shards for i in range(len(shard))]
    spoken = spoken[:: max(len(spoken) // clips, 1)] if clips else spoken
    face = Face.default()

    def tracks() -> Iterator[tuple[np.ndarray, float, list[Phone]]]:
        for shard, i in tqdm(spoken, desc="calibrating", unit="clip"):
            audio, label = shard.utterance(i)
            phones = from_json(shard.phones[i]) or open_stretches(face.lip_gap_cm(label.values, label.layout))
            yield face.lip_gap_cm(curves(to_float(audio)), trained.layout), fps, phones

    return replace(trained, shut_cm=calibrate(tracks()))


def open_stretches(gap_cm: np.ndarray) -> list[Phone]:
    """Where a label of `LABEL_HZ` rows a second, its lip gap `(N,)`, is open for 50 ms or more: as open vowels, for
    recordings that were labelled without phones."""
    wide = np.concatenate([[0], (gap_cm >= 2 * CLOSED_CM).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(wide)).reshape(-1, 2) / LABEL_HZ
    return [Phone("a", start, end) for start, end in edges.tolist() if end - start >= 0.05]


def calibrate(tracks: Iterable[tuple[np.ndarray, float, Sequence[Phone]]], rate: float = 0.02) -> float:
    """The gap in cm that `rate` of the open vowels fall below, and no more of the other consonants, within 0.15 to 0.3.

    Of a vowel the gap in its middle is asked, of a consonant with no labial or pause near the least within 66 ms: those
    are narrow, and shut first. tracks: lip gap `(N,)`, its frames a second, and the phones of utterances that were not
    trained on. Without either the answer is 0.15: nothing is closed that is not.
    """
    vowels, others = [], []
    for gap_cm, fps, phones in tracks:
        for start, end in open_vowel_spans(phones):
            middle = round((start + end) / 2 * fps)
            if middle < len(gap_cm):
                vowels.append(float(gap_cm[middle]))
        for phone in clear_of_labials(phones, OTHER_CONSONANTS):
            first, last = (round(((phone.start + phone.end) / 2 + by) * fps) for by in (-REACH_S, REACH_S))
            if max(first, 0) < len(gap_cm):
                others.append(float(gap_cm[max(first, 0) : last + 1].min()))
    widest = [np.quantile(gaps, rate) for gaps in (vowels, others) if gaps]
    return float(np.clip(min(widest, default=CLOSED_CM), CLOSED_CM, _WIDEST_CM))
