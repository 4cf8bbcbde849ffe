"""What one step of Voice2Face's training looks at: rows of speech with their meshes, and what is asked of the network.

Rows    the encoder learns too, or costs nothing (`small`, `mfcc`): rows of several utterances, degraded anew
Heard   the encoder is pretrained: it hears every recording whole and once, its features wait on the disk (3.1.1)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from distill.corpus.rows.classes import UNKNOWN_CLASS
from distill.corpus.rows.utterances import Utterances
from distill.corpus.shards import LABEL_HZ, Shard
from distill.files.disk import atomic_open
from distill.files.pcm import to_float
from distill.speech.augment import Augment
from distill.teachers.track import RigTrack
from distill.teachers.voice2face.mesh_space import Normals
from distill.teachers.voice2face.network import FPS, Voice2Face, Voice2FaceSpec
from distill.teachers.voice2face.speech_encoder import SpeechEncoder, hear, on_grid
from distill.training import losses
from distill.training.voice2face.plan import Voice2FacePlan
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError
from sdk.faces.face import Face

TAGS = {
    "human": "heard",
    "espeak": "spoken",
    "kokoro": "spoken",
    "captured": "captured",
}  # a shard's source -> its labels' quality
_SLACK_FRAMES = 2  # what PBM accuracy forgives
_SMOOTHING = 0.05  # of the classes' labels, of which some are wrong


@dataclass(frozen=True)
class MeshBatch:
    """`features` (B, M, F) on the frames' grid, `rig` (B, N, channels) at 30 fps, `tags` (B,) places in the spec's.

    said: the encoder's rows (B, rows, F) and the phone class of each (B, rows), where they are asked for.
    """

    features: Tensor
    rig: Tensor
    tags: Tensor
    said: tuple[Tensor, Tensor] | None = None


class Feed(Protocol):
    """Batches of `plan.rows` rows of `plan.row_s` seconds; how many hours of speech stand behind them."""

    corpus_hours: float

    def batch(self, random: np.random.Generator) -> MeshBatch: ...


def by_source(shards: Sequence[Shard]) -> dict[str, list[Shard]]:
    """Shards by their sources. Raises `DataError` for a source whose labels' quality is unknown."""
    found: dict[str, list[Shard]] = {}
    for shard in shards:
        if shard.source not in TAGS:
            raise DataError(
                f"{shard.path}: labels of source {shard.source!r} are of no known quality: {', '.join(TAGS)}"
            )
        found.setdefault(shard.source, []).append(shard)
    return found


