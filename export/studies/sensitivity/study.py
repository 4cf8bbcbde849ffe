"""Which layers int8 hurts: one at a time in integers with the rest in float, and what that does to the lips.

    python -m export.sensitivity --checkpoint checkpoints/s7.pt --corpus build/corpus [--out FILE.json]
                                 [--seconds 150] [--tolerance-cm 0.01] [--plot docs/sensitivity-s7.png]

The judge is the float student on speech that nobody was trained on (the corpus' own split `valid`, never the test
sets): how far the lip gap moves in frames of /p b m/, how many of these stay shut, how far the curves move. Beside it
stands what the layer gains: bytes of the program, and microseconds inside the delegate, of both whole programs, timed
by their own tracer. Layers are then put back to float until the harm that is left is below the tolerance (errors of
layers add as squares; the sum is measured too): first the one with the most squared error for what it gains, its share
of all bytes gained and of all time gained together. `--precision mixed` reads the file. Another tolerance asked of a
file that is there already takes the layers from it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_write_text, check_writable
from distill.scoring.conditions import FPS, Item
from distill.scoring.metrics import LipJudge
from distill.speech.augment import Augment
from distill.speech.phones import bilabial_spans
from distill.students.spec import Student
from distill.students.window import WindowStudent
from export.quantise.grids import GridConv
from export.quantise.keep import SCHEMA, sensitivity_path
from export.quantise.rounding import calibrate, corpus_rows, layer_names, with_grids
from export.studies.sensitivity.layer_costs import LayerCost, layer_costs
from export.verify.curves import frames_of, valid_items
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import CheckpointError, DataError
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.tools.command import at_least, dated_command, ending
from sdk.tools.limits import read_json_file

TOLERANCE_CM = 0.01  # of the lip gap in frames of /p b m/, root mean square; shut means 0.15 cm


@dataclass(frozen=True)
class Harm:
    """What rounding does to a student, against its float self. lip_error_cm: root mean square of the change of the lip
    gap in frames of /p b m/. curve_error, curve_error_max: of all channels in all frames. pbm, false_closure: shares,
    by definition (`distill/scoring/metrics.py`), of the rounded student; jitter of the lip gap in cm^2/frame^4."""

    lip_error_cm: float
    curve_error: float
    curve_error_max: float
    pbm: float
    false_closure: float
    jitter: float


class Ear:
    """Speech, and what the float student makes of it: `harm(student)` of any other."""

    def __init__(self, checkpoint: Checkpoint, items: Sequence[Item]) -> None:
        self.spec, self.items = checkpoint.spec, items
        self.row = Face.default().lip_gap_row(checkpoint.layout)
        self.expected = frames_of(checkpoint.student(), checkpoint.spec, items)
        self.closures = [_closure_frames(item, len(frames)) for item, frames in zip(items, self.expected, strict=True)]

    def harm(self, student: Student) -> Harm:
        """Of `student` on this speech."""
        return self._harm(frames_of(student, self.spec, self.items))

    def unharmed(self) -> Harm:
        """Of the float student itself: no error, and its own shares."""
        return self._harm(self.expected)

    def _harm(self, found: Sequence[np.ndarray]) -> Harm:
        judge, moved, squares, largest, jerks = LipJudge(), [], [], 0.0, []
        for item, a, b, at in zip(self.items, self.expected, found, self.closures, strict=True):
            gap = self.gap_cm(b)
            judge.add(gap, FPS, item.phones)
            moved.append((gap - self.gap_cm(a))[at])
            squares.append(np.square(b - a).reshape(-1))
            largest = max(largest, float(np.abs(b - a).max()))
            jerks.append(np.square(np.diff(gap, n=2)))
        scores = judge.scores()
        return Harm(
            lip_error_cm=_rms(moved), curve_error=float(np.sqrt(np.concatenate(squares).mean())),
            curve_error_max=largest, pbm=scores.pbm, false_closure=scores.false_closure,
            jitter=float(np.concatenate(jerks).mean()),
        )  # fmt: skip

    def gap_cm(self, frames: np.ndarray) -> np.ndarray:
        """Lip gap `(frames,)` of rig values."""
        offset, row = self.row
        gap: np.ndarray = offset + frames @ row
        return gap


def _rms(parts: Sequence[np.ndarray]) -> float:
    values = np.concatenate(parts)
    return float(np.sqrt(np.square(values).mean())) if len(values) else 0.0


def _closure_frames(item: Item, count: int) -> np.ndarray:
    """Whether each of `count` frames lies in a /p b m/ of `item`."""
    at = np.arange(count) / FPS
    return np.array([any(start <= t <= end for start, end in bilabial_spans(item.phones)) for t in at], dtype=bool)


def units(student: Student) -> dict[str, list[str]]:
    """Layers that can be integers, by name, each with its convolutions: a depthwise pair shares a grid and is one.

    A window student's first layer runs twice in its own deployed form (`export/lower/deploy.py`), which is float.
    """
    found: dict[str, list[str]] = {}
    for name in layer_names(student, ("first",) if isinstance(student, WindowStudent) else ()):
        above, _, last = name.rpartition(".")
        found.setdefault(above if last in ("conv", "depth") else name, []).append(name)
    return found


def sweep(checkpoint: Checkpoint, ear: Ear, rows: Sequence[np.ndarray]) -> tuple[dict[str, Harm], dict[str, Harm]]:
    """Harm of every unit alone, and of the whole student: all in integers, and all that are by default."""
    from tqdm import tqdm

    student = checkpoint.student()
    parts = units(student)
    felt = calibrate(with_grids(student, _float_names(student)), rows)
    alone = {unit: ear.harm(_only(felt, names)) for unit, names in tqdm(parts.items(), desc="layer by layer")}
    every = [name for names in parts.values() for name in names]
    usual = [name for name in layer_names(student) if name in every]
    together = {"float": ear.unharmed(), "all int8": ear.harm(_only(felt, every)), "int8": ear.harm(_only(felt, usual))}
    return alone, together


def _float_names(student: Student) -> list[str]:
    """Layers that cannot be integers."""
    possible = {name for names in units(student).values() for name in names}
    return [name for name in layer_names(student, ()) if name not in possible]


def _only(felt: Student, names: Sequence[str]) -> Student:
    """`felt` with only the grids of `names` on."""
    for name, layer in felt.named_modules():
        if isinstance(layer, GridConv):
            layer.switch(name in names)
    return felt


def kept_in_float(alone: dict[str, Harm], costs: dict[str, LayerCost], tolerance_cm: float) -> list[str]:
    """Units to keep in float: the most squared lip error for what it gains first, until the rest is in tolerance."""
    all_bytes = sum(cost.saved_bytes for cost in costs.values())
    all_us = sum(cost.saved_us for cost in costs.values())
    gains = {unit: cost.saved_bytes / all_bytes + cost.saved_us / max(all_us, 1e-9) for unit, cost in costs.items()}
    worth = {unit: alone[unit].lip_error_cm ** 2 / max(gains[unit], 1e-9) for unit in alone}
    order = sorted(alone, key=lambda unit: -worth[unit])
    kept: list[str] = []
    while order and left_cm(alone, kept) > tolerance_cm:
        kept.append(order.pop(0))
    return [unit for unit in alone if unit in kept]


def left_cm(alone: dict[str, Harm], kept: Sequence[str]) -> float:
    """Lip error expected of all units but `kept` together: the root of their squares' sum."""
    return float(np.sqrt(sum(harm.lip_error_cm**2 for unit, harm in alone.items() if unit not in kept)))


