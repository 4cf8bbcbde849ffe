"""Core ML: Apple's neural engine, graphics processor and CPU; half precision by its own choice."""

from __future__ import annotations

from typing import Any

from export.lower.backends.base import Backend, delegated, without
from export.lower.program import quiet


def _missing() -> str:
    return without("executorch", "coremltools", remedy="pip install coremltools==9.0 (Linux x86-64 or macOS)")


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    return CoreMLPartitioner()


BACKEND = Backend(
    title="Core ML",
    runs_on="iPhone, iPad and Mac, with an ExecuTorch runtime built for them",
    delegate="CoreMLBackend",
    missing=_missing,
    lower=delegated(_partitioner, "Core ML"),
    speeds={"fp32": None},
    allowed=0.01,  # half precision
)
