"""The runtime's own reference kernels: no delegate, no copy of the weights, and thirty times slower.

For processors that no delegate knows, and for budgets that nothing else fits: weights are used where the file has them.
"""

from __future__ import annotations

from distill.students.spec import Student
from export.backends.base import Backend, Speed, without
from export.lower import Lowered, lower_with
from export.memory import portable_rows
from export.trace import trace_forward


def _missing() -> str:
    return without("executorch", remedy="pip install 'tinyface[export]'")


def _lower(student: Student) -> Lowered:
    return lower_with({"forward": trace_forward(student)}, lambda name: None, "the runtime", whole=False)


BACKEND = Backend(
    title="portable kernels",
    runs_on="anything with a C++ compiler; the runtime's kernel library must be linked",
    delegate="",
    missing=_missing,
    lower=_lower,
    speeds={"fp32": Speed(240, 0.6)},  # multiply-adds a microsecond on the same core
    rows=portable_rows,
    is_last_resort=True,
)
