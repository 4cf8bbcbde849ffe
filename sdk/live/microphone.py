"""A microphone through PyAudio: the card's callback writes into a ring, and does nothing else.

A device that goes away is looked for again by its name, once a second; when it is back a new take begins. PortAudio
knows only the devices that were there when it was opened, so looking again means opening it anew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdk.errors import AudioError, EngineUnavailable, pip_install
from sdk.live.card import AGAIN_S, BLOCK_S, FIRST_S, SILENT_S, Card
from sdk.live.pace import CardClock
from sdk.live.ring import Ring
from sdk.tools.command import quietly

_RING_S = 2.0
_POLL_S = 0.002
_RATES = (48000, 44100, 16000, 32000)


@dataclass(frozen=True)
class Device:
    """One device of PortAudio's list."""

    index: int
    name: str
    host: str
    inputs: int
    outputs: int
    rate_hz: int
    default_input: bool
    default_output: bool


def pyaudio_module() -> Any:
    """PyAudio. Raises `EngineUnavailable`, with what to install."""
    try:
        import pyaudio
    except (ImportError, OSError) as error:
        raise EngineUnavailable(
            f"microphones and players need PyAudio ({error}): install PortAudio (Debian: portaudio19-dev), "
            f"then {pip_install('mic')}"
        ) from error
    return pyaudio


def list_devices(port: Any) -> list[Device]:
    """The devices of an opened `pyaudio.PyAudio`."""

    def default(which: str) -> int:
        try:
            return int(getattr(port, f"get_default_{which}_device_info")()["index"])
        except OSError:
            return -1

    first_in, first_out = default("input"), default("output")
    found = []
    for index in range(port.get_device_count()):
        entry = port.get_device_info_by_index(index)
        host = port.get_host_api_info_by_index(entry["hostApi"])["name"]
        found.append(
            Device(
                index, str(entry["name"]), str(host), int(entry["maxInputChannels"]), int(entry["maxOutputChannels"]),
                int(entry["defaultSampleRate"]), index == first_in, index == first_out,
            )
        )  # fmt: skip
    return found


def find_device(devices: list[Device], wanted: str | None, playing: bool = False) -> Device:
    """By number, or by a part of the name in any case; None is the system's own. Raises `AudioError` naming them."""
    able = [device for device in devices if (device.outputs if playing else device.inputs) > 0]
    kind = "player" if playing else "microphone"
    if not able:
        raise AudioError(f"no {kind} here: the system lists {len(devices)} sound devices, none of which is one")
    if wanted is None:
        return next((d for d in able if (d.default_output if playing else d.default_input)), able[0])
    if wanted.isdigit():
        hits = [device for device in able if device.index == int(wanted)]
    else:
        exact = [device for device in able if device.name.lower() == wanted.lower()]
        hits = exact or [device for device in able if wanted.lower() in device.name.lower()]
    if not hits:
        names = ", ".join(f"{device.index} {device.name!r}" for device in able)
        raise AudioError(f"no {kind} {wanted!r}; there are: {names}")
    return hits[0]


def find_again(devices: list[Device], was: Device | None, wanted: str | None, playing: bool = False) -> Device:
    """Where a show began with `was`, that one by its name: the system's own is another while it is away, and numbers
    change; or what a part of a name still fits. Else as `find_device`, which raises."""
    if was is None:
        return find_device(devices, wanted, playing)
    same = [device for device in devices if device.name == was.name and (device.outputs if playing else device.inputs)]
    if not same and wanted and not wanted.isdigit():
        return find_device(devices, wanted, playing)
    return same[0] if same else find_device(devices, was.name, playing)


class Microphone(Card):
    """See `Source`. Raises `EngineUnavailable` or `AudioError` at `start` where there is no such device.

    lost: how often the device went away. generation: grows when it is back; a new take begins then.
    """

    def __init__(self, wanted: str | None = None, rate_hz: int | None = None) -> None:
        super().__init__()
        self._wanted, self._asked = wanted, rate_hz
        self.overruns = self.generation = 0
        self.name, self.rate_hz = wanted or "microphone", rate_hz or _RATES[0]
        self._ring, self._overrun, self.position = Ring(1, 1), 0, 0
        self._clock = CardClock(self.rate_hz)
        self._device: Device | None = None  # with which the show began
        self._called = 0.0

    def start(self) -> None:
        self._open()

    @property
    def open(self) -> bool:
        return self._stream is not None

    def read(self, until: float) -> np.ndarray:
        """What the card gave, waiting until then at most; nothing while the device is away."""
        while not self._ring.waiting:
            now = time.perf_counter()
            if not self._away and now - self._called > SILENT_S:
                self._lose()
            if now >= until:
                break
            time.sleep(_POLL_S)
        ring = self._ring
        if ring.overrun != self._overrun:  # sound is missing between what was read and what comes
            self.overruns += ring.overrun - self._overrun
            self._overrun = ring.overrun
            self.generation += 1
        self.position = ring.read_total + ring.overrun
        return ring.read(int(self.rate_hz * _RING_S))

    def time_of(self, sample: float) -> float:
        return self._clock.time_of(sample) if self._clock.started else time.perf_counter()

    @property
    def ppm(self) -> float:
        return self._clock.ppm

    def _open(self) -> None:
        pyaudio = pyaudio_module()
        with quietly():
            self._port = pyaudio.PyAudio()
        try:
            device = find_again(list_devices(self._port), self._device, self._wanted)
            self._begin(pyaudio, device)
            self._device = self._device or device
        except BaseException:
            self._close()
            raise

    def _begin(self, pyaudio: Any, device: Device) -> None:
        """The first rate that the device takes; the callback runs from here on."""
        why: Exception | None = None
        first = [self.rate_hz] if self._device else []  # a show goes on at its rate alone
        rates = [self._asked] if self._asked else [*dict.fromkeys((*first, device.rate_hz, *_RATES))]
        for rate in rates:
            if not 8000 <= rate <= 192000:
                continue
            ring, clock = Ring(int(rate * _RING_S), 1), CardClock(rate)

            def callback(data: bytes, frames: int, _: Any, __: int, ring: Ring = ring, clock: CardClock = clock) -> Any:
                now = time.perf_counter()
                ring.write(np.frombuffer(data, np.float32).reshape(-1, 1))
                clock.arrived(ring.written + ring.overrun, now)
                self._called = now
                return None, pyaudio.paContinue

            try:
                self._called = time.perf_counter() + FIRST_S - SILENT_S
                stream = self._port.open(
                    rate=rate, channels=1, format=pyaudio.paFloat32, input=True, input_device_index=device.index,
                    frames_per_buffer=int(rate * BLOCK_S), stream_callback=callback,
                )  # fmt: skip
            except (OSError, ValueError) as error:
                why = error
                continue
            self._ring, self._clock, self._stream, self._overrun = ring, clock, stream, 0
            self.rate_hz, self.name = rate, device.name
            return
        raise AudioError(f"microphone {device.name!r} does not open: {why}")

    def _look(self) -> None:
        self._close()
        while not self._stopped:
            time.sleep(AGAIN_S)
            try:
                self._open()
            except (AudioError, OSError):
                continue
            # a driver may open a device that gives nothing: it is back when it calls
            opened = time.perf_counter()
            while not self._stopped and time.perf_counter() - opened < FIRST_S and not self._ring.written:
                time.sleep(_POLL_S)
            if self._ring.written:
                self.generation += 1
                self._away = False
                return
            self._close()
