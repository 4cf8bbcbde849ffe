"""Arm VGF: neural graphics in Vulkan, for graphics processors with tensor extensions."""

from __future__ import annotations

import shutil
from typing import Any

from distill.students.spec import Student
from export.backends.base import Backend, without
from export.backends.vulkan import without_maximum
from export.lower import Lowered, lower_with, quiet
from export.trace import trace_forward


def _missing() -> str:
    reason = without("executorch", "tosa_serializer", remedy="pip install 'tinyface[arm]'")
    if not reason and not shutil.which("model-converter") and not shutil.which("model_converter"):
        reason = "Arm's model converter: pip install ai_ml_sdk_model_converter==0.10.0"
    return reason


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.arm.vgf import VgfCompileSpec, VgfPartitioner

    return VgfPartitioner(VgfCompileSpec())


def _lower(student: Student) -> Lowered:
    return lower_with({"forward": without_maximum(trace_forward(student))}, _partitioner, "VGF")


BACKEND = Backend(
    title="Arm VGF",
    runs_on="graphics processors with Vulkan's tensor extensions",
    delegate="VgfBackend",
    missing=_missing,
    lower=_lower,
    speeds={"fp32": None},
)
