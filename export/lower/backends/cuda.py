"""CUDA through AOTInductor: one compiled library for one family of graphics cards. TorchScript needs none of this."""

from __future__ import annotations

import shutil
from typing import Any

from export.lower.backends.base import Backend, delegated, without
from export.lower.program import quiet


def _missing() -> str:
    reason = without("triton", remedy="pip install triton beside a CUDA build of torch 2.13")
    if not reason and not shutil.which("nvcc"):
        reason = "nvcc not found: install the CUDA toolkit"
    if not reason:
        import torch  # heavy, and only asked where the rest is there

        if not torch.cuda.is_available():
            reason = "no NVIDIA graphics card with a driver here, on which the program is compiled"
    return reason and f"{reason}; on a graphics card model.pt (TorchScript) runs without it"


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.cuda.cuda_backend import CudaBackend
        from executorch.backends.cuda.cuda_partitioner import CudaPartitioner

    return CudaPartitioner([CudaBackend.generate_method_name_compile_spec(method)])


BACKEND = Backend(
    title="CUDA",
    runs_on="NVIDIA graphics cards",
    delegate="CudaBackend",
    missing=_missing,
    lower=delegated(_partitioner, "CUDA"),
    speeds={"fp32": None},
)
