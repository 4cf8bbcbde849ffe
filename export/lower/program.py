"""Student -> ExecuTorch program: one delegate and nothing outside it, or no program at all.

An operator that stays outside runs in a reference loop, hundreds of times slower, needs a kernel library three times
the size of the delegate, and nothing else would tell. So the count is checked here, on the program itself.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from export.lower.shortcuts import import_exporter, rarely_collected, shortcuts
from sdk.errors import EngineUnavailable, VerificationError, pip_install

_GLUE = {"executorch_call_delegate", "getitem"}


@dataclass(frozen=True)
class Lowered:
    """A `.pte` program and what its own memory plan says. arenas_bytes: planned outside the delegate, of the method
    that needs most: the runtime reserves as much once, whatever it loads. delegates: of all methods. outside: names of
    the operators that the runtime's own kernels run."""

    program: bytes
    arenas_bytes: int
    delegates: int
    outside: tuple[str, ...] = ()


def export_program(deployed: nn.Module, inputs: tuple[torch.Tensor, ...]) -> ExportedProgram:
    """The traced graph of `deployed` at the shapes of `inputs`, with everything constant computed away.

    Raises `EngineUnavailable` without ExecuTorch, `ValueError` for one tensor given twice: of it torch would make one
    input, and the program would answer other questions than it is asked.
    """
    if len({id(x) for x in inputs}) < len(inputs):
        raise ValueError("one tensor stands for two inputs: give each its own")
    with quiet(), rarely_collected():
        try:
            import_exporter()
            from executorch.exir.passes.constant_prop_pass import constant_prop_pass
        except ImportError as error:
            raise EngineUnavailable(f"export needs ExecuTorch: {pip_install('export')} ({error})") from error
        import torch.ao.quantization.fx._decomposed  # registers the operator named below

        # The deployed norms average by a convolution with constant weights: only known ones delegate. Constant int8
        # weights stay as they are: the delegate takes them, four times smaller than what they mean.
        skip: Any = {torch.ops.quantized_decomposed.dequantize_per_channel.default}
        return constant_prop_pass(torch.export.export(deployed.eval(), inputs, strict=False), skip)


def lower(methods: dict[str, ExportedProgram]) -> Lowered:
    """An XNNPACK program of `methods` (`forward` and perhaps `crowd`), each one delegate and nothing else.

    Raises `VerificationError` if anything is left outside the delegates.
    """
    with quiet(), rarely_collected():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

        return lower_with(methods, lambda name: XnnpackPartitioner(), "XNNPACK")


def lower_with(
    methods: dict[str, ExportedProgram],
    partitioner: Callable[[str], Any],
    backend: str,
    whole: bool = True,
    config: Any = None,
    transform: Callable[[Any], Any] = lambda edge: edge,
) -> Lowered:
    """A program of `methods`, each given to the partitioner that is made for its name, or to none where that is None.

    Equal weights are stored once. The caller owns the inputs' memory, so it is not planned a second time. config: of
    the exporter. transform: what else happens to the edge program. Raises `VerificationError` if `whole` and anything
    is left outside the delegates.
    """
    with quiet(), rarely_collected():
        from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
        from executorch.exir.passes import MemoryPlanningPass

        parts = {name: partitioner(name) for name in methods}
        given = {name: [part] for name, part in parts.items() if part is not None}
        with shortcuts():
            edge = transform(to_edge_transform_and_lower(methods, partitioner=given or None, compile_config=config))
        graphs = [edge.exported_program(name).graph_module.graph for name in methods]
        nodes = [node for graph in graphs for node in graph.nodes if node.op == "call_function"]
        calls = [getattr(node.target, "__name__", str(node.target)) for node in nodes]
        planning = MemoryPlanningPass(alloc_graph_input=False)
        finished = edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning))
    plans = {plan.name: plan for plan in finished.executorch_program.execution_plan}
    left = {operator.name for plan in plans.values() for operator in plan.operators}
    outside = sorted({name for name in calls if name not in _GLUE} | left)
    delegates = [len(plan.delegates) for plan in plans.values()]
    if whole and (set(delegates) != {1} or outside):
        raise VerificationError(
            f"the student does not lower whole: {delegates} delegates, "
            f"outside them: {', '.join(outside) or 'none'}. "
            f"Write the layer that these come from in operators that {backend} takes (see distill/students/layers.py)"
        )
    arenas_bytes = max(sum(plan.non_const_buffer_sizes) for plan in plans.values())
    return Lowered(bytes(finished.buffer), arenas_bytes, sum(delegates), tuple(sorted(left)))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides the exporter's deprecation warnings; errors still raise."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
