"""Arm Ethos-U: the microcontroller's NPU. Integers alone, quantised by Arm's own rules, compiled by Vela."""

from __future__ import annotations

from typing import Any

from distill.students.spec import Student
from export.lower.backends.base import Backend, without, without_maximum
from export.lower.program import Lowered, lower_with, quiet
from export.lower.pt2e import quantised
from sdk.errors import pip_install

TARGET = "ethos-u55-128"


def _missing() -> str:
    return without("executorch", "tosa_serializer", "ethosu", remedy=pip_install("arm"))


def _lower(student: Student) -> Lowered:
    with quiet():
        from executorch.backends.arm.ethosu import EthosUCompileSpec, EthosUPartitioner
        from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config

    target = EthosUCompileSpec(TARGET)
    quantiser = EthosUQuantizer(target)
    quantiser.set_global(get_symmetric_quantization_config(is_per_channel=True))

    def partitioner(method: str) -> Any:
        return EthosUPartitioner(target)

    methods = {"forward": without_maximum(quantised(student, quantiser))}
    return lower_with(
        methods, partitioner, "Ethos-U", whole=False
    )  # not whole: inputs and outputs are quantised by the runtime


BACKEND = Backend(
    title="Arm Ethos-U55, 128 multiply-adds a cycle",
    runs_on="microcontrollers with that NPU",
    delegate="EthosUBackend",
    missing=_missing,
    lower=_lower,
    speeds={"int8": None},
    rounds_itself=True,
)
