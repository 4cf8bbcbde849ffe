"""Maya's receiver over a real socket, in a Maya that is not there: a stand-in of `maya.cmds` that keeps attributes."""

from __future__ import annotations

import importlib.util
import json
import socket
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sdk.live.sinks import open_sink
from sdk.names.retarget import Retarget
from sdk.protocols.maya import MayaLines
from sdk.rig import Frame, RigLayout

ROOT = Path(__file__).parents[2]
LAYOUT = RigLayout(("jawOpen", "mouthClose", "browInnerUp"))


class StandIn:
    """The few of Maya's commands that the receiver calls, as they behave there."""

    def __init__(self, *attributes: str) -> None:
        self.attributes = dict.fromkeys(attributes, 0.0)
        self.keys: list[tuple[str, float, float]] = []
        self.warnings: list[str] = []
        self.jobs: dict[int, Callable[[], None]] = {}
        self.unit, self.now = "film", 1.0  # as Maya opens

    def currentUnit(self, query: bool, time: bool) -> str:
        return self.unit

    def currentTime(self, query: bool) -> float:
        return self.now

    def setAttr(self, attribute: str, value: float) -> None:
        if attribute not in self.attributes:
            raise RuntimeError(f"setAttr: No object matches name: {attribute}")
        self.attributes[attribute] = value

    def setKeyframe(self, attribute: str, time: float, value: float) -> None:
        self.keys.append((attribute, time, value))

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def scriptJob(self, idleEvent: Any = None, kill: int = 0, exists: int = 0) -> Any:
        if idleEvent:
            self.jobs[len(self.jobs) + 1] = idleEvent
            return len(self.jobs)
        return self.jobs.pop(kill, None) if kill else exists in self.jobs

    def idle(self) -> None:
        for job in list(self.jobs.values()):
            job()


