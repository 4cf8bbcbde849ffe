"""Speech curves in a style: what a person's emotion adds to the articulatory teacher's face.

    curves = speech of the phones, its jaw and lips stronger or weaker
           + rest of the person + pose of the emotion, rising at the beginning and breathing slowly
           + accents on stressed syllables + blinks, at pauses where there are some + glances

Lips that the speech shuts stay shut, whatever the smile: after all is added, the gap that was opened is taken back. All
that is random comes from a seed, which is the recording's name.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from distill.corpus.styled.styles import EMOTIONS, Person, Style
from distill.speech.phones import SILENCE, Phone
from distill.teachers.articulatory.teacher import animate
from distill.teachers.track import RigTrack
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

_OPENING = ("jawOpen", "mouthClose", "jawForward")
_LIPS = ("mouthFunnel", "mouthPucker", "mouthStretch", "mouthUpperUp", "mouthLowerDown", "mouthDimple")
_BLINK_S = (0.07, 0.03, 0.13)  # closing, closed, opening


def express(
    phones: Sequence[Phone],
    duration_s: float,
    style: Style,
    who: Person,
    name: str,
    fps: int = 100,
    lively: bool = True,
) -> RigTrack:
    """The track of phones spoken in `style` by `who`; `name` seeds what is random in it. lively: with blinks and
    glances, which no sound tells."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    speech = animate(phones, duration_s, fps)
    layout = speech.layout
    times = np.arange(len(speech.values)) / fps
    emotion, strength = EMOTIONS[style.emotion], style.strength * who.expression
    values = speech.values.astype(np.float64).copy()
    _scale(values, layout, _OPENING, who.jaw * (1 + style.strength * (emotion.jaw - 1)))
    _scale(values, layout, _LIPS, who.lips * (1 + style.strength * (emotion.lips - 1)))
    _add(values, layout, who.rest, np.ones(len(times)), who)
    _add(values, layout, emotion.pose, strength * _breathing(times, rng), who)
    _add(values, layout, emotion.accents, max(style.strength, 0.5) * _accents(phones, times, rng), who)
    # smiles and stretched lips open a mouth that /p b m/ shut
    values = _shut_again(values, speech.values, layout)
    if lively:
        _live(values, layout, times, _blinks(phones, duration_s, emotion.blinks * who.blinks, rng), rng)
    return RigTrack(layout.clamp(values.astype(np.float32)), speech.fps, layout)


def _live(
    values: np.ndarray, layout: RigLayout, times: np.ndarray, blinks: Sequence[float], rng: np.random.Generator
) -> None:
    lids = np.max([np.zeros(len(times)), *(_blink(times, at) for at in blinks)], axis=0)
    for side in ("Left", "Right"):
        lid = values[:, layout.index(f"eyeBlink{side}")]
        lid[:] = lid + lids * (1 - lid)
        values[:, layout.index(f"eyeWide{side}")] *= 1 - lids
    _glance(values, layout, times, rng)


def _scale(values: np.ndarray, layout: RigLayout, beginnings: Sequence[str], by: float) -> None:
    for i, name in enumerate(layout.names):
        if name.startswith(tuple(beginnings)):
            values[:, i] *= by


def _add(values: np.ndarray, layout: RigLayout, pose: Mapping[str, float], share: np.ndarray, who: Person) -> None:
    for name, value in pose.items():
        by = value * (who.brows if name.startswith("brow") else 1.0)
        by *= 1 + who.lean * (name.endswith("Left") - 0.5) if name.endswith(("Left", "Right")) else 1.0
        values[:, layout.index(name)] += by * share


def _breathing(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How much of the pose is held: full after a third of a second, then 0.8 to 1 in waves of some seconds."""
    wave = 0.9 + 0.1 * np.sin(2 * np.pi * (times / rng.uniform(2.5, 5.0) + rng.random()))
    return np.clip((times + 0.1) / 0.35, 0, 1) * wave


def _accents(phones: Sequence[Phone], times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bumps of a third of a second on two in three syllables with primary stress."""
    curve = np.zeros(len(times))
    for phone in phones:
        if phone.stress == 1 and rng.random() < 0.67:
            size = rng.uniform(0.6, 1.0)
            curve = np.maximum(curve, size * np.exp(-0.5 * ((times - (phone.start + phone.end) / 2) / 0.11) ** 2))
    return curve


def _shut_again(values: np.ndarray, speech: np.ndarray, layout: RigLayout) -> np.ndarray:
    offset, row = Face.default().lip_gap_row(layout)
    before, now = offset + speech @ row, offset + values @ row
    shut = np.clip((2 * CLOSED_CM - before) / CLOSED_CM, 0, 1)  # 1 below 0.15 cm, 0 from 0.30
    close = layout.index("mouthClose")
    excess = np.maximum(now - np.minimum(before, 0.5 * CLOSED_CM), 0) * shut
    values = values.copy()
    values[:, close] += excess / -row[close]
    return values


def _blinks(phones: Sequence[Phone], duration_s: float, a_minute: float, rng: np.random.Generator) -> list[float]:
    """Times of blinks: a Poisson process, half of them drawn to the nearest pause within half a second."""
    pauses = [phone.start for phone in phones if phone.symbol == SILENCE]
    found, at = [], rng.exponential(60 / a_minute)
    while at < duration_s:
        near = min(pauses, key=lambda p: abs(p - at), default=None)
        drawn = near is not None and abs(near - at) < 0.5 and rng.random() < 0.5
        found.append(float(near) + 0.05 if drawn and near is not None else float(at))
        at += 0.4 + rng.exponential(60 / a_minute)
    return found


def _blink(times: np.ndarray, at: float) -> np.ndarray:
    closing, closed, opening = _BLINK_S
    return np.clip(np.minimum((times - at) / closing, (at + closing + closed + opening - times) / opening), 0, 1)


def _glance(values: np.ndarray, layout: RigLayout, times: np.ndarray, rng: np.random.Generator) -> None:
    """Eyes that jump to another point every second or two, by a few degrees, both together."""
    at, edges, aims = 0.0, [], []
    while at < times[-1]:
        edges.append(at)
        aims.append(rng.normal(0, (0.10, 0.06)))
        at += rng.uniform(0.7, 2.2)
    held = np.array(aims)[np.searchsorted(edges, times, side="right") - 1]
    for channel, amount in (
        ("eyeLookOutLeft", held[:, 0]), ("eyeLookInRight", held[:, 0]), ("eyeLookInLeft", -held[:, 0]),
        ("eyeLookOutRight", -held[:, 0]), ("eyeLookUpLeft", held[:, 1]), ("eyeLookUpRight", held[:, 1]),
        ("eyeLookDownLeft", -held[:, 1]), ("eyeLookDownRight", -held[:, 1]),
    ):  # fmt: skip
        values[:, layout.index(channel)] += np.maximum(amount, 0)
