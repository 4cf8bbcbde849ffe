"""A student of 8 channels that learned nothing: for tests of files, whose sizes it keeps small."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def small_spec() -> Any:
    """s8 on the raw waveform, as narrow as it can be."""
    from distill.students.spec import load_variant

    front = [[4, 20, 10], [4, 8, 4], [4, 8, 4], [8, 4, 2]]
    return load_variant("s8", {"channels": 8, "fc_width": 8, "front": front, "spectrum": [], "dilations": [1]})


def small_checkpoint(path: Path) -> Path:
    """Its checkpoint, written to `path`."""
    from distill.files.checkpoint import Checkpoint

    spec = small_spec()
    Checkpoint(spec, spec.build().state_dict(), {"recipe": "none"}, {}).save(path)
    return path
