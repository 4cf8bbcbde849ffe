"""What a labelling command has done and has left: a line in a terminal, a file for whoever looks from elsewhere.

    label() --each shard, each recording left out, each worker lost--> Board --> stderr
                                                                            --> OUT/progress/<part>.json
    pseudo_label --board --out OUT <-- all of them, also those of other machines

A file for each command, so jobs of an array that share nothing but the folder are seen together. A command that was
killed writes no more: its file says since when it has been silent.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from distill.corpus.pool import Made
from distill.files.disk import atomic_write_text
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError
from sdk.tools.command import plain
from sdk.tools.limits import read_json_file

FOLDER = "progress"
SILENT_S = 60.0  # nothing written for so long: the command was killed, or its machine
_WRITE_EVERY_S = 2.0
_SUMMED = ("planned", "hours", "made", "kept", "empty", "failed", "lost", "left_out", "hours_done", "hours_kept")


@dataclass
class Tally:
    """The state of one command. Shards: planned = made + kept + empty (no recording of it could be read) + failed (its
    workers were lost too often) + left. lost: how often one was taken again because its worker or node was lost. Times
    in seconds since 1970."""

    part: str
    machine: str
    planned: int
    hours: float
    made: int = 0
    kept: int = 0
    empty: int = 0
    failed: int = 0
    lost: int = 0
    left_out: int = 0
    hours_done: float = 0.0
    hours_kept: float = 0.0
    began: float = 0.0
    written: float = 0.0
    ended: str = ""  # "" while it runs: done, stopped, failed: why

    @property
    def left(self) -> int:
        return self.planned - self.made - self.kept - self.empty - self.failed

    @property
    def seconds_left(self) -> float | None:
        """By the hours made so far; what was kept took no time and tells nothing. None where nothing was made yet."""
        made = self.hours_done - self.hours_kept
        if not made:
            return None
        return (self.written - self.began) * max(self.hours - self.hours_done, 0.0) / made

    @property
    def counts(self) -> str:
        """Its shards in words."""
        words = [f"{self.planned - self.left} of {self.planned} shards"]
        words += [f"{self.kept} kept"] * bool(self.kept) + [f"{self.empty} empty"] * bool(self.empty)
        words += [f"{self.failed} failed"] * bool(self.failed)
        words += [f"{self.lost} lost and taken again"] * bool(self.lost)
        return ", ".join(words + [f"{self.left_out} recordings left out"] * bool(self.left_out))

    def line(self, now: float) -> str:
        """One line for a board that is looked at `now`."""
        when = self.ended
        if not when:
            left_s, silent_s = self.seconds_left, now - self.written
            when = f"{clock(left_s)} left" if left_s is not None else "at its first shard"
            when = f"silent for {clock(silent_s)}: killed?" if silent_s > SILENT_S else when
        done = f"{self.hours_done:.2f} of {self.hours:.2f} h"
        return plain(f"{self.part:>8}  {self.machine:<16}  {done:>20}  {self.counts}; {when}")


@dataclass
class Board:
    """The state of this command, shown on stderr (`bar`, tqdm's) and kept in `file`."""

    file: Path
    tally: Tally
    bar: Any
    _written: float = field(default=0.0)

    def heard(self, samples: int) -> None:
        """So many samples were gone through, labelled or not."""
        self.bar.update(min(samples, self.bar.total - self.bar.n))  # headers and sound may differ by a few samples
        self._write(now=False)

    def add(self, made: Made) -> None:
        """A shard is done."""
        for failure in () if made.given_up else made.failures:
            self.left_out(failure)
        hours = made.samples / SAMPLE_RATE_HZ / 3600
        self.tally.made += bool(made.path and not made.kept)
        self.tally.kept += made.kept
        self.tally.failed += made.given_up
        self.tally.empty += made.path is None and not made.given_up
        self.tally.hours_done += hours
        self.tally.hours_kept += hours if made.kept else 0.0
        self.bar.set_postfix_str(self.tally.counts, refresh=False)
        self._write(now=False)

    def left_out(self, failure: str) -> None:
        """A recording could not be read."""
        self.bar.write(f"left out: {failure}", file=sys.stderr)
        self.tally.left_out += 1

    def lost(self, shards: int, why: str) -> None:
        """Workers were lost with so many shards in work, which others take."""
        self.bar.write(f"lost: {why}; {shards} shards go to others", file=sys.stderr)
        self.tally.lost += shards
        self._write(now=True)

    def _write(self, now: bool) -> None:
        if not now and time.monotonic() - self._written < _WRITE_EVERY_S:
            return
        self._written = time.monotonic()
        self.tally.written = time.time()
        atomic_write_text(self.file, json.dumps(asdict(self.tally), indent=1))

    def end(self, how: str) -> None:
        """The last that is written."""
        self.tally.ended = how
        self._write(now=True)


@contextmanager
def board(out: Path, part: tuple[int, int], planned: int, samples: int) -> Iterator[Board]:
    """The board of a command that labels `planned` shards of `samples` into `out`, its part as `i` of `n`; it says how
    the block ended."""
    hours = samples / SAMPLE_RATE_HZ / 3600
    tally = Tally(f"{part[0]}/{part[1]}", platform.node(), planned, hours, began=time.time())
    with _bar(samples) as bar:
        shown = Board(out / FOLDER / f"{part[0]}-{part[1]}.json", tally, bar)
        shown.end("")  # it runs from here on, also for who looks at once
        try:
            yield shown
        except BaseException as error:
            stopped = isinstance(error, (KeyboardInterrupt, GeneratorExit))
            shown.end("stopped" if stopped else f"failed: {error}")
            raise
        shown.end("done")


def _bar(samples: int) -> Any:
    from tqdm import tqdm

    shape = "{desc}: {percentage:3.0f}%|{bar}| {n:.2f} of {total:.2f} h [{elapsed}<{remaining}] {postfix}"
    hours, seen = 1 / (3600 * SAMPLE_RATE_HZ), sys.stderr.isatty()
    every_s = 1 if seen else 30  # a file needs no line a second
    return tqdm(total=samples, unit_scale=hours, desc="labelling", bar_format=shape, mininterval=every_s)


def read_board(out: Path) -> list[Tally]:
    """The state of every command that labels, or labelled, into `out`, by part; of as many parts as the last that
    wrote. Raises `DataError` for none."""
    found = []
    names = {one.name for one in fields(Tally)}
    for path in sorted((out / FOLDER).glob("*.json")):
        try:
            raw = read_json_file(path, DataError)
            found.append(Tally(**{name: value for name, value in raw.items() if name in names}))
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: no state of a labelling ({error}); delete it") from error
    if not found:
        raise DataError(f"{out}: nothing labels into it, nor did: there is no file below {FOLDER}")
    parts = max(found, key=lambda one: one.written).part.partition("/")[2]
    kept = [one for one in found if one.part.partition("/")[2] == parts]
    return sorted(kept, key=lambda one: int(one.part.partition("/")[0]))


def show(tallies: list[Tally], now: float) -> str:
    """A line for each, and one for all of several."""
    lines = [one.line(now) for one in tallies]
    if len(tallies) > 1:
        whole = Tally("all", "", **{name: sum(getattr(one, name) for one in tallies) for name in _SUMMED})
        running = [one for one in tallies if not one.ended]
        times = [one.seconds_left for one in running if now - one.written <= SILENT_S]
        known = [left_s for left_s in times if left_s is not None]
        whole.ended = f"{len(running)} run"
        whole.ended += f", the last for another {clock(max(known))}" if known and len(known) == len(running) else ""
        lines.append(whole.line(now))
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """`3725` -> `1:02:05`."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
