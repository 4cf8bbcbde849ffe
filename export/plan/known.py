"""Plans and programs made before: computed once for the same weights, sources, versions and machine.

They lie in `~/.cache/tinyface/plans` (`$XDG_CACHE_HOME`; `$TINYFACE_CACHE` names another folder), named by the hash
of all that it depends on: plans, and the last sixteen programs, each behind the SHA-256 of what follows it.
One that is damaged or cannot be written costs time alone. What is built is measured and verified all the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from distill.students.spec import StudentSpec
from export.load.versions import tools
from export.lower.backends.base import load_backend
from export.lower.memory import MemoryRows
from export.lower.program import Lowered
from export.plan.cost import Cost
from export.quantise.precision import Point
from sdk.errors import DataError
from sdk.tools.cache import cache_folder
from sdk.tools.whole import whole_file

PROGRAMS_KEPT = 16
_UNUSABLE = (OSError, ValueError, TypeError, KeyError)


def folder() -> Path:
    """Where plans are kept."""
    return cache_folder() / "plans"


def known(
    point: Point, spec: StudentSpec, backend: str, make: Callable[[], tuple[MemoryRows, Cost]]
) -> tuple[MemoryRows, Cost]:
    """Rows and cost of a point for a backend: as they were found before, else as `make` finds them now."""
    path = folder() / f"{_key(point, spec, backend, 'plan')}.plan"
    with contextlib.suppress(*_UNUSABLE):
        found = json.loads(_kept(path))
        return MemoryRows(**found["rows"]), Cost(**found["cost"])
    rows, cost = make()
    _keep(path, json.dumps({"rows": asdict(rows), "cost": asdict(cost)}).encode())
    return rows, cost


def known_rows(
    point: Point, spec: StudentSpec, backend: str, lowered: Lowered, make: Callable[[], MemoryRows]
) -> MemoryRows:
    """The rows of a finished program, likewise; they depend on its planned arenas as well."""
    path = folder() / f"{_key(point, spec, backend, f'rows {lowered.arenas_bytes}')}.plan"
    with contextlib.suppress(*_UNUSABLE):
        return MemoryRows(**json.loads(_kept(path)))
    rows = make()
    _keep(path, json.dumps(asdict(rows)).encode())
    return rows


def known_program(point: Point, spec: StudentSpec, backend: str, make: Callable[[], Lowered]) -> Lowered:
    """The program of a point for a backend: byte for byte as it was lowered before, else as `make` lowers it now."""
    path = folder() / f"{_key(point, spec, backend, 'program')}.program"
    with contextlib.suppress(*_UNUSABLE):
        head, program = _kept(path).split(b"\n", 1)
        arenas_bytes, delegates, outside = json.loads(head)
        return Lowered(program, arenas_bytes, delegates, tuple(outside))
    made = make()
    facts = (made.arenas_bytes, made.delegates, made.outside)
    _keep(path, json.dumps(facts).encode() + b"\n" + made.program)
    with contextlib.suppress(OSError):
        for old in sorted(folder().glob("*.program"), key=lambda file: -file.stat().st_mtime)[PROGRAMS_KEPT:]:
            old.unlink(missing_ok=True)
    return made


def _keep(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError, DataError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, DataError) as stream:
            stream.write(hashlib.sha256(content).digest() + content)


def _kept(path: Path) -> bytes:
    """What `_keep` kept. Raises `ValueError` for a file that is damaged."""
    whole = path.read_bytes()
    if hashlib.sha256(whole[32:]).digest() != whole[:32]:
        raise ValueError(f"{path}: damaged")
    return whole[32:]


def _key(point: Point, spec: StudentSpec, backend: str, what: str) -> str:
    speed = load_backend(backend).speeds[point.precision]
    facts = (
        what, point.weights_sha256, point.precision, type(spec).__name__, asdict(spec), backend, str(speed), tools(),
        platform.machine(), platform.processor(), platform.system(),
    )  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
