"""Student -> ExecuTorch program for our own kernels: one delegate that is a plan (`export/lower/kernel_plan.py`).

The native library runs it with `libexecutorch` alone, 0.44 MB instead of 3.5 MB of libraries, and uses the weights
where the file has them. The wheel's Python runtime does not know these kernels, so `sdk` cannot play such a file; the
native library, which is what they are for, is also what judges them (tests/runtime_examples/test_native_kernels.py).
"""

from __future__ import annotations

import copy
import struct

import torch
from torch import Tensor, nn

from distill.students.spec import Student
from distill.students.stream import StreamStudent
from distill.students.styled import StyledStream
from export.lower.deploy import deploy
from export.lower.deploy_stream import CROWD_VOICES
from export.lower.deploy_styled import DeployedStyled
from export.lower.kernel_plan import plan
from export.lower.program import Lowered, quiet
from export.lower.shortcuts import import_exporter, rarely_collected, shortcuts
from sdk.errors import EngineUnavailable, pip_install

BACKEND = "tinyface"  # in the manifest
DELEGATE = "TinyfaceKernels"  # in the program; as sdk/c/src/run/kernel_backend.cpp


class _Ends(nn.Module):
    """A stand-in with the program's inputs and outputs, for the exporter to trace; what it computes is not used."""

    def __init__(self, values: int) -> None:
        super().__init__()
        self.values = values

    def forward(self, samples: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        return (samples[:, 0, : self.values] + 1.0, *(tensor + 1.0 for tensor in state))


class _Delegated(nn.Module):
    def __init__(self, lowered: nn.Module) -> None:
        super().__init__()
        self.lowered = lowered

    def forward(self, samples: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        made: tuple[Tensor, ...] = self.lowered(samples, *state)
        return made


def lower_kernels(student: Student | StyledStream) -> Lowered:
    """The program of `student`: `forward`, and of a stream student `crowd`, which share one plan in the file.

    The state's tensors have the manifest's shapes; how the numbers lie in them is the kernels' own affair. Raises
    `VerificationError` for a layer that the kernels do not have, `EngineUnavailable` without ExecuTorch.
    """
    student = copy.deepcopy(student).eval()
    deployed = DeployedStyled(student) if isinstance(student, StyledStream) else deploy(student)
    streams = isinstance(student, StreamStudent | StyledStream)
    voices = {"forward": 1, "crowd": CROWD_VOICES} if streams else {"forward": 1}
    inputs = {name: deployed.inputs(count) for name, count in voices.items()}
    blob = plan(student)
    values = _values(student.neutral if isinstance(student, StyledStream) else student)
    with quiet(), rarely_collected():
        try:
            import_exporter()
            from executorch.exir import ExecutorchBackendConfig, to_edge
            from executorch.exir.backend.compile_spec_schema import CompileSpec
            from executorch.exir.lowered_backend_module import LoweredBackendModule
            from executorch.exir.passes import MemoryPlanningPass
        except ImportError as error:
            raise EngineUnavailable(f"export needs ExecuTorch: {pip_install('export')} ({error})") from error
        with shortcuts():
            methods = {}
            for name, count in voices.items():
                ends = to_edge(torch.export.export(_Ends(values).eval(), inputs[name], strict=False)).exported_program()
                spec = CompileSpec("voices", struct.pack("<I", count))
                module = _Delegated(LoweredBackendModule(ends, DELEGATE, blob, [spec]))
                methods[name] = torch.export.export(module.eval(), inputs[name], strict=False)
            planning = MemoryPlanningPass(alloc_graph_input=False)
            finished = to_edge(methods).to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning))
    plans = finished.executorch_program.execution_plan
    arenas_bytes = max(sum(one.non_const_buffer_sizes) for one in plans)
    return Lowered(bytes(finished.buffer), arenas_bytes, len(plans))


def _values(student: Student) -> int:
    layer = student.fc3
    assert isinstance(layer, nn.Conv2d), "the last layer stays float32"
    return layer.out_channels
