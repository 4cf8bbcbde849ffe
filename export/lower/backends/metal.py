"""Metal through AOTInductor: kernels compiled on a Mac, for a Mac."""

from __future__ import annotations

import sys
from typing import Any

from export.lower.backends.base import Backend, delegated, without
from export.lower.program import quiet
from sdk.errors import pip_install


def _missing() -> str:
    if sys.platform != "darwin":
        return "it compiles with Apple's tools: export on a Mac with Xcode"
    return without("executorch.backends.apple.metal", remedy=pip_install("export"))


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.apple.metal.metal_backend import MetalBackend
        from executorch.backends.apple.metal.metal_partitioner import MetalPartitioner

    return MetalPartitioner([MetalBackend.generate_method_name_compile_spec(method)])


BACKEND = Backend(
    title="Metal",
    runs_on="Macs",
    delegate="MetalBackend",
    missing=_missing,
    lower=delegated(_partitioner, "Metal"),
    speeds={"fp32": None},
)
