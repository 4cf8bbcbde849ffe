"""Vulkan compute shaders: graphics processors of Android phones, in half or single precision."""

from __future__ import annotations

from typing import Any

from export.lower.backends.base import Backend, delegated, without, without_maximum
from export.lower.program import quiet
from sdk.errors import pip_install


def _missing() -> str:
    return without("executorch", remedy=pip_install("export"))


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner

    return VulkanPartitioner({})


BACKEND = Backend(
    title="Vulkan",
    runs_on="Android and desktop graphics processors, with an ExecuTorch runtime built with Vulkan",
    delegate="VulkanBackend",
    missing=_missing,
    lower=delegated(_partitioner, "Vulkan", prepare=without_maximum),
    speeds={"fp32": None},
)
