"""The add-on in Blender itself, without a window: a recording baked and read back, frames by UDP."""

from __future__ import annotations

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sdk.clock import FrameClock
from sdk.protocols.base import at
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
