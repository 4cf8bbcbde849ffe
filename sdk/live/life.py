"""What a living face does besides speaking: blinks, small glances, brows that follow the voice. Never the mouth.

Seeded: the same seed gives the same face for the same frames and sound, in whatever blocks that comes. Times are those
of people at conversation: a blink every four seconds or so, shut in 0.1 s and open in 0.15; a glance held for one to
three seconds.
"""

from __future__ import annotations

import numpy as np

from sdk.clock import SAMPLE_RATE_HZ
from sdk.rig import Frame, RigLayout

_BLINK_EVERY_S, _BLINK_LEAST_S = 4.0, 1.0
_SHUT_S, _HELD_S, _OPEN_S = 0.10, 0.04, 0.15
_GLANCE_S, _GLANCE_MOST = (0.8, 3.0), 0.12
_MOVE_S = 0.04  # a saccade
_ACCENT_S, _ACCENT_MOST, _ACCENT_RISE_DB, _ACCENT_REST_S = 0.45, 0.25, 8.0, 0.9
_LEVELS_HZ = 50


class Life:
    """Adds to frames of `layout`, in time order; channels that the rig lacks are left out. One voice each."""

    def __init__(self, layout: RigLayout, seed: int) -> None:
        self._places = {name: place for place, name in enumerate(layout.names)}
        self._seed = seed
        self._top = np.array(layout.maximum, np.float32)
        self.reset()

    def reset(self) -> None:
        """Start again: frame 0 of the same life."""
        self._blinks, self._glances, self._accents = (np.random.default_rng([self._seed, kind]) for kind in range(3))
        self._blink_at = self._next_blink(0.0)
        self._glance_from, self._glance_to = np.zeros(2), np.zeros(2)
        self._glance_at, self._glance_next = 0.0, 1.0
        self._accent_at, self._accent = -10.0, 0.0
        self._levels: list[tuple[float, float]] = []
        self._heard, self._levels_made, self._rest = 0, 0, np.zeros(0)
        self._ground_db = -60.0

    def hear(self, mono: np.ndarray, rate_hz: int) -> None:
        """The take's next sound, `(n,)`: its level is what brows follow. One rate for all of a take.

        Levels stand on a grid of samples from the take's first on, so that blocks of any size give the same ones.
        """
        sound = np.concatenate([self._rest, mono])  # float64
        start = self._heard - len(self._rest)
        self._heard += len(mono)
        at = 0
        while (end := (self._levels_made + 1) * rate_hz // _LEVELS_HZ) <= self._heard:
            power = float(np.mean(sound[at : end - start] ** 2))
            self._levels.append((end / rate_hz, 10 * np.log10(power + 1e-9)))
            at, self._levels_made = end - start, self._levels_made + 1
        self._rest = sound[at:].copy()

    def frame(self, frame: Frame) -> Frame:
        """The frame with life in it; only lids, eyes and brows differ."""
        now, values = frame.sample / SAMPLE_RATE_HZ, frame.values.copy()
        lid = self._lid(now)
        for side in ("Left", "Right"):
            self._raise(values, f"eyeBlink{side}", lid)
        across, up = self._glance(now)
        for name, amount in (
            ("eyeLookOutLeft", across), ("eyeLookInRight", across),
            ("eyeLookInLeft", -across), ("eyeLookOutRight", -across),
            ("eyeLookUpLeft", up), ("eyeLookUpRight", up), ("eyeLookDownLeft", -up), ("eyeLookDownRight", -up),
        ):  # fmt: skip
            self._add(values, name, max(0.0, amount))
        brow = self._brow(now)
        for name, share in (("browInnerUp", 1.0), ("browOuterUpLeft", 0.6), ("browOuterUpRight", 0.6)):
            self._add(values, name, share * brow)
        return Frame(frame.index, frame.sample, values, frame.layout)

    def _raise(self, values: np.ndarray, name: str, amount: float) -> None:
        if name in self._places:
            place = self._places[name]
            values[place] = min(max(float(values[place]), amount), float(self._top[place]))

    def _add(self, values: np.ndarray, name: str, amount: float) -> None:
        if name in self._places:
            place = self._places[name]
            values[place] = min(float(values[place]) + amount, float(self._top[place]))

    def _next_blink(self, after: float) -> float:
        return after + _BLINK_LEAST_S + float(self._blinks.gamma(2.0, (_BLINK_EVERY_S - _BLINK_LEAST_S) / 2.0))

    def _lid(self, now: float) -> float:
        while now > self._blink_at + _SHUT_S + _HELD_S + _OPEN_S:
            self._blink_at = self._next_blink(self._blink_at)
        into = now - self._blink_at
        if into < 0:
            return 0.0
        if into < _SHUT_S:
            return _smooth(into / _SHUT_S)
        return 1.0 - _smooth(max(0.0, into - _SHUT_S - _HELD_S) / _OPEN_S)

    def _glance(self, now: float) -> tuple[float, float]:
        while now >= self._glance_next:
            self._glance_from, self._glance_at = self._glance_to, self._glance_next
            radius, angle = float(self._glances.random()) * _GLANCE_MOST, float(self._glances.random()) * 2 * np.pi
            self._glance_to = radius * np.array([np.cos(angle), 0.6 * np.sin(angle)])
            self._glance_next += float(self._glances.uniform(*_GLANCE_S))
        share = _smooth((now - self._glance_at) / _MOVE_S)
        across, up = self._glance_from + share * (self._glance_to - self._glance_from)
        return float(across), float(up)

    def _brow(self, now: float) -> float:
        while self._levels and self._levels[0][0] <= now:
            at, level = self._levels.pop(0)
            rise = level - self._ground_db
            self._ground_db += 0.03 * rise
            if rise > _ACCENT_RISE_DB and level > -45 and at - self._accent_at > _ACCENT_REST_S:
                self._accent_at = at
                self._accent = _ACCENT_MOST * min(1.0, rise / 20.0) * float(self._accents.uniform(0.3, 1.0))
        into = (now - self._accent_at) / _ACCENT_S
        return self._accent * float(np.sin(np.pi * into)) ** 2 if 0 <= into <= 1 else 0.0


def _smooth(share: float) -> float:
    """0 to 1 without a corner at either end."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)
