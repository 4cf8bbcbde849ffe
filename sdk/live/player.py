"""Sound out of a loudspeaker, held back by a delay so that it is heard when its frames are seen.

The card's callback takes from a ring. With each block comes the moment at which it was spoken, so it is known when it
should be heard, and by what waits in the ring when it would be. Silence goes before what is early; of what is late (the
machine stood still for longer than the delay) as much is left out as brings sound and face together again. What the
card has taken is the clock by which a recording is paced.

A card that goes away is looked for as a microphone is; meanwhile nothing is heard, and a recording's time goes on.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sdk.errors import AudioError, EngineUnavailable
from sdk.live.card import AGAIN_S, BLOCK_S, FIRST_S, SILENT_S, Card
from sdk.live.microphone import Device, find_again, list_devices, pyaudio_module
from sdk.live.pace import CardClock
from sdk.live.ring import Ring
from sdk.tools.command import quietly

_AHEAD_S = 8.0
_MOST_LATE_S = 0.15  # sound that is later is left out at once: no card's buffers explain so much
_WATCH_S = 0.5  # what is off by less is set right when all of it was off for so long, and not by a card's jitter,
_OFF_S = 0.02  # by more than this


class Player(Card):
    """One channel at `rate_hz`, heard `delay_ms` after it was spoken. underruns: samples in the midst of speech that
    the card asked for and nobody had; skipped: samples left out as they came too late to be heard with their face;
    lost: how often the card went away. Raises as `Microphone.start`."""

    def __init__(self, rate_hz: int, delay_ms: float, wanted: str | None = None) -> None:
        super().__init__()
        self.rate_hz, self.underruns, self.skipped = rate_hz, 0, 0
        self._ring, self._delay_s = Ring(int(rate_hz * _AHEAD_S), 1), delay_ms / 1000
        self._clock = CardClock(rate_hz)
        self._wanted, self.name = wanted, wanted or "the system's player"
        self._device: Device | None = None  # with which the show began
        self._called = time.perf_counter() + FIRST_S  # when the card last asked for sound; later: when it will have
        self._block, self._taken = int(rate_hz * BLOCK_S), 0
        self._lacked = 0  # samples that were not there; only the card's thread assigns
        self._lacked_before = 0  # how many of them had been lacked when sound was last there
        self._fed = False
        self._seen: list[tuple[int, int, int]] = []  # (early, waiting, pushed), in samples, of the last `_WATCH_S`
        self._until: int | None = None  # while sound is left out: how early it has to be for that to end

    def start(self) -> None:
        self._open()

    def _open(self) -> None:
        pyaudio = pyaudio_module()
        with quietly():
            self._port = pyaudio.PyAudio()
        try:
            device = find_again(list_devices(self._port), self._device, self._wanted, playing=True)
            self._called = time.perf_counter() + FIRST_S - SILENT_S
            self._stream = self._port.open(
                rate=self.rate_hz, channels=1, format=pyaudio.paFloat32, output=True, output_device_index=device.index,
                frames_per_buffer=self._block, stream_callback=self._callback(pyaudio),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            self._close()
            raise AudioError(f"player {self._wanted or 'of the system'} does not open: {error}") from error
        except AudioError:
            self._close()
            raise
        self._device = self._device or device
        self.name = device.name

    def watch(self) -> None:
        """To be called now and then: a card that does not ask for sound any more is counted, and looked for."""
        if self._stream is not None and not self._away and time.perf_counter() - self._called > SILENT_S:
            self._lose()

    def _look(self) -> None:
        while not self._stopped:
            self._close()
            time.sleep(AGAIN_S)
            before = self._taken
            try:
                self._open()
            except (AudioError, EngineUnavailable, OSError):
                continue
            opened = time.perf_counter()  # a driver may open a device that takes nothing: it is back when it asks
            while not self._stopped and time.perf_counter() - opened < FIRST_S and self._taken == before:
                time.sleep(BLOCK_S)
            if self._taken != before:
                self._away = False
                return

    def push(self, samples: np.ndarray, spoken_at: float) -> None:
        """Sound to be heard, `(n,)` or `(n, channels)`, whose first sample was there at `spoken_at` in
        `time.perf_counter`."""
        if self._away:  # nobody hears it; what waits when the card is back belongs to a face of before
            self.forget()
            return
        mono = samples if samples.ndim == 1 else samples.mean(axis=1)
        lacked = self._lacked - self._lacked_before
        if self._fed:
            self.underruns += lacked
        self._lacked_before += lacked
        self._fed = True
        move = self._correction(spoken_at + self._delay_s, len(mono))
        if move > 0:
            self._ring.write(np.zeros((min(move, int(_AHEAD_S * self.rate_hz)), 1), np.float32))
        elif move < 0:
            self.skipped += min(-move, len(mono))
            mono = mono[-move:]
        self._ring.write(mono.astype(np.float32).reshape(-1, 1))

    def forget(self) -> None:
        """A new take, after a barge-in or a pause: what waits is not played, what the pause lacked is not missed."""
        self._ring.skip()
        self._fed = False
        self._seen.clear()
        self._until = None

    def _correction(self, due: float, count: int) -> int:
        """How many samples of silence go before a block of `count` that is to be heard at `due`; below 0, how many of
        the block are left out."""
        waiting = self._ring.waiting
        now = time.perf_counter()
        taken_next = max(now, self._clock.time_of(self._taken + self._block)) if self._clock.started else now
        early = round((due - taken_next) * self.rate_hz) - waiting
        if self._until is None and early < -_MOST_LATE_S * self.rate_hz:
            self._until = 0
        if self._until is not None:
            if early < self._until:
                return early - self._until
            self._until = None
        if not waiting and early > 0:
            self._seen.clear()
            return early
        self._seen.append((early, waiting, count))
        earlies, waits, counts = zip(*self._seen, strict=True)
        if sum(counts) < _WATCH_S * self.rate_hz:
            return 0
        # a source that hands over in lumps is late by nature: only what lay in the ring all the time can be spared
        least, most, spare = min(earlies), max(earlies), min(waits)
        self._seen.clear()
        if least > _OFF_S * self.rate_hz:
            return least
        if most < -_OFF_S * self.rate_hz and spare:
            self._until = early + min(-most, spare)
            return early - self._until
        return 0

    def time_of(self, sample: float) -> float:
        """When the card has taken so many samples since it was started; before it began, soon."""
        return self._clock.time_of(sample) if self._clock.started else time.perf_counter() + BLOCK_S

    @property
    def ppm(self) -> float:
        return self._clock.ppm

    def _callback(self, pyaudio: Any) -> Any:
        def give(_: Any, frames: int, __: Any, ___: int) -> Any:
            now = time.perf_counter()
            if self._away and self._clock.started:  # as if it had gone on meanwhile, as the sound's own time did
                missed = round((now - self._clock.time_of(self._taken)) * self.rate_hz) - frames
                self._taken += missed if missed > _MOST_LATE_S * self.rate_hz else 0
            self._taken += frames
            self._called = now
            self._clock.arrived(self._taken, now)
            block = self._ring.read(frames)
            if len(block) < frames:
                self._lacked += frames - len(block)
                block = np.concatenate([block, np.zeros((frames - len(block), 1), np.float32)])
            return block.tobytes(), pyaudio.paContinue

        return give
