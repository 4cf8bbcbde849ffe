"""Where the memory goes, row by row: computed from the traced student before lowering, then held against the file.

    steady  = packed weights + operators + planned arenas + workspace
    counted = max(steady, load peak) + stream state of one voice          <- what a budget is held against

*Packed weights*: the delegate's own copy of every convolution, rounded up to whole tiles of outputs. *Operators*: its
bookkeeping. *Planned arenas*: what stays outside the delegate, by the program's own memory plan, of the method that
needs most: the runtime reserves that once for all. *Workspace*: the layer outputs that are alive at once, at worst, and
the tables by which convolutions find their inputs. *Stream state*: what each voice keeps. *Crowd*: what a stream
student's second method adds once it is loaded, which happens when several voices come; no budget holds it. *Load
peak*: heap while loading. The file is opened by its path, so its weights are read from the page cache and the heap
never holds them twice; a file read into a buffer costs its size on top.

The paper counts otherwise: parameters plus every layer's output, each once, at float32. That count stands beside ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from distill.students.spec import Student
from distill.students.stream import HOP_SAMPLES, StreamStudent

FLOAT_BYTES = 4
POINTER_BYTES = 8
TILE_OUTPUTS = 16  # outputs packed together on x86 with AVX; NEON packs 8, which takes less
INPUTS_TOGETHER = 8  # int8 weights are packed for that many inputs at a time
INT8_OUTPUT_BYTES = 8  # of each packed int8 output: its bias and its step
OPERATOR_BYTES = 2000  # one operator with its values in the delegate, measured on all variants
END_BYTES = 1000  # one tensor that goes in or comes out, in the books of program and delegate
_VIEWS = ("reshape", "view", "flatten", "transpose", "permute", "slice", "expand", "unsqueeze", "alias")
_IN_PLACE = ("gelu", "tanh", "relu", "add", "sub", "mul", "rsqrt")


@dataclass(frozen=True)
class MemoryRows:
    """Bytes, row by row; see the head of this file for what each row is."""

    parameters_bytes: int
    packed_weights_bytes: int
    operators_bytes: int
    planned_arenas_bytes: int
    workspace_bytes: int
    stream_state_bytes: int
    crowd_bytes: int
    paper_bytes: int

    @property
    def steady_bytes(self) -> int:
        return self.load_peak_bytes + self.workspace_bytes

    @property
    def load_peak_bytes(self) -> int:
        """Heap while loading by path: everything but the workspace, which is taken at the first run."""
        return self.packed_weights_bytes + self.operators_bytes + self.planned_arenas_bytes

    @property
    def counted_bytes(self) -> int:
        return max(self.steady_bytes, self.load_peak_bytes) + self.stream_state_bytes

    def with_plan(self, arenas_bytes: int) -> MemoryRows:
        """The same rows with the planned arenas read from the lowered program."""
        return replace(self, planned_arenas_bytes=arenas_bytes)

    def as_dict(self) -> dict[str, int]:
        """Every row and sum, for a report."""
        sums = ("load_peak_bytes", "steady_bytes", "counted_bytes")
        return vars(self) | {name: getattr(self, name) for name in sums}


def memory_rows(methods: Mapping[str, ExportedProgram], student: Student) -> MemoryRows:
    """Rows of the float `student` whose deployment layout, in any precision, was traced as `methods`; nothing is
    lowered for it."""
    parts = {name: _method_parts(exported) for name, exported in methods.items()}
    packed, operators, _, workspace = parts["forward"]
    return MemoryRows(
        parameters_bytes=_parameter_bytes(methods["forward"]),
        packed_weights_bytes=packed,
        operators_bytes=operators,
        planned_arenas_bytes=max(arena for _, _, arena, _ in parts.values()),
        workspace_bytes=workspace,
        stream_state_bytes=_voice_bytes(student),
        crowd_bytes=sum(
            packed + operators + max(workspace - parts["forward"][3], 0)
            for name, (packed, operators, _, workspace) in parts.items()
            if name != "forward"
        ),
        paper_bytes=paper_bytes(student),
    )


def _method_parts(exported: ExportedProgram) -> tuple[int, int, int, int]:
    """Packed weights, operators, arena and workspace of one method, in bytes."""
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    convolutions = [node for node in nodes if "conv" in _name(node)]
    results = next(iter(exported.graph.find_nodes(op="output"))).args[0]
    return (
        sum(_packed_bytes(node) for node in convolutions),
        sum(not _is_view(node) for node in nodes) * OPERATOR_BYTES + 2 * len(results) * END_BYTES,
        sum(_bytes(result) for result in results),
        _live_peak(exported) + sum(_table_bytes(node) for node in convolutions),
    )


def _parameter_bytes(exported: ExportedProgram) -> int:
    """Of all weights as the program holds them, in their own types."""
    return sum(value.numel() * value.element_size() for value in exported.state_dict.values())


def paper_bytes(student: Student) -> int:
    """The paper's "parameters and all intermediate steps" at float32: every layer's output counted once."""
    inputs = (torch.zeros(1, 1, HOP_SAMPLES if isinstance(student, StreamStudent) else student.window_samples),)
    exported = torch.export.export(student.eval(), inputs, strict=False)
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    outputs = sum(_bytes(node) for node in nodes if not _is_view(node) and "pad" not in _name(node))
    return outputs + sum(p.numel() for p in student.parameters()) * FLOAT_BYTES


def _voice_bytes(student: Student) -> int:
    """What each voice keeps: the last window of samples, or a hop that is not full yet and the state."""
    if isinstance(student, StreamStudent):
        return (HOP_SAMPLES + sum(tensor.numel() for tensor in student.initial_state())) * FLOAT_BYTES
    return student.window_samples * FLOAT_BYTES


def error_percent(computed: int, measured: int | None) -> float | None:
    """How far a computed figure is from the measured one, in percent of that; None where nothing was measured."""
    return None if not measured else 100.0 * (computed - measured) / measured


def _live_peak(exported: ExportedProgram) -> int:
    """Most bytes of layer outputs alive at once, in graph order; element-wise steps reuse their input's memory.

    The delegate turns every state tensor into its own layout (channels last) at the start: a copy until it is used.
    """
    graph, given = exported.graph, exported.graph_signature.user_inputs
    inputs = {node for node in graph.nodes if node.op == "placeholder" and _name(node) not in ("window", "hop")}
    root: dict[fx.Node, fx.Node] = {}  # the node that owns a value's memory
    order = [node for node in graph.nodes if node.op == "call_function"]
    for node in order:
        sources = [arg for arg in node.all_input_nodes if arg not in inputs]
        owner = next((s for s in sources if _bytes(s) == _bytes(node) and len(s.users) == 1), None)
        if sources and _is_view(node):
            root[node] = root.get(sources[0], sources[0])
        elif owner is not None and owner.op != "placeholder" and _name(node).startswith(_IN_PLACE):
            root[node] = root.get(owner, owner)
    last = {root.get(arg, arg): step for step, node in enumerate(order) for arg in node.all_input_nodes}
    live = {node: _bytes(node) for node in inputs if node.name in given and len(_shape(node)) == 4}
    peak = 0
    for step, node in enumerate(order):
        if node not in root and not _is_fused_square(node) and "per_channel" not in _name(node):
            live[node] = _bytes(node)
        peak = max(peak, sum(live.values()))
        live = {kept: size for kept, size in live.items() if last.get(kept, -1) > step}
    return peak


def _is_fused_square(node: fx.Node) -> bool:
    """y * y that only a mean reads: the delegate computes the mean of squares and never stores the squares."""
    users = [_name(user) for user in node.users]
    square = _name(node).startswith("mul") and node.args[0] is node.args[1]
    return square and len(users) == 1 and users[0].startswith("mean")


def _packed_bytes(node: fx.Node) -> int:
    """A convolution's weights as the delegate keeps them: whole tiles of outputs, each with its bias."""
    outputs, inputs, height, width = _shape(node.args[1])
    groups = _groups(node)
    tiles = math.ceil(outputs / groups / TILE_OUTPUTS) * TILE_OUTPUTS
    if "dequantize" in _name(node.args[1]):  # type: ignore[arg-type]
        whole = math.ceil(inputs / INPUTS_TOGETHER) * INPUTS_TOGETHER
        return groups * tiles * (whole * height * width + INT8_OUTPUT_BYTES)
    return groups * tiles * (inputs * height * width + 1) * FLOAT_BYTES


