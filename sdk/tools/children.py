"""Processes that work for another: forked by a server that has loaded what is heavy, and ended with whom they serve.

    with workers(4, worker_context("torch"), begin) as pool:
        ...

Who is killed by `kill -9`, or by the system because memory ran out, cannot tell its processes to stop. Those that wait
to hand over what they made then wait for ever: each keeps the pipe's other end open itself, so nothing breaks. Who is
only stopped would wait itself, for minutes, until they have done what they are at.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any
from weakref import WeakSet

_LOOK_S = 1.0


def worker_context(*modules: str) -> BaseContext:
    """How to start processes that share no thread with this one: each is forked by a server that has imported `modules`
    once for all, so it is there at once and their code lies in memory once. Where nothing can fork, each imports them.

    The first who asks in a process decides what its server imports. Workers see the environment as it was then.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*modules])
    return context


@contextmanager
def workers(
    count: int, context: BaseContext, begin: Callable[[], object] | None = None
) -> Iterator[ProcessPoolExecutor]:
    """A pool of `count` processes (one at least) that end with this one, and at once when the block is left by an error
    or a stop: what they are at is lost, so they write whole files or none. begin: what each does first.

    context: not `fork`, whose processes would hold open what tells them to end.
    """
    told, tell = context.Pipe(duplex=False)
    with told, tell, Pool(max(count, 1), context, _begin, (told, begin)) as pool:
        try:
            yield pool
        except BaseException:
            tell.close()
            pool.shutdown(cancel_futures=True)
            raise


class Pool(ProcessPoolExecutor):
    """One whose shutdown gives back what a stop caught in hand: one that comes just when this thread has taken a
    future's lock, and before the block that gives it back has begun, leaves it taken, and the pool's own thread would
    wait for it for ever."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._given: WeakSet[Future[Any]] = WeakSet()

    def submit(self, *task: Any, **named: Any) -> Future[Any]:  # type: ignore[override]
        future = super().submit(*task, **named)
        self._given.add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for future in list(self._given):
            while future._condition._is_owned():  # type: ignore[attr-defined]
                future._condition.release()
        super().shutdown(wait, cancel_futures=cancel_futures)


def _begin(told: Connection, begin: Callable[[], object] | None) -> None:
    end_with_parent(told)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal; who is worked for decides
    if begin:
        begin()


def end_with_parent(*told: Connection) -> None:
    """To call in a process that `multiprocessing` started, first thing: when its parent is gone, it is, within a second
    or two, whatever it was doing; and when the other end of one of `told` is closed. In the first process of all
    nothing happens."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=((parent.sentinel, *told), os.getppid()), daemon=True).start()


def _watch(ends: tuple[int | Connection, ...], forked_by: int) -> None:
    """Both are asked: a sister that was forked later holds a sentinel open, and on Windows a parent's number stays. Who
    forked need not be who is worked for: a server stays as long as its workers do, and of those the sentinel tells."""
    while not wait(ends, _LOOK_S) and (os.name == "nt" or os.getppid() == forked_by):
        pass
    os._exit(1)
