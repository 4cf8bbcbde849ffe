"""The runtime's own reference kernels: no delegate, no copy of the weights, and thirty times slower.

For processors that no delegate knows, and for budgets that nothing else fits: weights are used where the file has them.
"""

from __future__ import annotations

from export.lower.backends.base import Backend, Speed, delegated, without
from export.lower.memory import portable_rows
from sdk.errors import pip_install


def _missing() -> str:
    return without("executorch", remedy=pip_install("export"))


BACKEND = Backend(
    title="portable kernels",
    runs_on="anything with a C++ compiler; the runtime's kernel library must be linked",
    delegate="",
    missing=_missing,
    lower=delegated(lambda method: None, "the runtime", whole=False),
    speeds={"fp32": Speed(240, 0.6)},  # multiply-adds a microsecond on the same core
    rows=portable_rows,
    is_last_resort=True,
)
