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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from distill.corpus.capture.reader import read_captures, to_shard
from distill.corpus.shards import LABEL_HZ, Shard
from distill.corpus.shelf import load_shards
from distill.files.disk import check_writable
from distill.speech.augment import Augment
from distill.speech.phones import Phone, from_json
from distill.speech.phonetics import CLASSES
from distill.teachers.closing import calibrate, can_close
from distill.teachers.voice2face.network import Voice2Face, Voice2FaceSpec
from distill.teachers.voice2face.speech_encoder import CEPSTRA, SMALL, SpeechEncoder, build_encoder
from distill.teachers.voice2face.teacher import SETTINGS, TrainedVoice2Face, Voice2FaceTeacher, half, load_settings
from distill.training.options import note
from distill.training.run import Run
from distill.training.voice2face_feed import Feed, Heard, Objective, Rows, by_source, poses
from distill.training.voice2face_plan import Voice2FacePlan
from sdk.command import ending, say
from sdk.errors import CheckpointError, ConfigError, DataError
from sdk.faces.face import CLOSED_CM, Face

_PENULTIMATE = -2
_CALIBRATION_CLIPS = 150
ROW_UTTERANCE_S = 8.0
DEFAULTS = Voice2FacePlan()
OPTIONS = {name: type(getattr(DEFAULTS, name)) for name in DEFAULTS.__dataclass_fields__}


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
    init: TrainedVoice2Face | None = None,
) -> TrainedVoice2Face:
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
    run = Run.begin(spec, asdict(plan), network)  # type: ignore[arg-type]
    feed = _feed(spec, plan, shards, network.encoder or encoder.to(run.accelerator.device), speech, out)
    resume_file = out.with_name(out.name + ".resume")
    if resume_file.exists():
        run.resume(resume_file)

    def loss(random: np.random.Generator, step: int) -> Tensor:
        torch.manual_seed(int(random.integers(2**31)))  # dropout and the latent's samples, the same after a resume
        return objective(feed.batch(random), random, step / plan.steps)

    run.go(plan.steps, loss, plan.rate, resume_file)
    provenance = {
        "recipe": "voice2face", "plan": asdict(plan), "encoder": spec.encoder.source,
        "corpus_hours": round(feed.corpus_hours, 2), "mesh_variance_kept": round(kept, 5),
        "left_out": ", ".join(speech.leave_out) or "nothing", "labels": sorted({s.teacher for s in shards}),
        "train_minutes": round(run.seconds / 60, 1), "final_loss": round(float(run.smooth_loss or 0.0), 5),
        **speech.made, **({"init": init.training} if init else {}),
    }  # fmt: skip
    state = half({name: value.cpu() for name, value in run.average.items()})
    trained = TrainedVoice2Face(spec, state, spec.layout, training=provenance)
    trained = calibrated(trained, speech.corpus, None if spec.encoder.trained_here else encoder)
    run.end(lambda: trained.save(out), resume_file)
    return trained


def _feed(
    spec: Voice2FaceSpec,
    plan: Voice2FacePlan,
    shards: Sequence[Shard],
    encoder: SpeechEncoder,
    speech: Speech,
    out: Path,
) -> Feed:
    """Degraded rows for an encoder that learns or costs nothing; whole recordings, heard once, for a pretrained one."""
    if spec.encoder.source in (SMALL, CEPSTRA):
        return Rows(spec, plan, shards, encoder, Augment.from_folders(speech.noise, speech.rooms))
    return Heard(spec, plan, shards, encoder, out.with_name(out.name + ".features"))


def calibrated(trained: TrainedVoice2Face, corpus: Path | None, encoder: SpeechEncoder | None) -> TrainedVoice2Face:
    """The teacher with its `shut_cm` read off the corpus's validation speakers, recordings where there are any.

    As it is for a rig that cannot close by name, and without validation speakers.
    """
    if corpus is None or not can_close(trained.layout) or not list((corpus / "shards").glob("valid-*.npz")):
        return trained
    shards = load_shards(corpus, "valid")
    shards = [shard for shard in shards if "-human-" in shard.path.name] or shards
    clips = [(shard, i) for shard in shards for i in range(len(shard))]
    clips = clips[:: max(len(clips) // _CALIBRATION_CLIPS, 1)]
    teacher, face = Voice2FaceTeacher(trained, encoder), Face.default()

    def tracks() -> Iterator[tuple[np.ndarray, float, list[Phone]]]:
        for shard, i in tqdm(clips, desc="calibrating", unit="clip"):
            audio, label = shard.utterance(i)
            curves = teacher.curves(audio.astype(np.float32)[None] / 32768)[0]
            phones = from_json(shard.phones[i]) or open_stretches(face.lip_gap_cm(label.values, label.layout))
            yield face.lip_gap_cm(curves, trained.layout), float(teacher.fps), phones

    return replace(trained, shut_cm=calibrate(tracks()))


def open_stretches(gap_cm: np.ndarray) -> list[Phone]:
    """Where a label of `LABEL_HZ` rows a second, its lip gap `(N,)`, is open for 50 ms or more: as open vowels, for
    recordings that were labelled without phones."""
    wide = np.concatenate([[0], (gap_cm >= 2 * CLOSED_CM).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(wide)).reshape(-1, 2) / LABEL_HZ
    return [Phone("a", start, end) for start, end in edges.tolist() if end - start >= 0.05]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.voice2face", description=__doc__.split("\n")[0])
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="YAML of the network's shape")
    parser.add_argument("--captures", type=Path, help="folder of recordings with captured curves beside them")
    parser.add_argument("--leave-out", nargs="*", default=[], help="captures not to learn from, to score on: names")
    parser.add_argument("--corpus", type=Path, help="folder of distill.recipes.corpus or pseudo_label")
    parser.add_argument("--encoder", help="HuBERT by hub name or folder, or `small`, or `mfcc`; default: the settings'")
    parser.add_argument("--init", type=Path, help="trained Voice2Face of the same shape to go on from")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")
    parser.add_argument("--data", nargs="*", help="what it learns from and its licences, for the card")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    for name, kind in OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=getattr(DEFAULTS, name))
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    made = note("distill.recipes.voice2face", arguments, options)
    with ending(f"stopped; the same command goes on from {options.out}.resume") as end:
        plan = Voice2FacePlan(**{name: getattr(options, name) for name in OPTIONS})
        if options.leave_out and not options.captures:
            raise ConfigError("--leave-out names captures, and no --captures are given")
        spec, encoder = with_encoder(load_settings(options.settings), options.encoder)
        init = TrainedVoice2Face.load(options.init) if options.init else None
        speech = Speech(options.corpus, options.captures, options.leave_out, options.noise, options.rooms, made)
        trained = train(spec, plan, speech, options.out, encoder, init)
        say(f"{options.out}: gaps up to {trained.shut_cm:.3f} cm count as shut; score it with distill.recipes.evaluate")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
