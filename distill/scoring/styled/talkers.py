"""How well a teacher with styles does: the field's errors, lips by phones, legibility, time, and whose style it tells.

All on clips of people that it never learned from, with 95 % intervals over those people. Times are of the CPU, not of
the clock, so that other work on the machine counts little; ratios of one run are what to read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from distill.corpus.styled.clips import Clip
from distill.scoring.intervals import RESAMPLES, bounds, interval, picks
from distill.scoring.metrics import LipJudge
from distill.scoring.mouth.legibility import Legibility
from distill.scoring.mouth.specificity import Specificity
from distill.scoring.styled.face_errors import (
    FaceErrors,
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

FPS = 30.0


def judge(teacher: Teacher, clips: Sequence[Clip], face: Face | None = None, resamples: int = 0) -> dict[str, Any]:
    """What `judge_tracks` says of a teacher's labels, and CPU seconds a second of audio."""
    torch.set_num_threads(1)
    tracks, began = [], time.process_time()
    for clip in clips:
        tracks.append(teacher.label(clip.audio).values)
    spent = time.process_time() - began
    found = judge_tracks(teacher.layout, clips, tracks, face, resamples)
    return {**found, "cpu_s_per_s": spent / (sum(len(clip.audio) for clip in clips) / 16000)}


def judge_tracks(
    layout: RigLayout, clips: Sequence[Clip], tracks: Sequence[np.ndarray], face: Face | None = None, resamples: int = 0
) -> dict[str, Any]:
    """Errors of tracks against the clips' curves; by their phones closures, other consonants shut, and legibility.

    resamples: above 0, `intervals` holds [low, high] of each over so many draws of the people.
    """
    face = face or Face.default()
    lips, mouths, read = LipJudge(), Specificity(), Legibility()
    for clip, track in zip(clips, tracks, strict=True):
        if clip.phones:
            gap = face.lip_gap_cm(track, layout)
            lips.add(gap, FPS, clip.phones)
            mouths.add(gap, FPS, clip.phones, clip.person)
            read.add(track, FPS, clip.phones, clip.person)
    found = {
        **errors(layout, clips, tracks, face, resamples),
        "lips": asdict(lips.scores()),
        "mouth": mouths.scores(resamples),
        "read": read.scores(resamples) if read.poses else {},
    }
    ends = {
        f"{part}_{name}": two for part in ("mouth", "read") for name, two in found[part].pop("intervals", {}).items()
    }
    return {**found, "intervals": {**found.get("intervals", {}), **ends}}


def errors(
    layout: RigLayout, clips: Sequence[Clip], tracks: Sequence[np.ndarray], face: Face, resamples: int = 0
) -> dict[str, Any]:
    """Of rig curves as coefficients and, on `face`, as meshes of the vertices that speech or expression move."""
    upper, mouth = upper_vertices(face), lip_vertices(face)
    used = np.union1d(upper, mouth)
    part = Face(
        face.names, face.neutral_cm[used], face.deltas_cm[:, used], np.zeros((0, 3), np.int32),
        int(np.searchsorted(used, face.upper_lip)), int(np.searchsorted(used, face.lower_lip)),
    )  # fmt: skip
    places = np.searchsorted(used, mouth), np.searchsorted(used, upper)
    regions = channels(layout, MOUTH), channels(layout, UPPER)
    meshes, rigs = [], []
    for clip, track in zip(clips, tracks, strict=True):  # a clip at a time: all meshes at once are gigabytes
        pair = [[part.vertices(values, layout)] for values in (clip.motion, track)]
        meshes.append(mesh_errors(pair[0], pair[1], part.neutral_cm, *places))
        rigs.append(coefficient_errors([clip.motion], [track], *regions))
    found: dict[str, Any] = {"mesh": asdict(pooled(meshes, squared=True)), "rig": asdict(pooled(rigs))}
    if resamples:
        people = [clip.person for clip in clips]
        drawn = [pooled([meshes[i] for i in pick], squared=True) for pick in picks(people, resamples)]
        found["intervals"] = {
            f"mesh_{name}": bounds(np.array([getattr(one, name) for one in drawn]))
            for name in ("lve", "eve", "fdd", "abs_fdd", "mve")
        }
    return found


