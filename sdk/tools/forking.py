"""A fork waits until no call into a runtime is under way.

A child has one thread, and every lock that another thread held when it was forked stays held in it for ever: the
engine's, and those inside the runtime that nobody can reach. So calls pass a gate, and a fork shuts it, waits until the
others are out (a call takes milliseconds), and opens it in both processes.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE_S = 30.0  # a call that does not end must not hang its whole process


class Gate:
    """Who is inside: any number of threads, each as often as it likes; none other while a process is forked."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A call into a runtime."""
        me = threading.get_ident()
        with self._changed:
            self._inside[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[me] -= 1
                if not self._inside[me]:
                    del self._inside[me]
                    self._changed.notify_all()

    def shut(self) -> None:
        """Before a fork: once all other threads are out; and nobody comes in until `open`."""
        me = threading.get_ident()
        self._changed.acquire()
        self._changed.wait_for(lambda: not (self._inside.keys() - {me}), _PATIENCE_S)

    def open(self) -> None:
        """In the parent, after it."""
        self._changed.release()

    def renew(self) -> None:
        """In the child: whoever was inside or waited is not here."""
        mine = self._inside.get(threading.get_ident(), 0)
        self._changed, self._inside = threading.Condition(), Counter({threading.get_ident(): mine} if mine else {})


GATE = Gate()  # a process's, as forks are
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=GATE.shut, after_in_parent=GATE.open, after_in_child=GATE.renew)
