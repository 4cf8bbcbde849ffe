"""Mouths that no score may be read without: what is easy, what is still, and what the rig can show at all.

    loudness    the lip gap is the smoothed log energy of the clip, scaled between its quiet and its loud
    mean_pose   the mean of the articulatory teacher's labels, a face that never moves
    exact       the trusted phones of the set through the articulatory teacher: the upper bound

They are trackers as any system is, by these names wherever an artefact's file is asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.faces.face import Face
from sdk.rig import RigLayout

FPS = 30
WIDEST_CM = 1.2  # of the loudness mouth: the 98th percentile of the articulatory teacher's gap in speech
_WINDOW_S = 0.025
_SMOOTHING_S = 0.010
_SCALE_PERCENTILES = (5, 95)
_FLOOR_DB = 30.0  # so far below the clip's loudest all is silence; the strongest such mouth on LJSpeech
# mean of animate(phones) over the spoken frames of LJSpeech's 138 aligned clips: rounded to a thousandth, the rest is 0
MEAN_POSE: dict[str, float] = {
    "jawForward": 0.007, "jawOpen": 0.129, "mouthClose": 0.007, "mouthFunnel": 0.029, "mouthPucker": 0.070,
    "mouthSmileLeft": 0.032, "mouthSmileRight": 0.032, "mouthDimpleLeft": 0.014, "mouthDimpleRight": 0.014,
    "mouthStretchLeft": 0.058, "mouthStretchRight": 0.058, "mouthRollLower": 0.043, "mouthRollUpper": 0.005,
    "mouthPressLeft": 0.025, "mouthPressRight": 0.025, "mouthLowerDownLeft": 0.130, "mouthLowerDownRight": 0.130,
    "mouthUpperUpLeft": 0.082, "mouthUpperUpRight": 0.082, "tongueOut": 0.004,
}  # fmt: skip


def loudness(audio: np.ndarray, frames: int) -> np.ndarray:
    """0..1 `(frames,)` at 30 fps: log energy of 25 ms, smoothed by 10 ms (both centred), scaled so that the clip's
    5th percentile is 0 and its 95th 1."""
    wide, far = int(_WINDOW_S * SAMPLE_RATE_HZ), int(3 * _SMOOTHING_S * SAMPLE_RATE_HZ)
    hop = SAMPLE_RATE_HZ // 200
    energy = np.cumsum(np.pad(audio.astype(np.float64) ** 2, (wide // 2 + far + 1, wide + 2 * far + hop)))
    starts = np.arange(0, len(audio) + 2 * far, hop)
    level = 10 * np.log10((energy[starts + wide] - energy[starts]) / wide + 1e-12)
    level = np.maximum(level, level.max() - _FLOOR_DB)
    reach = np.arange(-far // hop, far // hop + 1) * hop / SAMPLE_RATE_HZ
    kernel = np.exp(-0.5 * (reach / _SMOOTHING_S) ** 2)
    smooth = np.convolve(level, kernel / kernel.sum(), mode="same")
    clock = FrameClock.at(FPS)
    at = np.array([clock.sample(k) for k in range(frames)]) + far
    heard = np.interp(at, starts, smooth)
    low, high = np.percentile(heard, _SCALE_PERCENTILES)
    return np.asarray(np.clip((heard - low) / max(high - low, 1e-6), 0, 1))


def loudness_mouth(audio: np.ndarray, frames: int) -> np.ndarray:
    """ARKit values `(frames, 52)` that follow loudness by the jaw: shut at the clip's quiet, 1.2 cm at its loud."""
    layout = RigLayout.arkit()
    offset, row = Face.default().lip_gap_row(layout)
    jaw = layout.index("jawOpen")
    values = np.zeros((frames, len(layout)), dtype=np.float32)
    values[:, jaw] = np.maximum(WIDEST_CM * loudness(audio, frames) - offset, 0) / row[jaw]
    return layout.clamp(values)


def loudness_tracker() -> Any:
    """The mouth that follows loudness."""
    return lambda item, reference: loudness_mouth(item.audio, len(reference))


def mean_pose_tracker() -> Any:
    """The face that never moves."""
    pose = RigLayout.arkit().vector(MEAN_POSE)
    return lambda item, reference: np.tile(pose, (len(reference), 1))


def exact_tracker() -> Any:
    """The labels themselves, from the phones that the set is judged by."""
    return lambda item, reference: reference


CONTROLS = {"loudness": loudness_tracker, "mean_pose": mean_pose_tracker, "exact": exact_tracker}
