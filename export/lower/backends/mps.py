"""Apple's Metal Performance Shaders: gone from ExecuTorch; the word stands here to say where it went."""

from __future__ import annotations

from distill.students.spec import Student
from export.lower.backends.base import Backend
from export.lower.program import Lowered
from sdk.errors import EngineUnavailable


def _missing() -> str:
    return "executorch 1.5.1 has no MPS backend any more: take --backend coreml, or metal on a Mac"


def _lower(student: Student) -> Lowered:
    raise EngineUnavailable(_missing())


BACKEND = Backend(
    title="Metal Performance Shaders",
    runs_on="Mac and iPhone, with ExecuTorch up to 1.4",
    delegate="MPSBackend",
    missing=_missing,
    lower=_lower,
    speeds={"fp32": None},
)
