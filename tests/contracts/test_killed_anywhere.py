"""`kill -9` at every touch of a file: what stands is whole, and the next run sweeps what the killed one left.

`make faults` kills whole commands at random moments; here the writers that all commands share are killed before and
after each call that touches the disk, one after the other, in processes forked from this one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

from sdk.tools.whole import whole_file
from tests.small_checkpoint import small_spec
from tests.small_corpus import utterance

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
TOUCHES = {
    "open", "write", "writelines", "flush", "fsync", "replace", "rename", "unlink", "remove", "rmdir", "mkdir", "chmod",
    "flock", "close", "__exit__", "save", "truncate",
}  # fmt: skip
MOST = 60  # of one writer, about; where it touches more often, evenly among them


def touched(work: Callable[[], object], killed_at: int | None = None) -> int:
    """Run `work` in a process of its own, killed at one of its touches. Gives how many it made, 0 where it was killed:
    it ends before where it has less to do than the one had whose touches were counted."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        count = 0

        def watch(_: FrameType, event: str, function: Any) -> None:
            nonlocal count
            if event in ("c_call", "c_return") and getattr(function, "__name__", "") in TOUCHES:
                if count == killed_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        # tqdm's lock lies in memory that children share: one that is killed while it holds it would hold up the next
        tqdm.set_lock(threading.RLock())
        try:
            sys.setprofile(watch)
            work()
            sys.setprofile(None)
            os.write(there, str(count).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(there)
    _, status = os.waitpid(child, 0)
    with os.fdopen(here, "rb") as said:
        made = int(said.read() or 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended == 0 or (ended == -signal.SIGKILL and killed_at is not None)
    return made


def killed_everywhere(work: Callable[[], object], check: Callable[[], None], folder: Path) -> int:
    """Kill `work`, which writes into `folder`, at its touches; `check` looks after each kill. Gives how many kills."""
    touched(work)
    check()
    total = touched(work)  # of one that finds what another left, as all that are killed do
    check()
    wanted = {path.relative_to(folder) for path in folder.rglob("*")}
    moments = sorted({int(at) for at in np.linspace(0, total - 1, min(total, MOST))})
    kills = 0
    for at in moments:
        kills += not touched(work, at)
        check()
        touched(work)  # sweeps, so that the next is killed where it was counted
    touched(work)
    check()
    assert {path.relative_to(folder) for path in folder.rglob("*")} == wanted, "left behind by those that were killed"
    print(f"{kills} kills of {total}")
    return kills


def test_a_file(tmp_path: Path) -> None:
    path, before, after = tmp_path / "frames.csv", b"before", b"row\n" * 5000
    path.write_bytes(before)

    def work() -> None:
        with whole_file(path) as stream:
            for _ in range(50):
                stream.write(b"row\n" * 100)

    def check() -> None:
        assert path.read_bytes() in (before, after)

    assert killed_everywhere(work, check, tmp_path) > 40


def test_a_checkpoint(tmp_path: Path) -> None:
    from distill.files.checkpoint import Checkpoint

    spec = small_spec()
    made = Checkpoint(spec, spec.build().state_dict(), {"seed": 0})
    path = tmp_path / "s8.pt"

    def check() -> None:
        assert Checkpoint.load(path).weights_sha256 == made.weights_sha256

    assert killed_everywhere(lambda: made.save(path), check, tmp_path) >= 10


def test_a_shard_of_a_corpus(tmp_path: Path) -> None:
    from distill.corpus.labeller import BY_PHONES, labeller
    from distill.corpus.making import write_shards
    from distill.corpus.shards import read_shard

    said = [utterance(str(i), np.random.default_rng(i)) for i in range(2)]
    by_phones = labeller(BY_PHONES)
    labels = {one.name: by_phones.label(one) for one in said}  # once, and not again at every start
    by = replace(by_phones, label=lambda one: labels[one.name])

    begun = []

    def work() -> None:
        for path in tmp_path.rglob("*.npz"):
            path.unlink()  # one that is current is kept, and nothing of it is written
        write_shards(said, tmp_path / "corpus", "human", by)

    def check() -> None:
        begun.extend(tmp_path.rglob("*.part"))
        for path in tmp_path.rglob("*.npz"):
            assert len(read_shard(path).names) == 2

    assert killed_everywhere(work, check, tmp_path) >= 10
    assert begun, "some were killed while they wrote"


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "there"])
def test_a_delivery(is_new: bool, tmp_path: Path) -> None:
    """The files of a build: each whole, and where there is a report, all are those it describes."""
    from export.deliver import delivery

    out = tmp_path / "face"
    contents = [mark * 5000 for mark in (b"a", b"b")]
    between = 0

    def work() -> None:
        standing = (out / "model.pte").read_bytes() if (out / "model.pte").exists() else contents[0]
        if is_new and out.exists():
            out.rename(out.with_name(f"delivered-{os.getpid()}"))
        with delivery.workshop(out) as folder:
            for name in delivery.FILES:
                delivery.write(folder / name, contents[standing == contents[0]])
            delivery.deliver(folder, out)
        for old in tmp_path.glob("delivered-*"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()

    def check() -> None:
        nonlocal between
        found = {name: (out / name).read_bytes() for name in delivery.FILES if (out / name).exists()}
        assert set(found.values()) <= set(contents)
        between += len(set(found.values())) == 2
        if "report.json" in found:
            assert len(found) == len(delivery.FILES)
            assert len(set(found.values())) == 1
        if is_new:
            assert len(found) in (0, len(delivery.FILES)), "a new folder comes whole or not at all"

    assert killed_everywhere(work, check, tmp_path) > 30
    assert bool(between) != is_new, "some were killed between two renames, where there are several"