@pytest.fixture
def receiver() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("receiver", ROOT / "runtime_examples/maya/receiver.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    module.stop()


def send(port: int, frames: list[Frame], until: Callable[[], bool], path: str = "") -> None:
    """Through our own sink, which connects when it can."""
    sink = open_sink(f"maya://127.0.0.1:{port}{path}", LAYOUT, Fraction(30))
    end = time.monotonic() + 10
    for frame in frames:
        before = sink.sent
        while sink.sent == before and time.monotonic() < end:
            sink.send(frame)
            time.sleep(0.005)
    while not until() and time.monotonic() < end:
        time.sleep(0.005)
    sink.close()


def frames(count: int) -> list[Frame]:
    rng = np.random.default_rng(8)
    return [Frame(k, k * 533, rng.random(3).astype(np.float32), LAYOUT) for k in range(count)]


def test_a_mapping_drives_controls_and_the_newest_frame_wins(receiver: ModuleType) -> None:
    receiver.cmds = StandIn("jaw.rotateX", "lips.together")
    face = receiver.start(
        {"jawOpen": [("jaw.rotateX", 25.0, 1.0)], "mouthClose": [("lips.together", 1.0), ("gone.x", 2)]}, port=0
    )
    spoken = frames(6)
    send(face.port, spoken, lambda: face.received == 6)
    receiver.cmds.idle()
    receiver.cmds.idle()
    assert face.channels == LAYOUT.names
    assert receiver.cmds.attributes["jaw.rotateX"] == pytest.approx(25 * spoken[-1]["jawOpen"] + 1, rel=1e-4)
    assert receiver.cmds.attributes["lips.together"] == pytest.approx(spoken[-1]["mouthClose"], rel=1e-4)
    assert (face.received, face.applied, face.replaced) == (6, 1, 5), "a slow scene shows fewer frames, not later ones"
    assert receiver.cmds.warnings == ["tinyface: gone.x: setAttr: No object matches name: gone.x"]
    receiver.stop()
    assert not receiver.cmds.jobs


def test_a_node_s_own_attributes_and_keys(receiver: ModuleType, tmp_path: Path) -> None:
    receiver.cmds = StandIn("head.jawOpen", "head.mouthClose", "head.browInnerUp")
    face = receiver.start(node="head", port=0)
    receiver.record()
    spoken = frames(4)
    hear(receiver, face, spoken)
    jaws = [(moment, value) for attribute, moment, value in receiver.cmds.keys if attribute == "head.jawOpen"]
    assert [moment for moment, _ in jaws] == pytest.approx([1, 1.8, 2.6, 3.4]), "a second is 24 frames in this scene"
    np.testing.assert_allclose([value for _, value in jaws], [frame["jawOpen"] for frame in spoken], rtol=1e-4)
    (tmp_path / "map.json").write_text(json.dumps({"channels": {"jawOpen": {"a.b": 2.0}, "mouthClose": "c.d"}}))
    assert receiver.map_file(tmp_path / "map.json") == {"jawOpen": [("a.b", 2.0)], "mouthClose": [("c.d", 1.0)]}


def hear(receiver: ModuleType, face: Any, spoken: list[Frame], fps: Fraction = Fraction(30)) -> None:
    """Each frame by itself: one connection for all, Maya idle after each."""
    lines = [MayaLines().header(LAYOUT, fps), *(MayaLines().encode(frame, LAYOUT) for frame in spoken)]
    for line in lines:
        face._take(line.decode().split())
        receiver.cmds.idle()


@pytest.mark.parametrize(
    ("unit", "rate"),
    [("film", 24.0), ("ntsc", 30.0), ("pal", 25.0), ("23.976fps", 24000 / 1001), ("29.97df", 30000 / 1001),
     ("120fps", 120.0), ("2fps", 2.0), ("sec", 1.0)],
)  # fmt: skip
def test_a_second_of_speech_is_a_second_of_the_scene(receiver: ModuleType, unit: str, rate: float) -> None:
    """Whatever rate frames come at and wherever in their take they are: keys lie from the scene's time of now on."""
    receiver.cmds = StandIn("head.jawOpen", "head.mouthClose", "head.browInnerUp")
    receiver.cmds.unit, receiver.cmds.now = unit, 12.0
    face = receiver.start(node="head", port=0)
    for fps in (Fraction(30), Fraction(60000, 1001)):
        receiver.cmds.keys.clear()
        receiver.record()
        spoken = [Frame(k, k * 533, frame.values, LAYOUT) for k, frame in enumerate(frames(61), 300)]
        hear(receiver, face, spoken, fps)
        receiver.record(False)
        hear(receiver, face, frames(1), fps)
        keyed = [moment for attribute, moment, _ in receiver.cmds.keys if attribute == "head.jawOpen"]
        np.testing.assert_allclose(keyed, 12 + np.arange(61) / float(fps) * rate, rtol=1e-9)


def test_a_sender_that_starts_again_is_keyed_behind(receiver: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames count from 0 again; what was recorded is not keyed over."""
    now = [100.0]
    monkeypatch.setattr(receiver, "time", SimpleNamespace(monotonic=lambda: now[0]))
    receiver.cmds = StandIn("head.jawOpen", "head.mouthClose", "head.browInnerUp")
    face = receiver.start(node="head", port=0)
    receiver.record()
    hear(receiver, face, frames(31))
    now[0] += 2
    hear(receiver, face, frames(16))
    keyed = [moment for attribute, moment, _ in receiver.cmds.keys if attribute == "head.jawOpen"]
    assert [keyed[0], keyed[30], keyed[31], keyed[46]] == pytest.approx([1, 1 + 24, 1 + 72, 1 + 84])


def test_units_of_no_known_length_are_refused(receiver: ModuleType) -> None:
    receiver.cmds = StandIn("head.jawOpen")
    with pytest.raises(ValueError, match="nothing listens"):
        receiver.record()
    face = receiver.start(node="head", port=0)
    receiver.record()
    receiver.cmds.unit = "moons"
    hear(receiver, face, frames(3))
    (said,) = [text for text in receiver.cmds.warnings if "moons" in text]
    assert said.startswith("tinyface: recording ends: the scene counts time in moons")
    assert (face.applied, receiver.cmds.keys) == (3, []), "it moves, and is keyed no more"
    with pytest.raises(ValueError, match="moons"):
        receiver.record()


def test_the_next_scene_has_a_face_too(receiver: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a scene is opened there is no such attribute: that is said once, and tried again every second."""
    now = [0.0]
    monkeypatch.setattr(receiver, "time", SimpleNamespace(monotonic=lambda: now[0]))
    receiver.cmds = StandIn("head.jawOpen", "head.mouthClose", "head.browInnerUp")
    face = receiver.start(node="head", port=0)
    hear(receiver, face, frames(1))
    asked: list[str] = []
    known = receiver.cmds.setAttr

    def away(attribute: str, value: float) -> None:
        asked.append(attribute)
        raise RuntimeError(f"setAttr: No object matches name: {attribute}")

    monkeypatch.setattr(receiver.cmds, "setAttr", away)
    for _ in range(90):
        hear(receiver, face, frames(1))
        now[0] += 1 / 30
    assert 6 <= len(asked) <= 12, "three attributes for three seconds"
    assert len(receiver.cmds.warnings) == 3
    monkeypatch.setattr(receiver.cmds, "setAttr", known)
    receiver.cmds.attributes = dict.fromkeys(receiver.cmds.attributes, 0.0)
    now[0] += 1.1
    hear(receiver, face, frames(1))
    assert receiver.cmds.attributes == pytest.approx(
        {f"head.{name}": value for name, value in zip(LAYOUT.names, frames(1)[0].values.tolist(), strict=True)},
        rel=1e-4,
    )
    assert not face.missing
    assert len(receiver.cmds.warnings) == 3


def test_channels_that_share_a_control_are_summed_as_retarget_means(receiver: ModuleType, tmp_path: Path) -> None:
    """Three channels on one control: it gets what `controls = channels @ weights` says, is set once and keyed once."""
    named = {
        "jawOpen": {"lips.out": 0.5, "jaw.open": 1.0},
        "mouthClose": {"lips.out": 0.7, "lips.wide": 0.6},
        "browInnerUp": {"lips.out": 0.0},
    }
    retarget = Retarget.from_map(named)
    (tmp_path / "map.json").write_text(json.dumps({"format": "tinyface.retarget", "channels": named}))
    receiver.cmds = StandIn(*retarget.controls)
    face = receiver.start(receiver.map_file(tmp_path / "map.json"), port=0)
    receiver.record()
    frame = frames(1)[0]
    send(face.port, [frame], lambda: face.received == 1)
    receiver.cmds.idle()
    wanted = dict(zip(retarget.controls, retarget.values(frame.values, LAYOUT).tolist(), strict=True))
    assert receiver.cmds.attributes == pytest.approx(wanted, rel=1e-4)
    assert sorted(attribute for attribute, _, _ in receiver.cmds.keys) == sorted(wanted), "each is keyed once a frame"


def test_offsets_of_channels_that_share_a_control_add_up(receiver: ModuleType) -> None:
    receiver.cmds = StandIn("lips.out")
    face = receiver.start({"jawOpen": [("lips.out", 2.0, 1.0)], "mouthClose": [("lips.out", -1.0, 0.25)]}, port=0)
    frame = frames(1)[0]
    send(face.port, [frame], lambda: face.received == 1)
    receiver.cmds.idle()
    wanted = 2 * frame["jawOpen"] - frame["mouthClose"] + 1.25
    assert receiver.cmds.attributes["lips.out"] == pytest.approx(wanted, rel=1e-4)


def test_what_is_not_ours_does_no_harm(receiver: ModuleType) -> None:
    receiver.cmds = StandIn("head.jawOpen")
    face = receiver.start(node="head", port=0)
    for nonsense in (
        b"GET / HTTP/1.0\r\n\r\n",
        b"tinyface frame x y z\ntinyface rig a b c\ntinyface rig 30 0 jawOpen\n",
        b"\xff" * 100_000,
    ):
        with socket.create_connection(("127.0.0.1", face.port)) as opened, __import__("contextlib").suppress(OSError):
            opened.sendall(nonsense)
    send(face.port, frames(1), lambda: face.received == 1)
    receiver.cmds.idle()
    assert face.applied == 1


def test_maya_s_own_command_port_gets_mel() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    got: list[bytes] = []

    def done() -> bool:
        opened, _ = server.accept()
        with opened:
            got.append(opened.recv(65536))
        return True

    frame = frames(1)[0]
    send(port, [frame], done, "/head")
    assert got[0].startswith(b'setAttr "head.jawOpen" ')
    assert got[0].count(b";") == 3
