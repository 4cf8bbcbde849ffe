"""A voice in a page: what it says of a browser that gives too little, and how it goes on. Node is enough for most."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from chromium import chromium, lacking, served
from node_tools import HERE, packed_without_wasm, said_by_node

import sdk
from runtime_examples.web.site import build_site

ROOT = Path(__file__).resolve().parents[2]
PAUSED = "sound is paused: click to go on"
SAFE = "which browsers give to safe pages alone: serve it by https, or from localhost"


def alone(tmp_path: Path, module: str) -> Path:
    """A folder with one of our modules, whose program writes beside it what it imports."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy2(ROOT / module, tmp_path)
    return tmp_path


def test_a_block_that_is_no_sound_is_silence_and_the_voice_goes_on(tmp_path: Path) -> None:
    """One NaN of a filter that ran away ended the voice. It is told once until there is sound again, and counted."""
    said = said_by_node(HERE / "refusing.mjs", alone(tmp_path, "sdk/js/worklet.js"))
    told = "samples hold NaN; such blocks are taken as silence, and counted as refused"
    assert said["goesOn"]
    assert said["told"] == [{"error": told, "status": -4}] * 2
    assert said["refused"] == [0, 0, 1, 2, 2, 3, 3, 3]
    values = [1, 1, 0, 0, 1, 0, 1, 1]
    assert said["frames"] == [[value, k, 128 * k] for k, value in enumerate(values)], "none is lost, and times hold"
    assert said["last"] == {"error": "there is not enough memory", "status": -12, "failed": True}
    assert said["over"]


def test_a_page_that_may_not_sound_yet_waits_for_a_click_and_says_so(tmp_path: Path) -> None:
    """A microphone as the first thing clicked left a still face; a student that is not there, no page at all."""
    assert said_by_node(HERE / "paused.mjs", alone(tmp_path, "runtime_examples/web/page.js")) == {
        "begin": [1, {"latencyHint": "interactive"}, "suspended", "s7 is not there"],
        "microphone": ["running", True],
        "call": PAUSED,
        "during": PAUSED,
        "silent": [False, "interrupted"],
        "dropped": [False, PAUSED],
        "clicked": ["running", True, ""],
        "again": "s8: is no sound",
        "closed": ["s8: is no sound", 1],
    }


def test_a_microphone_is_heard_by_the_browser_s_own_rules(tmp_path: Path) -> None:
    """Without the flag by which the other tests let a page sound before anybody has touched it."""
    if why := lacking():
        pytest.skip(why)
    work = ROOT / "build" / "web-work"
    wasm, model = work / "targets/wasm32/bin/tinyface.wasm", work / "s7" / "model.pte"
    if not wasm.is_file() or not model.is_file():
        pytest.skip(f"no page in {work}: `make web` builds it")
    site = build_site(tmp_path / "site", wasm=wasm, models={"s7": model})
    with served(site) as (address, _, _, _), chromium(tmp_path / "profile", autoplay=False) as page:
        page.open(address, (1280, 800))
        page.until("window.tinyface !== undefined && tinyface.state.voice !== null", touched=False)
        assert page.ask("tinyface.audio().state", touched=False) == "suspended", "or this shows nothing"
        page.click("#mic")
        page.until("tinyface.state.mic !== null && tinyface.state.voice.count > 20", touched=False)
        assert page.ask("[tinyface.audio().state, document.getElementById('message').textContent]") == ["running", ""]


NO_RATE = "is no frame rate: give a number from 1 to 240, or two whole ones as [30000, 1001]"


def test_frame_rates_in_a_page_are_those_of_everywhere(tmp_path: Path) -> None:
    """[29.97, 1] was played at 29 a second, 30 ended in a bare TypeError."""
    core = packed_without_wasm(tmp_path) / "core.js"
    taken = {rate: sdk.FrameClock.at(rate).fps for rate in (30, 60, 29.97, 59.94, 23.976, 12.5, 240)}
    said = said_by_node(HERE / "rates.mjs", core, *map(str, taken))
    assert [Fraction(*rate) for rate in said] == list(taken.values())
    assert said_by_node(HERE / "rates.mjs", core, "[30000,1001]", "[60,1]") == [[30000, 1001], [60, 1]]
    none = ["[29.97,1]", "[30]", '["30","1"]', "[30,0]", "[0.5,1]", "0", "0.5", "241", '"30"', "{}"]
    assert said_by_node(HERE / "rates.mjs", core, *none) == [f"true fps {rate} {NO_RATE}" for rate in none]


def test_what_a_browser_does_not_give_is_said_in_our_words(tmp_path: Path) -> None:
    """By http from elsewhere both calls ended in a bare TypeError; a device of 192 kHz was refused."""
    said = said_by_node(HERE / "refusals.mjs", packed_without_wasm(tmp_path) / "tinyface.js")
    assert said == {
        "thread": f"true this page has no AudioWorklet, {SAFE}",
        "microphone": f"true this page has no microphone, {SAFE}",
        "module": "true w.js: cannot load: Unable to load a worklet's module.",
        "rate": f"true fps [29.97,1] {NO_RATE}",
        "node": "true the voice cannot be opened: AudioWorklet does not have a node of the name 'tinyface'",
        "fetch": "true s7.pte: cannot read: Failed to fetch",
        "given": "true the context runs at 192000 Hz, and a voice takes 8000 to 96000: make it by "
        "Tinyface.context(), or by new AudioContext({ sampleRate: 48000 })",
        "own": 48000,
        "usual": 44100,
        "contexts": [[192000, "running"], [192000, "closed"], [48000, "running"], [44100, "running"]],
        "made": [48000, "interactive"],
    }


def test_a_mouth_is_drawn_with_its_sound_at_every_rate(tmp_path: Path) -> None:
    """Below 25 frames a second it stood still between frames; beside a sound that was heard once it stayed late."""
    said = said_by_node(HERE / "drawing.mjs", packed_without_wasm(tmp_path) / "tinyface.js")
    assert max(said["off"].values()) < 1e-4, said["off"]
    assert [said["delay"][rate] for rate in ("60", "50", "30")] == pytest.approx([0.104] * 3)
    assert [said["delay"][rate] for rate in ("25", "1")] == pytest.approx([0.109, 1.069])
    assert said["own"] == 0.02, "an artefact's own rate, where none is asked for"
    assert said["echo"]["delayTime"] <= said["echo"]["maxDelayTime"]
    assert said["quick"] < 1e-4, "so many frames are kept as are asked for"
    assert said["behind"] == pytest.approx([0, 0.2, 0.2, 0, 0], abs=1e-6), "as long as a sound is heard, and no longer"
