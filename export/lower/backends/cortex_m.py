"""Arm Cortex-M: CMSIS-NN kernels of a microcontroller without an NPU; integers, quantised by their own rules."""

from __future__ import annotations

from typing import Any

from distill.students.spec import Student
from export.lower.backends.base import Backend, without
from export.lower.program import Lowered, lower_with, quiet
from export.lower.pt2e import quantised
from sdk.errors import pip_install


def _missing() -> str:
    return without("executorch.backends.cortex_m", "tosa_serializer", remedy=pip_install("arm"))


def _lower(student: Student) -> Lowered:
    with quiet():
        from executorch.backends.cortex_m.edge_compile_config import cortex_m_edge_compile_config
        from executorch.backends.cortex_m.passes.cortex_m_pass_manager import CortexMPassManager
        from executorch.backends.cortex_m.quantizer.quantizer import CortexMQuantizer
        from executorch.backends.cortex_m.target_config import CortexM, CortexMTargetConfig

    def with_kernels(edge: Any) -> Any:
        config = CortexMTargetConfig(cpu=CortexM.M55)
        exported = edge.exported_program("forward")
        passes = CortexMPassManager(exported, CortexMPassManager.pass_list, target_config=config)
        edge._edge_programs["forward"] = (
            passes.transform()
        )  # private, but as the wheel's own tests do it: there is no public way
        return edge

    methods = {"forward": quantised(student, CortexMQuantizer())}
    config = cortex_m_edge_compile_config()
    return lower_with(methods, lambda name: None, "Cortex-M", whole=False, config=config, transform=with_kernels)


BACKEND = Backend(
    title="Arm Cortex-M55, CMSIS-NN",
    runs_on="microcontrollers, with an ExecuTorch runtime that has the Cortex-M kernels",
    delegate="cortex_m kernels",
    missing=_missing,
    lower=_lower,
    speeds={"int8": None},
    rounds_itself=True,
)
