"""Give a stream student styles: a small head that adds an emotion to its frames, the student itself left as it is.

    python -m distill.recipes.styled_student --student checkpoints/s7.pt --corpus build/styled --out build/s7.styles

What an emotion adds is the difference between a styled label and the same person's neutral one, without blinks and
glances; the head learns it on top of what the frozen student says. The student hears each clip once, so this is quick.
Scored on people of the `test` split: how far from the styled curves, closures in each emotion beside neutral, and
whether a classifier that learned emotions from the labels tells them from the student's frames.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.corpus.shards import Shard
from distill.corpus.shelf import load_shards
from distill.corpus.styled.expression import express
from distill.corpus.styled.styles import EMOTIONS, Style, person
from distill.files.checkpoint import Checkpoint, FileKind, plain_facts, weights_sha256
from distill.files.disk import check_writable
from distill.files.pcm import to_float
from distill.scoring.metrics import LipJudge
from distill.speech.phones import from_json
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.students.styled import StyledStream, StyleHead, StyleSpec
from sdk.errors import CheckpointError, ConfigError
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.tools import strict
from sdk.tools.command import ending, say

SCHEMA = 1
_KIND = FileKind(
    "styles", "styles of a tinyface stream student", SCHEMA,
    frozenset({"schema", "styles", "student", "state", "scores", "weights_sha256"}),
    frozenset({"styles", "weights_sha256"}),
)  # fmt: skip
_UNMOVED = ("eyeLook",)


@dataclass(frozen=True)
class Spoken:
    """What the student makes of a clip, a row a hop: `features` (N, width), `last` (N, rig) before tanh, what the style
    should add to the frames `added` (N, rig), and the style (S,)."""

    name: str
    features: Tensor
    last: Tensor
    added: Tensor
    style: Tensor


def spoken(
    shards: Sequence[Shard], student: StreamStudent, future_samples: int, spec: StyleSpec, layout: RigLayout
) -> list[Spoken]:
    """All clips of styled shards, heard once by the student."""
    found = []
    still = [i for i, name in enumerate(layout.names) if name.startswith(_UNMOVED)]
    for shard in shards:
        for i, name in enumerate(shard.names):
            style = Style.of(name)
            audio, _ = shard.utterance(i)
            hops = -(-(len(audio) + future_samples) // HOP_SAMPLES)
            sound = np.zeros(hops * HOP_SAMPLES, np.float32)
            sound[: len(audio)] = to_float(audio)
            times = np.maximum((np.arange(1, hops + 1) * HOP_SAMPLES - future_samples) / 16000, 0)
            who, phones, seconds = person(int(style.person[1:])), from_json(shard.phones[i]), len(audio) / 16000
            tracks = [
                express(phones, seconds, Style(style.person, e, s), who, name, lively=False).at(times)
                for e, s in ((style.emotion, style.strength), ("neutral", 1.0))
            ]
            added = tracks[0] - tracks[1]
            added[:, still] = 0
            with torch.inference_mode():
                _, two, last = student.features(torch.from_numpy(sound).reshape(1, 1, -1))
            told = {} if style.emotion == "neutral" else {style.emotion: style.strength}
            found.append(Spoken(name, two[0].clone(), last[0].clone(), torch.from_numpy(added), spec.vector(**told)))
    return found


def train(head: StyleHead, clips: Sequence[Spoken], steps: int, rate: float = 5e-3, seed: int = 1) -> float:
    """Fit the head to what styles add; returns the last mean squared error of the frames."""
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    random = np.random.default_rng(seed)
    features, last, added = (torch.cat([getattr(c, key) for c in clips]) for key in ("features", "last", "added"))
    style = torch.cat([c.style.expand(len(c.last), -1) for c in clips])
    neutral = torch.tanh(last)
    wanted = (neutral + added).clamp(0, 1)
    smooth = 0.0
    for step in range(steps):
        rows = torch.from_numpy(random.integers(len(last), size=2048))
        found = torch.tanh(last[rows] + head(features[rows], style[rows]))
        loss = (found - wanted[rows]).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        smooth = float(loss) if step == 0 else 0.95 * smooth + 0.05 * float(loss)
    return smooth


def score(
    head: StyleHead,
    train_clips: Sequence[Spoken],
    clips: Sequence[Spoken],
    shards: Sequence[Shard],
    layout: RigLayout,
    future_s: float,
) -> dict[str, Any]:
    """On clips of strangers: error against styled curves with and without the head, lips in each emotion as the student
    speaks it and in neutral, and how often a classifier tells the emotion."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    face = Face.default()
    phones = {name: from_json(shard.phones[i]) for shard in shards for i, name in enumerate(shard.names)}
    lips: dict[str, tuple[LipJudge, LipJudge]] = {name: (LipJudge(), LipJudge()) for name in EMOTIONS}
    errors, seen, emotions = [], [], []
    for clip in clips:
        emotion = Style.of(clip.name).emotion
        with torch.inference_mode():
            neutral, styled = torch.tanh(clip.last), torch.tanh(clip.last + head(clip.features, clip.style))
        wanted = (neutral + clip.added).clamp(0, 1)
        errors.append([float((x - wanted).square().mean()) for x in (neutral, styled)])
        for judge, values in zip(lips[emotion], (neutral, styled), strict=True):
            gap = face.lip_gap_cm(layout.clamp(values.numpy()), layout)
            at = np.arange(1, len(gap) + 1) * HOP_SAMPLES / 16000 - future_s  # what a row describes
            judge.add(np.interp(np.arange(len(gap)) / 50, at, gap), 50.0, phones[clip.name])
        seen.append(_summary(styled))
        emotions.append(emotion)
    told = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    told.fit(
        np.stack([_summary((torch.tanh(c.last) + c.added).clamp(0, 1)) for c in train_clips]),
        [Style.of(c.name).emotion for c in train_clips],
    )
    right = told.predict(np.stack(seen)) == np.array(emotions)
    return {
        "mse_neutral": float(np.mean([e[0] for e in errors])),
        "mse_styled": float(np.mean([e[1] for e in errors])),
        "emotion_told": float(right.mean()),
        "emotion_chance": 1 / len(EMOTIONS),
        "recall_at_2pct": {
            name: [round(judge.scores().recall_at_2pct, 4) for judge in pair] for name, pair in lips.items()
        },
        "pbm": {name: [round(judge.scores().pbm, 4) for judge in pair] for name, pair in lips.items()},
    }


