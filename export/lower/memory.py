"""Where the memory goes, row by row: computed from the traced student before lowering, then held against the file.

    loaded    = packed weights + operators + planned arenas
    steady    = loaded + workspace
    load peak = loaded + opening
    counted   = max(steady, load peak) + weights in place + stream state of one voice     <- held against a budget

*Program*: the file; its pages are the system's, clean, and dropped when memory is short. *Weights in place*: what of
them is read at every frame and so has to stay: all weights of a backend that makes no copy of its own, none of one
that does.

*Packed weights*: the delegate's own copy of every convolution, rounded up to whole tiles of outputs. *Operators*: its
bookkeeping. *Planned arenas*: what stays outside the delegate, by the program's own memory plan, of the method that
needs most: the runtime reserves that once for all. *Workspace*: the layer outputs that are alive at once, at worst,
and the tables by which convolutions find their inputs. *Stream state*: what each voice keeps. *Crowd*: what a stream
student's second method adds once it is loaded, which happens when several voices come; no budget holds it. *Opening*:
what runtime and delegate hold while they open a program and give back. The file is opened by its path, so its weights
are read from the page cache and the heap never holds them twice; a file read into a buffer costs its size on top.

The paper counts otherwise: parameters plus every layer's output, each once, at float32. That count stands beside ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import fx
from torch.export import ExportedProgram

from distill.students.spec import Student
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.students.styled import StyledStream
from export.lower.deploy_stream import CROWD_VOICES
from export.lower.graph import bytes_of, calls, is_view, live_peak, name_of, planned_peak, results_of, shape_of

FLOAT_BYTES = 4
POINTER_BYTES = 8
TILE_OUTPUTS = 16  # outputs packed together on x86 with AVX; NEON packs 8, which takes less
INPUTS_TOGETHER = 8  # int8 weights are packed for that many inputs at a time
INT8_OUTPUT_BYTES = 8  # of each packed int8 output: its bias and its step
OPERATOR_BYTES = 2000  # one operator with its values in the delegate, measured on all variants
CONVERSION_BYTES = 1000  # one step onto a grid, off it, or to find one, where it stands alone
END_BYTES = 1000  # one tensor that goes in or comes out, in the books of program and delegate
OPERATOR_FILE_BYTES = 370  # one operator in the program, beside its weights
PORTABLE_CALL_BYTES = 950  # one call with its values in the runtime's books, where there is no delegate
OPENING_BYTES = 8_192  # held while the runtime opens a program, and given back
DELEGATE_OPENING_BYTES = 77_824  # with XNNPACK's delegate: measured, 70 to 78 KB, of windows in int8 106
_CONVERSIONS = ("quantize", "dequantize", "choose_qparams", "getitem")


@dataclass(frozen=True)
class MemoryRows:
    """Bytes, row by row; see the head of this file for what each row is. crowd_bytes and paper_bytes are filled in for
    what is built (`with_program`): no budget holds them."""

    program_bytes: int
    parameters_bytes: int
    packed_weights_bytes: int
    in_place_bytes: int
    operators_bytes: int
    planned_arenas_bytes: int
    workspace_bytes: int
    stream_state_bytes: int
    opening_bytes: int
    crowd_bytes: int = 0
    paper_bytes: int = 0

    @property
    def loaded_bytes(self) -> int:
        """Heap once it is loaded by path: everything but the workspace, which is taken at the first run."""
        return self.packed_weights_bytes + self.operators_bytes + self.planned_arenas_bytes

    @property
    def steady_bytes(self) -> int:
        return self.loaded_bytes + self.workspace_bytes

    @property
    def load_peak_bytes(self) -> int:
        return self.loaded_bytes + self.opening_bytes

    @property
    def counted_bytes(self) -> int:
        return max(self.steady_bytes, self.load_peak_bytes) + self.beside_heap_bytes

    @property
    def beside_heap_bytes(self) -> int:
        """What a budget counts beside the heap: weights that are used where the file has them, and a voice's state."""
        return self.in_place_bytes + self.stream_state_bytes

    def with_program(
        self, arenas_bytes: int, methods: Mapping[str, ExportedProgram], student: Student, rows: RowsOf
    ) -> MemoryRows:
        """The same with the planned arenas read from the lowered program, and the rows that only a report wants.

        methods: all of the program, traced. student: in float. rows: how this backend's rows are computed.
        """
        others = [rows(exported, student) for name, exported in methods.items() if name != "forward"]
        extra = sum(
            row.packed_weights_bytes + row.operators_bytes + max(row.workspace_bytes - self.workspace_bytes, 0)
            for row in others
        )
        return replace(self, planned_arenas_bytes=arenas_bytes, crowd_bytes=extra, paper_bytes=paper_bytes(student))

    def as_dict(self) -> dict[str, int]:
        """Every row and sum, for a report."""
        sums = ("load_peak_bytes", "steady_bytes", "counted_bytes")
        return vars(self) | {name: getattr(self, name) for name in sums}


RowsOf = Callable[[ExportedProgram, Student | StyledStream], MemoryRows]


