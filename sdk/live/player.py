"""Sound out of a loudspeaker, held back by a delay so that it is heard when its frames are seen.

The card's callback takes from a ring. Whenever sound meets an empty one (at the beginning, after a pause or a
barge-in) as much silence goes before it as is left of its delay. What the card has taken is the clock by which a
recording is paced.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np

from sdk.errors import AudioError
from sdk.live.microphone import find_device, list_devices, pyaudio_module
from sdk.live.pace import CardClock
from sdk.live.ring import Ring
from sdk.tools.command import quietly

_BLOCK_S = 0.01
_AHEAD_S = 8.0
_PAUSE_S = 0.15  # a gap that is longer is no underrun: nobody spoke, as the conductor has it


class Player:
    """One channel at `rate_hz`, heard `delay_ms` after it was spoken. underruns: samples in the midst of speech that
    the card asked for and nobody had. Raises as `Microphone.start`."""

    def __init__(self, rate_hz: int, delay_ms: float, wanted: str | None = None) -> None:
        self.rate_hz, self.underruns = rate_hz, 0
        self._ring, self._delay_s = Ring(int(rate_hz * _AHEAD_S), 1), delay_ms / 1000
        self._clock = CardClock(rate_hz)
        self._wanted = wanted
        self._taken = 0
        self._lacked = 0  # samples that were not there; only the card's thread assigns
        self._lacked_before = 0  # how many of them had been lacked when sound was last there
        self._fed = False

    def start(self) -> None:
        pyaudio = pyaudio_module()
        with quietly():
            self._port = pyaudio.PyAudio()
        try:
            device = find_device(list_devices(self._port), self._wanted, playing=True)
            self._stream = self._port.open(
                rate=self.rate_hz, channels=1, format=pyaudio.paFloat32, output=True, output_device_index=device.index,
                frames_per_buffer=int(self.rate_hz * _BLOCK_S), stream_callback=self._callback(pyaudio),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            self._port.terminate()
            raise AudioError(f"player {self._wanted or 'of the system'} does not open: {error}") from error

    def push(self, samples: np.ndarray, spoken_at: float) -> None:
        """Sound to be heard, `(n,)` or `(n, channels)`, whose first sample was there at `spoken_at` in
        `time.monotonic`."""
        mono = samples if samples.ndim == 1 else samples.mean(axis=1)
        lacked = self._lacked - self._lacked_before
        if self._fed and lacked <= _PAUSE_S * self.rate_hz:
            self.underruns += lacked
        self._lacked_before += lacked
        self._fed = True
        if not self._ring.waiting:
            early_s = min(spoken_at + self._delay_s - time.monotonic(), _AHEAD_S)
            self._ring.write(np.zeros((max(round(early_s * self.rate_hz), 0), 1), np.float32))
        self._ring.write(mono.astype(np.float32).reshape(-1, 1))

    def forget(self) -> None:
        """Barge-in: what waits is not played."""
        self._ring.skip()
        self._fed = False

    def time_of(self, sample: float) -> float:
        """When the card has taken so many samples since it was started; before it began, soon."""
        return self._clock.time_of(sample) if self._clock.started else time.monotonic() + _BLOCK_S

    @property
    def ppm(self) -> float:
        return self._clock.ppm

    def stop(self) -> None:
        for ending in (self._stream.close, self._port.terminate):
            with contextlib.suppress(OSError):
                ending()

    def _callback(self, pyaudio: Any) -> Any:
        def give(_: Any, frames: int, __: Any, ___: int) -> Any:
            self._taken += frames
            self._clock.arrived(self._taken, time.monotonic())
            block = self._ring.read(frames)
            if len(block) < frames:
                self._lacked += frames - len(block)
                block = np.concatenate([block, np.zeros((frames - len(block), 1), np.float32)])
            return block.tobytes(), pyaudio.paContinue

        return give
