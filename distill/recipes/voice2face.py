"""Train Voice2Face, the paper's teacher: from captured faces, from labelled speech, or from both (appendix A).

    python -m distill.recipes.voice2face --captures DIR --encoder facebook/hubert-xlarge-ll60k --out studio.teacher
    python -m distill.recipes.voice2face --corpus build/corpus --encoder small --out build/voice2face.teacher

The first is the paper's: a pretrained HuBERT, frozen, under an hour of speech with captured animation
(`corpus/capture/reader.py`). The second needs neither: a small HuBERT learns with the rest, on a corpus that another
teacher labelled. `--init` goes on from a trained one: a studio's captures on top of a corpus. Killed at any moment, the
same command goes on from the last `<out>.resume`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.corpus.capture.reader import read_captures, to_shard
from distill.corpus.shards import Shard
from distill.corpus.shelf import load_shards
from distill.files.disk import check_writable
from distill.files.teacher import Trained
from distill.speech.augment import Augment
from distill.speech.phonetics import CLASSES
from distill.teachers.voice2face.network import Voice2Face, Voice2FaceSpec
from distill.teachers.voice2face.speech_encoder import CEPSTRA, SMALL, SpeechEncoder, build_encoder
from distill.teachers.voice2face.teacher import FILE, Voice2FaceTeacher
from distill.training.begin import inputs_of
from distill.training.calibration import calibrated
from distill.training.options import add_run_options, add_sound_options, note, plan_of
from distill.training.run import Run
from distill.training.voice2face.feed import Feed, Objective, Rows, WholeRecordings, by_source, poses
from distill.training.voice2face.plan import Voice2FacePlan
from sdk.errors import CheckpointError, ConfigError, DataError
from sdk.faces.face import Face
from sdk.tools.command import ending, say

_PENULTIMATE = -2
_CALIBRATION_CLIPS = 150
ROW_UTTERANCE_S = 8.0


@dataclass(frozen=True)
class Speech:
    """What it learns from. corpus: a folder of shards. captures: a folder of recordings with curves, less those whose
    names are in `leave_out`. noise, rooms: folders for the augmentation, which only an encoder that learns meets."""

    corpus: Path | None = None
    captures: Path | None = None
    leave_out: Sequence[str] = ()
    noise: Path | None = None
    rooms: Path | None = None
    made: Mapping[str, object] = field(default_factory=dict)

    def shards(self, spec: Voice2FaceSpec) -> list[Shard]:
        """Corpus and captures. Raises `DataError` where there is neither."""
        shards = load_shards(self.corpus, "train") if self.corpus else []
        if self.captures:
            # rows are filled with utterances; a pretrained encoder hears a recording whole, however long
            longest_s = ROW_UTTERANCE_S if spec.encoder.source in (SMALL, CEPSTRA) else math.inf
            shards = [*shards, to_shard(read_captures(self.captures, self.leave_out), spec.layout, longest_s)]
        if not shards:
            raise DataError("nothing to train on: give --captures, --corpus or both")
        return shards


def with_encoder(spec: Voice2FaceSpec, source: str | None) -> tuple[Voice2FaceSpec, SpeechEncoder]:
    """The spec with the encoder `source` (its own, if None), a pretrained one's penultimate layer, and the encoder."""
    encoder = spec.encoder
    if source and source != encoder.source:
        layer = encoder.layer if source in (SMALL, CEPSTRA) else _PENULTIMATE
        encoder = replace(encoder, source=source, layer=layer)
    built = build_encoder(encoder)
    return replace(spec, encoder=encoder, features=built.size), built


