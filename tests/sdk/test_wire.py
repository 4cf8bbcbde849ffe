"""Bytes on the wire, read by somebody else: a decoder written field by field, and python-osc."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from sdk.cli.shared import Renamed
from sdk.clock import FrameClock
from sdk.errors import ConfigError, RigError
from sdk.names import convention, conventions
from sdk.names.visemes import OVR_15, pose
from sdk.protocols.base import FrameProtocol, at, datagrams
from sdk.protocols.csv import LiveLinkFaceCsv
from sdk.protocols.livelink import LiveLinkUdp
from sdk.protocols.maya import MayaLines
from sdk.protocols.ovr import OvrVisemes
from sdk.protocols.vmc import EXPRESSIONS, Vmc
from sdk.rig import ARKIT_52, Frame, RigLayout
from sdk.scenes.targets import find_targets

FPS = Fraction(30000, 1001)


def _frame(index: int = 7, seed: int = 1) -> Frame:
    layout = RigLayout.arkit()
    return Frame(
        index, FrameClock(FPS).sample(index), np.random.default_rng(seed).random(52).astype(np.float32), layout
    )


class Cursor:
    """Reads one field after the other, as a receiver that knows nothing of ours does."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def take(self, kind: str) -> float:
        (value,) = struct.unpack_from(">" + kind, self.data, self.place)
        self.place += struct.calcsize(">" + kind)
        return value

    def text(self) -> str:
        size = int(self.take("i"))
        self.place += size
        return self.data[self.place - size : self.place].decode("utf-8")


@dataclass
class Packet:
    version: int
    device: str
    subject: str
    time: tuple[float, ...]
    values: list[float]
    size: int

    @classmethod
    def read(cls, data: bytes) -> Packet:
        cursor = Cursor(data)
        version = int(cursor.take("B"))
        device, subject = cursor.text(), cursor.text()
        time = tuple(cursor.take(kind) for kind in "ifii")
        values = [cursor.take("f") for _ in range(int(cursor.take("B")))]
        assert cursor.place == len(data), "nothing stands behind the last value"
        return cls(version, device, subject, time, values, len(data))


@pytest.mark.parametrize("subject", ["tinyface", "a", "Gräfin Ü 顔"])
def test_live_link_field_by_field(subject: str) -> None:
    frame = _frame()
    packet = Packet.read(LiveLinkUdp(subject).at(FPS).encode(frame, frame.layout))
    assert packet.version == 6
    assert len(packet.device.encode()) == 36
    assert packet.subject == subject
    assert packet.size == 306 + len(subject.encode())
    assert packet.time == (7, 0.0, 30000, 1001)
    np.testing.assert_array_equal(np.float32(packet.values[:52]), frame.values)
    assert packet.values[52:] == [0.0] * 9
    assert struct.unpack_from(">B", LiveLinkUdp().encode(frame, frame.layout), 4) == (36,), "the mark of other readers"


def test_live_link_order_is_unreal_s_not_the_file_s() -> None:
    layout = RigLayout(("jawLeft", "mouthRight"))
    frame = Frame(0, 0, np.float32([0.25, 0.75]), layout)
    values = Packet.read(LiveLinkUdp().encode(frame, layout)).values
    assert (values[15], values[16], values[21], values[22]) == (0.25, 0.0, 0.0, 0.75)


def test_live_link_without_a_rate_counts_sixtieths() -> None:
    layout = RigLayout(("jawOpen",))
    for sample in (0, 533, 16000, 16001, 57_600_000):
        number, part, n, d = Packet.read(
            LiveLinkUdp().encode(Frame(0, sample, np.zeros(1, np.float32), layout), layout)
        ).time
        assert (n, d) == (60, 1)
        assert (number + part) / 60 == pytest.approx(sample / 16000, abs=1e-5)


