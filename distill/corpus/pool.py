"""Batches of recordings -> label shards, by a teacher in each of several processes; what is done stays done.

A worker holds one shard and no more: it reads a recording, labels it, and goes on to the next. Every teacher works on
one thread, so a shard's bytes are the same whatever the number of workers. What stands on disk is checked by the worker
that would have to make it, and made again if it is damaged, of other recordings or by another teacher. What a worker
had in work when it was killed goes to others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from distill.corpus.making import current_shard
from distill.corpus.recordings import Piece, ShardPieces, read_piece
from distill.corpus.shards import Labeller, Utterance, labeller, write_shard
from distill.teachers.track import RigTrack
from sdk.errors import AudioError, ConfigError, DataError
from sdk.tools.children import Pool, end_with_parent, worker_context
from sdk.tools.threads import one_thread

IN_VAIN = 2  # times that a worker may be killed before all that is left is given up, unless a shard was made in between


@dataclass(frozen=True)
class Made:
    """What became of a batch: the shard's path (None if no recording of it could be read), kept or new, and a message
    for each recording that was left out. given_up: nobody knows, its workers were lost too often."""

    path: Path | None
    kept: bool
    samples: int
    failures: tuple[str, ...] = ()
    given_up: bool = False


class Watch(Protocol):
    """Who is told how far a labelling is (`board.py`)."""

    def heard(self, samples: int, /) -> None:
        """So many samples were gone through, labelled or not."""

    def lost(self, shards: int, why: str, /) -> None:
        """Workers were lost with so many shards in work, which others take."""


class Stopped(Exception):
    """Somebody asked for the end; the shard in work is given up."""


def label_batch(batch: ShardPieces, folder: Path, by: Labeller, tick: Callable[[int], None]) -> Made:
    """The shard of `batch` below `folder`, kept or made. `tick(samples)` after each recording may raise `Stopped`."""
    path = folder / f"{batch.name}.npz"
    standing = current_shard(path, batch.pieces, by, batch.made_of)
    if standing is not None:
        failures = [_failure(p) for p in batch.pieces if p.name in standing.left_out]
        if all(failures):  # unless one of those that failed can be read by now: then the shard is made again
            tick(batch.samples)
            return Made(path, True, batch.samples, tuple(str(f) for f in failures))
    utterances, lost = [], {}
    for piece in batch.pieces:
        try:
            utterances.append(read_piece(piece))
        except AudioError as error:
            lost[piece.name] = str(error)
            tick(piece.samples)
    if not utterances:
        return Made(None, False, 0, tuple(lost.values()))

    def ticking(utterance: Utterance) -> RigTrack:
        track = by.label(utterance)
        tick(len(utterance.audio))
        return track

    write_shard(path, utterances, replace(by, label=ticking), list(lost), batch.made_of)
    return Made(path, False, sum(len(u.audio) for u in utterances), tuple(lost.values()))


def _failure(piece: Piece) -> AudioError | None:
    try:
        read_piece(piece)
    except AudioError as error:
        return error
    return None


def label_batches(
    batches: Sequence[ShardPieces],
    folder: Path,
    teacher: str,
    watch: Watch,
    device: str = "cpu",
    workers: int = 1,
) -> Iterator[Made]:
    """Label all of `batches` into `folder`, each answered when it is done, in any order.

    teacher, device: as `corpus.labeller`; several GPUs are taken in turn. After a worker was killed there is one fewer,
    as memory is what mostly runs out, and what was in work comes last. Raises what the teacher raises when it cannot be
    had, and `DataError` if workers are killed more than `IN_VAIN` times without a shard in between. Closing the
    iterator stops the workers within a recording; shards in work then leave nothing.
    """
    # made even where workers make their own: a wrong name fails here, at once
    by = labeller(teacher, device if workers == 1 else "cpu")
    if workers == 1:
        with one_thread():
            for batch in batches:
                yield label_batch(batch, folder, by, watch.heard)
        return
    del by
    left, in_vain = list(batches), 0
    while left:
        try:
            with closing(_by_workers(left, folder, teacher, watch, device, workers)) as finished:
                for batch, made in finished:
                    left.remove(batch)
                    in_vain = 0
                    yield made
        except BrokenProcessPool as error:
            in_vain += 1
            if in_vain > IN_VAIN:
                raise DataError(
                    f"a worker was killed {in_vain} times in a row, by the system if memory ran out; {len(left)} "
                    "shards are left, and the same command goes on with them"
                ) from error
            in_work = left[:workers]  # more or less: others than these cannot have killed it
            left = left[workers:] + in_work
            watch.lost(len(in_work), "a worker was killed")
            workers = max(workers - 1, 1)


def _by_workers(
    batches: Sequence[ShardPieces], folder: Path, teacher: str, watch: Watch, device: str, workers: int
) -> Generator[tuple[ShardPieces, Made], None, None]:
    """All of `batches` in processes. Raises `BrokenProcessPool` as soon as one of these is killed."""
    context = worker_context("torch")
    shared = _Shared(context.Value("q", 0), context.Value("i", 0), context.Event())
    pool = Pool(workers, context, _begin, (shared, teacher, device))
    try:
        tasks = {pool.submit(_work, batch, folder): batch for batch in batches}
        waiting, seen = set(tasks), 0
        while waiting:
            done, waiting = wait(waiting, 1.0, FIRST_COMPLETED)
            reached = int(shared.samples.value)
            watch.heard(reached - seen)
            seen = reached
            for future in sorted(done, key=lambda one: one.exception() is not None):  # first what was made
                yield tasks[future], future.result()
    finally:
        shared.stop.set()
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Shared:
    samples: Any
    started: Any
    stop: Any


_worker: tuple[_Shared, Labeller] | None = None


def _begin(shared: _Shared, teacher: str, device: str) -> None:
    global _worker  # one teacher per worker process; loading one takes a second
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    end_with_parent()
    torch.set_num_threads(1)
    with shared.started.get_lock():
        number = shared.started.value
        shared.started.value += 1
    _worker = shared, labeller(teacher, nth_device(device, number))


def _work(batch: ShardPieces, folder: Path) -> Made:
    assert _worker is not None
    shared, by = _worker

    def tick(samples: int) -> None:
        with shared.samples.get_lock():
            shared.samples.value += samples
        if shared.stop.is_set():
            raise Stopped

    return label_batch(batch, folder, by, tick)


def pick_device(name: str) -> str:
    """`auto` -> `cuda` where there is one, else `cpu`; anything else as it is. Raises `ConfigError` for no device of
    torch's, or one that is not here."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # as torch says it when it was built without CUDA
        raise ConfigError(f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); try auto") from error
    return name


def nth_device(device: str, number: int) -> str:
    """Worker `number`'s share of `device`: GPUs in turn for plain `cuda`."""
    count = torch.cuda.device_count() if device == "cuda" else 0
    return f"cuda:{number % count}" if count else device


@contextmanager
def alone(folder: Path, part: str = "") -> Iterator[None]:
    """No second command labels into `folder` during the block: raises `DataError` if one does now. A command that was
    killed, by whatever, counts no more. part: of several that label the same plan beside one another, each its own;
    a command without a part labels beside none of them."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".labelling.lock").open("w") as whole, (folder / f".labelling{part}.lock").open("w") as own:
        try:
            if part:
                fcntl.flock(whole, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(
                f"{folder}: another command labels into it now; wait for it, or give another --out"
            ) from error
        yield


def clear_parts(folder: Path, names: Iterable[str]) -> None:
    """Remove what writers of the shards `names` left half done in `folder`, killed outright; to be called `alone`."""
    ours = {f".{name}.npz" for name in names}
    for part in folder.glob(".*.npz.*.part"):
        if part.name[: part.name.index(".npz") + 4] not in ours:
            continue
        print(f"removed: {part}: half written by a process that was killed", file=sys.stderr)
        part.unlink(missing_ok=True)
