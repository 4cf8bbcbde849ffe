"""Sound out of a loudspeaker, held back by a delay so that it is heard when its frames are seen.

The card's callback takes from a ring that begins with as much silence as the delay is long; what it has taken is the
clock by which a recording is paced.
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


class Player:
    """One channel at `rate_hz`. underruns: samples the card asked for and nobody had. Raises as `Microphone.start`."""

    def __init__(self, rate_hz: int, delay_ms: float, wanted: str | None = None) -> None:
        self.rate_hz, self.underruns = rate_hz, 0
        self._ring = Ring(int(rate_hz * _AHEAD_S), 1)
        self._ring.write(np.zeros((min(int(rate_hz * delay_ms / 1000), int(rate_hz * _AHEAD_S)), 1), np.float32))
        self._held = self._ring.written
        self._clock = CardClock(rate_hz)
        self._wanted = wanted
        self._taken = 0
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

    def push(self, samples: np.ndarray) -> None:
        """Sound to be heard, `(n,)` or `(n, channels)`."""
        mono = samples if samples.ndim == 1 else samples.mean(axis=1)
        self._fed = True
        self._ring.write(mono.astype(np.float32).reshape(-1, 1))

    def forget(self) -> None:
        """Barge-in: what waits is not played."""
        self._ring.skip()

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
                self.underruns += frames - len(block) if self._fed else 0
                block = np.concatenate([block, np.zeros((frames - len(block), 1), np.float32)])
            return block.tobytes(), pyaudio.paContinue

        return give
