"""Train DiffusionTalker and distil it: fewer steps, smaller ears (seed 004).

    python -m distill.recipes.styled_corpus --people 32 --each 4 --out build/styled
    python -m distill.recipes.diffusiontalker train --corpus build/styled --ears whisper --out build/dt/large16.teacher
    python -m distill.recipes.diffusiontalker halve --corpus build/styled --teacher build/dt/large16.teacher --out ...8
    python -m distill.recipes.diffusiontalker compact --corpus build/styled --teacher build/dt/large2.teacher --out ...
    python -m distill.recipes.diffusiontalker evaluate build/dt/*.teacher --corpus build/styled
    python -m distill.recipes.diffusiontalker enrol build/dt/compact2.teacher --speech five_s.wav --out anna.voice

Killed at any moment, the same command goes on from the last `<out>.resume`. `--alpha-guide 0`, `--alpha-enhance 0` and
`--no-personalizer` are the ablations.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill.corpus.styled.clips import Clip, evenly, heard_clips, people_of
from distill.files.disk import atomic_write_text, check_writable, load_mono
from distill.files.teacher import Trained
from distill.scoring.intervals import RESAMPLES
from distill.scoring.styled.talkers import judge, retrieval, table
from distill.teachers.diffusiontalker.ears import COMPACT
from distill.teachers.diffusiontalker.network import MESH, Talker, TalkerSpec
from distill.teachers.diffusiontalker.teacher import FILE, DiffusionTalkerTeacher
from distill.teachers.pretrained_ears import large_ears
from distill.teachers.voice2face.speech_encoder import SpeechEncoder
from distill.training.begin import inputs_of_clips
from distill.training.options import add_run_options, add_threads, note, plan_of, set_threads
from distill.training.run import Run
from distill.training.talker import (
    Learner,
    TalkerClips,
    TalkerPlan,
    begin_as,
    distil_loss,
    student_spec,
    train_loss,
)
from sdk.errors import ConfigError
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.tools.command import ending, say

FIVE_SECONDS = 5 * 16000


def train(
    spec: TalkerSpec, plan: TalkerPlan, clips: Sequence[Clip], out: Path, made: Mapping[str, object],
    teacher: Trained[Talker] | None = None,
) -> Trained[Talker]:  # fmt: skip
    """Train `spec` by `plan` on clips, from nothing or as a student of `teacher`, and write it to `out`.

    Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if the resume file is of another
    talker or plan, and `DataError` before the first step if `out` cannot be written or there are no clips.
    """
    check_writable(out)
    inputs = inputs_of_clips(clips, teacher)
    torch.manual_seed(plan.seed)
    layout = RigLayout.named(spec.rig)
    network = Talker(spec, len(layout))
    if network.mesh is not None:
        kept = network.mesh.fit(np.concatenate([clip.motion for clip in clips]), Face.default(), layout)
        clips = [replace(clip, motion=network.mesh.code(torch.from_numpy(clip.motion)).numpy()) for clip in clips]
        made = {**made, "mesh_variance_kept": round(kept, 6)}
    learner = Learner(network, layout)
    above = teacher.network().requires_grad_(False) if teacher else None
    if above is not None:
        begin_as(network, above)
    else:
        learner.fit(clips)
    data = TalkerClips(clips, spec, plan.seconds)
    run = Run.begin(spec, plan, learner.train(), out, inputs)

    def loss(random: np.random.Generator, step: int) -> torch.Tensor:
        batch = data.batch(random, plan.batch)
        if above is None:
            return train_loss(learner, plan, batch, random)
        return distil_loss(learner, above, plan, batch, random)

    run.go(plan.steps, loss, plan.rate)
    state = {name.removeprefix("network."): value for name, value in run.average.items() if name.startswith("network.")}
    training = {
        "recipe": "diffusiontalker", "plan": asdict(plan), "clips": len(clips),
        "minutes_of_speech": round(sum(len(c.audio) for c in clips) / 16000 / 60, 1), **run.facts, **made,
        **({"teacher": f"{teacher.spec.name}, weights {teacher.weights_sha256}"} if teacher else {}),
    }  # fmt: skip
    trained = Trained(FILE, spec, FILE.halved(state), layout, training=training)
    run.end(lambda: trained.save(out))
    return trained


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    set_threads(options)
    with ending(f"stopped; the same command goes on from {getattr(options, 'out', '')}.resume") as end:
        {"train": _train, "halve": _distil, "compact": _distil, "evaluate": _evaluate, "enrol": _enrol}[options.do](
            options, arguments
        )
    return end.status


def _train(options: argparse.Namespace, arguments: list[str] | None) -> None:
    spec = FILE.shape(options.settings)
    ears = None if options.ears == COMPACT else large_ears(options.ears)
    clips = heard_clips(options.corpus, "train", RigLayout.named(spec.rig), ears, options.ears)
    spec = replace(
        spec, name=options.out.stem, ears=options.ears, features=ears.size if ears else 0, people=people_of(clips),
        emotions=sorted({clip.emotion for clip in clips}), personal=not options.no_personalizer,
        motion=MESH if options.mesh else spec.motion,
    )  # fmt: skip
    trained = train(
        spec,
        plan_of(options, TalkerPlan()),
        clips,
        options.out,
        note("distill.recipes.diffusiontalker", arguments, options),
    )
    _finish(trained, options.out)


def _distil(options: argparse.Namespace, arguments: list[str] | None) -> None:
    teacher = FILE.load(options.teacher)
    settings = FILE.shape(options.settings)
    compact = options.do == "compact"
    if compact and teacher.spec.compact:
        raise ConfigError(f"{options.teacher} has compact ears already; give one with large ears")
    spec = student_spec(teacher.spec, compact, options.out.stem, settings.ears_width, settings.ears_blocks)
    ears = None if teacher.spec.compact else large_ears(teacher.spec.ears)
    clips = heard_clips(options.corpus, "train", teacher.layout, ears, teacher.spec.ears)
    made = note("distill.recipes.diffusiontalker", arguments, options)
    _finish(train(spec, plan_of(options, TalkerPlan()), clips, options.out, made, teacher), options.out)


def _finish(trained: Trained[Talker], out: Path) -> None:
    atomic_write_text(out.with_suffix(".md"), trained.card())
    say(f"{out}: loss {trained.training['final_loss']}; score it with distill.recipes.diffusiontalker evaluate")


def _evaluate(options: argparse.Namespace, arguments: list[str] | None) -> None:
    rows: dict[str, Any] = {}
    known: dict[str, SpeechEncoder | None] = {COMPACT: None}
    for path in options.talkers:
        trained = FILE.load(path)
        source = trained.spec.ears
        if source not in known:
            known[source] = large_ears(source)
        ears, layout = known[source], trained.layout
        clips = [c for side in options.split for c in heard_clips(options.corpus, side, layout, ears, source)]
        clips = evenly(clips, options.clips or len(clips))
        teacher = DiffusionTalkerTeacher(trained, ears)
        found = {**judge(teacher, clips, resamples=RESAMPLES), **retrieval(teacher, clips)}
        rows[path.stem] = {**found, "file_bytes": path.stat().st_size, "training": trained.training}
        say(f"{path.stem}: {json.dumps(rows[path.stem])}")
        if options.into:
            scored = replace(trained, scores={f"styled_{'_'.join(options.split)}": found})
            scored.save(path)
            atomic_write_text(path.with_suffix(".md"), scored.card())
    if options.json:
        atomic_write_text(options.json, json.dumps(rows, indent=1))
    print(table(rows))


def _enrol(options: argparse.Namespace, arguments: list[str] | None) -> None:
    teacher = DiffusionTalkerTeacher(options.talker)
    voice = teacher.enrol(load_mono(options.speech)[:FIVE_SECONDS], options.speech.stem)
    voice.save(options.out)
    say(f"{options.out}: {voice.name}, from {options.speech}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.diffusiontalker", description=(__doc__ or "").split("\n")[0]
    )
    commands = parser.add_subparsers(dest="do", required=True)
    for name in ("train", "halve", "compact"):
        one = commands.add_parser(name)
        one.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.styled_corpus")
        one.add_argument("--settings", type=Path, default=FILE.settings, help="YAML of the network's shape")
        add_run_options(one, TalkerPlan, asdict(TalkerPlan()))
        if name == "train":
            one.add_argument("--ears", default="whisper", help="whisper, whisper:FOLDER, a HuBERT, or compact")
            one.add_argument("--no-personalizer", action="store_true", help="the ablation")
            one.add_argument("--mesh", action="store_true", help="motion as principal components of meshes")
        else:
            one.add_argument("--teacher", type=Path, required=True, help="the .teacher that it learns from")
    one = commands.add_parser("evaluate")
    one.add_argument("talkers", type=Path, nargs="+", help=".teacher files")
    one.add_argument("--corpus", type=Path, required=True)
    one.add_argument("--split", nargs="+", default=["valid", "test"], help="whose clips; nothing is chosen by `valid`")
    one.add_argument("--clips", type=int, default=0, help="only so many, evenly drawn; 0 = all")
    one.add_argument("--into", action="store_true", help="keep the scores in the files and their cards")
    one.add_argument("--json", type=Path, help="file for the figures")
    add_threads(one)
    one = commands.add_parser("enrol")
    one.add_argument("talker", type=Path)
    one.add_argument("--speech", type=Path, required=True, help="a recording; its first five seconds are heard")
    one.add_argument("--out", type=Path, required=True)
    add_threads(one)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
