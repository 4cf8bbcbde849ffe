"""Drives a rig in Maya from `tinyface live --to maya://HOST:7001`: a thread listens, Maya's idle loop applies.

Runs in Maya's interpreter and needs nothing but it. See README.md beside it.
"""

from __future__ import annotations

import json
import math
import socket
import threading
import time

try:
    from maya import cmds
except ImportError:  # outside Maya: a test puts a stand-in here
    cmds = None

PORT = 7001
_MOST_LINE = 1 << 16
_AGAIN_S = 1.0  # an attribute that cannot be set is tried so often: the next scene may have it
_RATES = {
    "game": 15.0, "film": 24.0, "pal": 25.0, "ntsc": 30.0, "show": 48.0, "palf": 50.0, "ntscf": 60.0,
    "millisec": 1000.0, "sec": 1.0, "min": 1 / 60, "hour": 1 / 3600,
}  # fmt: skip


def scene_rate():
    """Units of time in a second of the scene: keys are counted in these. Raises `ValueError` for an unknown one."""
    unit = cmds.currentUnit(query=True, time=True)
    if unit in _RATES:
        return _RATES[unit]
    try:
        rate = float(unit.replace("fps", "").replace("df", ""))
    except ValueError:
        raise ValueError("the scene counts time in " + unit + ", whose length is not known here") from None
    film = math.ceil(rate) * 1000 / 1001  # 23.976 and its kin are written short
    return film if rate != math.ceil(rate) and abs(rate - film) < 0.006 else rate


class Receiver:
    """One face. `mapping`: channel -> [(attribute, factor, offset), ...]; `node`: whose attributes are the channels.

    An attribute that several channels name gets the sum of `value * factor + offset` over them, as `tinyface retarget`
    means its maps.
    """

    def __init__(self, mapping=None, node="", host="127.0.0.1", port=PORT):
        self.mapping = {name: [_target(one) for one in many] for name, many in (mapping or {}).items()}
        self.node = node
        self.received = self.applied = self.replaced = 0
        self.recording = False
        self.fps = 30.0
        self.channels = ()
        self.missing = {}  # attribute -> when it is tried again
        self._began = self._last = None  # of a recording: (index, seconds in the scene), (index, seconds, moment)
        self._newest = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind((host, port))
        self._server.listen(1)
        self._server.settimeout(0.2)
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def apply(self):
        """Set the newest frame on the rig, if there is a new one. Maya's main thread calls this when it is idle."""
        with self._lock:
            frame, self._newest = self._newest, None
        if frame is None:
            return
        index, values = frame
        sums = {}  # several channels may move one control: each gives its part, and Maya is told once
        for channel, value in values.items():
            targets = self.mapping.get(channel)
            if targets is None and self.node:
                targets = [(self.node + "." + channel, 1.0, 0.0)]
            for attribute, factor, offset in targets or ():
                sums[attribute] = sums.get(attribute, 0.0) + value * factor + offset
        when = None
        if self.recording:
            try:
                when = self._key_time(index)
            except ValueError as error:  # the scene counts otherwise since it began
                self.recording = False
                cmds.warning("tinyface: recording ends: " + str(error))
        for attribute, value in sums.items():
            self._set(attribute, value, when)
        self.applied += 1

    def record(self, on=True):
        """Key what is applied from now on, from the scene's current time on; or no more. Raises as `scene_rate`."""
        if on:
            scene_rate()
        self.recording, self._began, self._last = on, None, None

    def close(self):
        """Stop listening."""
        self._over.set()
        self._thread.join(2.0)
        self._server.close()

    def _key_time(self, index):
        """Where the scene keys a frame: as many seconds behind the first one recorded as it was spoken behind it.

        A sender that was started again counts from 0 again: its frames go on behind those of before, by the clock.
        """
        rate, now = scene_rate(), time.monotonic()
        if self._began is None:
            self._began = index, cmds.currentTime(query=True) / rate
        elif index < self._last[0]:
            self._began = index, self._last[1] + now - self._last[2]
        seconds = self._began[1] + (index - self._began[0]) / self.fps
        self._last = index, seconds, now
        return seconds * rate

    def _set(self, attribute, value, when):
        again = self.missing.get(attribute)
        if again is not None and time.monotonic() < again:
            return
        try:
            cmds.setAttr(attribute, value)
            if when is not None:
                cmds.setKeyframe(attribute, time=when, value=value)
        except (RuntimeError, ValueError) as error:  # no such attribute, a locked one, a scene that is being opened
            if again is None:  # said once, not once a second
                cmds.warning("tinyface: " + attribute + ": " + str(error))
            self.missing[attribute] = time.monotonic() + _AGAIN_S
            return
        self.missing.pop(attribute, None)

    def _listen(self):
        while not self._over.is_set():
            try:
                opened, _ = self._server.accept()
            except OSError:  # a timeout is one too
                continue
            with opened:
                opened.settimeout(0.2)
                self._read(opened)

    def _read(self, opened):
        pending = b""
        while not self._over.is_set():
            try:
                data = opened.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            pending += data
            *lines, pending = pending.split(b"\n")
            if len(pending) > _MOST_LINE:
                return  # whoever that is, it does not speak lines
            for line in lines:
                self._take(line.decode("ascii", "replace").split())

    def _take(self, words):
        """`tinyface rig N D names...` or `tinyface frame INDEX SAMPLE values...`; anything else is left out."""
        if len(words) < 4 or words[0] != "tinyface":
            return
        try:
            if words[1] == "rig":
                fps = int(words[2]) / float(words[3])
                if 0 < fps < math.inf:
                    self.fps, self.channels = fps, tuple(words[4:])
            elif words[1] == "frame" and len(words) - 4 == len(self.channels):
                frame = int(words[2]), dict(zip(self.channels, map(float, words[4:]), strict=True))
                with self._lock:
                    self.replaced += self._newest is not None
                    self._newest = frame
                self.received += 1
        except (ValueError, ArithmeticError):  # a rate of 30 / 0 would end the thread
            return


_running = {}


def start(mapping=None, node="", host="127.0.0.1", port=PORT):
    """Listen, and apply when Maya is idle. A receiver that runs is stopped first."""
    stop()
    receiver = Receiver(mapping, node, host, port)
    _running["receiver"] = receiver
    _running["job"] = cmds.scriptJob(idleEvent=receiver.apply)
    return receiver


def stop():
    """Stop listening and applying."""
    receiver, job = _running.pop("receiver", None), _running.pop("job", None)
    if job is not None and cmds.scriptJob(exists=job):
        cmds.scriptJob(kill=job)
    if receiver is not None:
        receiver.close()


def record(on=True):
    """Key what is applied, from the scene's current time on and at its rate, or no more. Raises as `scene_rate`."""
    if "receiver" not in _running:
        raise ValueError("nothing listens: call start first")
    _running["receiver"].record(on)


def map_file(path):
    """The mapping in a JSON map, as `tinyface retarget` writes it."""
    with open(path, encoding="utf-8") as stream:
        content = json.load(stream)
    channels = content.get("channels", content)
    return {
        name: list(parts.items()) if isinstance(parts, dict) else [(parts, 1.0)] for name, parts in channels.items()
    }


def _target(one):
    attribute, factor, offset = (*one, 1.0, 0.0)[:3] if len(one) == 1 else (*one, 0.0)[:3]
    return str(attribute), float(factor), float(offset)
