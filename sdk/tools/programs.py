"""Compilers and their like, run to their end: what they say matters only where they fail."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

_SAID = 4000  # characters of the end of what a tool said, in an error


def run_tool(command: Sequence[str], failed: type[Exception], folder: Path | None = None) -> None:
    """Run `command`, in `folder`; where it does not end with 0, raises `failed` with the end of what it said."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise failed(f"`{' '.join(command)}` failed:\n{done.stdout[-_SAID:]}")
