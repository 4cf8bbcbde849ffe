"""A student's programs as traced graphs, in the deployment layout: what memory is computed from and backends lower."""

from __future__ import annotations

from torch.export import ExportedProgram

from distill.students.spec import Student
from export.deploy import deploy
from export.deploy_stream import CROWD_VOICES, DeployedStream
from export.lower import export_program

Methods = dict[str, ExportedProgram]


def trace_forward(student: Student) -> ExportedProgram:
    """The method for one voice; a third of a second."""
    deployed = deploy(student)
    return export_program(deployed, deployed.inputs(1))


def trace(student: Student) -> Methods:
    """All methods: `forward`, and of a stream student `crowd`."""
    deployed = deploy(student)
    methods = {"forward": export_program(deployed, deployed.inputs(1))}
    if isinstance(deployed, DeployedStream):
        methods["crowd"] = export_program(deployed, deployed.inputs(CROWD_VOICES))
    return methods
