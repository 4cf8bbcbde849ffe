"""What a `.pte` computes, read from the file itself: each operator inside its XNNPACK delegate, its work and its bytes.

The delegate's graph is a flatbuffer inside the program; the `executorch` wheel brings its schema and the tool that
reads it. Nothing is run and nothing estimated: multiply-adds and bytes follow from the shapes.

Not by an ETRecord: only the export that made a program can write one, and a profile is asked about any file.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdk.errors import ArtifactError, EngineUnavailable, pip_install

_BITS = {
    "fp32": 32,
    "fp16": 16,
    "qint8": 8,
    "quint8": 8,
    "qcint8": 8,
    "qdint8": 8,
    "qint32": 32,
    "qcint32": 32,
    "qcint4": 4,
}
_INPUTS = ("input_id", "input1_id", "input2_id", "input3_id", "input4_id")
_PRODUCTS = ("conv2d", "depthwise conv2d", "fully connected", "batch matrix multiply", "conv transpose2d")


@dataclass(frozen=True)
class Node:
    """One operator of a program. kind: `conv2d`, `gelu`, ... inside: the delegate, or "" for outside.

    macs: multiply-adds, 0 for what is no product. weight_bytes: constants read. moved_bytes: tensors read and written.
    """

    kind: str
    inside: str
    macs: int
    weight_bytes: int
    moved_bytes: int
    values: int

    @property
    def is_product(self) -> bool:
        return self.kind in _PRODUCTS


def program_nodes(program: bytes, method: str = "forward") -> list[Node]:
    """The operators of one method of a `.pte` program, in the order in which they run.

    Raises `EngineUnavailable` without the `executorch` package, `ArtifactError` for a delegate it cannot read.
    """
    try:
        from executorch.exir._serialize._program import deserialize_pte_binary
    except ImportError as error:
        raise EngineUnavailable(
            f"reading a program's graph needs the executorch package ({error}): {pip_install('export')}"
        ) from error
    file = deserialize_pte_binary(program).program
    plan = next((plan for plan in file.execution_plan if plan.name == method), None)
    if plan is None:
        raise ArtifactError(f"the program has no method {method!r}")
    nodes = []
    for instruction in plan.chains[0].instructions:
        call: Any = instruction.instr_args
        if hasattr(call, "delegate_index"):
            delegate = plan.delegates[call.delegate_index]
            if delegate.id != "XnnpackBackend":
                raise ArtifactError(f"the graph of a {delegate.id} delegate cannot be read here, only XNNPACK's")
            blob = bytes(file.backend_delegate_data[delegate.processed.index].data)
            nodes += list(_delegate_nodes(_graph(blob)))
        elif hasattr(call, "op_index"):
            operator = plan.operators[call.op_index]
            nodes.append(Node(operator.name.removeprefix("aten::"), "", 0, 0, 0, 0))
    return nodes


def _graph(blob: bytes) -> dict[str, Any]:
    """The delegate's graph as XNNPACK's schema names it."""
    import executorch.backends.xnnpack.serialization as schemas
    from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    schema = Path(next(iter(schemas.__path__))) / "schema.fbs"
    try:
        header = XNNHeader.from_bytes(blob[: XNNHeader.EXPECTED_LENGTH])
        with tempfile.TemporaryDirectory() as folder:
            binary = Path(folder) / "graph.bin"
            binary.write_bytes(blob[header.flatbuffer_offset :][: header.flatbuffer_size])
            _flatc_decompile(folder, str(schema), str(binary), ["--raw-binary"])
            text = binary.with_suffix(".json").read_text(encoding="utf-8")
    except (ValueError, OSError, subprocess.SubprocessError, RuntimeError) as error:
        raise ArtifactError(f"an XNNPACK delegate whose graph the executorch package cannot read: {error}") from error
    graph: dict[str, Any] = json.loads(re.sub(r":\s*[-+]?(inf|nan)\b", ": null", text))
    return graph


def _delegate_nodes(graph: Mapping[str, Any]) -> Iterator[Node]:
    values = dict(_tensor(entry) for entry in graph["xvalues"])
    for entry in graph["xnodes"]:
        kind, node = entry["xnode_union_type"], entry["xnode_union"]
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", kind.removeprefix("XNN")).lower()
        constants = [values[node[key]] for key in ("filter_id", "bias_id") if node.get(key) in values]
        inputs = [values[node[key]] for key in _INPUTS if node.get(key) in values]
        output = values[node["output_id"]]
        yield Node(
            kind="square" if words == "multiply" and node["input1_id"] == node["input2_id"] else words,
            inside="xnnpack",
            macs=_macs(words, inputs, constants, output),
            weight_bytes=sum(value.bytes for value in constants),
            moved_bytes=sum(value.bytes for value in (*inputs, output)),
            values=output.count,
        )


@dataclass(frozen=True)
class _Value:
    dims: tuple[int, ...]
    bits: int

    @property
    def count(self) -> int:
        return math.prod(self.dims)

    @property
    def bytes(self) -> int:
        return self.count * self.bits // 8


def _tensor(entry: Mapping[str, Any]) -> tuple[int, _Value]:
    """A value's id and shape; quantised values wrap a plain one."""
    inner = entry["xvalue_union"]
    while "dims" not in inner:
        inner = inner["tensor_value"]
    bits = _BITS.get(inner["datatype"].removeprefix("xnn_datatype_"))
    if bits is None:
        raise ArtifactError(f"a tensor of {inner['datatype']} is of no size known here")
    return inner["id_out"], _Value(tuple(inner["dims"]), bits)


def _macs(kind: str, inputs: list[_Value], constants: list[_Value], output: _Value) -> int:
    """Multiply-adds: for each value of the output, all taps and channels that its filter holds for it."""
    if kind not in _PRODUCTS or not (constants or len(inputs) > 1):
        return 0
    if kind == "batch matrix multiply":
        return output.count * inputs[0].dims[-1]
    taps = constants[0].dims  # (outputs, height, width, inputs of a group); depthwise (1, height, width, outputs)
    if kind == "depthwise conv2d":
        return output.count * taps[1] * taps[2]
    if kind == "conv transpose2d":
        return inputs[0].count * math.prod(taps[:3])
    return output.count * math.prod(taps[1:])
