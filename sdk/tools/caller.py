"""A process that was started to be waited for ends with whom it works for, though that one is ended by `kill -9`."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_caller() -> None:
    """To call first thing in a process that `subprocess` started: the kernel ends it with the thread that waits for it.

    No thread and no memory of ours, for who is measured. Linux alone can; elsewhere it goes on to its own end, which
    nobody reads.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
