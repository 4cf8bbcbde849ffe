"""XNNPACK: fast kernels for every CPU, and the default. One delegate, nothing outside; integers where there are any."""

from __future__ import annotations

from distill.students.spec import Student
from export.lower.backends.base import Backend, Speed, without
from export.lower.memory import xnnpack_rows
from export.lower.program import Lowered, lower
from export.lower.trace import trace
from sdk.errors import pip_install


def _missing() -> str:
    return without("executorch", "torchao", remedy=pip_install("export"))


def _lower(student: Student) -> Lowered:
    return lower(trace(student))


# measured on one core of an x86-64 server with AVX-512 and VNNI, by the families of this repository
BACKEND = Backend(
    title="XNNPACK",
    runs_on="every CPU: x86-64, ARM, RISC-V, WebAssembly",
    delegate="XnnpackBackend",
    missing=_missing,
    lower=_lower,
    speeds={
        "fp32": Speed(45_000, 0.3),
        "int8": Speed(90_000, 0.3),
        "mixed": Speed(60_000, 0.3),
        "dynamic": Speed(60_000, 0.3),
    },
    rows=xnnpack_rows,
    has_crowd=True,
)
