"""A Blender add-on: frames of tinyface onto shape keys, from a recording as keyframes, or live by UDP.

Edit > Preferences > Add-ons > Install: this file. View3D > sidebar > tinyface. Blender 3.0 and later, nothing else.
"""

from __future__ import annotations

import csv
import json
import re
import socket

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

bl_info = {
    "name": "tinyface",
    "description": "Speech animation on shape keys, from a recording or live",
    "version": (0, 1, 0),
    "blender": (3, 0, 0),
    "category": "Animation",
    "location": "View3D > Sidebar > tinyface",
}
PORT = 11112
_SIDE = re.compile(r"[_. ]?(Left|Right|LEFT|RIGHT)$|[_. ](left|right|[lrLR])$")


def plain(name):
    """A shape's name without case, separators and the spelling of its side: `mouthSmile_L` is `mouthSmileLeft`."""
    match = _SIDE.search(name)
    side = (match.group(1) or match.group(2))[0].lower() if match else ""
    base = name[: match.start()] if match else name
    return re.sub("[^0-9a-z]", "", base.lower()) + "." + side


def keys_of(thing):
    """Shape keys of an object by plain name. Raises `ValueError` where it has none."""
    shapes = getattr(getattr(thing, "data", None), "shape_keys", None)
    if shapes is None:
        raise ValueError("the active object has no shape keys")
    return {plain(key.name): key for key in shapes.key_blocks[1:]}


def read_recording(path):
    """(frames a second, rows `(seconds, {channel: value})`) of tinyface's .jsonl or Live Link Face's .csv."""
    if str(path).lower().endswith(".csv"):
        return _read_csv(path)
    with open(path, encoding="utf-8") as stream:
        head = json.loads(stream.readline())
        if head.get("format") != "tinyface.frames":
            raise ValueError("not frames of tinyface")
        fps = head["fps"][0] / head["fps"][1]
        return fps, [(frame["index"] / fps, frame["values"]) for frame in map(json.loads, stream)]


def _read_csv(path):
    with open(path, newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or "Timecode" not in rows[0]:
        raise ValueError("not a Live Link Face CSV")
    fps = float(rows[0].get("FrameRate") or 60.0)
    start, found = None, []
    for row in rows:
        hours, minutes, seconds, frame = row.pop("Timecode").split(":")
        moment = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * round(fps) + float(frame)
        start = moment if start is None else start
        values = {
            name: float(value) for name, value in row.items() if value and name not in ("BlendShapeCount", "FrameRate")
        }
        found.append(((moment - start) / fps, values))
    return fps, found


def bake(thing, rows, first_frame=1):
    """Key the rows onto the object's shape keys, timed by the scene: (curves written, channels without a key)."""
    keys = keys_of(thing)
    rate = bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    shapes = thing.data.shape_keys
    held = shapes.animation_data or shapes.animation_data_create()
    held.action = held.action or bpy.data.actions.new(thing.name + " speech")
    missing, written = [], 0
    for channel in rows[0][1]:
        key = keys.get(plain(channel))
        if key is None:
            missing.append(channel)
            continue
        path = f'key_blocks["{bpy.utils.escape_identifier(key.name)}"].value'
        old = held.action.fcurves.find(path)
        if old is not None:
            held.action.fcurves.remove(old)
        curve = held.action.fcurves.new(path)
        curve.keyframe_points.add(len(rows))
        points = [x for seconds, values in rows for x in (first_frame + seconds * rate, values.get(channel, 0.0))]
        curve.keyframe_points.foreach_set("co", points)
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
        curve.update()
        written += 1
    return written, missing


class Listener:
    """Frames by UDP onto one object: the newest of each redraw is shown, older ones are left out."""

    def __init__(self, thing, port=PORT, host="127.0.0.1"):
        self.keys, self.shown, self.received = keys_of(thing), 0, 0
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, port))
        self.udp.setblocking(False)
        self.port = self.udp.getsockname()[1]

    def apply(self):
        """Show the newest frame that has come, if one has."""
        newest = None
        while True:
            try:
                newest, self.received = self.udp.recv(65536), self.received + 1
            except BlockingIOError:
                break
        if newest is None:
            return
        try:
            values = json.loads(newest)["values"]
        except (ValueError, KeyError, TypeError):
            return
        for channel, value in values.items():
            key = self.keys.get(plain(channel))
            if key is not None:
                key.value = value
        self.shown += 1

    def close(self):
        self.udp.close()


_live = {}


def tick():
    """Blender's timer: again in a hundredth of a second, until listening stops."""
    listener = _live.get("listener")
    if listener is None:
        return None
    listener.apply()
    return 0.01


class TINYFACE_OT_bake(bpy.types.Operator, ImportHelper):
    """Key a recording's frames onto the active object's shape keys"""

    bl_idname = "tinyface.bake"
    bl_label = "Bake a recording"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 (as Blender reads it)
    filter_glob: StringProperty(default="*.jsonl;*.csv", options={"HIDDEN"})
    first_frame: IntProperty(name="First frame", default=1)

    def execute(self, context):
        try:
            _, rows = read_recording(self.filepath)
            written, missing = bake(context.active_object, rows, self.first_frame)
        except (OSError, ValueError, KeyError, IndexError) as error:
            self.report({"ERROR"}, f"{self.filepath}: {error}")
            return {"CANCELLED"}
        self.report({"INFO"}, f"{written} shape keys; not on this head: {', '.join(missing) or 'nothing'}")
        return {"FINISHED"}


class TINYFACE_OT_live(bpy.types.Operator):
    """Listen for frames of `tinyface live --to jsonl://127.0.0.1:11112`, or stop listening"""

    bl_idname = "tinyface.live"
    bl_label = "Live"
    action: EnumProperty(items=[("START", "Start", ""), ("STOP", "Stop", "")])
    port: IntProperty(name="Port", default=PORT, min=1, max=65535)

    def execute(self, context):
        old = _live.pop("listener", None)
        if old is not None:
            old.close()
        if self.action == "START":
            try:
                _live["listener"] = Listener(context.active_object, self.port)
            except (OSError, ValueError) as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            if not bpy.app.timers.is_registered(tick):
                bpy.app.timers.register(tick)
        return {"FINISHED"}


class TINYFACE_PT_panel(bpy.types.Panel):
    bl_label = bl_category = "tinyface"
    bl_space_type, bl_region_type = "VIEW_3D", "UI"

    def draw(self, context):
        self.layout.operator("tinyface.bake")
        running = "listener" in _live
        self.layout.operator("tinyface.live", text="Stop" if running else "Listen").action = (
            "STOP" if running else "START"
        )


_CLASSES = (TINYFACE_OT_bake, TINYFACE_OT_live, TINYFACE_PT_panel)


def register():
    for one in _CLASSES:
        bpy.utils.register_class(one)


def unregister():
    listener = _live.pop("listener", None)
    if listener is not None:
        listener.close()
    for one in reversed(_CLASSES):
        bpy.utils.unregister_class(one)
