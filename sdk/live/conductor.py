"""Keeps time: sound in, each frame out at its moment, to every sink. One thread, one loop, counters of what went wrong.

A frame at sample s is due when the source's clock shows s plus the promised latency: so frames leave evenly although
sound comes in lumps and inference in hops. A frame that is late by more than its successor's moment is dropped. A
receiver that fails is told of and left out, a block that is no sound is silence: the show goes on.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sdk.audio import to_mono_float
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import AudioError
from sdk.live.performance import Performance
from sdk.live.player import Player
from sdk.live.sinks import Sink
from sdk.live.sources import Source
from sdk.live.troubles import Troubles
from sdk.rig import Frame

_TICK_S = 0.005
_STALLED_S = 0.15  # no sound for so long: the take is over, the face comes to rest
_REPORT_S = 0.25
_MOST_BEHIND = 64  # blocks heard at once, so that a machine too slow for speech still shows something


@dataclass
class Counters:
    """What happened so far; `late_ms` holds how late the last frames left against their moments."""

    frames: int = 0
    dropped: int = 0
    takes: int = 1
    stalls: int = 0
    refused: int = 0  # samples of blocks that hold NaN, or are no sound for another reason
    heard_s: float = 0.0
    level_db: float = -96.0
    late_ms: deque[float] = field(default_factory=lambda: deque(maxlen=1 << 16))

    def percentiles(self) -> tuple[float, float]:
        """p50 and p99 of how late frames left, ms."""
        if not self.late_ms:
            return 0.0, 0.0
        p50, p99 = np.percentile(self.late_ms, [50, 99])
        return float(p50), float(p99)


class Conductor:
    """`run` until the source ends, no receiver is left, or `stop` is called (from any thread); then the face rests.

    `reset` begins a new take (barge-in); `close` ends the receivers that are left. report: gets this several times a
    second. tell: gets a line of what went wrong, once for each thing. broken: receivers that failed, and why.
    """

    def __init__(
        self,
        source: Source,
        show: Performance,
        sinks: Sequence[Sink],
        delay_ms: float,
        player: Player | None = None,
        report: Callable[[Conductor], None] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.source, self.show, self.sinks, self.player = source, show, list(sinks), player
        self.delay_s, self.counters = delay_ms / 1000, Counters()
        self._report, self._reported, self._troubles = report, 0.0, Troubles(tell)
        self.broken: list[tuple[str, str]] = []
        self._open = list(sinks)
        self._due: deque[tuple[float, Frame]] = deque()
        self._first = 0  # number of this take's first frame
        self._began: float | None = None  # when the first sound of all was there
        self._take_start, self._read = 0, 0  # in the source's samples
        self._shown: Frame | None = None
        self._left: np.ndarray | None = (
            None  # the face at the end of the take before, which comes to rest, and when that began
        )
        self._left_at = 0.0
        self._generation = 0
        self._resting = self._stopped = self._asked_reset = False

    def stop(self) -> None:
        self._stopped = True

    def reset(self) -> None:
        """Barge-in: what is on its way is not shown, the face comes to rest, the next sound begins a new take."""
        self._asked_reset = True

    def run(self) -> Counters:
        """All of it, down to the way to rest, also after `stop`. Sinks are left open, for `close`."""
        self.source.start()
        self._heard_at = time.perf_counter()
        going = True
        while going and not self._stopped:
            until = time.perf_counter() + _TICK_S
            block = self.source.read(min(until, self._due[0][0]) if self._due else until)
            for _ in range(
                _MOST_BEHIND
            ):  # hear all that has arrived before sending: only then is it known which frames are late
                if block is None:
                    break
                self._hear(block)
                if not len(block):
                    break
                block = self.source.read(time.perf_counter())
            if block is None:
                self._queue(self.show.finish())
                going = False
            self._send_due(time.perf_counter())
            self._watch()
        self._drain()
        if self._stopped:
            self.come_to_rest()
        return self.counters

    def come_to_rest(self) -> None:
        """The face from where it is to rest, in place of what waits: takes as long as the show's rest. For whoever ends
        `run` in the midst of it: who only stops sending leaves the last face, open mouth and all, where it was sent."""
        if self.sinks and not self._open:
            return
        self._rest(time.perf_counter())
        while self._due:
            self._send_next()

    def close(self) -> None:
        """Close the sinks, waiting for what they still write; one that fails at it is told of."""
        for sink in list(self._open):
            try:
                sink.close()
            except OSError as error:
                self._break(sink, error)

    def _hear(self, block: np.ndarray) -> None:
        now = time.perf_counter()
        generation = getattr(self.source, "generation", 0)
        if generation != self._generation:
            self._generation, self._read = generation, getattr(self.source, "position", self._read)
            self._new_take(now)
        elif self._asked_reset:
            self._asked_reset = False
            if forget := getattr(self.source, "forget", None):
                self._read += forget()
            self._read += len(block)
            self._new_take(now)
            return
        if not len(block):
            if now - self._heard_at > _STALLED_S and not self._resting and self._shown:
                self.counters.stalls += 1
                self._resting = True
                self._queue(self.show.finish())
            return
        if self._resting:  # sound comes again after a pause in which the source gave nothing
            self._new_take(now)
        self._heard_at = now
        block = self._sound(block)
        if self.player:
            self.player.push(block, self.source.time_of(self._read))
        if self._began is None:
            self._began = self.source.time_of(self._take_start)
        frames = self.show.push(block)
        self._read += len(block)
        self.counters.heard_s += len(block) / self.source.rate_hz
        self.counters.level_db = 10 * np.log10(float(np.mean(np.square(block, dtype=np.float64))) + 1e-10)
        self._queue(frames)

    def _sound(self, block: np.ndarray) -> np.ndarray:
        """The block, or as much silence in place of one that cannot be heard, so that what follows keeps its time."""
        try:
            return to_mono_float(block)
        except AudioError as error:
            if not self.counters.refused:
                self._troubles.say(
                    f"{self.source.name}: {error}; such blocks are taken as silence, and counted as refused"
                )
            self.counters.refused += len(block)
            return np.zeros(len(block), np.float32)

    def _new_take(self, now: float) -> None:
        """What waits is dropped; the sound to come is sample 0, and what is on the face fades under it."""
        rate = self.show.predictor.rate_hz
        if self.source.rate_hz != rate:
            raise AudioError(f"{self.source.name} came back at {self.source.rate_hz} Hz, not {rate} Hz: start again")
        self._resting, self._heard_at = False, now
        if self.player:
            self.player.forget()
        self._rest(now)
        self._take_start = self._read
        # numbers go on with the time that has passed, so that a receiver sees how much it missed
        self._first = self._number_at(self.source.time_of(self._take_start))
        self.show.reset()
        self.counters.takes += 1

    def _rest(self, now: float) -> None:
        """In place of what waits, the way from the face that is shown to rest, from now on."""
        self._due.clear()
        if self._shown is None:
            return
        self._left, self._left_at = self._shown.values - self.show.neutral, now
        for step, frame in enumerate(self.show.settle(self._shown), 1):
            moment = now + step / float(self.show.clock.fps)
            self._due.append((moment, self._numbered(frame, self._number_at(moment - self.delay_s))))

    def _number_at(self, moment: float) -> int:
        """The number of the frame whose sound was at `moment`, counted from the first sound of all."""
        return 0 if self._began is None else max(0, round((moment - self._began) * float(self.show.clock.fps)))

    def _numbered(self, frame: Frame, number: int) -> Frame:
        return replace(frame, index=number, sample=self.show.clock.sample(number))

    def _queue(self, frames: list[Frame]) -> None:
        for frame in frames:
            sample = self._take_start + frame.sample * self.source.rate_hz / SAMPLE_RATE_HZ
            moment = self.source.time_of(sample) + self.delay_s
            while self._due and self._due[-1][0] >= moment:  # the take before is still coming to rest
                self._due.pop()
            self._due.append((moment, self._numbered(self._faded(frame, moment), self._first + frame.index)))

    def _faded(self, frame: Frame, moment: float) -> Frame:
        """A take's first frames, with what is left on the face from the take before."""
        if self._left is None or not self.show.rest_s:
            return frame
        share = (moment - self._left_at) / self.show.rest_s
        if share >= 1:
            self._left = None
            return frame
        share = max(0.0, share)
        rest = np.float32(1 - share * share * (3 - 2 * share))
        return replace(frame, values=frame.layout.clamp(frame.values + rest * self._left))

    def _send_due(self, now: float) -> None:
        while self._due:
            moment, frame = self._due[0]
            if moment > now:
                return
            self._due.popleft()
            if self._due and self._due[0][0] <= now:
                self.counters.dropped += 1  # its successor is due already: who sees this one sees the past
                continue
            if self._shown and frame.index <= self._shown.index:
                continue  # two takes meet within one frame: it was shown
            self.counters.late_ms.append((now - moment) * 1000)
            self._send(frame)

    def _send(self, frame: Frame) -> None:
        for sink in list(self._open):
            try:
                sink.send(frame)
            except OSError as error:
                self._break(sink, error)
        self._shown = frame
        self.counters.frames += 1
        if self.sinks and not self._open:
            self.stop()

    def _break(self, sink: Sink, error: OSError) -> None:
        self._open.remove(sink)
        self.broken.append((sink.name, error.strerror or str(error)))
        with contextlib.suppress(OSError):  # what it says is what is told here
            sink.close()
        left = ", ".join(other.name for other in self._open) or "nobody, so the show ends"
        self._troubles.say(f"{sink.name} takes no more frames: {self.broken[-1][1]}; on go {left}")

    def _drain(self) -> None:
        """After the end: the frames that wait leave at their moments, unless stopped."""
        while self._due and not self._stopped:
            self._send_next()
        if self._report:
            self._report(self)

    def _send_next(self) -> None:
        now = time.perf_counter()
        if self._due[0][0] > now:
            time.sleep(min(self._due[0][0] - now, _TICK_S))
        self._send_due(time.perf_counter())
        self._watch()

    def _watch(self) -> None:
        now = time.perf_counter()
        if self.player:
            self.player.watch()
        self._troubles.look(self.source, self.player, self._open)
        if self._report and now - self._reported > _REPORT_S:
            self._reported = now
            self._report(self)


def summary(conductor: Conductor) -> dict[str, Any]:
    """All counters as one object, for `--stats`."""
    counters, (p50, p99) = conductor.counters, conductor.counters.percentiles()
    return {
        "source": conductor.source.name,
        "rate_hz": conductor.source.rate_hz,
        "heard_s": round(counters.heard_s, 3),
        "frames": counters.frames,
        "dropped": counters.dropped,
        "takes": counters.takes,
        "stalls": counters.stalls,
        "refused": counters.refused,
        "left_late_ms": {"p50": round(p50, 3), "p99": round(p99, 3)},
        "overruns": conductor.source.overruns,
        "lost": conductor.source.lost,
        "player_lost": conductor.player.lost if conductor.player else 0,
        "underruns": conductor.player.underruns if conductor.player else 0,
        "skipped": conductor.player.skipped if conductor.player else 0,
        "card_ppm": round(float(getattr(conductor.source, "ppm", 0.0)), 1),
        "delay_ms": round(conductor.delay_s * 1000, 2),
        "sinks": {sink.name: {"sent": sink.sent, "failed": sink.failed} for sink in conductor.sinks},
        "broken": dict(conductor.broken),
    }
