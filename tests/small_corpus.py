"""A corpus small enough for a test, and a run that is killed: what every recipe's tests begin from."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from distill.corpus.shards import Utterance, write_shard
from distill.speech.phones import Phone
from distill.students.spec import load_variant
from distill.training.run import Run

PHONES = (Phone("m", 0.5, 0.6), Phone("ɑ", 0.6, 1.5), Phone("b", 1.5, 1.6), Phone("i", 1.6, 2.5))


# a stream student whose step takes milliseconds
SMALL = {"channels": 8, "fc_width": 16, "spectrum": [], "front": [[4, 20, 10], [8, 8, 4], [8, 8, 4], [8, 4, 2]]}
STREAM = load_variant("s6", SMALL)


def utterance(name: str, random: np.random.Generator, phones: Sequence[Phone] = PHONES) -> Utterance:
    """Three seconds of noise, loud where the phones are."""
    audio = random.normal(0, 50, 48000)
    audio[8000:40000] *= 60
    return Utterance(name, f"s{name}", audio.astype(np.int16), list(phones))


def small_corpus(folder: Path, shards: int, each: int) -> Path:
    """`folder` with `shards` train shards of `each` utterances, named by their shard and their place in it."""
    random = np.random.default_rng(0)
    for number in range(shards):
        made = [utterance(f"{number}{i}", random) for i in range(each)]
        write_shard(folder / "shards" / f"train-human-00{number}.npz", made)
    return folder


def killed_at(number: int, resume_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a run is told to stop in the middle of step `number`, unless it goes on from `resume_file`."""
    step = Run._step

    def interrupted(run_, at, *rest):  # type: ignore[no-untyped-def]
        if at == number and not resume_file.exists():
            signal.raise_signal(signal.SIGTERM)  # and not SIGINT, which a shell's background job ignores
        return step(run_, at, *rest)

    monkeypatch.setattr(Run, "_step", interrupted)