def test_live_link_refuses_what_unreal_would_drop() -> None:
    with pytest.raises(ConfigError, match="36"):
        LiveLinkUdp(device_id="short")
    with pytest.raises(ConfigError, match="name"):
        LiveLinkUdp("")
    with pytest.raises(RigError, match="jawClench"):
        LiveLinkUdp().header(RigLayout(("jawClench",)), FPS)
    assert LiveLinkUdp("a").device_id == LiveLinkUdp("a").device_id != LiveLinkUdp("b").device_id


def _osc(bundles: list[bytes]) -> list[tuple[str, list[object]]]:
    osc_bundle = pytest.importorskip("pythonosc.osc_bundle", reason="python-osc reads what we send")
    found = []
    for data in bundles:
        assert osc_bundle.OscBundle.dgram_is_bundle(data)
        found += [(message.address, list(message.params)) for message in osc_bundle.OscBundle(data)]
    return found


def test_vmc_read_by_python_osc() -> None:
    frame = _frame()
    bundles = datagrams(Vmc(), frame, frame.layout)
    assert len(bundles) >= 2, "52 expressions do not fit one packet"
    assert max(map(len, bundles)) < 1500
    messages = _osc(bundles)
    assert messages[0] == ("/VMC/Ext/OK", [1])
    assert messages[1][0] == "/VMC/Ext/T"
    assert messages[1][1] == [pytest.approx(frame.sample / 16000)]
    assert messages[-1] == ("/VMC/Ext/Blend/Apply", [])
    values = [parameters for address, parameters in messages[2:-1] if address == "/VMC/Ext/Blend/Val"]
    assert [name for name, _ in values] == list(ARKIT_52)
    np.testing.assert_array_equal(np.float32([value for _, value in values]), frame.values)


def test_vmc_as_a_stream_is_the_same_bundles() -> None:
    frame = _frame()
    data, found = Vmc().encode(frame, frame.layout), []
    while data:
        (size,) = struct.unpack_from(">i", data)
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    assert found == datagrams(Vmc(), frame, frame.layout)


@pytest.mark.parametrize("expressions", EXPRESSIONS)
def test_vmc_expressions(expressions: str) -> None:
    layout = RigLayout.arkit()
    messages = _osc(datagrams(Vmc(expressions), Frame(0, 0, pose("ou"), layout), layout))
    values = dict(parameters for address, parameters in messages if address == "/VMC/Ext/Blend/Val")
    expected = {"perfect": "mouthPucker", "perfect-pascal": "MouthPucker", "vrm0": "U", "vrm1": "ou"}
    assert max(values, key=lambda name: float(str(values[name]))) == expected[expressions]
    with pytest.raises(ConfigError, match="perfect, perfect-pascal, vrm0, vrm1"):
        Vmc("vrm2")


def test_maya_lines_hold_every_value() -> None:
    frame = _frame()
    head = MayaLines().header(frame.layout, FPS).decode().split()
    line = MayaLines().encode(frame, frame.layout).decode()
    assert head == ["tinyface", "rig", "30000", "1001", *ARKIT_52]
    assert line.endswith("\n")
    assert line.split()[:4] == ["tinyface", "frame", "7", str(frame.sample)]
    np.testing.assert_allclose([float(word) for word in line.split()[4:]], frame.values, rtol=1e-5)


def test_maya_s_own_port_gets_mel() -> None:
    layout = RigLayout(("jawOpen", "mouthClose"))
    frame = Frame(0, 0, np.float32([0.5, 0.125]), layout)
    assert (
        MayaLines("a:head").encode(frame, layout)
        == b'setAttr "a:head.jawOpen" 0.5;setAttr "a:head.mouthClose" 0.125;\n'
    )
    for bad in ('head"; quit -f; "', "1a", "a b"):
        with pytest.raises(ConfigError, match="no name of a Maya node"):
            MayaLines(bad)
    with pytest.raises(RigError, match="not: a b"):
        MayaLines().header(RigLayout(("jawOpen", "a b")), FPS)


