"""A student's programs as traced graphs, in the deployment layout: what memory is computed from and backends lower."""

from __future__ import annotations

from torch import nn
from torch.export import ExportedProgram

from distill.students.spec import Student
from export.lower.deploy import deploy
from export.lower.deploy_stream import CROWD_VOICES, DeployedStream
from export.lower.program import export_program

Methods = dict[str, ExportedProgram]


def trace_forward(student: Student) -> ExportedProgram:
    """The method for one voice; a third of a second."""
    deployed = deploy(student)
    return export_program(deployed, deployed.inputs(1))


def trace(student: Student, instead: nn.Module | None = None) -> Methods:
    """All methods: `forward`, and of a stream student `crowd`. instead: a module to trace in place of the deployed
    student, with the same ends."""
    deployed = deploy(student)
    voices = {"forward": 1} | ({"crowd": CROWD_VOICES} if isinstance(deployed, DeployedStream) else {})
    return {name: export_program(instead or deployed, deployed.inputs(count)) for name, count in voices.items()}
