"""Arm VGF: neural graphics in Vulkan, for graphics processors with tensor extensions."""

from __future__ import annotations

import shutil
from typing import Any

from export.lower.backends.base import Backend, delegated, without, without_maximum
from export.lower.program import quiet
from sdk.errors import pip_install


def _missing() -> str:
    reason = without("executorch", "tosa_serializer", remedy=pip_install("arm"))
    if not reason and not shutil.which("model-converter") and not shutil.which("model_converter"):
        reason = "Arm's model converter: pip install ai_ml_sdk_model_converter==0.10.0"
    return reason


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.arm.vgf import VgfCompileSpec, VgfPartitioner

    return VgfPartitioner(VgfCompileSpec())


BACKEND = Backend(
    title="Arm VGF",
    runs_on="graphics processors with Vulkan's tensor extensions",
    delegate="VgfBackend",
    missing=_missing,
    lower=delegated(_partitioner, "VGF", prepare=without_maximum),
    speeds={"fp32": None},
)
