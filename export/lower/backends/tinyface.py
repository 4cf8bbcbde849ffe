"""Our own kernels: as fast as XNNPACK or faster, one small library, weights used where the file has them.

Programs run in the native library (`sdk/c`), with `libexecutorch` alone; the wheel's Python runtime
does not know them. See docs/own_kernels.md.
"""

from __future__ import annotations

from export.lower.backends.base import Backend, Speed, without
from export.lower.kernels import DELEGATE, lower_kernels
from sdk.errors import pip_install


def _missing() -> str:
    return without("executorch", remedy=pip_install("export"))


# fitted to one core of an x86-64 server with AVX-512 and VNNI, as `python -m tests.kernels` measures it
BACKEND = Backend(
    title="our own kernels",
    runs_on="the native library: x86-64 (SSE2, AVX2, AVX-512), and any processor with a GNU-like C++ compiler",
    delegate=DELEGATE,
    missing=_missing,
    lower=lower_kernels,
    speeds={"fp32": Speed(35_000, 0.03), "int8": Speed(80_000, 0.03), "mixed": Speed(45_000, 0.03)},
    has_crowd=True,
    is_native=True,
)
