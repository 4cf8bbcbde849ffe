"""A microphone from end to end, on a sound card that is not there; and what is said where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sdk.errors import AudioError
from sdk.live.microphone import Device, find_device
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


@pytest.mark.slow
def test_a_microphone_is_heard_lost_and_found_again(sealed: dict[str, Path], tmp_path: Path) -> None:
    if why := lacking():
        pytest.skip(why)
    (tmp_path / "a.wav").write_bytes(wav(tone(4.0, 48000), 48000))
    frames = tmp_path / "a.jsonl"
    command = [sys.executable, "-m", "sdk", "live", str(sealed["executorch"]), "--mic", "cable", "--stats", "--quiet"]

    def until(lines: int, seconds: float) -> int:
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
            assert until(30, 120) >= 30, "the microphone opens"
            sound.play(tmp_path / "a.wav").wait(60)
            sound.unplug()
            time.sleep(2.5)
            before = until(0, 0)
            sound.plug()
            until(before + 45, 60)
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
