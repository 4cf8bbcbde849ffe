"""What a checkpoint can be built as: itself in float32, or a rounded twin, which is another set of weights and scores.

int8    convolutions in integers, all but the first and the last
mixed   convolutions in integers, all but those that a measured sweep found to hurt the lips (`export/sensitivity.py`)
dynamic int8 weights, and activations on grids that are chosen at every call: nearest to float, made without any speech

Others were measured and are not offered (`studies/precision/alternatives.py`, docs/int8.md): half precision leaves 14
delegates and GELU outside them, half-stored weights come out as float32 and larger, int8 weights alone do not lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.checkpoint import Checkpoint
from distill.files.twin import TWIN_PRECISIONS, Twin, twin_path
from distill.students.spec import Student
from export.quantise.keep import kept
from export.quantise.rounding import from_twin, post_training

PRECISIONS = ("fp32", *TWIN_PRECISIONS)


@dataclass(frozen=True, eq=False)
class Point:
    """A student at a precision, and the facts that belong to it alone: weights' hash, provenance, scores."""

    precision: str
    student: Student
    weights_sha256: str
    training: dict[str, Any]
    scores: dict[str, Any]


def float_point(checkpoint: Checkpoint) -> Point:
    """The checkpoint as it is."""
    return Point("fp32", checkpoint.student(), checkpoint.weights_sha256, checkpoint.training, checkpoint.scores)


def rounded_point(path: Path, checkpoint: Checkpoint, precision: str, rows: Sequence[np.ndarray] = ()) -> Point:
    """The twin beside `path`, or post-training quantisation on `rows` (or golden speech) where there is none.

    Raises `CheckpointError` for a damaged twin or one of other weights, and for `mixed` where there is neither a twin
    nor a sweep that says which layers stay in float.
    """
    file = twin_path(path, precision)
    if file.exists():
        twin = Twin.load(file, checkpoint)
    else:
        twin = post_training(checkpoint, rows, keep=kept(path, checkpoint, precision), precision=precision)
    return twin_point(checkpoint, twin, precision)


def twin_point(checkpoint: Checkpoint, twin: Twin, precision: str = "int8") -> Point:
    """A twin's own hash and scores; its provenance with that of its parent."""
    training = {**twin.training, "parent_sha256": twin.parent_sha256, "parent": checkpoint.training}
    return Point(precision, from_twin(checkpoint, twin), twin.weights_sha256, training, twin.scores)


def points(path: Path, checkpoint: Checkpoint, precision: str) -> list[Point]:
    """What `--precision` asks for; `auto`: float32, and whatever there is a twin of, whose quality can be known."""
    if precision in TWIN_PRECISIONS:
        return [rounded_point(path, checkpoint, precision)]
    found = [float_point(checkpoint)]
    if precision == "auto":
        there = [name for name in TWIN_PRECISIONS if twin_path(path, name).exists()]
        found += [rounded_point(path, checkpoint, name) for name in there]
    return found
