"""Processes that work for another: forked by a server that has loaded what is heavy, and ended with whom they serve.

    ProcessPoolExecutor(workers, worker_context("torch"), end_with_parent)

Who is killed by `kill -9`, or by the system because memory ran out, cannot tell its processes to stop. Those that wait
to hand over what they made then wait for ever: each keeps the pipe's other end open itself, so nothing breaks.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext

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


def end_with_parent() -> None:
    """To call in a process that `multiprocessing` started, first thing: when its parent is gone, it is, within a second
    or two, whatever it was doing. In the first process of all nothing happens."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel, os.getppid()), daemon=True).start()


def _watch(sentinel: int, forked_by: int) -> None:
    """Both are asked: a sister that was forked later holds a sentinel open, and on Windows a parent's number stays. Who
    forked need not be who is worked for: a server stays as long as its workers do, and of those the sentinel tells."""
    while not wait([sentinel], _LOOK_S) and (os.name == "nt" or os.getppid() == forked_by):
        pass
    os._exit(1)
