"""The articulatory teacher: phone intervals -> rig curves by a model of coarticulation. No training, no capture.

Slow channels follow Cohen and Massaro (1993): every phone pulls with a dominance that decays on both sides,

    D_p(t) = a_p exp(-max(|t - centre_p| - plateau_p, 0) / tau),     r(t) = sum_p D_p(t) target_p / (sum_p D_p(t) + eps)

with a longer reach forwards in time for lip protrusion than for the jaw (rounding anticipates). Hard constraints are
not averaged but applied afterwards, so they always win: /p b m/ shut the lips, /f v/ tuck the lower lip, sibilants
hold the teeth together. Blinks and brows stay neutral: sound does not tell them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from distill.speech.phones import SILENCE, Phone, spoken
from distill.speech.phonetics import CHANNELS, targets
from distill.teachers.track import RigTrack
from sdk.clock import SAMPLE_RATE_HZ
from sdk.rig import RigLayout

GRID_HZ = 120
RULES = "2"  # raised when the same phones move a face otherwise: labels of earlier rules are made again
_REACH_S = 0.6
# decay before (anticipation) and after (carry-over), seconds, per slow channel
_ANTICIPATION = np.array([0.060, 0.085, 0.105, 0.060, 0.055, 0.055, 0.070, 0.060, 0.035])
_CARRY_OVER = np.array([0.060, 0.070, 0.080, 0.060, 0.055, 0.055, 0.070, 0.060, 0.035])
_PAUSE_S = 0.10
_SMOOTHING_S = 0.014
_SHORTEST_HOLD_S = 0.040
_SHORTEST_RAMP_S = 0.025


def animate(phones: Sequence[Phone], duration_s: float, fps: Fraction | int = 60) -> RigTrack:
    """The ARKit rig track `(ceil(duration x fps), 52)` of phones given in seconds, at any frame rate."""
    layout = RigLayout.arkit()
    times = np.arange(max(int(np.ceil(duration_s * GRID_HZ)) + 1, 2)) / GRID_HZ
    phones = _cover_silence(phones, duration_s)
    slow = dict(zip(CHANNELS, _slow_channels(phones, times), strict=True))
    values = _constrain(slow, phones, times, layout)
    grid = RigTrack(layout.clamp(values), Fraction(GRID_HZ), layout)
    count = max(int(np.ceil(duration_s * float(fps) - 1e-9)), 1)
    return RigTrack(grid.at(np.arange(count) / float(fps)), Fraction(fps), layout)


class ArticulatoryTeacher:
    """Whole utterance -> RigTrack: pocketsphinx finds the phones (English), the model above moves the face."""

    layout = RigLayout.arkit()
    fps = Fraction(60)

    def label(self, waveform: np.ndarray) -> RigTrack:
        """16 kHz mono float32 `(n,)` -> track at 60 fps. Raises `EngineUnavailable` without pocketsphinx."""
        from distill.speech.aligned import Aligner

        return animate(Aligner().label(waveform), len(waveform) / SAMPLE_RATE_HZ, self.fps)


TEACHER = ArticulatoryTeacher


def _cover_silence(phones: Sequence[Phone], duration_s: float) -> list[Phone]:
    """Phones with gaps and ends filled with silence; silences too short to be a pause are dropped."""
    out: list[Phone] = []
    reached = 0.0
    for phone in [*spoken(phones), None]:  # a silence that is written counts as the gap that it leaves
        begins = duration_s if phone is None else phone.start
        if begins - reached >= _PAUSE_S:
            out.append(Phone(SILENCE, reached, begins))
        if phone is not None:
            out.append(phone)
            reached = max(reached, phone.end)
    return out


def _slow_channels(phones: Sequence[Phone], times: np.ndarray) -> np.ndarray:
    """Dominance-weighted targets `(channels, times)`."""
    weighted = np.zeros((len(CHANNELS), len(times)))
    total = np.full((len(CHANNELS), len(times)), 1e-3)
    for phone in phones:
        parts = targets(phone.symbol)
        width = phone.duration / len(parts)
        # a short vowel is undershot: the mouth has no time to open
        size = 1.0 if phone.symbol == SILENCE else float(np.clip(0.72 + 2.6 * phone.duration, 0.75, 1.12))
        for number, part in enumerate(parts):
            centre = phone.start + (number + 0.5) * width
            plateau = max(width / 2 - 0.05, 0.0) if phone.symbol == SILENCE else width / 4
            first = int(np.searchsorted(times, centre - plateau - _REACH_S))
            last = int(np.searchsorted(times, centre + plateau + _REACH_S))
            offset = times[first:last] - centre
            beyond = np.maximum(np.abs(offset) - plateau, 0.0)
            decay = np.where(offset < 0, _ANTICIPATION[:, None], _CARRY_OVER[:, None])
            dominance = np.array(part.strengths())[:, None] * np.exp(-beyond / decay)
            weighted[:, first:last] += dominance * np.array(part.aims())[:, None] * size
            total[:, first:last] += dominance
    return _smooth(weighted / total)


def _smooth(curves: np.ndarray) -> np.ndarray:
    """Gaussian smoothing along the last axis, ends held."""
    half = int(np.ceil(3 * _SMOOTHING_S * GRID_HZ))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / (_SMOOTHING_S * GRID_HZ)) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(curves, ((0, 0), (half, half)), mode="edge")
    return np.stack([np.convolve(row, kernel, mode="valid") for row in padded])


def _bump(times: np.ndarray, start: float, end: float, attack: float, release: float) -> np.ndarray:
    """1 between start and end, minimum-jerk ramps outside: 10 s^3 - 15 s^4 + 6 s^5."""
    ramp = np.minimum((times - (start - attack)) / attack, ((end + release) - times) / release)
    s = np.clip(ramp, 0.0, 1.0)
    return s * s * s * (10 - 15 * s + 6 * s * s)


def _held(phones: Sequence[Phone], times: np.ndarray, hold: str, attack: float, release: float) -> np.ndarray:
    """How far the constraint `hold` is in force at each time, 0..1; overlapping ones join without a cusp.

    `attack` and `release` are the ramps in seconds, shorter where a neighbour is short: a quick vowel still opens.
    """
    free = np.ones_like(times)
    for number, phone in enumerate(phones):
        if not any(part.hold == hold for part in targets(phone.symbol)):
            continue
        start, end = phone.start, phone.end
        if hold == "close" and phone.symbol[0] in "pb" and phone.duration > 0.08:
            end -= 0.2 * phone.duration  # the release of a long stop belongs to what follows
        lack = max(_SHORTEST_HOLD_S - (end - start), 0.0)
        start, end = start - lack / 2, end + lack / 2
        rise = _ramp(phones[number - 1] if number else None, attack)
        fall = _ramp(phones[number + 1] if number + 1 < len(phones) else None, release)
        first = int(np.searchsorted(times, start - rise))
        last = int(np.searchsorted(times, end + fall, side="right"))
        free[first:last] *= 1.0 - _bump(times[first:last], start, end, rise, fall)
    return 1.0 - free


def _ramp(neighbour: Phone | None, longest: float) -> float:
    return longest if neighbour is None else float(np.clip(0.6 * neighbour.duration, _SHORTEST_RAMP_S, longest))


def _constrain(
    slow: dict[str, np.ndarray], phones: Sequence[Phone], times: np.ndarray, layout: RigLayout
) -> np.ndarray:
    """All rig channels `(times, channels)`: slow channels under the hard constraints."""
    close = _held(phones, times, "close", 0.075, 0.065)
    tuck = _held(phones, times, "tuck", 0.065, 0.060) * (1 - close)
    teeth = _held(phones, times, "teeth", 0.060, 0.060)
    open_ = 1 - close
    jaw = slow["jaw"]
    jaw = jaw + teeth * (np.minimum(jaw, 0.10) - jaw)
    jaw = jaw + tuck * (np.minimum(jaw, 0.12) - jaw)
    jaw = jaw * (1 - 0.45 * close)
    lower = slow["lower"] * open_ * (1 - tuck)
    upper = slow["upper"] * open_ + 0.10 * tuck
    press = 0.28 * close
    curves = {
        "jawOpen": jaw,
        "jawForward": slow["forward"],
        "mouthClose": close * jaw,
        "mouthFunnel": slow["funnel"] * open_,
        "mouthPucker": slow["pucker"] * (1 - 0.3 * close),
        "mouthRollLower": 0.48 * tuck + 0.12 * close,
        "mouthRollUpper": 0.06 * close,
        "tongueOut": slow["tongue"] * open_,
    }
    for side in ("Left", "Right"):
        curves[f"mouthSmile{side}"] = slow["smile"]
        curves[f"mouthStretch{side}"] = slow["stretch"]
        curves[f"mouthLowerDown{side}"] = lower
        curves[f"mouthUpperUp{side}"] = upper
        curves[f"mouthPress{side}"] = press
        curves[f"mouthDimple{side}"] = 0.25 * slow["stretch"]
    values = np.tile(np.array(layout.neutral, np.float32), (len(times), 1))
    for name, curve in curves.items():
        values[:, layout.index(name)] = curve
    return values
