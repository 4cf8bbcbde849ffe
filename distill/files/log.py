"""Logs of runs that stand side by side: JSON lines, a row each, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.files.disk import atomic_write_text


def read_log(path: Path) -> list[dict[str, Any]]:
    """Rows of a log, none if there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def write_log(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """All `rows`, in place of those that stood there."""
    atomic_write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
