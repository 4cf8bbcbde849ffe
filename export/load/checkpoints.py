"""Which checkpoints a build chooses from: those that can be read and lowered, and which of them were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill.files.checkpoint import Checkpoint
from distill.students.spec import BaselineSpec, variant_names
from sdk.errors import CheckpointError, ConfigError
from sdk.rig import RigLayout

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
Say = Callable[[str], None]
Loaded = list[tuple[Path, Checkpoint]]


@dataclass(frozen=True)
class Wanted:
    """Which points to choose from. student: only this one. checkpoint: only this file. precision: `auto`, or one of
    `PRECISIONS`. checkpoints: the folder of them. rig: refuse any other. backends: only these; where none is named, all
    that a budget may choose."""

    student: str | None = None
    checkpoint: Path | None = None
    precision: str = "auto"
    checkpoints: Path = CHECKPOINTS
    rig: RigLayout | None = None
    backends: tuple[str, ...] = ()


def load_candidates(
    paths: Sequence[Path], rig: RigLayout | None = None
) -> tuple[list[tuple[Path, Checkpoint]], list[CheckpointError]]:
    """All checkpoints that can be read and lowered, and the errors of those that cannot."""
    loaded, errors = [], []
    for path in paths:
        try:
            checkpoint = Checkpoint.load(path, rig)
            if isinstance(checkpoint.spec, BaselineSpec):
                command = f"python -m export.torchscript --checkpoint {path} --out FILE.pt"
                raise CheckpointError(f"{path}: a baseline to measure against, not lowered to a .pte: `{command}`")
            loaded.append((path, checkpoint))
        except CheckpointError as error:
            errors.append(error)
    return loaded, errors


def load_wanted(wanted: Wanted, say: Say) -> tuple[Loaded, Loaded]:
    """The checkpoints asked for, and the rest of the folder, which an error may recommend."""
    paths = sorted(wanted.checkpoints.glob("*.pt")) if wanted.checkpoint is None else [wanted.checkpoint]
    loaded, errors = load_candidates(paths, wanted.rig)
    if wanted.checkpoint is not None and errors:
        raise errors[0]
    for error in errors:
        say(f"      left out: {error}")
    if not loaded:
        reasons = "; ".join(map(str, errors)) or "there is no .pt file in it"
        raise CheckpointError(
            f"{wanted.checkpoints}: no usable checkpoint: {reasons}. "
            "Train one with `python -m distill.recipes.heterogeneous`"
        )
    student = wanted.student
    asked = [pair for pair in loaded if student in (None, pair[0].stem, pair[1].spec.name)]
    if not asked:
        text = f"no checkpoint of {student!r}; there are: {', '.join(path.stem for path, _ in loaded)}"
        if student in variant_names():
            train = f"`python -m distill.recipes.heterogeneous --variant {student}`"
            text += f". It is a variant without a checkpoint there: train one with {train}, or give --checkpoint FILE"
        raise ConfigError(text)
    kept = {path for path, _ in asked}
    return asked, [pair for pair in loaded if pair[0] not in kept]