def train(
    spec: Voice2FaceSpec,
    plan: Voice2FacePlan,
    speech: Speech,
    out: Path,
    encoder: SpeechEncoder,
    init: Trained[Voice2Face] | None = None,
) -> Trained[Voice2Face]:
    """Train `spec` by `plan` on `speech` and write it to `out`; `encoder`: what `with_encoder` built; `init`: a trained
    one of the same shape to go on from, whose mesh space is kept.

    Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if `init` or the resume file is of
    another teacher or plan, and `DataError` before the first step if `out` cannot be written.
    """
    check_writable(out)
    shards = speech.shards(spec)
    captured = "captured" in by_source(shards)
    if captured:
        spec = replace(spec, tag="captured")  # the best quality that it has seen is what it imitates
    face, seen = Face.default(), poses(shards, spec.layout.names)
    torch.manual_seed(plan.seed)
    network = Voice2Face(spec, len(CLASSES) if spec.encoder.trained_here else 0).train()
    kept = network.mesh.fit(seen, face, spec.layout)
    if init and replace(init.spec, tag=spec.tag) != spec:
        raise CheckpointError(
            f"cannot begin from a {init.spec.name} of another shape: give its own settings and encoder"
        )
    if init:
        network.load_state_dict(init.network().state_dict())
    objective = Objective(plan, network, face, seen)
    degrades = spec.encoder.source in (SMALL, CEPSTRA)  # an encoder that learns or costs nothing hears rows anew
    augment = Augment.from_folders(speech.noise, speech.rooms) if degrades else None
    run = Run.begin(spec, plan, network, out, inputs_of(shards, augment, init))
    ears = network.encoder or encoder.to(run.accelerator.device)
    feed: Feed
    if augment:
        feed = Rows(spec, plan, shards, ears, augment)
    else:  # a pretrained one hears whole recordings, once
        feed = WholeRecordings(spec, plan, shards, ears, out.with_name(out.name + ".features"))

    def loss(random: np.random.Generator, step: int) -> Tensor:
        torch.manual_seed(int(random.integers(2**31)))  # dropout and the latent's samples, the same after a resume
        return objective(feed.batch(random), random, step / plan.steps)

    run.go(plan.steps, loss, plan.rate)
    provenance = {
        "recipe": "voice2face", "plan": asdict(plan), "encoder": spec.encoder.source,
        "corpus_hours": round(feed.corpus_hours, 2), "mesh_variance_kept": round(kept, 5),
        "left_out": ", ".join(speech.leave_out) or "nothing", "labels": sorted({s.teacher for s in shards}),
        **run.facts, **speech.made, **({"init": init.training} if init else {}),
    }  # fmt: skip
    trained = Trained(FILE, spec, FILE.halved(run.average), spec.layout, training=provenance)
    teacher = Voice2FaceTeacher(trained, None if spec.encoder.trained_here else encoder)
    curves = lambda waveform: teacher.curves(waveform[None])[0]  # noqa: E731
    trained = calibrated(trained, speech.corpus, float(teacher.fps), curves, _CALIBRATION_CLIPS)
    run.end(lambda: trained.save(out))
    return trained


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.voice2face", description=__doc__.split("\n")[0])
    parser.add_argument("--settings", type=Path, default=FILE.settings, help="YAML of the network's shape")
    parser.add_argument("--captures", type=Path, help="folder of recordings with captured curves beside them")
    parser.add_argument("--leave-out", nargs="*", default=[], help="captures not to learn from, to score on: names")
    parser.add_argument("--corpus", type=Path, help="folder of distill.recipes.corpus or pseudo_label")
    parser.add_argument("--encoder", help="HuBERT by hub name or folder, or `small`, or `mfcc`; default: the settings'")
    parser.add_argument("--init", type=Path, help="trained Voice2Face of the same shape to go on from")
    add_sound_options(parser)
    add_run_options(parser, Voice2FacePlan, asdict(Voice2FacePlan()))
    options = parser.parse_args(arguments)
    made = note("distill.recipes.voice2face", arguments, options)
    with ending(f"stopped; the same command goes on from {options.out}.resume") as end:
        plan = plan_of(options, Voice2FacePlan())
        if options.leave_out and not options.captures:
            raise ConfigError("--leave-out names captures, and no --captures are given")
        spec, encoder = with_encoder(FILE.shape(options.settings), options.encoder)
        init = FILE.load(options.init) if options.init else None
        speech = Speech(options.corpus, options.captures, options.leave_out, options.noise, options.rooms, made)
        trained = train(spec, plan, speech, options.out, encoder, init)
        say(f"{options.out}: gaps up to {trained.shut_cm:.3f} cm count as shut; score it with distill.recipes.evaluate")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