def xnnpack_rows(exported: ExportedProgram, student: Student | StyledStream) -> MemoryRows:
    """Rows of an XNNPACK program. exported: its traced `forward`, in any precision. student: the float one; one with
    styles has no crowd."""
    nodes = calls(exported)
    results = results_of(exported)
    stream = isinstance(student, StreamStudent)
    parameters = _parameter_bytes(exported)
    return MemoryRows(
        program_bytes=parameters + operator_count(exported) * (2 if stream else 1) * OPERATOR_FILE_BYTES,
        parameters_bytes=parameters,
        packed_weights_bytes=sum(_packed_bytes(node) for node in nodes if "conv" in name_of(node)),
        in_place_bytes=0,
        operators_bytes=_operators_bytes(exported) + 2 * len(results) * END_BYTES,
        planned_arenas_bytes=sum(bytes_of(result) for result in results) * (CROWD_VOICES if stream else 1),
        workspace_bytes=live_peak(exported) + sum(_table_bytes(node) for node in nodes if "conv" in name_of(node)),
        stream_state_bytes=voice_bytes(student),
        opening_bytes=DELEGATE_OPENING_BYTES,
    )


def portable_rows(exported: ExportedProgram, student: Student | StyledStream) -> MemoryRows:
    """Rows of a program without a delegate or crowd, in float: every value is in the plan, weights stay in place."""
    nodes = calls(exported)
    parameters = _parameter_bytes(exported)
    return MemoryRows(
        program_bytes=parameters + operator_count(exported) * OPERATOR_FILE_BYTES,
        parameters_bytes=parameters,
        packed_weights_bytes=0,
        in_place_bytes=parameters,
        operators_bytes=len(nodes) * PORTABLE_CALL_BYTES,
        planned_arenas_bytes=planned_peak(exported),
        workspace_bytes=0,
        stream_state_bytes=voice_bytes(student),
        opening_bytes=OPENING_BYTES,
    )


def convolutions(exported: ExportedProgram) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shapes of every convolution's output and weights."""
    return [(shape_of(node), shape_of(node.args[1])) for node in calls(exported) if "conv" in name_of(node)]


def operator_count(exported: ExportedProgram) -> int:
    """Operators that a delegate runs one by one."""
    return sum(not is_view(node) for node in calls(exported))


def _operators_bytes(exported: ExportedProgram) -> int:
    names = [name_of(node) for node in calls(exported) if not is_view(node)]
    conversions = sum(name.startswith(_CONVERSIONS) for name in names)
    return (len(names) - conversions) * OPERATOR_BYTES + conversions * CONVERSION_BYTES


def _parameter_bytes(exported: ExportedProgram) -> int:
    """Of all weights as the program holds them, in their own types."""
    return sum(value.numel() * value.element_size() for value in exported.state_dict.values())


def paper_bytes(student: Student) -> int:
    """The paper's "parameters and all intermediate steps" at float32: every layer's output counted once."""
    inputs = (torch.zeros(1, 1, HOP_SAMPLES if isinstance(student, StreamStudent) else student.window_samples),)
    exported = torch.export.export(student.eval(), inputs, strict=False)
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    outputs = sum(bytes_of(node) for node in nodes if not is_view(node) and "pad" not in name_of(node))
    return outputs + sum(p.numel() for p in student.parameters()) * FLOAT_BYTES


def voice_bytes(student: Student | StyledStream) -> int:
    """What each voice keeps: the last window of samples, or a hop that is not full yet and the state."""
    if isinstance(student, StreamStudent | StyledStream):
        return (HOP_SAMPLES + sum(tensor.numel() for tensor in student.initial_state())) * FLOAT_BYTES
    return student.window_samples * FLOAT_BYTES


def error_percent(computed: int, measured: int | None) -> float | None:
    """How far a computed figure is from the measured one, in percent of that; None where nothing was measured."""
    return None if not measured else 100.0 * (computed - measured) / measured


def _packed_bytes(node: fx.Node) -> int:
    """A convolution's weights as the delegate keeps them: whole tiles of outputs, each with its bias."""
    outputs, inputs, height, width = shape_of(node.args[1])
    groups = _groups(node)
    tiles = math.ceil(outputs / groups / TILE_OUTPUTS) * TILE_OUTPUTS
    if "dequantize" in name_of(node.args[1]):  # type: ignore[arg-type]
        whole = math.ceil(inputs / INPUTS_TOGETHER) * INPUTS_TOGETHER
        return groups * tiles * (whole * height * width + INT8_OUTPUT_BYTES)
    return groups * tiles * (inputs * height * width + 1) * FLOAT_BYTES


def _table_bytes(node: fx.Node) -> int:
    """A convolution's table of input pointers; one over a single position needs none."""
    taps = math.prod(shape_of(node.args[1])[2:])
    return 0 if taps == 1 else shape_of(node)[-1] * taps * POINTER_BYTES


def _groups(node: fx.Node) -> int:
    return int(node.args[6]) if len(node.args) > 6 else int(node.kwargs.get("groups", 1))  # type: ignore[arg-type,call-overload]
