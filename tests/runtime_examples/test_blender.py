"""The add-on: in Blender itself, without a window (a recording baked and read back, frames by UDP); and its own code
beside a stand-in of `bpy`, where there is no Blender.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Sequence
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
found = {}
for path in sys.argv[-2].split(","):
    assert bpy.ops.tinyface.bake(filepath=path, first_frame=1) == {"FINISHED"}
    curves = head.data.shape_keys.animation_data.action.fcurves
    found[path] = {c.data_path: [list(p.co) for p in c.keyframe_points] for c in curves}
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
addon.unregister()
print("FOUND", json.dumps(found))
"""


def test_the_add_on_bakes_and_listens(tmp_path: Path) -> None:
    if not shutil.which("blender"):
        pytest.skip("no Blender here")
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
    command = ["blender", "-b", "--python", str(script), "--", str(ROOT / "runtime_examples/blender")]
    done = subprocess.run(
        [*command, ",".join(map(str, paths)), str(paths[0])], capture_output=True, text=True, timeout=180, check=False
    )
    found = json.loads(next((line for line in done.stdout.splitlines() if line.startswith("FOUND ")), "FOUND {}")[6:])
    assert found, done.stdout + done.stderr
    values = np.stack([frame.values for frame in frames])
    for path in paths:
        for column, name in enumerate(("jawOpen", "mouthSmile_L", "MouthFunnel")):
            curve = np.array(found[str(path)][f'key_blocks["{name}"].value'])
            np.testing.assert_allclose(curve[:, 0], 1 + np.arange(40), atol=1e-3)
            np.testing.assert_allclose(curve[:, 1], values[:, column], atol=1e-6)
    assert "Error" in found["refused"]
    assert found["live"]["mouthSmile_L"] == pytest.approx(float(values[-1, 1]), abs=1e-6), "the newest frame is shown"
    assert (found["received"], found["shown"]) == (41, 1)


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
    vars(props).update(dict.fromkeys(("EnumProperty", "IntProperty", "StringProperty"), lambda **_: None))
    vars(io_utils)["ImportHelper"] = type("ImportHelper", (), {})
    for module in (bpy, props, extras, io_utils):
        monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
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
