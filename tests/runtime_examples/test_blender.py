"""The add-on: in Blender itself, without a window (a recording baked and read back, frames by UDP); and its own code
beside a stand-in of `bpy`, where there is no Blender.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sdk.clock import FrameClock
from sdk.protocols.base import at
from sdk.protocols.csv import LiveLinkFaceCsv, live_link_layout, read_csv
from sdk.rig import Frame, RigLayout
from sdk.tools.plugins import load_plugin

ROOT = Path(__file__).parents[2]
FPS = Fraction(30)
BPY = "TINYFACE_BPY"  # environment variable: a Python in which `import bpy` gives a Blender

SCRIPT = """
import json, socket, sys
import bpy
sys.path.insert(0, sys.argv[-3])
import tinyface_blender as addon
addon.register()
bpy.ops.wm.read_factory_settings(use_empty=True)
mesh = bpy.data.meshes.new("m")
mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
head = bpy.data.objects.new("Head", mesh)
bpy.context.collection.objects.link(head)
bpy.context.view_layer.objects.active = head
head.shape_key_add(name="Basis")
for name in ("jawOpen", "mouthSmile_L", 'MouthFunnel'):
    head.shape_key_add(name=name)
bpy.context.scene.render.fps = 30
shapes, scene = head.data.shape_keys, bpy.context.scene
if bpy.app.version >= (4, 4):  # an action that moves the object already, in a slot of its own
    held, keyed = head.animation_data_create(), shapes.animation_data_create()
    held.action = keyed.action = bpy.data.actions.new("all of her")
    held.action_slot = held.action.slots.new(id_type="OBJECT", name="Head")
