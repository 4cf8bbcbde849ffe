"""A process that was started to work for another ends with it, however that one ends.

    ProcessPoolExecutor(workers, context, end_with_parent)

Who is killed by `kill -9`, or by the system because memory ran out, cannot tell its processes to stop. Those that wait
to hand over what they made then wait for ever: each keeps the pipe's other end open itself, so nothing breaks.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait

_LOOK_S = 1.0


def end_with_parent() -> None:
    """To call in a process that `multiprocessing` started, first thing: when its parent is gone, it is, within a second
    or two, whatever it was doing. In the first process of all nothing happens."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel, parent.pid), daemon=True).start()


def _watch(sentinel: int, parent: int | None) -> None:
    """Both are asked: a sister that was forked later holds a sentinel open, and on Windows a parent's number stays."""
    while not wait([sentinel], _LOOK_S) and (os.name == "nt" or os.getppid() == parent):
        pass
    os._exit(1)
