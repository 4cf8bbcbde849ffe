"""Rows of the paper's Table 4: teachers and students that speak in components of meshes, judged on the meshes.

PBM accuracy, LVE and legibility are of all faces alike; `mse` is of vertices against the teacher's meshes, in cm² a
coordinate (the paper's is in metres), `jitter` of the middle of the lower lip (eq. 9 and 10) in cm²/frame⁴.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.corpus.styled.clips import Clip
from distill.scoring.metrics import jitter
from distill.scoring.styled.talkers import judge_tracks
from distill.teachers.voice2face.mesh_space import MeshSpace
from sdk.faces.face import Face
from sdk.rig import RigLayout


def mesh_row(
    mesh: MeshSpace,
    layout: RigLayout,
    clips: Sequence[Clip],
    codes: Sequence[Tensor],
    teacher: Sequence[Tensor] = (),
    resamples: int = 0,
) -> dict[str, Any]:
    """Scores of `codes`, (frames, components) of each clip; against the clips' curves, and against the codes of a
    `teacher` where they are given."""
    with torch.inference_mode():
        tracks = [mesh.unbounded(one).numpy() for one in codes]
    found = {**judge_tracks(layout, clips, tracks, None, resamples), "jitter": _jitter(tracks, layout)}
    if teacher:
        apart = [(a[: len(b)] - b[: len(a)]) * mesh.spread for a, b in zip(codes, teacher, strict=True)]
        coordinates = 3 * len(Face.default().neutral_cm)
        found["mse"] = float(torch.cat(apart).square().sum(1).mean()) / coordinates
    return found


def rig_row(
    layout: RigLayout, clips: Sequence[Clip], tracks: Sequence[np.ndarray], resamples: int = 0
) -> dict[str, Any]:
    """The same of rig curves, `(frames, channels)` of each clip: what is no student of meshes."""
    return {**judge_tracks(layout, clips, tracks, None, resamples), "jitter": _jitter(tracks, layout)}


def _jitter(tracks: Sequence[np.ndarray], layout: RigLayout) -> float:
    face = Face.default()
    shakes = [jitter(face.lower_lip_cm(track, layout)) for track in tracks]
    return float(np.average(shakes, weights=[len(track) for track in tracks]))