found = {"version": bpy.app.version_string}
for path in sys.argv[-2].split(","):
    for _ in range(2):  # baked again, it replaces what was there
        assert bpy.ops.tinyface.bake(filepath=path, first_frame=1) == {"FINISHED"}
    found[path] = {key.name: [] for key in shapes.key_blocks[1:]}
    for half in range(2, 81):
        scene.frame_set(half // 2, subframe=half % 2 / 2)
        for key in shapes.key_blocks[1:]:
            found[path][key.name].append(key.value)
try:
    bpy.ops.tinyface.bake(filepath=__file__)
    found["refused"] = ""
except RuntimeError as error:
    found["refused"] = str(error)
head.data.shape_keys.animation_data_clear()
listener = addon.Listener(head, 0)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in [b"nonsense", *open(sys.argv[-1], "rb").read().splitlines()[1:]]:
    udp.sendto(line, ("127.0.0.1", listener.port))
listener.apply()
found["live"] = {k.name: k.value for k in head.data.shape_keys.key_blocks}
found["received"], found["shown"] = listener.received, listener.shown
listener.udp.close()
kept = sys.argv[-1] + ".blend"
bpy.ops.wm.save_as_mainfile(filepath=kept)
spare = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
spare.bind(("127.0.0.1", 0))
port = spare.getsockname()[1]
spare.close()
assert bpy.ops.tinyface.live(action="START", port=port) == {"FINISHED"}

def told(value):
    line = json.dumps({"values": {"jawOpen": value, "mouthFunnel": value}})
    udp.sendto(line.encode(), ("127.0.0.1", port))
    again, head = addon.tick(), bpy.data.objects.get("Head")
    keys = head.data.shape_keys.key_blocks if head else {}
    return again, {name: round(keys[name].value, 3) for name in ("jawOpen", "MouthFunnel") if name in keys}

found["told"] = [told(0.125)]
for step in range(3):
    bpy.ops.ed.undo_push(message="a")
    bpy.data.objects["Head"].location.x = step + 1
    bpy.ops.ed.undo_push(message="b")
    assert bpy.ops.ed.undo() == {"FINISHED"}
    for number in range(200):
        bpy.data.meshes.new("where the old keys lay")
    found["told"].append(told(0.25 + step / 8))
bpy.ops.wm.open_mainfile(filepath=kept)
found["timer"] = bpy.app.timers.is_registered(addon.tick)
found["told"].append(told(0.625))
head = bpy.data.objects["Head"]
head.shape_key_remove(head.data.shape_keys.key_blocks["jawOpen"])
found["told"].append(told(0.75))
bpy.data.objects.remove(head)
found["told"].append(told(0.875))
found["live after all"], found["why"] = "listener" in addon._live, addon._live["why"]
addon.unregister()
print("FOUND", json.dumps(found))
"""


def blender() -> list[str]:
    """How a script is run in Blender: by the program, or by a Python that has its wheel (`pip install bpy`)."""
    if python := os.environ.get(BPY):
        return [python]
    if program := shutil.which("blender"):
        return [program, "-b", "--python"]
    pytest.skip(f"no Blender here: install it, or name in {BPY} a Python that has `bpy`")


def test_the_add_on_bakes_and_listens(tmp_path: Path) -> None:
    run = blender()
    layout, clock, rng = (
        RigLayout(("jawOpen", "mouthSmileLeft", "mouthFunnel", "tongueOut")),
        FrameClock(FPS),
        np.random.default_rng(6),
    )
    frames = [Frame(k, clock.sample(k), rng.random(4).astype(np.float32), layout) for k in range(40)]
    paths = []
    for kind in ("jsonl", "csv"):
        protocol = at(load_plugin("sdk.protocols", kind, "PROTOCOL"), FPS)
        paths.append(tmp_path / f"a.{kind}")
        paths[-1].write_bytes(
            protocol.header(layout, FPS) + b"".join(protocol.encode(frame, layout) for frame in frames)
        )
    script = tmp_path / "look.py"
    script.write_text(SCRIPT)
    command = [*run, str(script), "--", str(ROOT / "runtime_examples/blender")]
    done = subprocess.run(
        [*command, ",".join(map(str, paths)), str(paths[0])], capture_output=True, text=True, timeout=180, check=False
    )
    found = json.loads(next((line for line in done.stdout.splitlines() if line.startswith("FOUND ")), "FOUND {}")[6:])
    assert found, done.stdout + done.stderr
    values = np.stack([frame.values for frame in frames])
    for path in paths:
        for column, name in enumerate(("jawOpen", "mouthSmile_L", "MouthFunnel")):
            on_frames, between = found[str(path)][name][::2], found[str(path)][name][1::2]
            np.testing.assert_allclose(on_frames, values[:, column], atol=1e-6)
            np.testing.assert_allclose(between, (values[1:, column] + values[:-1, column]) / 2, atol=2e-3)
    assert "Error" in found["refused"]
    assert found["live"]["mouthSmile_L"] == pytest.approx(float(values[-1, 1]), abs=1e-6), "the newest frame is shown"
    assert (found["received"], found["shown"]) == (41, 1)
    values = [0.125, 0.25, 0.375, 0.5, 0.625]
    shown = [[0.01, {"jawOpen": value, "MouthFunnel": value}] for value in values]
    assert found["told"][:5] == shown, "after each undo, and in a file that is opened, it moves the head that is there"
    assert found["timer"], "which Blender itself would see to"
    assert found["told"][5:] == [[0.01, {"MouthFunnel": 0.75}], [None, {}]]
    assert not found["live after all"]
    assert found["why"] == "stopped: Head is gone, or has another name now"


class Objects(dict[tuple[str, str | None], Any]):
    """Blender's objects by name and library. What stands in it is made anew by whatever frees memory."""

    def put(self, name: str, *keys: str) -> Any:
        blocks = [Key(key) for key in ("Basis", *keys)]
        for old in self.drop(name):
            old.freed = True
        shapes = SimpleNamespace(key_blocks=blocks)
        self[name, None] = SimpleNamespace(name=name, library=None, data=SimpleNamespace(shape_keys=shapes))
        return {block.name: block for block in blocks}

    def drop(self, name: str) -> Any:
        old = self.pop((name, None), None)
        return old.data.shape_keys.key_blocks if old else []


class Key:
    """A shape key; one that was freed is no place to write into."""

    def __init__(self, name: str) -> None:
        self.name, self.freed, self._value = name, False, 0.0

    @property
    def value(self) -> float:
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        assert not self.freed, f"{self.name}: written into memory that is no longer its own"
        self._value = value


class Timers:
    """Blender's: opening a file ends those that are not persistent."""

    def __init__(self) -> None:
        self.ours: dict[Any, bool] = {}

    def register(self, work: Any, persistent: bool = False) -> None:
        self.ours[work] = persistent

    def is_registered(self, work: Any) -> bool:
        return work in self.ours

    def pass_time(self) -> None:
        for work in list(self.ours):
            try:
                again = work()
            except Exception:
                again = None
            if again is None:
                del self.ours[work]

    def open_file(self) -> None:
        self.ours = {work: stays for work, stays in self.ours.items() if stays}


@pytest.fixture
def addon(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The add-on's module in a Blender that is not there."""
    bpy, props, extras, io_utils = map(ModuleType, ("bpy", "bpy.props", "bpy_extras", "bpy_extras.io_utils"))
    facts = {
        "types": SimpleNamespace(Operator=type("Operator", (), {}), Panel=type("Panel", (), {})),
        "utils": SimpleNamespace(escape_identifier=str),
        "context": SimpleNamespace(scene=SimpleNamespace(render=SimpleNamespace(fps=30, fps_base=1.0))),
    }
    vars(bpy).update(facts, props=props)
    vars(bpy)["data"] = SimpleNamespace(objects=Objects())
    vars(bpy)["app"] = SimpleNamespace(timers=Timers())
    vars(bpy)["context"].window_manager = SimpleNamespace(windows=[])
    vars(props).update(dict.fromkeys(("EnumProperty", "IntProperty", "StringProperty"), lambda **_: None))
    vars(io_utils)["ImportHelper"] = type("ImportHelper", (), {})
    for module in (bpy, props, extras, io_utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    path = ROOT / "runtime_examples/blender/tinyface_blender.py"
    spec = importlib.util.spec_from_file_location("tinyface_blender", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recording(
    path: Path, *, fps: Fraction | None, start_s: int = 36000, lost: Sequence[int] = (), rate_said: bool = True
) -> Path:
    """Twelve rows of a Live Link Face CSV, of which the sixth is `start_s` after midnight.

    fps: whose frames are counted; None: the app's sixtieths, of 30 frames a second. lost: rows without a face, as the
    app writes them.
    """
    layout, protocol, rng = live_link_layout(), LiveLinkFaceCsv(), np.random.default_rng(11)
    protocol, rate = (protocol.at(fps), fps) if fps else (protocol, FPS)
    clock, first = FrameClock(rate), start_s * round(rate) - 5
    lines = protocol.header(layout, rate).decode().splitlines()
    for number in range(12):
        frame = Frame(first + number, clock.sample(first + number), rng.random(61).astype(np.float32), layout)
        cells = protocol.encode(frame, layout).decode().strip().split(",")
        lines += [f"{cells[0]},0" + "," * 59 * (number % 2) if number in lost else ",".join(cells)]
    if fps and not rate_said:
        lines = [line.rsplit(",", 1)[0] for line in lines]
    path.write_text("\n".join([*lines, ""]), "utf-8-sig")
    return path


RECORDINGS: dict[str, dict[str, Any]] = {
    "whole": {"fps": None},
    "lost": {"fps": None, "lost": (0, 1, 5, 6, 11)},
    "always lost": {"fps": None, "lost": range(12)},
    "midnight": {"fps": None, "start_s": 86400},
    "midnight in frames": {"fps": Fraction(30000, 1001), "start_s": 86400},
    "24 a second": {"fps": Fraction(24000, 1001), "lost": (7,)},
    "lost at once, the rate with it": {"fps": Fraction(24000, 1001), "lost": (0, 1, 7)},
    "25 a second, not said": {"fps": Fraction(25), "rate_said": False},
}


@pytest.mark.parametrize("which", RECORDINGS)
def test_the_add_on_reads_what_read_csv_reads(addon: Any, tmp_path: Path, which: str) -> None:
    """One file, both readers: the same rows at the same seconds, whatever was lost and over whichever midnight."""
    path = recording(tmp_path / "a.csv", **RECORDINGS[which])
    wanted, (fps, rows) = read_csv(path), addon.read_recording(path)
    assert len(rows) == 12
    np.testing.assert_allclose([s for s, _ in rows], wanted.times_s - wanted.times_s[0], rtol=0, atol=1e-6)
    if wanted.fps:
        assert fps == pytest.approx(float(wanted.fps), rel=1e-12)
    for _, values in rows:
        assert sorted(map(addon.plain, values)) == sorted(map(addon.plain, wanted.layout.names)), "in every row, all"
    for name, column in zip(wanted.layout.names, wanted.values.T, strict=True):
        spelled = name[0].upper() + name[1:]
        np.testing.assert_allclose([values[spelled] for _, values in rows], column, rtol=0, atol=1e-7)


def test_a_recording_that_is_none_is_explained(addon: Any, tmp_path: Path) -> None:
    path = recording(tmp_path / "a.csv", fps=FPS)
    head, first, *_ = path.read_text("utf-8-sig").splitlines()
    for lines, words in [
        (["a,b", "1,2"], "not a Live Link Face CSV"),
        ([], "not a Live Link Face CSV"),
        ([head, "noon," + first.split(",", 1)[1]], "row 1"),
        ([head, first, first.replace(",61,", ",61,x")], "row 2"),
        ([head, first.rsplit(",", 1)[0] + ",1/0"], "frames a second"),
        ([head, first, ",".join(first.split(",")[:30])], "row 2: 30 cells"),
    ]:
        path.write_text("\n".join(lines))
        with pytest.raises(ValueError, match=words):
            addon.read_recording(path)
    path.write_text(head)
    with pytest.raises(ValueError, match="no frames"):
        addon.bake(None, addon.read_recording(path)[1])


class Curves(list[Any]):
    """Blender's collection of curves, as far as the add-on goes."""

    def find(self, path: str) -> Any:
        return next((curve for curve in self if curve.data_path == path), None)

    def new(self, path: str) -> Any:
        assert self.find(path) is None, "Blender raises where a curve is there already"
        points = Points()
        self.append(SimpleNamespace(data_path=path, keyframe_points=points, update=lambda: None))
        return self[-1]


class Points(list[Any]):
    def add(self, count: int) -> None:
        self.extend(SimpleNamespace(co=None, interpolation="BEZIER") for _ in range(count))

    def foreach_set(self, field: str, flat: list[float]) -> None:
        assert field == "co"
        assert len(flat) == 2 * len(self)
        for place, point in enumerate(self):
            point.co = (flat[2 * place], flat[2 * place + 1])


class Bags:
    """A strip: a bag of curves for each slot."""

    def __init__(self) -> None:
        self.bags: dict[int, Any] = {}

    def channelbag(self, slot: Any, ensure: bool = False) -> Any:
        assert slot is not None
        if ensure:
            self.bags.setdefault(id(slot), SimpleNamespace(fcurves=Curves()))
        return self.bags.get(id(slot))


class Made(list[Any]):
    """A collection whose `new` makes what it is told to."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.make = make

    def new(self, *names: str, **facts: str) -> Any:
        self.append(self.make(*names, **facts))
        return self[-1]


def action(version: str) -> Any:
    """An action as that Blender has it: curves of its own until 4.3, in slots since 4.4, in these alone since 5.0."""
    if version == "4.3":
        return SimpleNamespace(fcurves=Curves())
    layers = Made(lambda name: SimpleNamespace(strips=Made(lambda type: Bags())))
    slots = Made(lambda id_type, name: SimpleNamespace(target_id_type=id_type, name_display=name))
    made = SimpleNamespace(layers=layers, slots=slots)
    if version == "4.5":
        made.fcurves = Curves()  # the first slot's
    return made


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("version", ["4.3", "4.5", "5.0"])
def test_curves_go_where_each_blender_keeps_them(addon: Any, version: str, shared: bool) -> None:
    """Into the head's own slot where there are slots, even if the action's first one moves something else."""
    made = action(version)
    held = SimpleNamespace(action=made if shared else None, action_slot=None)
    addon.bpy.data = SimpleNamespace(actions=SimpleNamespace(new=lambda name: made))
    blocks = [SimpleNamespace(name=name) for name in ("Basis", "jawOpen", "mouthSmile_L")]
    shapes = SimpleNamespace(key_blocks=blocks, animation_data=held, name="Key")
    thing = SimpleNamespace(name="Head", data=SimpleNamespace(shape_keys=shapes))
    foreign = None
    if shared and version != "4.3":  # the object's own curves come first in the same action
        other = made.slots.new(id_type="OBJECT", name="Head")
        strip = made.layers.new("Layer").strips.new(type="KEYFRAME")
        foreign = strip.channelbag(other, ensure=True).fcurves
        foreign.new("location")
        if version == "4.5":
            made.fcurves = foreign
    rows = [(k / 30, {"jawOpen": k / 10, "tongueOut": 1.0}) for k in range(4)]
    for _ in range(2):
        assert addon.bake(thing, rows) == (1, ["tongueOut"])
    if version == "4.3":
        curves = made.fcurves
    else:
        assert held.action_slot.target_id_type == "KEY"
        assert len(made.slots) == 1 + shared, "baked again, it makes no second slot"
        curves = made.layers[0].strips[0].channelbag(held.action_slot).fcurves
    assert [curve.data_path for curve in curves] == ['key_blocks["jawOpen"].value']
    assert [point.co for point in curves[0].keyframe_points] == [(1 + k, k / 10) for k in range(4)]
    assert {point.interpolation for point in curves[0].keyframe_points} == {"LINEAR"}
    if foreign is not None:
        assert [curve.data_path for curve in foreign] == ["location"], "what moves something else is left alone"


@pytest.fixture
def live(addon: Any) -> Iterator[tuple[Any, Any]]:
    """The add-on that listens for a head, and a way to tell it values and let Blender's time pass."""
    keys = addon.bpy.data.objects.put("Head", "jawOpen", "mouthSmile_L")
    operator = addon.TINYFACE_OT_live()
    operator.action, operator.port, operator.report = "START", 0, lambda *said: pytest.fail(str(said))
    context = SimpleNamespace(active_object=addon.bpy.data.objects["Head", None])
    assert operator.execute(context) == {"FINISHED"}
    port = addon._live["listener"].port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:

        def tell(*lines: bytes | float) -> None:
            for line in lines:
                udp.sendto(
                    line
                    if isinstance(line, bytes)
                    else json.dumps({"values": {"jawOpen": line, "mouthSmileLeft": line, "tongueOut": 1}}).encode(),
                    ("127.0.0.1", port),
                )
                addon.bpy.app.timers.pass_time()

        tell(0.5)
        assert (keys["jawOpen"].value, keys["mouthSmile_L"].value) == (0.5, 0.5)
        yield addon, tell
    addon.hang_up()


def test_what_an_undo_frees_is_not_written_into(live: tuple[Any, Any]) -> None:
    """Undo makes the head anew, a shape key is removed, a file is opened: each frame looks for what is there now."""
    addon, tell = live
    for value in (0.25, 0.75):
        keys = addon.bpy.data.objects.put("Head", "jawOpen", "mouthSmile_L")
        tell(value)
        assert (keys["jawOpen"].value, keys["mouthSmile_L"].value) == (value, value)
    keys = addon.bpy.data.objects.put("Head", "mouthSmile_L")
    tell(0.125)
    assert keys["mouthSmile_L"].value == 0.125
    addon.bpy.app.timers.open_file()
    keys = addon.bpy.data.objects.put("Head", "jawOpen")
    tell(0.875)
    assert keys["jawOpen"].value == 0.875, "and it still listens after File > Open"


def test_it_stops_and_says_so_where_its_head_is_gone(live: tuple[Any, Any]) -> None:
    addon, tell = live
    drawn: list[str] = []
    area = SimpleNamespace(tag_redraw=lambda: drawn.append("again"))
    addon.bpy.context.window_manager.windows = [SimpleNamespace(screen=SimpleNamespace(areas=[area]))]
    listener = addon._live["listener"]
    addon.bpy.app.timers.open_file()
    addon.bpy.data.objects.drop("Head")
    tell(0.25)
    assert addon._live == {"why": "stopped: Head is gone, or has another name now"}
    assert drawn == ["again"]
    assert listener.udp.fileno() == -1, "its port is free"
    assert not addon.bpy.app.timers.ours
    addon.bpy.data.objects["Head", None] = SimpleNamespace(name="Head", library=None, data=None)
    with pytest.raises(ValueError, match="Head has no shape keys"):
        addon.Listener(addon.bpy.data.objects["Head", None], 0)
    with pytest.raises(ValueError, match="no object is active"):
        addon.Listener(None, 0)


def test_no_datagram_ends_the_listening(live: tuple[Any, Any]) -> None:
    """Blender drops a timer that raises, without a word."""
    addon, tell = live
    tell(
        b"", b"[1]", b'{"values": [1, 2]}', b'{"values": {"jawOpen": "wide"}}', b'{"values": {"jawOpen": null}}',
        b'{"values": {"jawOpen": NaN}}', b'{"values": {"jawOpen": 1' + b"0" * 400 + b"}}", b"[" * 60000, b"\xff\xfe",
    )  # fmt: skip
    assert addon._live["listener"].shown == 1
    tell(0.75)
    assert addon._live["listener"].shown == 2
