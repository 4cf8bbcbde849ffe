"""What the exporter does for nothing, left out: half of what lowering takes, and not a byte of the program.

Exporter and XNNPACK's delegate run some thirty passes over each method, and each traces the whole graph anew, also
where it finds nothing to change: a student of ours needs six or so. What has been decomposed and holds nothing more to
decompose is decomposed again. Every trace copies what is known of where a node came from, through all traces before
it; and after every pass the types of all operators are checked by running the graph: once for each operator and types
is enough. For every decomposition torch looks up all operators that it could decompose, once for every namespace. And
when it is first imported, the exporter reads 8,000 lines of YAML by a reader in Python: libyaml takes a tenth of that.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.utils._pytree import tree_leaves

WRITTEN_FOR = {"torch": "2.13.0", "executorch": "1.5.1"}
_MOST_JOINED = 5  # tensors that XNNPACK joins at once
_OURS = ("executorch.exir.", "executorch.backends.xnnpack.")  # whose passes are named below: others have the same names
_COLLECT_AFTER = 100_000, 20, 100  # new objects, collections of the young, of those
_SYMBOLS = (torch.SymInt, torch.SymFloat, torch.SymBool)


def _name(node: Node) -> str:
    return getattr(node.target, "__name__", "")


def _named(*words: str) -> Callable[[Node], bool]:
    """Whether an operator's name has one of these in it."""
    return lambda node: any(word in _name(node) for word in words)


def _is_convolution_of_rows(node: Node) -> bool:
    return _name(node) == "aten.convolution.default" and node.meta["val"].dim() < 4


def _joins_many(node: Node) -> bool:
    return _name(node) == "aten.cat.default" and len(node.args[0]) > _MOST_JOINED  # type: ignore[arg-type]


def _is_view(node: Node) -> bool:
    return bool(getattr(node.target, "is_view", False))


def _takes_symbols(node: Node) -> bool:
    return any(isinstance(one.meta.get("val"), _SYMBOLS) for one in node.all_input_nodes)


def _is_constant(node: Node) -> bool:
    return all(one.op == "get_attr" for one in node.all_input_nodes)


def _mixes_types(node: Node) -> bool:
    """Whether one of the operators that promote is given anything but float32."""
    types = [getattr(one.meta.get("val"), "dtype", None) for one in node.all_input_nodes]
    return _named("add.", "mul.", "sub.", "div.", "minimum")(node) and set(types) != {torch.float32}


def _takes_what_was_customised(node: Node) -> bool:
    return _named("quantize")(node) and any("custom" in one.meta for one in node.all_input_nodes)


# By the name of a pass: the operators that it changes. A pass that is not named here runs.
ACTS_ON: dict[str, Callable[[Node], bool]] = {
    "NormalizeTransposePass": lambda node: _name(node) == "t.default",
    "ReplaceBrokenOpsWithFunctionalOpsPass": _is_view,
    "SymToTensorPass": _takes_symbols,
    "RemoveMixedTypeOperators": _mixes_types,
    "MemoryFormatOpsPass": _named("_to_copy", "empty", "clone"),
    "DimOrderOpsRevertPass": _named("dim_order"),
    "ConvertToUpsampleBilinear2d": _named("upsample", "index"),
    "ConvertToSDPAPass": _named("attention", "softmax"),
    "ConvertToLinearPass": _named("mm"),
    "PropagateCustomMetaPass": _takes_what_was_customised,
    "ConstPropPass": _is_constant,
    "FuseBatchNormPass": _named("batch_norm"),
    "DecomposeBatchNorm": _named("batch_norm"),
    "FuseActivationPass": _named("relu", "hardtanh"),
    "DecomposeConcatenate": _joins_many,
    "RemoveGetItemPass": _named("max_pool", "max.dim"),
    "Conv1dUnsqueezePass": _is_convolution_of_rows,
    "PReLUReshapePass": _named("prelu"),
    "RemoveRedundantCopyPass": _named("_to_copy"),
}


def is_idle(name: str, module: GraphModule) -> bool:
    """Whether the pass of this name could change nothing in `module`."""
    may = ACTS_ON.get(name)
    if may is None or any(isinstance(child, GraphModule) for child in module.children()):  # branches have their own
        return False
    return not any(may(node) for node in module.graph.nodes if node.op == "call_function")


