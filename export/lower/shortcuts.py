"""What the exporter does for nothing, left out: a third and more of what lowering takes, and not a byte of the program.

XNNPACK's delegate runs seventeen passes over each method, and each traces the whole graph anew, also where it has found
nothing to change: a student of ours needs six or so. And for every decomposition torch looks up all operators that it
could decompose, once for every namespace; once is enough.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from torch.fx import Node

_MOST_JOINED = 5  # tensors that XNNPACK joins at once


def _name(node: Node) -> str:
    return getattr(node.target, "__name__", "")


def _named(*words: str) -> Callable[[Node], bool]:
    """Whether an operator's name has one of these in it."""
    return lambda node: any(word in _name(node) for word in words)


def _is_convolution_of_rows(node: Node) -> bool:
    return _name(node) == "aten.convolution.default" and node.meta["val"].dim() < 4


def _joins_many(node: Node) -> bool:
    return _name(node) == "aten.cat.default" and len(node.args[0]) > _MOST_JOINED  # type: ignore[arg-type]


# By the name of a pass: the operators that it changes. A pass that is not named here runs.
ACTS_ON: dict[str, Callable[[Node], bool]] = {
    "ConvertToUpsampleBilinear2d": _named("upsample", "index"),
    "ConvertToSDPAPass": _named("attention", "softmax"),
    "ConvertToLinearPass": _named("mm"),
    "PropagateCustomMetaPass": _named("quantize"),
    "FuseBatchNormPass": _named("batch_norm"),
    "DecomposeBatchNorm": _named("batch_norm"),
    "FuseActivationPass": _named("relu", "hardtanh"),
    "DecomposeConcatenate": _joins_many,
    "RemoveGetItemPass": _named("max_pool", "max.dim"),
    "Conv1dUnsqueezePass": _is_convolution_of_rows,
    "PReLUReshapePass": _named("prelu"),
    "RemoveRedundantCopyPass": _named("_to_copy"),
}


@contextlib.contextmanager
def shortcuts() -> Iterator[None]:
    """While it lasts, XNNPACK's delegate runs over a graph only the passes that could change it, and operators are
    looked up once. Nothing may register operators meanwhile."""
    from executorch.backends.xnnpack._passes import XNNPACKPassManager
    from torch._export import utils

    usual, look_up = XNNPACKPassManager.transform, utils._materialize_cpp_cia_ops

    def transform(manager: Any) -> Any:
        for one in manager.passes:
            nodes = [node for node in manager.exported_program.graph.nodes if node.op == "call_function"]
            if any(map(ACTS_ON.get(one.__name__, lambda node: True), nodes)):
                manager.passes = [one]
                manager._exported_program = usual(manager)
        return manager.exported_program

    XNNPACKPassManager.transform, utils._materialize_cpp_cia_ops = transform, cache(look_up)
    try:
        yield
    finally:
        XNNPACKPassManager.transform, utils._materialize_cpp_cia_ops = usual, look_up
