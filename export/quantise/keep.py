"""Which layers stay in float: the usual few, or those that a measured sweep named (`export/sensitivity.py`)."""

from __future__ import annotations

from pathlib import Path

from distill.files.checkpoint import Checkpoint
from sdk.errors import CheckpointError
from sdk.tools.limits import read_json_file

SCHEMA = 1
HEARS = "front.0"  # what a stream student without a spectrum hears samples with
KEEP = (HEARS, "fc3", "first")  # of precision int8: names of layers, or of what they lie in
KEEP_DYNAMIC = (HEARS, "first")  # its outputs have no grid, so that the last layer loses nothing


def sensitivity_path(checkpoint: Path) -> Path:
    """Where the sensitivity of a checkpoint file lies."""
    return checkpoint.with_name(f"{checkpoint.stem}-sensitivity.json")


def kept(path: Path, checkpoint: Checkpoint, precision: str) -> tuple[str, ...]:
    """Layers that stay in float at `precision` (`TWIN_PRECISIONS`) of the `checkpoint` at `path`.

    Raises `CheckpointError` for `mixed` if no sweep lies beside the checkpoint, or only one of other weights.
    """
    if precision == "mixed":
        return _measured(path, checkpoint)
    if precision == "dynamic":  # XNNPACK cannot quantise a logarithm's output while it runs, and a spectrum ends in one
        return KEEP_DYNAMIC
    spectrum = getattr(
        checkpoint.spec, "spectrum", None
    )  # a spectrum is never rounded, and the layer behind it no longer hears samples, so it may be
    return tuple(name for name in KEEP if not (spectrum and name == HEARS))


def _measured(path: Path, checkpoint: Checkpoint) -> tuple[str, ...]:
    file = sensitivity_path(path)
    remedy = f"measure it with `python -m export.sensitivity --checkpoint {path} --corpus FOLDER`"
    if not file.exists():
        raise CheckpointError(f"{file}: nobody knows yet which layers int8 hurts: {remedy}")
    found = read_json_file(file, CheckpointError)
    try:
        keep, weights, schema = found["keep"], found["weights_sha256"], found["schema"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{file}: not the sensitivity of a checkpoint ({error}): {remedy}") from error
    names = {name for name, _ in checkpoint.student().named_modules()}
    if schema != SCHEMA or weights != checkpoint.weights_sha256 or not set(keep) <= names:
        raise CheckpointError(f"{file}: measured on other weights than {path.name} has: {remedy}")
    return tuple(keep)
