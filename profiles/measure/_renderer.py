"""A neighbour as a renderer would be: busy for most of each 16.7 ms, in arithmetic and in memory. Ends with its input.

python -m profiles.measure._renderer
"""

from __future__ import annotations

import sys
import threading
import time

import numpy as np

from sdk.tools.caller import end_with_caller

PERIOD_S = 1 / 60
BUSY = 0.75  # of a frame


def main() -> None:
    threading.Thread(target=_end_with_input, daemon=True).start()
    left, right = np.ones((256, 256), np.float32), np.ones((256, 256), np.float32)
    source, target = np.ones(4_000_000, np.float32), np.empty(4_000_000, np.float32)
    sys.stdout.write("busy\n")
    sys.stdout.flush()
    due = time.perf_counter()
    while True:
        end = time.perf_counter() + BUSY * PERIOD_S
        while time.perf_counter() < end:
            left @ right
            np.copyto(target[:1_000_000], source[:1_000_000])
            source, target = target, source
        due = max(due + PERIOD_S, time.perf_counter() - PERIOD_S)
        time.sleep(max(0.0, due - time.perf_counter()))


def _end_with_input() -> None:
    sys.stdin.read()  # returns when whoever started this has gone, in whatever way
    import os

    os._exit(0)


if __name__ == "__main__":
    end_with_caller()
    main()
