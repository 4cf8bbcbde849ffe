"""Qualcomm's Hexagon NPU. Needs Qualcomm's SDK, which is not on any package index and is never fetched for you."""

from __future__ import annotations

import os
from typing import Any

from export.lower.backends.base import Backend, delegated, without
from export.lower.program import quiet
from sdk.errors import pip_install


def _missing() -> str:
    if not os.environ.get("QNN_SDK_ROOT"):
        return "Qualcomm's AI Engine Direct SDK: install it by hand and `export QNN_SDK_ROOT=FOLDER`"
    return without("executorch.backends.qualcomm", remedy=pip_install("export"))


def _partitioner(method: str) -> Any:
    with quiet():
        from executorch.backends.qualcomm.partition.qnn_partitioner import QnnPartitioner
        from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset
        from executorch.backends.qualcomm.utils.utils import (
            generate_htp_compiler_spec,
            generate_qnn_executorch_compiler_spec,
        )

    options = generate_htp_compiler_spec(use_fp16=True)
    return QnnPartitioner(generate_qnn_executorch_compiler_spec(soc_model=QcomChipset.SM8650, backend_options=options))


BACKEND = Backend(
    title="Qualcomm Hexagon, Snapdragon 8 Gen 3",
    runs_on="phones with that processor",
    delegate="QnnBackend",
    missing=_missing,
    lower=delegated(_partitioner, "QNN"),
    speeds={"fp32": None},
    allowed=0.01,  # half precision
)
