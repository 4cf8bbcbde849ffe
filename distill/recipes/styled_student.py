"""Give a stream student styles: a small head that adds an emotion to its frames, the student itself left as it is.

    python -m distill.recipes.styled_student --student checkpoints/s7.pt --corpus build/styled --out build/s7.styles

What an emotion adds is the difference between a styled label and the same person's neutral one, without blinks and
glances; the head learns it on top of what the frozen student says. The student hears each clip once, so this is quick.
Scored on people of the `valid` and `test` splits: how far from the styled curves, closures in each emotion and
legibility beside the neutral student's, and whether a classifier that learned emotions from the labels tells them from
the student's frames.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.corpus.shards import Shard
from distill.corpus.shelf import load_shards
from distill.corpus.styled.expression import express
from distill.corpus.styled.styles import EMOTIONS, Style, person
from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_write_text, check_writable
from distill.files.pcm import to_float
from distill.files.styles import save_styles, stream_of
from distill.scoring.intervals import interval
from distill.scoring.metrics import LipJudge
from distill.scoring.mouth.legibility import Legibility
from distill.speech.phones import Phone, from_json
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.students.styled import StyledStream, StyleHead, StyleSpec
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.tools.command import ending, say

_UNMOVED = ("eyeLook",)
HOP_HZ = 50.0
MOMENTS = 8
PICTURED = ("happiness", "anger", "sadness", "surprise")


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
    shards: Sequence[Shard], student: StreamStudent, future_samples: int, spec: StyleSpec, layout: RigLayout,
    count: int = 0,
) -> list[Spoken]:  # fmt: skip
    """The clips of styled shards, all or `count` of them, evenly drawn, heard once by the student."""
    found = []
    there = [(shard, i) for shard in shards for i in range(len(shard))]
    if count:
        there = [
            there[i] for i in np.unique(np.linspace(0, len(there) - 1, min(count, len(there))).round().astype(int))
        ]
    still = [i for i, name in enumerate(layout.names) if name.startswith(_UNMOVED)]
    for shard, i in there:
        name = shard.names[i]
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

    phones = {name: from_json(shard.phones[i]) for shard in shards for i, name in enumerate(shard.names)}
    lips: dict[str, tuple[LipJudge, LipJudge]] = {name: (LipJudge(), LipJudge()) for name in ("all", *EMOTIONS)}
    read = Legibility(), Legibility()
    errors, seen, emotions = [], [], []
    for clip in clips:
        style = Style.of(clip.name)
        with torch.inference_mode():
            neutral, styled = torch.tanh(clip.last), torch.tanh(clip.last + head(clip.features, clip.style))
        wanted = (neutral + clip.added).clamp(0, 1)
        errors.append([float((x - wanted).square().mean()) for x in (neutral, styled)])
        for side, values in enumerate((neutral, styled)):
            track = layout.clamp(on_clock(values.numpy(), future_s))
            gap = Face.default().lip_gap_cm(track, layout)
            for name in ("all", style.emotion):
                lips[name][side].add(gap, HOP_HZ, phones[clip.name])
            read[side].add(track, HOP_HZ, phones[clip.name], style.person)
        seen.append(_summary(styled.clamp(0, 1)))  # as it is shown, and as the labels are
        emotions.append(style.emotion)
    told = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    told.fit(
        np.stack([_summary((torch.tanh(c.last) + c.added).clamp(0, 1)) for c in train_clips]),
        [Style.of(c.name).emotion for c in train_clips],
    )
    right = told.predict(np.stack(seen)) == np.array(emotions)
    people = [Style.of(clip.name).person for clip in clips]
    return {
        "mse_neutral": float(np.mean([e[0] for e in errors])),
        "mse_styled": float(np.mean([e[1] for e in errors])),
        "emotion_told": float(right.mean()),
        "emotion_told_interval": list(interval(lambda pick: float(right[pick].mean()), people)),
        "emotion_told_of_labels": _of_labels(told, clips, emotions),
        "legibility": [side.scores()["legibility"] for side in read],
        "clips": len(clips),
        "people": len(set(people)),
        "emotion_chance": 1 / len(EMOTIONS),
        "recall_at_2pct": {
            name: [round(judge.scores().recall_at_2pct, 4) for judge in pair] for name, pair in lips.items()
        },
        "pbm": {name: [round(judge.scores().pbm, 4) for judge in pair] for name, pair in lips.items()},
    }


def _of_labels(told: Any, clips: Sequence[Spoken], emotions: Sequence[str]) -> float:
    """How often the classifier tells the emotion of what the student should have said: the most it can be asked for."""
    wanted = np.stack([_summary((torch.tanh(clip.last) + clip.added).clamp(0, 1)) for clip in clips])
    return float((told.predict(wanted) == np.array(emotions)).mean())


def on_clock(values: np.ndarray, future_s: float) -> np.ndarray:
    """Rows of a stream, of which the i-th describes (i + 1) hops less `future_s`, at times 0, 1, 2, ... hops: linear
    between two, held beyond the ends."""
    at = np.clip(np.arange(len(values)) + future_s * HOP_HZ - 1, 0, len(values) - 1)
    below = np.minimum(at.astype(int), max(len(values) - 2, 0))
    share = (at - below)[:, None]
    found: np.ndarray = (1 - share) * values[below] + share * values[np.minimum(below + 1, len(values) - 1)]
    return found


def moods(head: StyleHead, clip: Spoken, phones: Sequence[Phone], layout: RigLayout, future_s: float) -> dict[str, Any]:
    """One sentence in four emotions and in neutral, for `runtime_examples.animate.moods`: poses at vowels and closures
    spread over it, by emotion."""
    asked = [phone for phone in phones if phone.symbol[:1] in "pbmiuɑaoe" and phone.end > phone.start]
    chosen = [asked[i] for i in np.unique(np.linspace(0, len(asked) - 1, MOMENTS).round().astype(int))] if asked else []
    rows = {}
    for name in ("neutral", *PICTURED):
        style = head.spec.vector(**({} if name == "neutral" else {name: 1.0}))
        with torch.inference_mode():
            values = torch.tanh(clip.last + head(clip.features, style)).numpy()
        track = layout.clamp(on_clock(values, future_s))
        places = [min(round((phone.start + phone.end) / 2 * HOP_HZ), len(track) - 1) for phone in chosen]
        rows[name] = [[round(float(x), 4) for x in track[place]] for place in places]
    return {"title": clip.name, "names": list(layout.names), "moments": [p.symbol for p in chosen], "rows": rows}


def _summary(values: Tensor) -> np.ndarray:
    found: np.ndarray = torch.cat([values.mean(0), values.std(0)]).numpy()
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.styled_student", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--student", type=Path, required=True, help="checkpoint of a stream student")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.styled_corpus")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--rank", type=int, default=12)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument(
        "--clips", type=int, default=0, help="only so many to learn from and so many strangers'; 0: all"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--moods", type=Path, help="file for poses of one sentence in four emotions, to be drawn")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    with ending() as end:
        check_writable(options.out)
        student = Checkpoint.load(options.student)
        neutral, layout = stream_of(student), student.layout
        spec = StyleSpec([name for name in EMOTIONS if name != "neutral"], options.rank)
        sides = {"train": load_shards(options.corpus, "train")}
        sides["strangers"] = [s for split in ("valid", "test") for s in load_shards(options.corpus, split)]
        heard = {
            k: spoken(v, neutral, student.spec.future_samples, spec, layout, options.clips) for k, v in sides.items()
        }
        torch.manual_seed(1)
        head = StyleHead(spec, neutral.fc3.in_channels, len(layout))
        error = train(head, heard["train"], options.steps)
        scores = {"train_error": error, "cost": StyledStream(neutral, head).cost}
        future_s = student.spec.future_ms / 1000
        scores |= score(head.eval(), heard["train"], heard["strangers"], sides["strangers"], layout, future_s)
        if options.moods:
            clip = max((c for c in heard["strangers"] if not c.style.any()), key=lambda c: len(c.last))
            said = next(s.phones[i] for s in sides["strangers"] for i, name in enumerate(s.names) if name == clip.name)
            pictured = moods(head, clip, from_json(said), layout, future_s)
            atomic_write_text(options.moods, json.dumps(pictured))
        save_styles(options.out, spec, student, head, scores)
        if options.json:
            atomic_write_text(options.json, json.dumps({"student": student.spec.name, **scores}, indent=1))
        say(f"{options.out}: {json.dumps(scores)}")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
