"""The paper's Table 4 here: CodeTalker teaches S0 through 50 components of meshes, and all are judged on the meshes.

    python -m distill.recipes.table4 --corpus build/styled --teacher build/codetalker.teacher --json build/table4.json

Mean face, loudness, exact phones and the components' own best stand beside them. Faces are neutral, as the paper's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.corpus.shelf import load_shards
from distill.corpus.styled.clips import Clip, clips_of, evenly, neutral
from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_write_text
from distill.scoring.controls import loudness_mouth
from distill.scoring.intervals import RESAMPLES
from distill.scoring.styled.mesh_rows import mesh_row, rig_row
from distill.students.components import ComponentStudent, hidden
from distill.students.spec import WindowStudentSpec
from distill.students.window import WindowStudent
from distill.teachers.codetalker.teacher import FILE, CodeTalkerTeacher
from distill.teachers.diffusiontalker.ears import frames_of
from distill.teachers.voice2face.speech_encoder import SpeechEncoder
from distill.training.plan import check_plan, warm_cosine
from sdk.errors import ConfigError, DataError
from sdk.tools.command import ending, say
from sdk.window import WindowSpec

VERTICES_OF_VOCASET = 5023


@dataclass(frozen=True)
class ComponentsPlan:
    """every: of the frames that are heard, each so manieth; steps of `batch` frames."""

    every: int = 3
    steps: int = 2000
    batch: int = 256
    learning_rate: float = 2e-3
    seed: int = 1

    def __post_init__(self) -> None:
        check_plan(self, counts=("every", "steps", "batch"))


def learn(
    student: WindowStudent,
    window: WindowSpec,
    spoken: Sequence[tuple[np.ndarray, Tensor]],
    spread: Tensor,
    plan: ComponentsPlan,
) -> ComponentStudent:
    """The student of recordings and their codes `(frames, components)`. spread: of each component in cm, by which its
    error weighs: then the loss is the meshes' own. Raises `DataError` without recordings."""
    if not spoken:
        raise DataError("no recordings whose meshes a student could learn")
    torch.manual_seed(plan.seed)
    wanted = torch.cat([codes[:: plan.every] for _, codes in spoken])
    made = ComponentStudent(student, wanted.shape[1], 1.25 * wanted.abs().amax(0).clamp(min=1e-3))
    heard = torch.cat(
        [hidden(made.hears, audio, window, plan.every)[: len(codes[:: plan.every])] for audio, codes in spoken]
    )
    heard = heard.clone()  # of inference mode, which no gradient may go through
    optimiser = torch.optim.AdamW([*made.fc2.parameters(), *made.fc3.parameters()], lr=plan.learning_rate)
    random = np.random.default_rng(plan.seed)
    for step in range(plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = warm_cosine(plan.learning_rate, step, plan.steps, 50, 0.02)
        rows = torch.from_numpy(random.integers(len(wanted), size=plan.batch))
        loss = ((made.last(heard[rows]) - wanted[rows]) * spread).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return made.eval()


def table4(
    corpus: Path, path: Path, s0: Checkpoint, plan: ComponentsPlan, encoder: SpeechEncoder | None = None,
    taught: int = 160, asked: int = 32,
) -> dict[str, Any]:  # fmt: skip
    """Rows by name. taught, asked: how many clips the teacher speaks for the student, and how many of strangers are
    judged, drawn evenly. Raises `ConfigError` for an S0 that is no window student, and as the teacher does."""
    student = s0.student()
    if not isinstance(student, WindowStudent) or not isinstance(s0.spec, WindowStudentSpec):
        raise ConfigError(f"{s0.spec.name} is no window student; Table 4's is an S0")
    window, teacher = s0.spec.window, CodeTalkerTeacher(path, encoder)
    layout, mesh = teacher.layout, teacher.network.mesh
    assert mesh is not None
    sides = {"train": ("train",), "strangers": ("valid", "test")}
    read = {
        side: [c for split in splits for c in clips_of(load_shards(corpus, split), layout)]
        for side, splits in sides.items()
    }
    clips = neutral(evenly(read["strangers"], asked), layout)
    lessons = evenly(read["train"], taught)
    spoken = [(clip.audio, teacher.components(clip.audio)) for clip in lessons]
    made = learn(student, window, spoken, mesh.spread, plan)
    theirs, theirs_s = _timed(clips, teacher.components)
    ours, ours_s = _timed(clips, lambda audio: made.codes(audio, window))
    best = [mesh.code(torch.from_numpy(clip.motion)) for clip in clips]
    still = np.concatenate([clip.motion for clip in neutral(lessons, layout)]).mean(0)
    loud = [loudness_mouth(clip.audio, frames_of(len(clip.audio))) for clip in clips]
    rows = {
        "mean face": rig_row(layout, clips, [np.tile(still, (len(c.motion), 1)) for c in clips], RESAMPLES),
        "loudness": rig_row(layout, clips, loud, RESAMPLES),
        "CodeTalker": {
            **mesh_row(mesh, layout, clips, theirs, (), RESAMPLES), "cpu_s_per_s": theirs_s, **_of_teacher(teacher),
        },
        "S0": {**mesh_row(mesh, layout, clips, ours, theirs, RESAMPLES), "cpu_s_per_s": ours_s, **_of_student(made)},
        "labels through 50 components": mesh_row(mesh, layout, clips, best, (), RESAMPLES),
        "labels": rig_row(layout, clips, [clip.motion for clip in clips], RESAMPLES),
    }  # fmt: skip
    made_of = {"taught_clips": len(lessons), "asked_clips": len(clips), "steps": plan.steps, "every": plan.every}
    return {"rows": rows, "made": {**made_of, "teacher": FILE.load(path).training}}


def _timed(clips: Sequence[Clip], speak: Callable[[np.ndarray], Tensor]) -> tuple[list[Tensor], float]:
    began = time.process_time()
    codes = [speak(clip.audio) for clip in clips]
    return codes, (time.process_time() - began) / (sum(len(clip.audio) for clip in clips) / 16000)


def _of_teacher(teacher: CodeTalkerTeacher) -> dict[str, Any]:
    return {"parameters": sum(value.numel() for value in teacher.network.parameters()), "ears": teacher.spec.ears}


def _of_student(made: ComponentStudent) -> dict[str, Any]:
    components = made.fc3.out_features
    back = 3 * VERTICES_OF_VOCASET * (components + 1)
    return {"parameters": made.parameters_counted, "parameters_with_vocaset_basis": made.parameters_counted + back}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.table4", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.styled_corpus")
    parser.add_argument("--teacher", type=Path, required=True, help=".teacher of distill.recipes.codetalker")
    parser.add_argument("--s0", type=Path, default=Path("checkpoints/table2/s0.pt"), help="whose ears the student has")
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    parser.add_argument("--taught", type=int, default=160, help="clips that the teacher speaks")
    parser.add_argument("--asked", type=int, default=32, help="clips of strangers that are judged")
    parser.add_argument("--steps", type=int, default=ComponentsPlan().steps)
    options = parser.parse_args(arguments)
    with ending() as end:
        plan = replace(ComponentsPlan(), steps=options.steps)
        found = table4(
            options.corpus, options.teacher, Checkpoint.load(options.s0), plan, None, options.taught, options.asked
        )
        atomic_write_text(options.json, json.dumps(found, indent=1))
        say(f"{options.json}: {', '.join(found['rows'])}")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
