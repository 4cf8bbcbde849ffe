"""A microphone from end to end, on a sound card that is not there; and what is said where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdk
from sdk.errors import AudioError
from sdk.live.conductor import Conductor, summary
from sdk.live.microphone import Device, Microphone, find_device
from sdk.live.performance import Performance
from sdk.live.player import Player
from sdk.live.sources import Recording
from tests.sdk.test_recordings import tone, wav
from tests.virtual_sound import lacking, virtual_sound

ROOT = Path(__file__).parents[2]
DEVICES = [
    Device(0, "HDA Intel", "ALSA", 2, 2, 44100, False, True),
    Device(1, "USB Audio", "ALSA", 1, 0, 48000, True, False),
    Device(2, "USB Audio 2", "ALSA", 1, 0, 48000, False, False),
    Device(3, "HDMI", "ALSA", 0, 2, 48000, False, False),
]


@pytest.mark.parametrize(
    ("wanted", "playing", "index"),
    [
        (None, False, 1),
        (None, True, 0),
        ("usb audio", False, 1),
        ("2", False, 2),
        ("io 2", False, 2),
        ("hdmi", True, 3),
    ],
)
def test_a_device_by_number_or_part_of_its_name(wanted: str | None, playing: bool, index: int) -> None:
    assert find_device(DEVICES, wanted, playing).index == index


def test_a_device_that_is_not_there() -> None:
    for wanted in ("hdmi", "9", "none"):
        with pytest.raises(AudioError, match="there are: 0 'HDA Intel', 1 'USB Audio'"):
            find_device(DEVICES, wanted)
    with pytest.raises(AudioError, match="no microphone here"):
        find_device([], None)


class FakePort:
    """PyAudio with devices that come and go: `(name, default rate)` as they are listed; each takes any rate."""

    paFloat32, paContinue = 1, 0

    def __init__(self) -> None:
        self.there = [("USB headset", 48000), ("built-in", 44100)]
        self.opened: list[tuple[str, int]] = []
        self.given: list[np.ndarray] = []  # to players

    def PyAudio(self) -> FakePort:
        self.listed = list(self.there)  # as PortAudio, which sees only what was there when it was opened
        return self

    def get_device_count(self) -> int:
        return len(self.listed)

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        name, rate = self.listed[index]
        facts = {"index": index, "name": name, "hostApi": 0, "defaultSampleRate": rate}
        return {**facts, "maxInputChannels": 1, "maxOutputChannels": 2}

    def get_host_api_info_by_index(self, _: int) -> dict[str, str]:
        return {"name": "fake"}

    def get_default_input_device_info(self) -> dict[str, int]:
        return {"index": 0}

    get_default_output_device_info = get_default_input_device_info

    def open(self, rate: int, frames_per_buffer: int, stream_callback: Any, **told: Any) -> FakeStream:
        name = self.listed[told.get("input_device_index", told.get("output_device_index"))][0]
        self.opened.append((name, rate))
        return FakeStream(self, name, rate, frames_per_buffer, stream_callback)

    def terminate(self) -> None:
        pass


class FakeStream:
    """A card that calls back while it is plugged in, and no more when it is not: it tells nobody."""

    def __init__(self, port: FakePort, name: str, rate: int, count: int, callback: Any) -> None:
        self._on = True

        def run() -> None:
            begun, at = time.perf_counter(), 0
            while self._on and any(one == name for one, _ in port.there):
                at += count
                time.sleep(max(0.0, begun + at / rate - time.perf_counter()))
                data, _ = callback(np.full(count, 0.1, np.float32).tobytes(), count, None, 0)
                if data:
                    port.given.append(np.frombuffer(data, np.float32))

        threading.Thread(target=run, daemon=True).start()

    def close(self) -> None:
        self._on = False


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> FakePort:
    made = FakePort()
    monkeypatch.setitem(sys.modules, "pyaudio", made)  # type: ignore[arg-type]
    for module in ("microphone", "player"):
        monkeypatch.setattr(f"sdk.live.{module}.SILENT_S", 0.3)
        monkeypatch.setattr(f"sdk.live.{module}.AGAIN_S", 0.1)
    return made


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.perf_counter() + seconds
    while not (there := true()) and time.perf_counter() < end:
        time.sleep(0.01)
    return there


@pytest.mark.parametrize("wanted", [None, "0", "usb"])
def test_the_microphone_of_a_show_is_the_one_it_began_with(port: FakePort, wanted: str | None) -> None:
    """Unplugged, it leaves another as the system's own and under its number; it comes back elsewhere in the list."""
    source = Microphone(wanted)
    source.start()
    try:
        assert until(lambda: len(source.read(0.0)) > 0)
        port.there = [("built-in", 44100)]
        assert until(lambda: source.read(0.0) is not None and source.lost == 1)
        time.sleep(0.5)
        assert (source.generation, len(source.read(0.0))) == (0, 0), "nobody else is heard meanwhile"
        port.there = [("built-in", 44100), ("USB headset", 16000)]
        assert until(lambda: source.generation == 1)
        assert (source.name, source.rate_hz) == ("USB headset", 48000), "at the rate of the show, whatever its own is"
    finally:
        source.stop()
    assert port.opened == [("USB headset", 48000)] * 2


