"""How well a teacher with styles does: the field's errors, lips by phones, time and size, and whose style it tells.

All on clips of people that it never learned from. Times are of the CPU, not of the clock, so that other work on the
machine counts little; ratios of one run are what to read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from distill.corpus.styled.clips import Clip
from distill.scoring.metrics import LipJudge
from distill.scoring.styled.face_errors import (
    coefficient_errors,
    lip_vertices,
    mesh_errors,
    upper_vertices,
)
from distill.teachers.diffusiontalker.teacher import DiffusionTalkerTeacher
from distill.teachers.regions import MOUTH, UPPER, channels
from distill.teachers.track import Teacher
from sdk.faces.face import Face
from sdk.rig import RigLayout


def judge(teacher: Teacher, clips: Sequence[Clip], face: Face | None = None) -> dict[str, Any]:
    """Errors against the clips' curves, closures by their phones, and CPU seconds a second of audio."""
    torch.set_num_threads(1)
    layout, lips = teacher.layout, LipJudge()
    face = face or Face.default()
    tracks, began = [], time.process_time()
    for clip in clips:
        tracks.append(teacher.label(clip.audio).values)
    spent = time.process_time() - began
    for clip, track in zip(clips, tracks, strict=True):
        if clip.phones:
            lips.add(face.lip_gap_cm(track, layout), 30.0, clip.phones)
    return {
        **errors(layout, [clip.motion for clip in clips], tracks, face),
        "lips": asdict(lips.scores()),
        "cpu_s_per_s": spent / (sum(len(clip.audio) for clip in clips) / 16000),
    }


def errors(layout: RigLayout, truth: Sequence[np.ndarray], tracks: Sequence[np.ndarray], face: Face) -> dict[str, Any]:
    """Of rig curves as coefficients and, on `face`, as meshes of the vertices that speech or expression move."""
    upper, mouth = upper_vertices(face), lip_vertices(face)
    used = np.union1d(upper, mouth)
    part = Face(
        face.names, face.neutral_cm[used], face.deltas_cm[:, used], np.zeros((0, 3), np.int32),
        int(np.searchsorted(used, face.upper_lip)), int(np.searchsorted(used, face.lower_lip)),
    )  # fmt: skip
    places = np.searchsorted(used, mouth), np.searchsorted(used, upper)
    meshes = [[part.vertices(track, layout) for track in side] for side in (truth, tracks)]
    return {
        "mesh": asdict(mesh_errors(meshes[0], meshes[1], part.neutral_cm, *places)),
        "rig": asdict(coefficient_errors(truth, tracks, channels(layout, MOUTH), channels(layout, UPPER))),
    }


def retrieval(teacher: DiffusionTalkerTeacher, clips: Sequence[Clip], seconds: float = 5.0) -> dict[str, Any]:
    """Whether clips of the same person, and of the same emotion, lie next to one another, told by `seconds` of each.

    Each clip asks for its nearest neighbour. Of a person's: among clips of other emotions, so that the mood does not
    tell the voice. Of an emotion's: among other people's. `chance` beside both. Empty without a personalizer.
    """
    if not teacher.spec.personal:
        return {}
    voices = [teacher.enrol(clip.audio[: int(seconds * 16000)], clip.name) for clip in clips]
    people, emotions = np.array([c.person for c in clips]), np.array([c.emotion for c in clips])
    found = {
        "person": _nearest(np.array([v.identity for v in voices]), people, emotions),
        "emotion": _nearest(np.array([v.emotion for v in voices]), emotions, people),
    }
    return {name: told for name, told in found.items() if told}


def _nearest(vectors: np.ndarray, wanted: np.ndarray, other: np.ndarray) -> dict[str, float]:
    likeness = vectors @ vectors.T / (np.linalg.norm(vectors, axis=1)[:, None] * np.linalg.norm(vectors, axis=1))
    allowed = other[:, None] != other
    likeness = np.where(allowed, likeness, -np.inf)
    asked = allowed.any(1)
    if not asked.any():
        return {}
    hits = wanted[likeness.argmax(1)] == wanted
    chance = [(wanted[allowed[i]] == wanted[i]).mean() for i in np.flatnonzero(asked)]
    return {"top1": float(hits[asked].mean()), "chance": float(np.mean(chance))}


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table: one line a talker."""
    head = ["talker", "LVE, cm²", "EVE, cm²", "FDD, cm²", "abs FDD", "PBM, %", "recall at 2 %", "open vowels shut, %",
            "AUC", "file, KB", "CPU s a s", "person, top 1", "emotion, top 1"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, row in rows.items():
        mesh, lips = row["mesh"], row["lips"]
        told = [f"{row[key]['top1']:.2f}" if key in row else "" for key in ("person", "emotion")]
        cells = [
            name, f"{mesh['lve']:.4f}", f"{mesh['eve']:.4f}", f"{mesh['fdd']:.4f}", f"{mesh['abs_fdd']:.4f}",
            f"{100 * lips['pbm']:.1f}", f"{100 * lips['recall_at_2pct']:.1f}", f"{100 * lips['false_closure']:.1f}",
            f"{lips['auc']:.3f}", f"{row.get('file_bytes', 0) / 1000:,.0f}", f"{row['cpu_s_per_s']:.4f}", *told,
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
