"""Lips measured in video against lips from sound: how gap, width and jaw go together, less what loudness gets.

A folder of recordings beside `lips_25fps.npz`: by a clip's name `[frames, 6]` = inner-lip gap, mean inner gap, outer
lip height, mouth width, inner width, chin to nose, all over the outer-eye distance, at 25 video frames a second
(GRID's speaker s1, landmarks by MediaPipe). A judge only: nothing is trained on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from distill.files.disk import find_audio
from distill.scoring.controls import FPS, loudness_mouth
from distill.scoring.mouth.space import MEASURES, MouthSpace
from sdk.errors import DataError
from sdk.rig import RigLayout
from sdk.tools.limits import read_arrays

VIDEO_FPS = 25
MEASURED = ("gap", "width", "jaw")
_COLUMNS = (0, 3, 5)
_LEAST_FRAMES = 20


def read_lips(folder: Path) -> dict[Path, np.ndarray]:
    """Recordings below `folder` with their measured lips `(frames, 3)`, NaN where no face was found.

    Raises `DataError` without `lips_25fps.npz`, or where it fits no recording.
    """
    path = folder / "lips_25fps.npz"
    try:
        stored = read_arrays(path, DataError)
        curves = {name: rows.astype(np.float64)[:, _COLUMNS] for name, rows in stored.items()}
    except (ValueError, IndexError, TypeError) as error:
        raise DataError(f"{path}: cannot read measured lips: {error}; it holds [frames, 6] by a clip's name") from error
    found = {audio: curves[audio.stem] for audio in find_audio(folder) if audio.stem in curves}
    if not found:
        raise DataError(f"{folder}: no recording whose name is in {path.name}")
    return found


@dataclass
class LipsInVideo:
    """Collects clips: what was measured, what our mouth does at the same instants, and what the loudness mouth does."""

    clips: list[np.ndarray] = field(default_factory=list)  # (3 sources, frames, 3 measures)

    def add(
        self, values: np.ndarray, layout: RigLayout, audio: np.ndarray, lips: np.ndarray, space: MouthSpace
    ) -> None:  # fmt: skip
        """One clip: rig values `(N, channels)` at 30 fps, its sound at 16 kHz, its measured lips `(frames, 3)`."""
        loud = loudness_mouth(audio, len(values))
        instants = (np.arange(len(lips)) + 0.5) / VIDEO_FPS  # a video frame is exposed for as long as it lasts
        columns = [MEASURES.index(name) for name in MEASURED]
        mouths = [lips]
        for rig, of in ((values, layout), (loud, RigLayout.arkit())):
            measures = space.measures(space.shapes(rig, of))[:, columns]
            times = np.arange(len(measures)) / FPS
            mouths.append(np.stack([np.interp(instants, times, column) for column in measures.T], axis=1))
        known = np.isfinite(lips).all(axis=1) & (instants <= len(values) / FPS)
        if known.sum() >= _LEAST_FRAMES:
            self.clips.append(np.stack(mouths)[:, known])

    def extend(self, other: LipsInVideo) -> None:
        """Take in what another has collected."""
        self.clips += other.clips

    def scores(self) -> dict[str, float]:
        """For gap, width and jaw: `<measure>_r` over all frames, `<measure>_r_clip` the mean of the clips' own, both
        also for `loudness_...`, and `<measure>_r_over_loudness`; a curve that never moves counts 0."""
        found: dict[str, float] = {"clips": float(len(self.clips))}
        if not self.clips:
            return found
        pooled = np.concatenate(self.clips, axis=1)
        for place, name in enumerate(MEASURED):
            for source, prefix in ((1, ""), (2, "loudness_")):
                found[f"{prefix}{name}_r"] = _r(pooled[0, :, place], pooled[source, :, place])
                each = [_r(clip[0, :, place], clip[source, :, place]) for clip in self.clips]
                found[f"{prefix}{name}_r_clip"] = float(np.mean(each))
            found[f"{name}_r_over_loudness"] = found[f"{name}_r"] - found[f"loudness_{name}_r"]
        return found


def _r(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation; 0 where either never moves."""
    if one.std() < 1e-9 or other.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