def _table_bytes(node: fx.Node) -> int:
    """A convolution's table of input pointers; one over a single position needs none."""
    taps = math.prod(_shape(node.args[1])[2:])
    return 0 if taps == 1 else _shape(node)[-1] * taps * POINTER_BYTES


def _groups(node: fx.Node) -> int:
    return int(node.args[6]) if len(node.args) > 6 else int(node.kwargs.get("groups", 1))  # type: ignore[arg-type,call-overload]


def _name(node: fx.Node) -> str:
    target: Any = node.target
    return target if isinstance(target, str) else target.__name__


def _is_view(node: fx.Node) -> bool:
    """Whether `node` makes nothing of its own: another view of its input, or a part of an integer convolution."""
    return _name(node).startswith(_VIEWS) or _is_part(node)


def _is_part(node: fx.Node) -> bool:
    """A conversion that the delegate takes into the integer convolution before or behind it."""
    if _name(node).startswith("dequantize"):
        return all("conv" in _name(user) for user in node.users)
    return _name(node).startswith("quantize") and "conv" in _name(node.args[0])  # type: ignore[arg-type]


def _shape(node: Any) -> tuple[int, ...]:
    value = node.meta["val"]
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _bytes(node: Any) -> int:
    shape = _shape(node)
    if not shape:
        return 0
    integer = "conv" in _name(node) and any(_name(user).startswith("quantize") for user in node.users)
    return math.prod(shape) * (1 if integer else int(node.meta["val"].element_size()))
