"""A line on the terminal that moves: how loud, how many frames, what went wrong."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdk.live.conductor import Conductor

_QUIET_DB, _BARS = -60.0, 20


class Meter:
    """`show` is the conductor's report. Nothing is written where stderr is no terminal, or `quiet`."""

    def __init__(self, quiet: bool = False) -> None:
        self._on = not quiet and sys.stderr.isatty()
        self._last: tuple[float, int] = (time.perf_counter(), 0)
        self._rate = 0.0

    def show(self, conductor: Conductor) -> None:
        counters, now = conductor.counters, time.perf_counter()
        since, frames = self._last
        if now - since >= 1.0:
            self._rate, self._last = (counters.frames - frames) / (now - since), (now, counters.frames)
        if self._on:
            sys.stderr.write("\r" + line(conductor, self._rate) + "\x1b[K")
            sys.stderr.flush()

    def end(self) -> None:
        if self._on:
            sys.stderr.write("\n")


def line(conductor: Conductor, fps: float) -> str:
    """`[########----] -18 dB  30.0 fps  12.3 s` and what is not zero."""
    counters, source = conductor.counters, conductor.source
    filled = round(_BARS * min(1.0, max(0.0, 1 - counters.level_db / _QUIET_DB)))
    troubles = {
        "dropped": counters.dropped,
        "over": source.overruns,
        "under": conductor.player.underruns if conductor.player else 0,
        "skipped": conductor.player.skipped if conductor.player else 0,
        "refused": counters.refused,
        "lost": source.lost,
        "player lost": conductor.player.lost if conductor.player else 0,
        "not sent": sum(sink.failed for sink in conductor.sinks),
    }
    said = "".join(f"  {name} {count}" for name, count in troubles.items() if count)
    bar = "#" * filled + "-" * (_BARS - filled)
    return f"[{bar}] {counters.level_db:4.0f} dB  {fps:5.1f} fps  {counters.heard_s:.1f} s{said}"
