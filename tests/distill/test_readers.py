"""Batches drawn ahead by other processes are those that the training loop would have drawn; weights do not tell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_corpus import STREAM, small_corpus

from distill.corpus.shelf import OnDisk, load_shards
from distill.speech.augment import Augment
from distill.training.feeds import feed_of
from distill.training.options import Conduct
from distill.training.plan import Plan
from distill.training.readers import drawn
from distill.training.student import train
from sdk.errors import DataError

PLAN = Plan(steps=9, rows=2, row_hops=60)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus(tmp_path_factory.mktemp("corpus"), shards=2, each=3)


def seeded(step: int) -> np.random.Generator:
    return np.random.default_rng([1, step])


@pytest.mark.parametrize("memory_bytes", [0, 10**9])
def test_batches_are_the_same_for_any_number_of_readers(corpus: Path, memory_bytes: int) -> None:
    feed = feed_of(STREAM, PLAN, load_shards(corpus, "train", memory_bytes), Augment())
    alone = list(drawn(feed.draw, seeded, 2, PLAN.steps))
    assert len(alone) == 7
    for readers in (1, 2):
        for ours, theirs in zip(alone, drawn(feed.draw, seeded, 2, PLAN.steps, readers), strict=True):
            assert np.array_equal(ours.audio, theirs.audio)
            assert np.array_equal(ours.rig, theirs.rig)
            assert np.array_equal(ours.classes, theirs.classes)


def test_weights_do_not_tell_how_many_readers_there_were(corpus: Path, tmp_path: Path) -> None:
    made = [
        train(STREAM, PLAN, corpus, tmp_path / f"{n}.pt", Augment(), {}, conduct=Conduct(readers=n)) for n in (0, 2)
    ]
    assert made[0].weights_sha256 == made[1].weights_sha256
    assert made[0].training["waited_percent"] > 0


def test_what_a_reader_cannot_read_is_said_in_the_words_it_was_found_in(corpus: Path, tmp_path: Path) -> None:
    def draw(random: np.random.Generator, step: int) -> int:
        if step == 3:
            raise DataError("train-human-000.npz: has become shorter")
        return step

    found: list[int] = []
    with pytest.raises(DataError, match=r"^train-human-000\.npz: has become shorter$"):
        found.extend(drawn(draw, seeded, 0, 9, 2))
    batches = drawn(draw, seeded, 0, 9, 2)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    batches.close()


KILLED = """
import os, signal, time
import numpy as np
from distill.training.readers import drawn

def draw(random, step):
    if step == 3:
        time.sleep(600)  # a store that does not answer
    return np.zeros(100_000)  # more than a pipe holds

batches = drawn(draw, np.random.default_rng, 0, 50, 2)
print(sum(len(next(batches)) for _ in range(2)), flush=True)
time.sleep(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_readers_end_with_a_run_that_is_killed() -> None:
    """One waits for a store, the other to hand over a batch; both hold its output open."""
    run = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, timeout=60, check=False)
    assert run.stdout == b"200000\n"


def test_what_was_found_whole_is_not_hashed_again(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "checked.json").unlink(missing_ok=True)
    read: list[Path] = []
    blocks = OnDisk.blocks

    def counted(array: OnDisk) -> Iterator[np.ndarray]:
        if array.dtype.kind != "U":  # who speaks is read at every start
            read.append(array.path)
        return blocks(array)

    monkeypatch.setattr(OnDisk, "blocks", counted)
    assert [len(load_shards(corpus, "train", 0)) for _ in range(2)] == [2, 2]
    assert len(read) == 4, "the second start read what the first had found whole: sound and curves of two shards"
    path = corpus / "shards" / "train-human-001.npz"
    before = path.read_bytes()
    path.write_bytes(before[:60_000] + bytes(8) + before[60_008:])  # the same size, another date
    assert [shard.path.name for shard in load_shards(corpus, "train", 0)] == ["train-human-000.npz"]
    assert "train-human-001.npz" in capsys.readouterr().err
    path.write_bytes(before)
    (corpus / "checked.json").write_text("[1, 2", "utf-8")
    assert len(load_shards(corpus, "train", 0)) == 2
