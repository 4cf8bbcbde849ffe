"""Vulkan compute shaders: graphics processors of Android phones, in half or single precision."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram

from distill.students.spec import Student
from export.backends.base import Backend, without
from export.lower import Lowered, lower_with, quiet
from export.trace import trace_forward


def _missing() -> str:
    return without("executorch", remedy="pip install 'tinyface[export]'")


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner

    return VulkanPartitioner({})


def without_maximum(exported: ExportedProgram) -> ExportedProgram:
    """The larger of two values by operators that shaders have: b + relu(a - b)."""

    def larger(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return b + torch.relu(a - b)

    with quiet():
        return exported.run_decompositions({torch.ops.aten.maximum.default: larger})


def _lower(student: Student) -> Lowered:
    return lower_with({"forward": without_maximum(trace_forward(student))}, _partitioner, "Vulkan")


BACKEND = Backend(
    title="Vulkan",
    runs_on="Android and desktop graphics processors, with an ExecuTorch runtime built with Vulkan",
    delegate="VulkanBackend",
    missing=_missing,
    lower=_lower,
    speeds={"fp32": None},
)
