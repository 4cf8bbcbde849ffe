"""Every device file: it loads, stands on sources, leaves us something sensible, and can be told to people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from profiles.model.device import DEVICES, LIMITS_MS, device_names, load_device
from sdk.errors import ConfigError

WANTED = {
    "desktop_cpu", "desktop_gpu", "laptop", "steam_deck", "console_current", "console_last", "handheld_next",
    "phone_high", "phone_mid", "phone_low", "headset", "raspberry_pi5", "browser_wasm",
}  # fmt: skip


def test_all_the_devices_that_people_ask_for_are_there() -> None:
    assert set(device_names()) >= WANTED


@pytest.mark.parametrize("name", device_names())
def test_every_device_is_plausible(name: str) -> None:
    device = load_device(name)
    hardware, left = device.hardware, device.leaves_us
    assert 0.5 <= hardware.clock_ghz.value <= 6
    assert 1 <= device.threads <= hardware.cores.value <= 32
    assert 1_000_000 <= device.memory_budget_bytes <= 100_000_000
    assert 5 < left.frame_ms.value < 50
    assert 0.1 <= device.our_ms <= left.frame_ms.value / 2, "a game keeps most of its frame"
    assert hardware.core_gb_per_s.value <= hardware.memory_gb_per_s.value
    assert device.peak_macs_per_s("int8") >= device.peak_macs_per_s("fp32")
    assert device.peak_macs_per_s("fp32", 2) == 2 * device.peak_macs_per_s("fp32")
    assert device.bytes_per_s(1000) == hardware.memory_gb_per_s.value * 1e9


@pytest.mark.parametrize("name", device_names())
def test_every_device_is_told_with_its_sources(name: str) -> None:
    facts = load_device(name).facts()
    assert facts.name == name
    assert facts.title
    assert facts.limits_ms[LIMITS_MS["bt1359"][0]] == 90
    assert len(facts.sources) >= 11
    kinds = [re.match(r"\w+: (public|assumption): ", source) for source in facts.sources]
    assert all(kinds)
    assert "public" in [kind[1] for kind in kinds if kind], "a device that is all assumptions is no device"
    assumed = sum(value.endswith("(assumed)") for value in facts.facts.values())
    assert assumed == sum("assumption: " in source for source in facts.sources)


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match=r"no device 'ps5'; there are: .*console_current.*path of its .yaml"):
        load_device("ps5")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("clock_ghz:", "clock_gHz:", "hardware.clock_gHz is unknown"),
        ("threads: {value: ", "threads: {value: 0.", "is no whole number from 1"),
        ("isa: avx2", "isa: avx3", "'avx3' is none of"),
        ("frame_share: {value: 0.06", "frame_share: {value: 1.06", "frame_share 1.06 is over 1"),
        ("cores: {value: 8", "cores: {value: 0", "value 0.0 is not above zero"),
        ("backends: [xnnpack", "backends: [xnnpak", "backend 'xnnpak' is none of"),
        ("public: Sony's", "Sony's", "must begin with 'public: '"),
    ],
)
def test_mistakes_in_a_device_file_are_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (DEVICES / "console_current.yaml").read_text("utf-8")
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        load_device(path)
    assert "mine.yaml" in str(caught.value)


def test_a_device_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "arcade.yaml"
    path.write_text((DEVICES / "console_current.yaml").read_text("utf-8"), "utf-8")
    assert load_device(path).name == "arcade"
    assert load_device(path).memory_budget_bytes == load_device("console_current").memory_budget_bytes
