"""Give a stream student styles: a small head that adds an emotion to its frames, the student itself left as it is.

    python -m distill.recipes.styled_student --student checkpoints/s7.pt --corpus build/styled --out build/s7.styles

What an emotion adds is the difference between a styled label and the same person's neutral one, without blinks and
glances; the head learns it on top of what the frozen student says: each channel over its own variance, so that a brow
weighs no more than a lip, and channels that no emotion moves are left alone, to the bit. A reader of lips learns beside
the head to tell ten classes of phones from its frames, and what it cannot tell weighs `--legible`: a style alone hides
what was said, since a smile is wider than what tells /i/ from /e/. The student hears each clip once, so this is quick.
Scored on people of the `valid` and `test` splits (`distill/scoring/styled/style_scores.py`).
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
from torch import Tensor, nn
from torch.nn import functional

from distill.corpus.shards import Shard
from distill.corpus.shelf import load_shards
from distill.corpus.styled.expression import express
from distill.corpus.styled.styles import EMOTIONS, Style, cast_member
from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_write_text, check_writable
from distill.files.pcm import to_float
from distill.files.styles import save_styles, stream_of, styles_card
from distill.scoring.mouth.phone_classes import CLASSES, class_of
from distill.scoring.styled.style_scores import HOP_HZ, Spoken, on_clock, score
from distill.speech.phones import Phone, from_json
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.students.styled import StyledStream, StyleHead, StyleSpec
from distill.teachers.regions import MOUTH, channels
from distill.training.losses import over_variance, variance_weights
from distill.training.options import add_threads, note, set_threads
from distill.training.plan import check_plan
from sdk.rig import RigLayout
from sdk.tools.command import ending, say

_UNMOVED = ("eyeLook",)
_HARDLY = 1e-3  # what moves less in every emotion is not moved at all
_COLUMNS = ("features", "last", "added", "said")
MOMENTS = 8
PICTURED = ("happiness", "anger", "sadness", "surprise")


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
        who, phones, seconds = cast_member(style.person), from_json(shard.phones[i]), len(audio) / 16000
        tracks = [
            express(phones, seconds, Style(style.person, e, s), who, name, lively=False).at(times)
            for e, s in ((style.emotion, style.strength), ("neutral", 1.0))
        ]
        added = tracks[0] - tracks[1]
        added[:, still] = 0
        with torch.inference_mode():
            _, two, last = student.features(torch.from_numpy(sound).reshape(1, 1, -1))
        said = classes_at(phones, times)
        told = {} if style.emotion == "neutral" else {style.emotion: style.strength}
        values = two[0].clone(), last[0].clone(), torch.from_numpy(added)
        found.append(Spoken(name, *values, spec.vector(**told), torch.from_numpy(said)))
    return found


def classes_at(phones: Sequence[Phone], times: np.ndarray) -> np.ndarray:
    """`(n,)`: the class of the phone whose middle half, 20 ms at least, each of `times` lies in; -1 beside them."""
    found = np.full(len(times), -1)
    for phone in phones:
        if (label := class_of(phone.symbol)) is not None:
            reach = max((phone.end - phone.start) / 4, 0.5 / HOP_HZ)
            found[np.abs(times - (phone.start + phone.end) / 2) <= reach] = CLASSES.index(label)
    return found


@dataclass(frozen=True)
class StylePlan:
    """steps of `batch` hops; legible: the weight of what a reader of the styled lips cannot tell."""

    steps: int = 500
    legible: float = 0.03
    batch: int = 2048
    learning_rate: float = 5e-3
    seed: int = 1

    def __post_init__(self) -> None:
        check_plan(self, counts=("steps", "batch"))


def train(head: StyleHead, clips: Sequence[Spoken], mouth: Sequence[int], plan: StylePlan) -> float:
    """Fit the head to what styles add; returns the last error, each channel's over its variance, 1 for no style.
    mouth: the channels that a reader sees.

    A channel that no clip's style moves is left alone: noise of a thousandth there is nothing to see, but ten times as
    far as any neutral face goes, and made a classifier that had learned from labels take every emotion for neutral.
    """
    features, last, added, said = (torch.cat([getattr(c, key) for c in clips]) for key in _COLUMNS)
    style = torch.cat([c.style.expand(len(c.last), -1) for c in clips])
    wanted, weights = torch.cat([c.wanted for c in clips]), variance_weights(added.var(0))
    unmoved = torch.nonzero(added.abs().amax(0) < _HARDLY).flatten().tolist()
    reader = Reader(wanted[:, mouth], said)
    random = np.random.default_rng(plan.seed)
    optimiser = torch.optim.AdamW([
        {"params": head.parameters(), "lr": plan.learning_rate},
        {"params": reader.parameters(), "lr": 4 * plan.learning_rate, "weight_decay": 0.05},
    ])  # fmt: skip
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.steps)
    smooth = 1.0
    for step in range(plan.steps):
        rows = torch.from_numpy(random.integers(len(last), size=plan.batch))
        values = head.values(features[rows], last[rows], style[rows])
        error = over_variance(wanted[rows], values, weights)
        loss = error + plan.legible * reader(values[:, mouth], said[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        head.leave_alone(unmoved)
        smooth = float(error.detach()) if step == 0 else 0.95 * smooth + 0.05 * float(error.detach())
    return smooth


class Reader(nn.Module):
    """A linear reader of lips, which learns beside a head: cross entropy of classes of phones, each class as heavy.

    wanted: `(n, mouth)`, whose mean and spread it takes out; said: `(n,)` classes, -1 for what it is not asked.
    """

    def __init__(self, wanted: Tensor, said: Tensor) -> None:
        super().__init__()
        self.tell = nn.Linear(wanted.shape[1], len(CLASSES))
        self.mean, self.spread = wanted.mean(0), wanted.std(0).clamp(min=_HARDLY)
        count = torch.bincount(said[said >= 0], minlength=len(CLASSES)).clamp(min=1)
        self.weights = count.sum() / count / len(CLASSES)

    def forward(self, values: Tensor, said: Tensor) -> Tensor:
        told = self.tell((values.clamp(0, 1) - self.mean) / self.spread)
        return functional.cross_entropy(told, said, weight=self.weights, ignore_index=-1)


def moods(head: StyleHead, clip: Spoken, phones: Sequence[Phone], layout: RigLayout, future_s: float) -> dict[str, Any]:
    """One sentence in four emotions and in neutral, for `runtime_examples.animate.moods`: poses at vowels and closures
    spread over it, by emotion."""
    asked = [phone for phone in phones if phone.symbol[:1] in "pbmiuɑaoe" and phone.end > phone.start]
    chosen = [asked[i] for i in np.unique(np.linspace(0, len(asked) - 1, MOMENTS).round().astype(int))] if asked else []
    rows = {}
    for name in ("neutral", *PICTURED):
        style = head.spec.vector(**({} if name == "neutral" else {name: 1.0}))
        with torch.inference_mode():
            values = head.values(clip.features, clip.last, style).numpy()
        track = layout.clamp(on_clock(values, future_s))
        places = [min(round((phone.start + phone.end) / 2 * HOP_HZ), len(track) - 1) for phone in chosen]
        rows[name] = [[round(float(x), 4) for x in track[place]] for place in places]
    return {"title": clip.name, "names": list(layout.names), "moments": [p.symbol for p in chosen], "rows": rows}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.styled_student", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--student", type=Path, required=True, help="checkpoint of a stream student")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.styled_corpus")
    parser.add_argument("--out", type=Path, required=True, help="file to write; its card beside it, as s7-styles.md")
    parser.add_argument("--data", nargs="*", help="what it learns from and its licences, for the card")
    parser.add_argument("--rank", type=int, default=12)
    parser.add_argument("--steps", type=int, default=StylePlan.steps)
    parser.add_argument("--legible", type=float, default=StylePlan.legible, help="weight of what a reader cannot tell")
    parser.add_argument(
        "--clips", type=int, default=0, help="only so many to learn from and so many strangers'; 0: all"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--moods", type=Path, help="file for poses of one sentence in four emotions, to be drawn")
    add_threads(parser)
    options = parser.parse_args(arguments)
    set_threads(options)
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
        head = StyleHead(spec, neutral.fc3.in_channels, layout)
        plan = StylePlan(options.steps, options.legible)
        error = train(head, heard["train"], channels(layout, MOUTH).tolist(), plan)
        training = {
            "recipe": "styled_student", "student": student.spec.name, "plan": {**asdict(plan), "rank": options.rank},
            "clips": len(heard["train"]), "people": len({clip.person for clip in heard["train"]}),
            "train_error": error, **note("distill.recipes.styled_student", arguments, options),
        }  # fmt: skip
        scores = {"cost": StyledStream(neutral, head).cost}
        future_s = student.spec.future_ms / 1000
        said = {n: from_json(s.phones[i]) for s in sides["strangers"] for i, n in enumerate(s.names)}
        scores |= score(head.eval(), heard["train"], heard["strangers"], said, layout, future_s)
        if options.moods:
            clip = max((c for c in heard["strangers"] if not c.style.any()), key=lambda c: len(c.last))
            pictured = moods(head, clip, said[clip.name], layout, future_s)
            atomic_write_text(options.moods, json.dumps(pictured))
        save_styles(options.out, spec, student, head, training, scores)
        card = options.out.with_name(f"{options.out.stem}-styles.md")
        atomic_write_text(card, styles_card(options.out, student.spec.name))
        if options.json:
            atomic_write_text(options.json, json.dumps({**training, **scores}, indent=1))
        say(f"{options.out}: {json.dumps(scores)}")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
