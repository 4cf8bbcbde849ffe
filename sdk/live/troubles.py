"""What went wrong with a show's devices and receivers, told as it happens: a line for each thing, once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from sdk.live.player import Player
from sdk.live.sinks import Sink
from sdk.live.sources import Source


class Troubles:
    """`tell` gets the lines; None for nobody."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell
        self._lost: dict[str, int] = {}  # how often each kind of device went, as far as that was told
        self._unreached: set[str] = set()  # by name, those of which that was told

    def say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it
            if self._tell:
                self._tell(line)

    def look(self, source: Source, player: Player | None, sinks: Iterable[Sink]) -> None:
        """To be called again and again while the show runs."""
        for kind, device in (("microphone", source), ("player", player)):
            if device and device.lost > self._lost.get(kind, 0):
                self._lost[kind] = device.lost
                self.say(f"{kind} {device.name!r} went away; it is looked for by its name, once a second")
        for sink in sinks:
            why = getattr(sink, "unreached", "")
            if why and sink.name not in self._unreached:
                self._unreached.add(sink.name)
                self.say(f"{sink.name} is not reached: {why}; it is tried again and again")
