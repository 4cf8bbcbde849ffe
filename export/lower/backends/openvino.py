"""OpenVINO: Intel's CPUs, graphics processors and NPUs. Runs in the wheel's own runtime."""

from __future__ import annotations

from typing import Any

from export.lower.backends.base import Backend, delegated, without
from export.lower.program import quiet
from sdk.errors import pip_install


def _missing() -> str:
    return without("executorch", "openvino", "nncf", remedy=pip_install("openvino"))


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.openvino.partitioner import OpenvinoPartitioner
        from executorch.exir.backend.compile_spec_schema import CompileSpec

    return OpenvinoPartitioner([CompileSpec("device", b"CPU")])


BACKEND = Backend(
    title="OpenVINO",
    runs_on="Intel processors, graphics and NPUs, with OpenVINO's runtime",
    delegate="OpenvinoBackend",
    missing=_missing,
    lower=delegated(_partitioner, "OpenVINO"),
    speeds={"fp32": None},
    families=("window",),  # with executorch 1.5.1 its runtime dies on programs that give several tensors
    allowed=0.15,  # it computes in bfloat16 where the CPU can
)