def import_exporter() -> None:
    """Imports `executorch.exir`, whose table of operators libyaml reads. Raises `ImportError` without ExecuTorch."""
    if "executorch.exir" in sys.modules or not _are_known():
        return
    import ruamel.yaml
    import yaml

    class Quick:
        def __init__(self, typ: str) -> None:
            assert typ == "safe"

        def load(self, text: str) -> Any:
            return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    usual = ruamel.yaml.YAML
    setattr(ruamel.yaml, "YAML", Quick)  # noqa: B010  (a class is no variable to mypy)
    try:
        import executorch.exir  # noqa: F401
    finally:
        setattr(ruamel.yaml, "YAML", usual)  # noqa: B010


@contextlib.contextmanager
def rarely_collected() -> Iterator[None]:
    """While it lasts, Python seldom looks for circles of garbage: the exporter makes millions of objects that stay, and
    looking through them took a fifth of its imports and a tenth of lowering; it needs some 10 MB more so."""
    usual = gc.get_threshold()
    if usual[0]:  # not where somebody has switched it off
        gc.set_threshold(*map(max, usual, _COLLECT_AFTER))
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextlib.contextmanager
def shortcuts() -> Iterator[None]:
    """While it lasts, the exporter leaves out what is said above; one of another version nothing, since these are its
    inner parts. Nothing may register operators meanwhile."""
    if not _are_known():
        yield
        return
    from executorch.backends.xnnpack._passes import XNNPACKPassManager
    from executorch.exir.verification import verifier
    from torch._export import utils
    from torch.fx.passes.infra.pass_base import PassBase
    from torch.fx.traceback import NodeSource

    types = "_check_tensor_args_matching_op_allowed_dtype"
    with contextlib.ExitStack() as changed:
        for place, name, become in (
            (XNNPACKPassManager, "transform", _transform),
            (PassBase, "__call__", _pass),
            (ExportedProgram, "run_decompositions", _decompose),
            (verifier, types, _check_types),
            (utils, "_materialize_cpp_cia_ops", cache),
        ):
            usual = getattr(place, name)
            changed.callback(setattr, place, name, usual)
            setattr(place, name, become(usual))
        NodeSource.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]  # nobody changes one
        changed.callback(delattr, NodeSource, "__deepcopy__")
        yield


def _are_known() -> bool:
    return all(metadata.version(name).split("+")[0] == version for name, version in WRITTEN_FOR.items())


def _transform(usual: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """XNNPACK's passes, one after the other, those that act on what those before have left."""

    def transform(manager: Any) -> Any:
        for one in manager.passes:
            if not is_idle(one.__name__, manager.exported_program.graph_module):
                manager.passes = [one]
                manager._exported_program = usual(manager)
        return manager.exported_program

    return transform


def _pass(usual: Callable[[Any, GraphModule], Any]) -> Callable[[Any, GraphModule], Any]:
    from torch.fx.passes.infra.pass_base import PassResult

    def run(self: Any, module: GraphModule) -> Any:
        kind = type(self)
        if kind.__module__.startswith(_OURS) and is_idle(kind.__name__, module):
            return PassResult(module, False)
        return usual(self, module)

    return run


def _decompose(usual: Callable[..., ExportedProgram]) -> Callable[..., ExportedProgram]:
    """What has been through once, and holds nothing of what is asked for, stays."""
    from executorch.exir.graph_module import contains_any_call_fn_target_op

    made: list[ExportedProgram] = []

    def decompose(program: ExportedProgram, table: Any = None, **rest: Any) -> ExportedProgram:
        once = any(one is program for one in made)
        if once and table is not None and not contains_any_call_fn_target_op(program.graph_module, table):
            return program
        made.append(usual(program, table, **rest))
        return made[-1]

    return decompose


def _check_types(usual: Callable[[GraphModule], None]) -> Callable[[GraphModule], None]:
    seen: set[tuple[Any, ...]] = set()

    def types(node: Node) -> tuple[Any, ...]:
        return tuple(getattr(leaf, "dtype", None) for leaf in tree_leaves(node.meta.get("val")))

    def check(module: GraphModule) -> None:
        nodes = [node for node in module.graph.nodes if node.op == "call_function"]
        asked = {(node.target, types(node), *map(types, node.all_input_nodes)) for node in nodes}
        if not asked <= seen:
            usual(module)
            seen.update(asked)

    return check
