"""Plans made before: what a point takes is computed once for the same weights, sources, versions and machine.

They lie in `~/.cache/tinyface/plans` (`$XDG_CACHE_HOME`; `$TINYFACE_CACHE` names another folder), a small JSON file
each, named by the hash of all that its figures depend on. One that is damaged or cannot be written costs time alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

from distill.students.spec import StudentSpec
from export.load.versions import versions
from export.lower.backends.base import load_backend
from export.lower.memory import MemoryRows
from export.plan.cost import Cost
from export.quantise.precision import Point
from sdk.errors import DataError
from sdk.whole import whole_file

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("export", "distill/students", "distill/files")  # what the figures are computed by


def folder() -> Path:
    """Where plans are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("TINYFACE_CACHE") or Path(home) / "tinyface") / "plans"


def known(
    point: Point, spec: StudentSpec, backend: str, make: Callable[[], tuple[MemoryRows, Cost]]
) -> tuple[MemoryRows, Cost]:
    """Rows and cost of a point for a backend: as they were found before, else as `make` finds them now."""
    path = folder() / f"{_key(point, spec, backend)}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(path.read_text("utf-8"))
        return MemoryRows(**found["rows"]), Cost(**found["cost"])
    rows, cost = make()
    with contextlib.suppress(OSError, DataError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, DataError) as stream:
            stream.write(json.dumps({"rows": asdict(rows), "cost": asdict(cost)}).encode())
    return rows, cost


def _key(point: Point, spec: StudentSpec, backend: str) -> str:
    speed = load_backend(backend).speeds[point.precision]
    facts = (
        point.weights_sha256, point.precision, type(spec).__name__, asdict(spec), backend, str(speed), sources(),
        versions(), platform.machine(), platform.processor(), platform.system(),
    )  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


@cache
def sources() -> str:
    """SHA-256 of the code that makes and measures plans: a changed line makes all of them anew."""
    found = hashlib.sha256()
    for path in sorted(path for place in _SOURCES for path in (_ROOT / place).rglob("*.py")):
        found.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
