"""Samsung's Exynos NPU. Needs Samsung's ENN tools, and ExecuTorch built from source with them."""

from __future__ import annotations

from typing import Any

from export.lower.backends.base import Backend, delegated, without
from export.lower.program import quiet


def _missing() -> str:
    remedy = "build ExecuTorch from source with Samsung's Exynos AI LiteCore SDK (backends/samsung/build.sh)"
    return without("executorch.backends.samsung.python", remedy=remedy)


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.samsung.partition.enn_partitioner import EnnPartitioner
        from executorch.backends.samsung.serialization.compile_options import gen_samsung_backend_compile_spec

    return EnnPartitioner([gen_samsung_backend_compile_spec("E9955")])


BACKEND = Backend(
    title="Samsung Exynos 2500",
    runs_on="phones with that processor",
    delegate="EnnBackend",
    missing=_missing,
    lower=delegated(_partitioner, "ENN"),
    speeds={"fp32": None},
    allowed=0.01,
)
