"""WebGPU: a browser's graphics processor, by the same shaders' language as Vulkan's."""

from __future__ import annotations

from typing import Any

from export.lower.backends.base import Backend, delegated, without, without_maximum
from export.lower.program import quiet
from sdk.errors import pip_install


def _missing() -> str:
    return without("executorch.backends.webgpu", remedy=f"{pip_install('export')} (executorch 1.5.1 or later)")


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.webgpu.partitioner import WebGPUPartitioner

    return WebGPUPartitioner()


BACKEND = Backend(
    title="WebGPU",
    runs_on="browsers with WebGPU, with an ExecuTorch runtime built for them",
    delegate="VulkanBackend",  # what WebGPU's parts of a program are called inside the file
    missing=_missing,
    lower=delegated(_partitioner, "WebGPU", prepare=without_maximum),
    speeds={"fp32": None},
)