def study(
    checkpoint: Checkpoint,
    items: Sequence[Item],
    rows: Sequence[np.ndarray],
    tolerance_cm: float,
    note: dict[str, Any],
    known: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of a sensitivity file. known: that of another, whose layers are taken if they were heard on this."""
    ear, student = Ear(checkpoint, items), checkpoint.student()
    parts, cannot = units(student), _float_names(student)
    heard = {"student": checkpoint.spec.name, "weights_sha256": checkpoint.weights_sha256,
             "speech_s": round(sum(len(item.audio) for item in items) / SAMPLE_RATE_HZ, 1)}  # fmt: skip
    if known and all(known.get(key) == value for key, value in heard.items()):
        alone = {unit: _part(Harm, row) for unit, row in known["layers"].items()}
        costs = {unit: _part(LayerCost, row) for unit, row in known["layers"].items()}
        together = {name: _part(Harm, row) for name, row in known["together"].items()}
    else:
        alone, together = sweep(checkpoint, ear, rows)
        with tempfile.TemporaryDirectory() as folder:
            costs = layer_costs(checkpoint, rows, parts, cannot, Path(folder))
    kept = kept_in_float(alone, costs, tolerance_cm)
    floats = [name for unit in kept for name in parts[unit]]
    together["mixed"] = ear.harm(calibrate(with_grids(student, [*cannot, *floats]), rows))
    return {
        "schema": SCHEMA, **heard, "closures": int(sum(at.sum() for at in ear.closures)), "tolerance_cm": tolerance_cm,
        "keep": [*cannot, *kept], "expected_lip_error_cm": left_cm(alone, kept),
        "layers": {unit: asdict(harm) | asdict(costs[unit]) for unit, harm in alone.items()},
        "together": {name: asdict(harm) for name, harm in together.items()}, **note,
    }  # fmt: skip


def _part(kind: type[Any], row: dict[str, Any]) -> Any:
    """A `kind` from its fields among those of `row`."""
    return kind(**{name: row[name] for name in kind.__dataclass_fields__})


def _known(path: Path) -> dict[str, Any] | None:
    """The file at `path`, if it is one of this schema."""
    try:
        found = read_json_file(path, CheckpointError)
    except CheckpointError:
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.sensitivity", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by distill.recipes.corpus")
    parser.add_argument("--out", type=Path, help="file to write; beside the checkpoint by default")
    parser.add_argument(
        "--seconds", type=at_least(1, float), default=150, help="of speech of each source, human and synthetic"
    )
    parser.add_argument("--tolerance-cm", type=float, default=TOLERANCE_CM, help="lip error allowed, root mean square")
    parser.add_argument("--plot", type=Path, help="PNG to draw")
    options = parser.parse_args(arguments)
    out = options.out or sensitivity_path(options.checkpoint)
    with ending() as end:
        if options.tolerance_cm <= 0 or options.seconds <= 0:
            raise DataError("give a tolerance and seconds of speech above 0")
        check_writable(out)
        checkpoint = Checkpoint.load(options.checkpoint, RigLayout.arkit())
        items = valid_items(options.corpus, options.seconds)
        rows = corpus_rows(load_shards(options.corpus, "train"), Augment())
        note = dated_command("export.sensitivity", arguments)
        found = study(checkpoint, items, rows, options.tolerance_cm, note, _known(out))
        atomic_write_text(out, json.dumps(found, indent=1))
        if options.plot:
            from export.studies.sensitivity.plot import draw

            draw(found, options.plot)
        print(f"{out}: float: {', '.join(found['keep']) or 'nothing'}")
    return end.status