def _summary(values: Tensor) -> np.ndarray:
    found: np.ndarray = torch.cat([values.mean(0), values.std(0)]).numpy()
    return found


def save(path: Path, spec: StyleSpec, student: Checkpoint, head: StyleHead, scores: dict[str, Any]) -> None:
    """Write the head, whole or not at all. Raises `DataError` for a bad disk."""
    state = {name: value.detach().contiguous() for name, value in head.state_dict().items()}
    payload = {
        "schema": SCHEMA, "styles": asdict(spec), "student": student.weights_sha256, "state": state,
        "scores": plain_facts(scores, "scores"), "weights_sha256": weights_sha256(state),
    }  # fmt: skip
    _KIND.write(path, payload)


def load(path: Path, student: Checkpoint) -> StyledStream:
    """The student with the styles in the file. Raises `CheckpointError`: unreadable, or of another student."""
    raw = _KIND.read(path)
    neutral = _stream(student)
    if raw["student"] != student.weights_sha256:
        raise CheckpointError(f"{path}: these are the styles of another student than {student.spec.name}")
    head = StyleHead(
        strict.load(StyleSpec, raw["styles"], where=f"{path}: styles"), neutral.fc3.in_channels, len(student.layout)
    )
    head.load_state_dict(raw["state"])
    return StyledStream(neutral, head).eval()


def _stream(student: Checkpoint) -> StreamStudent:
    built = student.student()
    if not isinstance(built, StreamStudent):
        raise ConfigError(f"{student.spec.name} is no stream student; only those take styles")
    return built


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.styled_student", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--student", type=Path, required=True, help="checkpoint of a stream student")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.styled_corpus")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--rank", type=int, default=12)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    with ending() as end:
        check_writable(options.out)
        student = Checkpoint.load(options.student)
        neutral, layout = _stream(student), student.layout
        spec = StyleSpec([name for name in EMOTIONS if name != "neutral"], options.rank)
        sides = {}
        for split in ("train", "test"):
            sides[split] = load_shards(options.corpus, split)
        heard = {k: spoken(v, neutral, student.spec.future_samples, spec, layout) for k, v in sides.items()}
        torch.manual_seed(1)
        head = StyleHead(spec, neutral.fc3.in_channels, len(layout))
        error = train(head, heard["train"], options.steps)
        scores = {"train_error": error, "cost": StyledStream(neutral, head).cost}
        scores |= score(
            head.eval(), heard["train"], heard["test"], sides["test"], layout, student.spec.future_ms / 1000
        )
        save(options.out, spec, student, head, scores)
        say(f"{options.out}: {json.dumps(scores)}")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
