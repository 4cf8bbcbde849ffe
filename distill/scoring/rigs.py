"""What is left of a mouth on somebody's rig: closures and legibility there, beside those of our own channels.

A rig that has fewer shapes than ours says less: a retargeting that folds two sounds into one control cannot be read
any more, and one whose lips do not undo its jaw never shuts. Gaps are those of the rig's own mesh in cm, legibility
is asked of its controls as `mouth/legibility.py` asks it of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from distill.scoring.conditions import FPS, Item
from distill.scoring.mouth.legibility import Legibility
from distill.scoring.mouth.specificity import Specificity
from distill.scoring.whole import speakers_or_clips
from distill.speech.phones import Phone
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.scenes.rigged import RiggedHead

OURS = "our channels"
COLUMNS = ("closures_found", "others_shut", "other_auc", "legibility", "read_as_round", "read_as_tuck")


@dataclass
class OnRig:
    """Collects utterances as one rig shows them."""

    specificity: Specificity = field(default_factory=Specificity)
    legibility: Legibility = field(default_factory=Legibility)

    def add(self, gap_cm: np.ndarray, controls: np.ndarray, phones: Sequence[Phone], whose: str) -> None:
        """One utterance at 30 fps: gap `(N,)` on the rig's mesh, its controls `(N, K)`, and its phones."""
        self.specificity.add(gap_cm, FPS, phones, whose)
        self.legibility.add(controls, FPS, phones, whose)

    def scores(self, resamples: int = 0) -> dict[str, Any]:
        """As `Specificity.scores` and `Legibility.scores`, in one."""
        shut, read = self.specificity.scores(resamples), self.legibility.scores(resamples)
        ends = {**shut.pop("intervals", {}), **read.pop("intervals", {})}
        return {**shut, **read, **({"intervals": ends} if ends else {})}


def on_rigs(
    track: Callable[[Item, np.ndarray], np.ndarray], items: Sequence[Item], layout: RigLayout,
    rigs: Mapping[str, RiggedHead], resamples: int = 0,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Scores of `track(item, reference) -> (frames, channels)` on our default head and on every rig, by name."""
    face, found = Face.default(), {name: OnRig() for name in (OURS, *rigs)}
    for item in speakers_or_clips(items):
        if not item.phones:
            continue
        values, whose = track(item, item.reference), item.speaker or item.name
        found[OURS].add(face.lip_gap_cm(values, layout), values, item.phones, whose)
        for name, rig in rigs.items():
            found[name].add(rig.gap_cm(values, layout), rig.controls_of(values, layout), item.phones, whose)
    return {name: each.scores(resamples) for name, each in found.items()}


def rig_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table, a line for each rig."""
    lines = ["| | " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{row[column]:.2f}" for column in COLUMNS) + " |")
    return "\n".join(lines)