class Rows:
    """Rows of one source each, so that each has one tag; of a source that has no phones (captures, recordings that a
    teacher labelled by ear), none are asked."""

    def __init__(
        self,
        spec: Voice2FaceSpec,
        plan: Voice2FacePlan,
        shards: Sequence[Shard],
        encoder: SpeechEncoder,
        augment: Augment | None,
    ) -> None:
        self.spec, self.plan, self.encoder = spec, plan, encoder
        names = spec.layout.names
        self.sources = {
            source: Utterances(found, SAMPLE_RATE_HZ // LABEL_HZ, {}, augment, names)
            for source, found in by_source(shards).items()
        }
        self.mute = {source for source, found in by_source(shards).items() if not _has_phones(found)}
        self.corpus_hours = sum(each.picker.seconds for each in self.sources.values()) / 3600

    def batch(self, random: np.random.Generator) -> MeshBatch:
        plan = self.plan
        weights = np.array([plan.mix(source) for source in self.sources])
        drawn = random.choice(len(self.sources), size=plan.rows, p=weights / weights.sum())
        sources = [list(self.sources)[k] for k in drawn]
        rows = [self.sources[s].batch(random, 1, int(plan.row_s * LABEL_HZ)) for s in sources]
        audio = torch.from_numpy(np.concatenate([row.audio for row in rows]))
        features, instants = hear(self.encoder, audio.to(_device(self.encoder)), self.spec.encoder.longest_s)
        classes = np.concatenate([row.classes for row in rows])
        classes[[source in self.mute for source in sources]] = UNKNOWN_CLASS
        columns = (instants * LABEL_HZ / SAMPLE_RATE_HZ).round().long().clamp(max=classes.shape[1] - 1)
        times = np.arange(plan.frames) / FPS
        layout = self.spec.layout
        rig = np.stack([RigTrack(row.rig[0], self.spec.fps * LABEL_HZ / FPS, layout).at(times) for row in rows])
        return MeshBatch(
            on_grid(features, instants, self.spec.grid(plan.frames)),
            torch.from_numpy(rig),
            torch.tensor([self.spec.tags.index(TAGS[source]) for source in sources]),
            (features, torch.from_numpy(classes)[:, columns]),
        )


class WholeRecordings:
    """Stretches of recordings that a frozen encoder has heard whole; its features lie below `folder`, made once."""

    def __init__(
        self,
        spec: Voice2FaceSpec,
        plan: Voice2FacePlan,
        shards: Sequence[Shard],
        encoder: SpeechEncoder,
        folder: Path,
    ) -> None:
        self.spec, self.plan, self.folder = spec, plan, folder
        self.clips: list[tuple[Shard, int]] = []
        self.tags: list[str] = []
        weights, seconds = [], []
        for source, found in by_source(shards).items():
            lengths = np.concatenate([np.diff(shard.offsets) for shard in found]) / SAMPLE_RATE_HZ
            self.clips += [(shard, i) for shard in found for i in range(len(shard))]
            self.tags += [TAGS[source]] * len(lengths)
            weights.append(plan.mix(source) * lengths / lengths.sum())
            seconds.append(lengths)
        self.seconds, self.weights = np.concatenate(seconds), np.concatenate(weights) / sum(map(np.sum, weights))
        self.files = [self._listen(shard, i, encoder) for shard, i in tqdm(self.clips, desc="listening", unit="clip")]
        self.corpus_hours = float(self.seconds.sum() / 3600)

    def _listen(self, shard: Shard, i: int, encoder: SpeechEncoder) -> Path:
        """The file of a recording's features `(rows, 1 + size)` float32: each row's sample, then the row."""
        audio, _ = shard.utterance(i)
        key = hashlib.sha256(f"{self.spec.encoder.source} {self.spec.encoder.layer}".encode() + audio.tobytes())
        file = self.folder / f"{key.hexdigest()[:32]}.npy"
        if not file.exists():
            sound = torch.from_numpy(to_float(audio))[None].to(_device(encoder))
            with torch.inference_mode():
                features, instants = hear(encoder, sound, self.spec.encoder.longest_s)
            rows = np.concatenate([instants[:, None].numpy(), features[0].cpu().numpy()], 1)
            with atomic_open(file) as stream:
                np.save(stream, rows.astype(np.float32))
        return file

    def batch(self, random: np.random.Generator) -> MeshBatch:
        plan, features, rig, tags = self.plan, [], [], []
        for k in random.choice(len(self.clips), size=plan.rows, p=self.weights):
            shard, i = self.clips[k]
            _, track = shard.utterance(i)
            first = int(random.integers(0, max(int(self.seconds[k] * FPS) - plan.frames, 0) + 1))
            times = (first + np.arange(plan.frames)) / FPS
            grid = self.spec.grid(plan.frames, first)
            rows = np.load(self.files[k], mmap_mode="r")
            low, high = np.searchsorted(rows[:, 0], [float(grid[0]), float(grid[-1])])
            part = torch.from_numpy(np.array(rows[max(low - 1, 0) : high + 1]))
            features.append(on_grid(part[None, :, 1:], part[:, 0].double(), grid)[0])
            rig.append(track.layout.select(track.at(times), self.spec.layout.names))
            tags.append(self.spec.tags.index(self.tags[k]))
        return MeshBatch(torch.stack(features), torch.from_numpy(np.stack(rig)), torch.tensor(tags))


class Objective:
    """Appendix A's loss on the mesh, and ours beside it; every term that is a distance is a share of what the mean
    face would score, so that the weights mean the same on every face.

    Raises `FaceError` if the rig has no jawOpen and the lips are asked for (`alpha_lip`).
    """

    def __init__(self, plan: Voice2FacePlan, network: Voice2Face, face: Face, rig: np.ndarray) -> None:
        self.plan, self.network, layout = plan, network, network.spec.layout
        self.normals = Normals(face, layout, rig)
        poses = torch.from_numpy(rig[:: max(len(rig) // 500, 1)])
        still = self.normals(network.mesh.mean.cpu())
        self.turning = float((1 - (self.normals(poses) * still).sum(-1)).mean().clamp(min=1e-6))
        self.variance = float(network.mesh.spread.square().sum().clamp(min=1e-9))
        if plan.alpha_lip:
            offset, row = face.lip_gap_row(layout)
            self.offset, self.row = offset, torch.from_numpy(np.float32(row))

    def __call__(self, batch: MeshBatch, random: np.random.Generator, done: float) -> Tensor:
        """The loss of a batch when `done` of the run, 0 to 1, lies behind; see `terms`."""
        terms = self.terms(batch, random, done)
        weights: Mapping[str, float] = {
            "mesh": self.plan.alpha_mesh, "normal": self.plan.alpha_normal, "kl": self.plan.alpha_kl,
            "velocity": self.plan.alpha_vel, "lip": self.plan.alpha_lip, "class": self.plan.alpha_class,
        }  # fmt: skip
        return torch.stack([weights[name] * value for name, value in terms.items()]).sum()

    def terms(self, batch: MeshBatch, random: np.random.Generator, done: float) -> dict[str, Tensor]:
        """`mesh`, `normal`, `kl` (appendix A); `velocity`, `lip`, and `class` where there are phones (ours).

        Half of the rows are decoded with the latent that inference will use: what speech can say is then never left
        to the latent, which sees the answer.
        """
        network, plan = self.network, self.plan
        device = _device(network)
        batch_rig, tags = batch.rig.to(device), batch.tags.to(device)
        speech = network.speech(batch.features.to(device))
        code = network.mesh.code(batch_rig)
        posterior = network.posterior(speech, code)
        seen = torch.from_numpy(random.random(len(code)) < 0.5).to(device)
        decoded = network.decode(speech, posterior.sample() * seen[:, None, None], tags)
        error = (decoded - code) * network.mesh.spread
        pose = network.mesh.unbounded(decoded)
        turned = (self.normals.to(device)(pose[:, ::3]) * self.normals(batch_rig[:, ::3])).sum(-1)
        terms = {
            "mesh": error.square().sum(-1).mean() / self.variance,
            "normal": (1 - turned).mean() / self.turning,
            "kl": posterior.divergence(),
            "velocity": error.diff(dim=1).square().sum(-1).mean() / self.variance,
        }
        if plan.alpha_lip:
            row = self.row.to(device)
            gaps = (self.offset + batch_rig @ row, self.offset + pose @ row)
            terms["lip"] = losses.lip_distance(*gaps, _SLACK_FRAMES, plan.shut(done))
        if batch.said and network.classes is not None:
            heard, classes = batch.said[0], batch.said[1].to(device)
            known = (classes != UNKNOWN_CLASS).sum().clamp(min=1)  # there may be none: a mean over none is no number
            terms["class"] = (
                functional.cross_entropy(
                    network.classes(heard).flatten(0, 1), classes.flatten(), ignore_index=UNKNOWN_CLASS,
                    label_smoothing=_SMOOTHING, reduction="sum",
                ) / known
            )  # fmt: skip
        return terms


def _has_phones(shards: Sequence[Shard]) -> bool:
    return all(shard.phones[i] != "[]" for shard in shards for i in range(len(shard)))


def poses(shards: Sequence[Shard], names: Sequence[str], most: int = 60000) -> np.ndarray:
    """Up to about `most` poses `(N, channels)` float32 of the labels, evenly from all shards."""

    def some() -> Iterator[np.ndarray]:
        for shard in shards:
            order = [list(shard.channels).index(name) for name in names]
            step = max(len(shard.rig) * len(shards) // most, 1)
            yield np.asarray(shard.rig[0 : len(shard.rig) : step], dtype=np.float32)[:, order]

    return np.concatenate(list(some()))


def _device(network: torch.nn.Module) -> torch.device:
    return next((value.device for value in network.parameters()), torch.device("cpu"))
