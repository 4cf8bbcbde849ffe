"""Which checkpoint to build, and at which precision: the best scores that fit, known before anything is lowered."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.export import ExportedProgram

from distill.checkpoint import Checkpoint
from export.deploy import deploy
from export.deploy_stream import CROWD_VOICES, DeployedStream
from export.lower import export_program
from export.memory import MemoryRows, memory_rows
from export.precision import Point
from profiles.show import show_bytes
from sdk.errors import BudgetExceeded, CheckpointError
from sdk.rig import RigLayout

CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A checkpoint at a precision, traced in deployment layout, with its quality and its computed memory."""

    path: Path
    checkpoint: Checkpoint
    point: Point
    methods: dict[str, ExportedProgram]
    rows: MemoryRows
    quality: float

    @property
    def name(self) -> str:
        return self.path.stem if self.point.precision == "fp32" else f"{self.path.stem} {self.point.precision}"


def quality(scores: Mapping[str, Any]) -> float:
    """One number to rank checkpoints by, 0..1: recall of lip closures at 2 % false ones, mean over the test sets.

    That recall is what a viewer misses first, and it is free of the threshold that fixed-gap figures hang on. Every
    test set (a top-level key of `scores`: human, espeak, ...) weighs the same however many conditions it holds. A
    checkpoint that was never scored ranks last, at 0.
    """
    found = [statistics.fmean(values) for values in map(_recalls, scores.values()) if values]
    return statistics.fmean(found) if found else 0.0


def _recalls(scores: Any) -> list[float]:
    if not isinstance(scores, Mapping):
        return []
    own = scores.get("recall_at_2pct")
    if isinstance(own, (int, float)):
        return [float(own)]
    return [value for inner in scores.values() for value in _recalls(inner)]


def load_candidates(
    paths: Sequence[Path], rig: RigLayout | None = None
) -> tuple[list[tuple[Path, Checkpoint]], list[CheckpointError]]:
    """All checkpoints that can be read, and the errors of those that cannot."""
    loaded, errors = [], []
    for path in paths:
        try:
            loaded.append((path, Checkpoint.load(path, rig)))
        except CheckpointError as error:
            errors.append(error)
    return loaded, errors


def plan(path: Path, checkpoint: Checkpoint, point: Point) -> Candidate:
    """Trace one point of a checkpoint and compute its memory rows; about a second."""
    deployed = deploy(point.student)
    methods = {"forward": export_program(deployed, deployed.inputs(1))}
    if isinstance(deployed, DeployedStream):
        methods["crowd"] = export_program(deployed, deployed.inputs(CROWD_VOICES))
    rows = memory_rows(methods, checkpoint.student())
    return Candidate(path, checkpoint, point, methods, rows, quality(point.scores))


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Best quality first; of equals the smallest, then by name."""
    return sorted(candidates, key=lambda c: (-c.quality, c.rows.counted_bytes, c.name))


def exceeded(budget_bytes: int, wanted: Sequence[Candidate], others: Sequence[Candidate]) -> BudgetExceeded:
    """The error for `wanted` checkpoints of which none fits: what each needs, what would fit, and by how much."""
    closest = min(wanted, key=lambda c: c.rows.counted_bytes)
    rows, need = closest.rows, closest.rows.counted_bytes
    parts = (
        f"packed weights {show_bytes(rows.packed_weights_bytes)}, workspace {show_bytes(rows.workspace_bytes)}, "
        f"operators {show_bytes(rows.operators_bytes)}, stream state {show_bytes(rows.stream_state_bytes)}"
    )
    text = (
        f"{closest.name} needs {show_bytes(need)}, the budget is {show_bytes(budget_bytes)}: {parts}; "
        f"that is {show_bytes(need - budget_bytes)} too much."
    )
    rest = sorted((c for c in wanted if c is not closest), key=lambda c: c.rows.counted_bytes)
    larger = [f"{c.name} {show_bytes(c.rows.counted_bytes)}" for c in rest]
    if larger:
        text += f" The others need more: {', '.join(larger)}."
    fits = [c.name for c in others if c.rows.counted_bytes <= budget_bytes]
    if fits:
        return BudgetExceeded(f"{text} Fits: {', '.join(fits)}.")
    # a tenth on top, in whole steps of 100 KB, so that the advice still holds once the file is measured
    advice_kb = -(-need * 11 // 10 // 100_000) * 100
    return BudgetExceeded(f"{text} Nothing fits; give --budget {advice_kb}KB or more, or train a smaller variant.")
