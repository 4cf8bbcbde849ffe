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
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from sdk.errors import EngineUnavailable, VerificationError

_GLUE = {"executorch_call_delegate", "getitem"}


@dataclass(frozen=True)
class Lowered:
    """A `.pte` program and what its own memory plan says. arenas_bytes: planned outside the delegate, of the method
    that needs most: the runtime reserves as much once, whatever it loads."""

    program: bytes
    arenas_bytes: int
    delegates: int


def export_program(deployed: nn.Module, inputs: tuple[torch.Tensor, ...]) -> ExportedProgram:
    """The traced graph of `deployed` at the shapes of `inputs`, with everything constant computed away.

    Raises `EngineUnavailable` without ExecuTorch.
    """
    with quiet():
        try:
            from executorch.exir.passes.constant_prop_pass import constant_prop_pass
        except ImportError as error:
            raise EngineUnavailable(f"export needs ExecuTorch: pip install 'tinyface[export]' ({error})") from error
        import torch.ao.quantization.fx._decomposed  # registers the operator named below

        # The deployed norms average by a convolution with constant weights: only known ones delegate. Constant int8
        # weights stay as they are: the delegate takes them, four times smaller than what they mean.
        skip: Any = {torch.ops.quantized_decomposed.dequantize_per_channel.default}
        return constant_prop_pass(torch.export.export(deployed.eval(), inputs, strict=False), skip)


def lower(methods: dict[str, ExportedProgram]) -> Lowered:
    """An XNNPACK program of `methods` (`forward` and perhaps `crowd`), each one delegate and nothing else.

    Equal weights are stored once. The caller owns the inputs' memory, so it is not planned a second time. Raises
    `VerificationError` if anything is left outside the delegates.
    """
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
        from executorch.exir.passes import MemoryPlanningPass

        edge = to_edge_transform_and_lower(methods, partitioner=[XnnpackPartitioner()])
        graphs = [edge.exported_program(name).graph_module.graph for name in methods]
        nodes = [node for graph in graphs for node in graph.nodes if node.op == "call_function"]
        calls = [getattr(node.target, "__name__", str(node.target)) for node in nodes]
        planning = MemoryPlanningPass(alloc_graph_input=False)
        finished = edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning))
    plans = {plan.name: plan for plan in finished.executorch_program.execution_plan}
    left = {operator.name for plan in plans.values() for operator in plan.operators}
    outside = sorted({name for name in calls if name not in _GLUE} | left)
    delegates = [len(plan.delegates) for plan in plans.values()]
    if set(delegates) != {1} or outside:
        raise VerificationError(
            f"the student does not lower whole: {delegates} delegates, "
            f"outside them: {', '.join(outside) or 'none'}. "
            "Write the layer that these come from in operators that XNNPACK takes (see distill/students/layers.py)"
        )
    arenas_bytes = max(sum(plan.non_const_buffer_sizes) for plan in plans.values())
    return Lowered(bytes(finished.buffer), arenas_bytes, len(delegates))


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