def test_a_player_that_goes_away_is_told_of_and_found_again(port: FakePort, make_engine: Any, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(np.full(16000 * 6, 0.5, np.float32)))
    source, player, told = Recording(tmp_path / "a.wav"), Player(16000, 100.0), []
    source.card = player.time_of
    show = Performance(sdk.FramePredictor(make_engine()))
    conductor = Conductor(source, show, [], 100.0, player, tell=told.append)
    player.start()
    running = threading.Thread(target=conductor.run)
    running.start()
    try:
        assert until(lambda: any((block > 0.4).all() for block in port.given)), "it is heard"
        port.there = [("built-in", 44100)]
        assert until(lambda: player.lost == 1)
        time.sleep(0.5)
        assert len(port.opened) == 1, "the sound does not move to another player"
        frames, given = conductor.counters.frames, len(port.given)
        assert frames > 10, "the face goes on"
        port.there = [("built-in", 44100), ("USB headset", 48000)]
        assert until(lambda: any((block > 0.4).all() for block in port.given[given:])), "it is heard again"
        # in time: at most 0.1 s + a card's block after it was spoken
        assert abs(source.time_of(source._at) - time.perf_counter()) < 0.15
        assert conductor.counters.frames > frames
    finally:
        conductor.stop()
        running.join(5)
        player.stop()
    assert told == ["player 'USB headset' went away; it is looked for by its name, once a second"]
    assert summary(conductor)["player_lost"] == player.lost == 1


@pytest.mark.slow
def test_a_microphone_is_heard_lost_and_found_again(sealed: dict[str, Path], tmp_path: Path) -> None:
    if why := lacking():
        pytest.skip(why)
    (tmp_path / "a.wav").write_bytes(wav(tone(4.0, 48000), 48000))
    frames = tmp_path / "a.jsonl"
    command = [sys.executable, "-m", "sdk", "live", str(sealed["executorch"]), "--mic", "cable", "--stats", "--quiet"]

    def written(lines: int, seconds: float) -> int:
        end = time.monotonic() + seconds
        while (there := frames.read_bytes().count(b"\n") if frames.exists() else 0) < lines and time.monotonic() < end:
            time.sleep(0.1)
        return there

    with virtual_sound(tmp_path) as sound:
        listed = subprocess.run(
            [sys.executable, "-m", "sdk", "devices"],
            cwd=ROOT, env=sound.environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "cable" in listed
        live = subprocess.Popen(
            [*command, "--to", f"jsonl:{frames}", "--for", "300"],
            cwd=ROOT,
            env=sound.environment,
            stderr=subprocess.PIPE,
        )
        try:
            assert written(30, 120) >= 30, "the microphone opens"
            sound.play(tmp_path / "a.wav").wait(60)
            sound.unplug()
            time.sleep(2.5)
            before = written(0, 0)
            sound.plug()
            written(before + 45, 60)
            live.send_signal(2)
            _, said = live.communicate(timeout=20)
        finally:
            live.kill()
            live.wait()
    facts = json.loads(said.decode().splitlines()[-1])
    assert facts["lost"] == 1
    assert facts["takes"] >= 2
    lines = [json.loads(line) for line in frames.read_text().splitlines()[1:]]
    indices = [line["index"] for line in lines]
    assert indices == sorted(set(indices))
    jaw = np.array([line["values"]["jawOpen"] for line in lines])
    assert np.ptp(jaw[: before - 1]) > 0.02, "the tone was heard"
    assert len(lines) > before + 40, "and frames came again"
