"""What the graph of a traced program tells of its values: how large, whose memory, how many alive at once, in integers.

A *view* makes nothing of its own; a delegate does an operator *in integers* where all that it takes comes off a grid.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

_FREE_VIEWS = ("reshape", "view", "flatten", "unsqueeze", "alias")
_VIEWS = ("reshape", "view", "flatten", "transpose", "permute", "expand", "unsqueeze", "alias")
_IN_PLACE = ("gelu", "tanh", "relu", "add", "sub", "mul", "rsqrt")


def calls(exported: ExportedProgram) -> list[fx.Node]:
    return [node for node in exported.graph.nodes if node.op == "call_function"]


def results_of(exported: ExportedProgram) -> list[Any]:
    return list(next(iter(exported.graph.find_nodes(op="output"))).args[0])


def planned_peak(exported: ExportedProgram) -> int:
    """Most bytes of values alive at once where every one is written out, in graph order; outputs stay to the end."""
    order, results = calls(exported), set(results_of(exported))
    owner: dict[fx.Node, fx.Node] = {}
    for node in order:
        if name_of(node).startswith(_FREE_VIEWS) and node.all_input_nodes:
            owner[node] = owner.get(node.all_input_nodes[0], node.all_input_nodes[0])
    last = {owner.get(arg, arg): step for step, node in enumerate(order) for arg in node.all_input_nodes}
    kept = {owner.get(node, node) for node in results}
    live: dict[fx.Node, int] = {}
    peak = 0
    for step, node in enumerate(order):
        if node not in owner:
            live[node] = bytes_of(node)
        peak = max(peak, sum(live.values()))
        live = {value: size for value, size in live.items() if last.get(value, -1) > step or value in kept}
    return peak


def live_peak(exported: ExportedProgram) -> int:
    """Most bytes of layer outputs alive at once, in graph order; element-wise steps reuse their input's memory.

    The delegate turns every state tensor into its own layout (channels last) at the start: a copy until it is used.
    """
    graph, given = exported.graph, exported.graph_signature.user_inputs
    inputs = {node for node in graph.nodes if node.op == "placeholder" and name_of(node) not in ("window", "hop")}
    root: dict[fx.Node, fx.Node] = {}  # the node that owns a value's memory
    order = [node for node in graph.nodes if node.op == "call_function"]
    for node in order:
        sources = [arg for arg in node.all_input_nodes if arg not in inputs]
        owner = next((s for s in sources if bytes_of(s) == bytes_of(node) and len(s.users) == 1), None)
        if sources and is_view(node):
            root[node] = root.get(sources[0], sources[0])
        elif owner is not None and owner.op != "placeholder" and name_of(node).startswith(_IN_PLACE):
            root[node] = root.get(owner, owner)
    last = {root.get(arg, arg): step for step, node in enumerate(order) for arg in node.all_input_nodes}
    live = {node: bytes_of(node) for node in inputs if node.name in given and len(shape_of(node)) == 4}
    peak = 0
    for step, node in enumerate(order):
        if node not in root and not _is_fused_square(node) and "per_channel" not in name_of(node):
            live[node] = bytes_of(node)
        peak = max(peak, sum(live.values()))
        live = {kept: size for kept, size in live.items() if last.get(kept, -1) > step}
    return peak


def _is_fused_square(node: fx.Node) -> bool:
    """y * y that only a mean reads: the delegate computes the mean of squares and never stores the squares."""
    users = [name_of(user) for user in node.users]
    square = name_of(node).startswith("mul") and node.args[0] is node.args[1]
    return square and len(users) == 1 and users[0].startswith("mean")


def name_of(node: fx.Node) -> str:
    target: Any = node.target
    return target if isinstance(target, str) else target.__name__


def is_view(node: fx.Node) -> bool:
    """Whether `node` makes nothing of its own: another view of its input, or a part of an integer operator."""
    return name_of(node).startswith(_VIEWS) or _is_part(node)


def _is_part(node: fx.Node) -> bool:
    """A conversion that the delegate takes into the integer operator before or behind it."""
    if name_of(node).startswith(("choose_qparams", "getitem")) or name_of(node) == "dequantize_per_tensor.tensor":
        return True  # of a grid that is chosen at every call: the conversion onto it does all of that
    if name_of(node).startswith("dequantize"):
        return all(_is_integer(user) for user in node.users)
    source = node.args[0]
    return name_of(node).startswith("quantize") and isinstance(source, fx.Node) and _is_integer(source)


def _is_integer(node: fx.Node) -> bool:
    """Whether the delegate does `node` in integers: all its inputs come off a grid and its result goes onto one."""
    if node.op != "call_function" or "quantize" in name_of(node):
        return False
    inputs = [arg for arg in node.all_input_nodes if not _is_constant(arg)]
    names = [name_of(user) for user in node.users]
    into = len(names) == 1 and names[0].startswith("quantize")
    return into and bool(inputs) and all(name_of(arg).startswith("dequantize") for arg in inputs)


def _is_constant(node: fx.Node) -> bool:
    """A weight, or what becomes of one before the first call."""
    if node.op != "call_function":
        return name_of(node).startswith(("p_", "b_", "c_", "_prop"))
    return name_of(node).startswith("dequantize_per_channel")


def shape_of(node: Any) -> tuple[int, ...]:
    value = node.meta["val"]
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def bytes_of(node: Any) -> int:
    shape = shape_of(node)
    if not shape:
        return 0
    return math.prod(shape) * (1 if _is_integer(node) else int(node.meta["val"].element_size()))
