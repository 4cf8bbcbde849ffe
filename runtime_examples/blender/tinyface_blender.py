"""A Blender add-on: frames of tinyface onto shape keys, from a recording as keyframes, or live by UDP.

Edit > Preferences > Add-ons > Install: this file. View3D > sidebar > tinyface. Blender 3.0 to 5.0, nothing else:
README.md says in which it was run.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import re
import socket
import statistics
from fractions import Fraction

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
_live = {}  # the listener, if there is one, and why the last one stopped
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
        raise ValueError(f"{thing.name} has no shape keys" if thing else "no object is active: choose one")
    return {plain(key.name): key for key in shapes.key_blocks[1:]}


def read_recording(path):
    """(frames a second, rows `(seconds, {channel: value})`) of tinyface's .jsonl or Live Link Face's .csv.

    Of a .csv without a rate: as many as its timecode counts to the second. Raises `OSError`, `ValueError`, `KeyError`.
    """
    if str(path).lower().endswith(".csv"):
        return _read_csv(path)
    with open(path, encoding="utf-8") as stream:
        head = json.loads(stream.readline())
        if head.get("format") != "tinyface.frames":
            raise ValueError("not frames of tinyface")
        fps = head["fps"][0] / head["fps"][1]
        return fps, [(frame["index"] / fps, frame["values"]) for frame in map(json.loads, stream)]


def _read_csv(path):
    """As `read_csv` of sdk/protocols/csv.py, which is not here; a test holds the two together. Seconds from 0.

    A row of count 0 has no values: the face was lost, and time went on. It holds the last row that has some, and those
    at the start the first one.
    """
    with open(path, newline="", encoding="utf-8-sig") as stream:
        titles, *rows = [row for row in csv.reader(stream) if row] or [[]]
    titles = [title.strip() for title in titles]
    if [title.lower() for title in titles[:2]] != ["timecode", "blendshapecount"]:
        raise ValueError("not a Live Link Face CSV")
    channels = [(place, name) for place, name in enumerate(titles) if place > 1 and name.lower() != "framerate"]
    carries = [place for place, name in enumerate(titles) if name.lower() == "framerate"]
    rates = [row[place] for place in carries for row in rows if len(row) > place and row[place]]
    rate = _rate(rates[0]) if rates else None
    clock, found = [], []
    for number, row in enumerate(rows, 1):
        try:
            hours, minutes, seconds, frame = row[0].split(":")
            clock.append(((int(hours) * 60 + int(minutes)) * 60 + int(seconds), float(frame)))
            values = {}
            if len(row) > 1 and int(row[1]) > 0:
                if len(row) < len(titles) - len(carries):
                    raise ValueError(f"{len(row)} cells where the header has {len(titles)}")
                values = {name: float(row[place]) for place, name in channels}
            if not all(map(math.isfinite, values.values())):
                raise ValueError("NaN or infinite values")
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from error
        found.append(values)
    held = next((values for values in found if values), dict.fromkeys((name for _, name in channels), 0.0))
    for place, values in enumerate(found):
        held = found[place] = values or held
    fps, times = _times(clock, rate)
    return fps, [(times[place], values) for place, values in enumerate(found)]


def _rate(cell):
    """Frames a second as they are written; 29.97 and its kin mean n * 1000/1001. Raises `ValueError`."""
    try:
        rate = Fraction(cell)
    except ZeroDivisionError:
        rate = Fraction(0)
    if not 1 <= rate <= 240:
        raise ValueError(f"{cell} frames a second")
    for whole in (24, 30, 48, 60, 120):
        exact = Fraction(whole * 1000, 1001)
        if rate.denominator != 1 and (abs(rate - exact) < Fraction(whole, 10000) or rate == round(exact, 2)):
            return exact
    return rate


def _times(clock, rate):
    """(frames a second, seconds from 0) of timecodes `(whole seconds, frames)`; a day more after each midnight.

    rate: whose frames they count. None: the app's sixtieths, unless another usual count spaces the rows more evenly.
    """
    days, whole = 0, []
    for place, (second, frame) in enumerate(clock):
        days += place > 0 and second - clock[place - 1][0] < -43200
        whole.append((second + 86400 * days, frame))

    def moments(per_second, fps):
        counted = [(second - whole[0][0]) * per_second + frame for second, frame in whole]
        return [(one - counted[0]) / fps for one in counted]

    def unevenness(hz):
        times = moments(hz, hz)
        steps = [times[place] - times[place - 1] for place in range(1, len(times))]
        typical = statistics.median(steps) if steps else 0.0
        return round(sum(abs(step - typical) for step in steps), 3)

    if rate is None:
        most = max((frame for _, frame in whole), default=60)
        rate = min([60, *(hz for hz in (50, 48, 30, 25, 24) if most < hz)], key=unevenness)
    return float(rate), moments(round(rate), float(rate))


def curves_of(shapes, name):
    """The curves that move these shape keys, in their own action, or in a new one called `name`.

    Until Blender 4.3 an action is its curves. Since 4.4 it has a slot for each thing that it moves, and the curves of a
    slot lie in a bag; `action.fcurves` were then those of the first slot, whosever it is, and are gone since 5.0.
    """
    held = shapes.animation_data or shapes.animation_data_create()
    if held.action is None:
        held.action = bpy.data.actions.new(name)
    action = held.action
    if not hasattr(action, "slots"):
        return action.fcurves
    if held.action_slot is None:
        held.action_slot = action.slots.new(id_type="KEY", name=shapes.name)
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(held.action_slot, ensure=True).fcurves


def bake(thing, rows, first_frame=1):
    """Key the rows onto the object's shape keys, timed by the scene: (curves written, channels without a key).

    Raises `ValueError` where there are no rows or no shape keys.
    """
    if not rows:
        raise ValueError("there are no frames in it")
    keys = keys_of(thing)
    rate = bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    curves = curves_of(thing.data.shape_keys, thing.name + " speech")
    missing, written = [], 0
    for channel in rows[0][1]:
        key = keys.get(plain(channel))
        if key is None:
            missing.append(channel)
            continue
        path = f'key_blocks["{bpy.utils.escape_identifier(key.name)}"].value'
        old = curves.find(path)
        if old is not None:
            curves.remove(old)
        curve = curves.new(path)
        curve.keyframe_points.add(len(rows))
        points = [x for seconds, values in rows for x in (first_frame + seconds * rate, values.get(channel, 0.0))]
        curve.keyframe_points.foreach_set("co", points)
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
        curve.update()
        written += 1
    return written, missing


def values_of(datagram):
    """What a frame sets, by plain name; None for what is no frame of numbers: anybody may send to a port."""
    try:
        values = {plain(channel): float(value) for channel, value in json.loads(datagram)["values"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return values if all(map(math.isfinite, values.values())) else None


class Listener:
    """Frames by UDP onto one object: the newest of each redraw is shown, older ones are left out.

    It keeps the object's name alone: undo, a key that is removed and a file that is opened free whatever else it kept.
    """

    def __init__(self, thing, port=PORT, host="127.0.0.1"):
        keys_of(thing)
        self.name, self.library = thing.name, getattr(thing.library, "filepath", None)
        self.shown = self.received = 0
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, port))
        self.udp.setblocking(False)
        self.port = self.udp.getsockname()[1]

    def apply(self):
        """Show the newest frame that has come. Raises `ValueError` where the object or its keys are gone."""
        newest = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                newest, self.received = self.udp.recv(65536), self.received + 1
        values = values_of(newest)
        if values is None:
            return
        thing = bpy.data.objects.get((self.name, self.library))
        if thing is None:
            raise ValueError(f"{self.name} is gone, or has another name now")
        keys = keys_of(thing)
        for channel in values.keys() & keys.keys():
            keys[channel].value = values[channel]
        self.shown += 1


def hang_up(why=""):
    """Stop listening, if it goes on; the panel says why."""
    if "listener" in _live:
        _live.pop("listener").udp.close()
    _live["why"] = why


def tick():
    """Blender's timer: again in a hundredth of a second, until listening stops."""
    try:
        if "listener" in _live:
            _live["listener"].apply()
    except (OSError, ValueError) as error:
        hang_up(f"stopped: {error}")
        for window in bpy.context.window_manager.windows:  # else the panel says Stop until a mouse comes by
            for area in window.screen.areas:
                area.tag_redraw()
    return 0.01 if "listener" in _live else None


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
        except (OSError, ValueError, KeyError, csv.Error) as error:
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
        hang_up()
        if self.action == "START":
            try:
                _live["listener"] = Listener(context.active_object, self.port)
            except (OSError, ValueError) as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            if not bpy.app.timers.is_registered(tick):
                bpy.app.timers.register(tick, persistent=True)  # others end where a file is opened, and say nothing
        return {"FINISHED"}


class TINYFACE_PT_panel(bpy.types.Panel):
    bl_label = bl_category = "tinyface"
    bl_space_type, bl_region_type = "VIEW_3D", "UI"

    def draw(self, context):
        self.layout.operator("tinyface.bake")
        if _live.get("why"):
            self.layout.label(text=_live["why"], icon="ERROR")
        text, action = ("Stop", "STOP") if "listener" in _live else ("Listen", "START")
        self.layout.operator("tinyface.live", text=text).action = action


_CLASSES = (TINYFACE_OT_bake, TINYFACE_OT_live, TINYFACE_PT_panel)


def register():
    for one in _CLASSES:
        bpy.utils.register_class(one)


def unregister():
    hang_up()
    for one in reversed(_CLASSES):
        bpy.utils.unregister_class(one)
