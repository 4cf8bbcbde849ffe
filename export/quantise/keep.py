"""Which layers stay in float: the usual few, or those that a measured sweep named (`export/sensitivity.py`)."""

from __future__ import annotations

import json
from pathlib import Path

from distill.files.checkpoint import Checkpoint
from sdk.errors import CheckpointError

SCHEMA = 1
KEEP = ("front.0", "fc3", "first")  # of precision int8: names of layers, or of what they lie in
KEEP_DYNAMIC = ("front.0", "first")  # its outputs have no grid, so that the last layer loses nothing


def sensitivity_path(checkpoint: Path) -> Path:
    """Where the sensitivity of a checkpoint file lies."""
    return checkpoint.with_name(f"{checkpoint.stem}-sensitivity.json")


def kept(path: Path, checkpoint: Checkpoint, precision: str) -> tuple[str, ...]:
    """Layers that stay in float at `precision` (`TWIN_PRECISIONS`) of the `checkpoint` at `path`.

    Raises `CheckpointError` for `mixed` if no sweep lies beside the checkpoint, or only one of other weights.
    """
    if precision == "mixed":
        return _measured(path, checkpoint)
    return KEEP_DYNAMIC if precision == "dynamic" else KEEP


def _measured(path: Path, checkpoint: Checkpoint) -> tuple[str, ...]:
    file = sensitivity_path(path)
    remedy = f"measure it with `python -m export.sensitivity --checkpoint {path} --corpus FOLDER`"
    try:
        found = json.loads(file.read_text("utf-8"))
        keep, weights, schema = found["keep"], found["weights_sha256"], found["schema"]
    except OSError as error:
        why = error.strerror or error
        raise CheckpointError(f"{file}: nobody knows yet which layers int8 hurts ({why}): {remedy}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{file}: not the sensitivity of a checkpoint ({error}): {remedy}") from error
    names = {name for name, _ in checkpoint.student().named_modules()}
    if schema != SCHEMA or weights != checkpoint.weights_sha256 or not set(keep) <= names:
        raise CheckpointError(f"{file}: measured on other weights than {path.name} has: {remedy}")
    return tuple(keep)
