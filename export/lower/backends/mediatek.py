"""MediaTek's NPU. Needs MediaTek's NeuroPilot tools, which come from MediaTek alone."""

from __future__ import annotations

from typing import Any

from export.lower.backends.base import Backend, delegated, without
from export.lower.program import quiet


def _missing() -> str:
    return without("mtk_converter", "mtk_neuron", remedy="install both wheels of MediaTek's NeuroPilot Express SDK")


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.mediatek import NeuropilotPartitioner
        from executorch.exir.backend.compile_spec_schema import CompileSpec

    return NeuropilotPartitioner([CompileSpec("platform-config", b"mt6991")])


BACKEND = Backend(
    title="MediaTek NeuroPilot, Dimensity 9400",
    runs_on="phones with that processor",
    delegate="NeuropilotBackend",
    missing=_missing,
    lower=delegated(_partitioner, "NeuroPilot"),
    speeds={"fp32": None},
    allowed=0.01,
)
