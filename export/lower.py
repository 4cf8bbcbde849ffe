"""Student -> ExecuTorch program: one XNNPACK delegate and nothing outside it, or no program at all.

An operator that stays outside runs in a reference loop, hundreds of times slower, needs a kernel library three times
the size of the delegate, and nothing else would tell. So the count is checked here, on the program itself.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.export import ExportedProgram

from sdk.errors import EngineUnavailable, VerificationError

_GLUE = {"executorch_call_delegate", "getitem"}


@dataclass(frozen=True)
class Lowered:
    """A `.pte` program and what its own memory plan says. arenas_bytes: planned outside the delegate."""

    program: bytes
    arenas_bytes: int
    delegates: int


def export_program(deployed: nn.Module, window_samples: int) -> ExportedProgram:
    """The traced graph of `deployed` at (1, 1, window_samples), with everything constant computed away.

    Raises `EngineUnavailable` without ExecuTorch.
    """
    with quiet():
        try:
            from executorch.exir.passes.constant_prop_pass import constant_prop_pass
        except ImportError as error:
            raise EngineUnavailable(f"export needs ExecuTorch: pip install 'tinyface[export]' ({error})") from error
        # the deployed norms average by a convolution with constant weights: only known ones delegate
        return constant_prop_pass(torch.export.export(deployed, (torch.zeros(1, 1, window_samples),), strict=False))


def lower(exported: ExportedProgram) -> Lowered:
    """One-delegate XNNPACK program. The caller owns the input's memory, so it is not planned a second time.

    Raises `VerificationError` if anything is left outside the delegate.
    """
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
        from executorch.exir.passes import MemoryPlanningPass

        edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
        nodes = edge.exported_program().graph_module.graph.nodes
        calls = [getattr(node.target, "__name__", str(node.target)) for node in nodes if node.op == "call_function"]
        planning = MemoryPlanningPass(alloc_graph_input=False)
        finished = edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning))
    plan = finished.executorch_program.execution_plan[0]
    outside = sorted({name for name in calls if name not in _GLUE} | {operator.name for operator in plan.operators})
    if len(plan.delegates) != 1 or outside:
        raise VerificationError(
            f"the student does not lower whole: {len(plan.delegates)} delegates, "
            f"outside them: {', '.join(outside) or 'none'}. "
            "Write the layer that these come from in operators that XNNPACK takes (see distill/students/layers.py)"
        )
    return Lowered(bytes(finished.buffer), sum(plan.non_const_buffer_sizes), len(plan.delegates))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what the exporter says about its own future; errors still raise."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
