"""How wide a gap a trained teacher means shut lips by, read off speakers that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from distill.speech.phones import Phone, from_json
from distill.teachers.closing import calibrate, can_close
from sdk.faces.face import CLOSED_CM, Face


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
