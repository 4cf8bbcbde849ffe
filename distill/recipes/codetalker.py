"""Train CodeTalker at a size that a core can carry: motion codes, then speech to codes (Xing et al. 2023).

    python -m distill.recipes.styled_corpus --people 32 --each 4 --out build/styled
    python -m distill.recipes.codetalker --corpus build/styled --ears whisper --out build/codetalker.teacher

As VOCASET's, its people speak without emotion: clips are labelled anew, each by its person in neutral. Motion is 50
principal components of meshes of our head. Killed at any moment, the same command goes on from `<out>.resume`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from distill.corpus.styled.clips import Clip, heard_clips, neutral, people_of
from distill.files.disk import atomic_write_text, check_writable
from distill.files.teacher import Trained
from distill.teachers.codetalker.network import CodeTalker, CodeTalkerSpec
from distill.teachers.codetalker.teacher import FILE
from distill.teachers.pretrained_ears import large_ears
from distill.training.begin import inputs_of_clips
from distill.training.codetalker import CodeClips, CodeTalkerPlan, book_loss, code_loss, seed_book
from distill.training.options import add_run_options, note, plan_of
from distill.training.run import Run
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.tools.command import ending, say

_TEMPLATE_CLIPS = 64


def train(
    spec: CodeTalkerSpec, plan: CodeTalkerPlan, clips: Sequence[Clip], out: Path, made: Mapping[str, object],
    face: Face | None = None,
) -> Trained[CodeTalker]:  # fmt: skip
    """Train both stages of `spec` by `plan` on clips that the ears heard, and write it to `out`. face: whose meshes its
    components are of, our head by default.

    Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if the resume file is of another
    run, and `DataError` before the first step if `out` cannot be written or nobody heard the clips.
    """
    check_writable(out)
    torch.manual_seed(plan.seed)
    layout = RigLayout.named(spec.rig)
    network = CodeTalker(spec, len(layout))
    assert network.mesh is not None, "a recipe trains on components"
    kept = network.mesh.fit(np.concatenate([clip.motion for clip in clips]), face or Face.default(), layout)
    motions = [network.mesh.code(torch.from_numpy(clip.motion)).numpy() for clip in clips]
    data = CodeClips(clips, motions, spec.people, plan.seconds)
    seed_book(network, data.batch(np.random.default_rng(plan.seed), _TEMPLATE_CLIPS)[1])
    run = Run.begin(spec, plan, network.train(), out, inputs_of_clips(clips))
    settled = False

    def loss(random: np.random.Generator, step: int) -> torch.Tensor:
        nonlocal settled
        torch.manual_seed(int(random.integers(2**31)))  # dropout, the same after a resume
        rows, motion, people = data.batch(random, plan.batch)
        if step < plan.book_steps:
            return book_loss(network, motion)
        if not settled:  # the second stage learns on the first's averaged weights
            own = {k.removeprefix("autoencoder."): v for k, v in run.average.items() if k.startswith("autoencoder.")}
            network.autoencoder.load_state_dict(own)
            settled = True
        return code_loss(network, rows, motion, people, plan.alone)

    run.go(plan.total, loss, plan.rate)
    training = {
        "recipe": "codetalker", "plan": asdict(plan), "clips": len(clips), "mesh_variance_kept": round(kept, 6),
        "minutes_of_speech": round(sum(len(c.audio) for c in clips) / 16000 / 60, 1), **run.facts, **made,
    }  # fmt: skip
    trained = Trained(FILE, spec, FILE.halved(run.average), layout, training=training)
    run.end(lambda: trained.save(out))
    return trained


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.codetalker", description=__doc__.split("\n")[0])
    parser.add_argument("--settings", type=Path, default=FILE.settings, help="YAML of the network's shape")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.styled_corpus")
    parser.add_argument("--ears", default="whisper", help="whisper, whisper:FOLDER, or a HuBERT by name or folder")
    parser.add_argument("--face", type=Path, help="face (npz, glTF) whose meshes it learns; our head by default")
    add_run_options(parser, CodeTalkerPlan, asdict(CodeTalkerPlan()))
    options = parser.parse_args(arguments)
    made = note("distill.recipes.codetalker", arguments, options)
    with ending(f"stopped; the same command goes on from {options.out}.resume") as end:
        plan = plan_of(options, CodeTalkerPlan())
        spec, ears = FILE.shape(options.settings), large_ears(options.ears)
        layout = RigLayout.named(spec.rig)
        clips = neutral(heard_clips(options.corpus, "train", layout, ears, options.ears), layout)
        people = people_of(clips)
        spec = replace(
            spec, name=options.out.stem, ears=options.ears, features=ears.size, people=people, speaker=people[0]
        )
        face = Face.from_file(options.face) if options.face else None
        trained = train(spec, plan, clips, options.out, made, face)
        atomic_write_text(options.out.with_suffix(".md"), trained.card())
        say(f"{options.out}: loss {trained.training['final_loss']}")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
