"""WebGPU: a browser's graphics processor, by the same shaders' language as Vulkan's."""

from __future__ import annotations

from typing import Any

from distill.students.spec import Student
from export.backends.base import Backend, without
from export.backends.vulkan import without_maximum
from export.lower import Lowered, lower_with, quiet
from export.trace import trace_forward


def _missing() -> str:
    return without("executorch.backends.webgpu", remedy="pip install 'tinyface[export]' (executorch 1.5.1 or later)")


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.webgpu.partitioner import WebGPUPartitioner

    return WebGPUPartitioner()


def _lower(student: Student) -> Lowered:
    return lower_with({"forward": without_maximum(trace_forward(student))}, _partitioner, "WebGPU")


BACKEND = Backend(
    title="WebGPU",
    runs_on="browsers with WebGPU, with an ExecuTorch runtime built for them",
    delegate="VulkanBackend",  # the name that its blobs bear
    missing=_missing,
    lower=_lower,
    speeds={"fp32": None},
)