def pooled(each: Sequence[FaceErrors], squared: bool = False) -> FaceErrors:
    """Errors of all sequences from those of each. squared: of meshes, whose LVE and EVE go over all frames together."""
    frames = np.array([one.frames for one in each])
    weights = frames if squared else None

    def mean(name: str, weighed: bool = False) -> float:
        values = np.array([getattr(one, name) for one in each])
        return float(np.average(values, weights=weights if weighed else None))

    return FaceErrors(
        mean("lve", True), mean("eve", True), mean("fdd"), mean("abs_fdd"), mean("mve"), int(frames.sum())
    )


def retrieval(teacher: DiffusionTalkerTeacher, clips: Sequence[Clip], seconds: float = 5.0) -> dict[str, Any]:
    """Whether clips of the same person, and of the same emotion, lie next to one another, told by `seconds` of each
    (`told_apart`). Empty without a personalizer."""
    if not teacher.spec.personal:
        return {}
    voices = [teacher.enrol(clip.audio[: int(seconds * 16000)], clip.name) for clip in clips]
    vectors = np.array([v.identity for v in voices]), np.array([v.emotion for v in voices])
    return told_apart(*vectors, [c.person for c in clips], [c.emotion for c in clips])


def told_apart(
    identity: np.ndarray, emotion: np.ndarray, people: Sequence[str], emotions: Sequence[str]
) -> dict[str, Any]:
    """`nearest` of a person's clips among those of other emotions, so that the mood does not tell the voice, and of an
    emotion's among other people's. Vectors `(n, d)`."""
    found = {
        "person": nearest(identity, people, emotions, people),
        "emotion": nearest(emotion, emotions, people, people),
    }
    return {name: told for name, told in found.items() if told}


def nearest(vectors: np.ndarray, wanted: Sequence[str], other: Sequence[str], whose: Sequence[str]) -> dict[str, Any]:
    """How often the nearest of `vectors` `(n, d)`, by angle, among those whose `other` differs, has the same `wanted`:
    `top1`, its interval over `whose`, and `chance`. Empty where nothing can be asked."""
    asked_of, apart = np.asarray(wanted), np.asarray(other)
    length = np.linalg.norm(vectors, axis=1)
    likeness = vectors @ vectors.T / np.maximum(length[:, None] * length, 1e-12)
    allowed = apart[:, None] != apart
    # where none of those that may be found is right, nothing is asked
    same = (asked_of[:, None] == asked_of) & allowed
    asked = np.flatnonzero(same.any(1))
    if not len(asked):
        return {}
    hits = asked_of[np.where(allowed, likeness, -np.inf).argmax(1)] == asked_of
    chance = [same[i].sum() / allowed[i].sum() for i in asked]
    ends = interval(lambda pick: float(hits[asked][pick].mean()), np.asarray(whose)[asked], RESAMPLES)
    return {"top1": float(hits[asked].mean()), "interval": ends, "chance": float(np.mean(chance)), "asked": len(asked)}


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table: one line a talker."""
    head = ["talker", "LVE, cm²", "EVE, cm²", "FDD, cm²", "abs FDD", "PBM, %", "recall at 2 %", "open vowels shut, %",
            "AUC", "legibility", "file, KB", "CPU s a s", "person, top 1", "emotion, top 1"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, row in rows.items():
        mesh, lips = row["mesh"], row["lips"]
        told = [f"{row[key]['top1']:.2f}" if key in row else "" for key in ("person", "emotion")]
        cells = [
            name, f"{mesh['lve']:.4f}", f"{mesh['eve']:.4f}", f"{mesh['fdd']:.4f}", f"{mesh['abs_fdd']:.4f}",
            f"{100 * lips['pbm']:.1f}", f"{100 * lips['recall_at_2pct']:.1f}", f"{100 * lips['false_closure']:.1f}",
            f"{lips['auc']:.3f}", f"{row['read'].get('legibility', float('nan')):.3f}",
            f"{row.get('file_bytes', 0) / 1000:,.0f}", f"{row['cpu_s_per_s']:.4f}", *told,
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
