"""What a backend is: a student in, a program out, and plain words where this machine cannot make or run one.

    python -m export.build --backends    # what can be exported and run here, and what the others lack

A file of this folder is a backend, and its name is the word for `--backend` (`ethos_u.py`: `ethos-u`). Nothing heavy is
imported before it is needed, so the list can be printed where most of them are not installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram

from distill.students.spec import Student
from export.lower.memory import RowsOf
from export.lower.program import Lowered, lower_with, quiet
from export.lower.trace import trace_forward
from sdk.errors import ConfigError, EngineUnavailable
from sdk.tools.plugins import load_plugin, plugin_names

PACKAGE = "export.lower.backends"


@dataclass(frozen=True)
class Speed:
    """Of one core of the machine it was measured on: multiply-adds a microsecond, microseconds for each operator."""

    macs_per_us: float
    operator_us: float


@dataclass(frozen=True)
class Backend:
    """One way to lower.

    title: for people. runs_on: where its programs run. delegate: its name in the program and in the runtime, "" for the
    runtime's own kernels. missing: why nothing can be exported here and what would help, "" where it can. lower: makes
    the program. speeds: by each precision it takes, for the estimate before anything is lowered; None where nobody has
    measured one. rows: memory of a traced `forward`, None where it cannot be computed: such a backend is built when
    asked for by name, never chosen under a budget. has_crowd: its programs have a method for many voices.
    is_last_resort: chosen only where no other fits. families: of students that it takes. rounds_itself: it takes the
    float student and puts it on grids of its own. allowed: how far its frames may be from the student's where that is
    not the usual tolerance. is_native: only our native library plays its programs.
    """

    title: str
    runs_on: str
    delegate: str
    missing: Callable[[], str]
    lower: Callable[[Student], Lowered]
    speeds: dict[str, Speed | None]
    rows: RowsOf | None = None
    has_crowd: bool = False
    is_last_resort: bool = False
    families: tuple[str, ...] = ("window", "stream")
    rounds_itself: bool = False
    allowed: float | None = None
    is_native: bool = False

    @property
    def precisions(self) -> tuple[str, ...]:
        return tuple(self.speeds)


def backend_names() -> list[str]:
    """Words for `--backend`, sorted."""
    return sorted(name.replace("_", "-") for name in plugin_names(PACKAGE, "BACKEND"))


def load_backend(name: str) -> Backend:
    """The backend of that name. Raises `ConfigError` naming the right names."""
    if name not in backend_names():
        raise ConfigError(f"no backend {name!r}; there are: {', '.join(backend_names())}")
    found = load_plugin(PACKAGE, name.replace("-", "_"), "BACKEND")
    assert isinstance(found, Backend)
    return found


def exportable(name: str) -> Backend:
    """The backend of that name. Raises `EngineUnavailable` with what is missing where it cannot export here."""
    backend = load_backend(name)
    reason = backend.missing()
    if reason:
        raise EngineUnavailable(f"backend {name} cannot export here: {reason}")
    return backend


def cannot_run(backend: Backend) -> str:
    """Why its programs cannot run in Python as it starts, "" where they can."""
    from sdk.engines.executorch import load_runtime

    try:
        runtime = load_runtime()
    except EngineUnavailable as error:
        return str(error)
    known = set(runtime._get_registered_backend_names())
    if backend.is_native:  # a native library in this process has told the runtime; the one that verifies has none
        known.discard(backend.delegate)
    if backend.delegate and backend.delegate not in known:
        return f"the installed runtime knows no {backend.delegate} (only {', '.join(sorted(known))})"
    return ""


def delegated(
    partitioner: Callable[[str], Any],
    title: str,
    whole: bool = True,
    prepare: Callable[[ExportedProgram], ExportedProgram] = lambda exported: exported,
) -> Callable[[Student], Lowered]:
    """The `lower` of a backend that needs nothing but a partitioner, made for a method's name: `forward` alone.

    prepare: puts the traced graph into operators that the backend has.
    """

    def lower(student: Student) -> Lowered:
        return lower_with({"forward": prepare(trace_forward(student))}, partitioner, title, whole)

    return lower


def without_maximum(exported: ExportedProgram) -> ExportedProgram:
    """The larger of two values by operators that shaders and NPUs have: b + relu(a - b)."""

    def larger(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return b + torch.relu(a - b)

    with quiet():
        return exported.run_decompositions({torch.ops.aten.maximum.default: larger})


def without(*modules: str, remedy: str) -> str:
    """ "" where all `modules` are installed, else which are not, and `remedy`."""
    absent = [name for name in modules if not _is_there(name)]
    return f"{', '.join(absent)} not installed: {remedy}" if absent else ""


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