@pytest.mark.parametrize("letters", [4, 45, 300, 3900])
def test_maya_s_own_port_gets_no_line_that_it_hangs_up_on(letters: int) -> None:
    """It closes the connection at a command of more than 4,096 characters: a frame is as many lines as it takes."""
    frame, node = _frame(), "h" * letters
    assert MayaLines(node).header(frame.layout, FPS) == b""
    lines = MayaLines(node).encode(frame, frame.layout).decode().splitlines()
    assert max(map(len, lines)) <= 4000
    assert (len(lines) == 1) == (letters == 4)
    said = [re.fullmatch(rf'setAttr "{node}\.(\w+)" (\S+)', word) for line in lines for word in line.split(";") if word]
    assert all(said)
    assert [word[1] for word in said if word] == list(ARKIT_52), "every channel is set once, in order"
    np.testing.assert_allclose([float(word[2]) for word in said if word], frame.values, rtol=1e-5)
    with pytest.raises(RigError, match="Maya's port takes 4000 characters"):
        MayaLines("h" * 4000).header(frame.layout, FPS)


def test_ovr_is_fifteen_floats_that_sum_to_one() -> None:
    layout = RigLayout.arkit()
    data = OvrVisemes().encode(Frame(3, 1600, pose("FF"), layout), layout)
    index, sample, *shares = struct.unpack("<ii15f", data)
    assert (index, sample) == (3, 1600)
    assert OVR_15[int(np.argmax(shares))] == "FF"
    assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_a_protocol_bound_to_a_rate_is_a_new_one() -> None:
    bound = at(LiveLinkUdp("x"), FPS)
    assert isinstance(bound, LiveLinkUdp)
    assert (bound.subject, bound.fps, LiveLinkUdp("x").fps) == ("x", FPS, None)
    assert at(Vmc("vrm0"), FPS) == Vmc("vrm0")


UNITY = RigLayout(convention("unity").names, maximum=(100.0,) * 52)
OWN = RigLayout(("Jaw_Ctrl", "Lip_Ctrl"))


@pytest.mark.parametrize("protocol", [OvrVisemes(), Vmc("vrm0"), Vmc("vrm1")])
def test_a_mouth_that_cannot_be_read_is_refused_and_not_sent_at_rest(protocol: FrameProtocol) -> None:
    for names in (OWN.names, convention("oculus").names, convention("cc4").names, ("mouthClose",)):
        with pytest.raises(RigError, match=r"no jawOpen: .*\. Leave out --names; a rig of your own goes by jsonl"):
            protocol.header(RigLayout(names), FPS)
    assert protocol.header(RigLayout.arkit(), FPS) == b""


SCALED = [OvrVisemes(), *map(Vmc, EXPRESSIONS), LiveLinkUdp(), LiveLinkFaceCsv()]


@pytest.mark.parametrize("protocol", SCALED, ids=lambda one: type(one).__name__)
def test_values_of_another_scale_are_refused(protocol: FrameProtocol) -> None:
    with pytest.raises(RigError, match=r"from 0 to 1, and here go browDownLeft to 100; .*leave out --names"):
        protocol.header(UNITY, FPS)


@pytest.mark.parametrize("name", ["livelink", "iphone"])
@pytest.mark.parametrize(
    "protocol", [OvrVisemes(), Vmc("vrm1"), LiveLinkUdp(), LiveLinkFaceCsv()], ids=lambda one: type(one).__name__
)
def test_names_that_are_the_receivers_own_are_taken(name: str, protocol: FrameProtocol) -> None:
    frame = _frame()
    renamed = Renamed(name, frame.layout)
    assert protocol.header(renamed.layout, FPS) == protocol.header(frame.layout, FPS)
    assert protocol.encode(renamed.frame(frame), renamed.layout) == protocol.encode(frame, frame.layout)


def test_other_names_for_a_rig_of_ones_own_are_refused() -> None:
    for name in conventions():
        with pytest.raises(RigError, match=f"--names {name} is read off ARKit's mouth"):
            Renamed(name, OWN)
    with pytest.raises(RigError, match="a head is read off ARKit's mouth"):
        find_targets({}, OWN)
