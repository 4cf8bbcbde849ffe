"""What each layer costs in float32 and in int8: bytes of its constants, and microseconds of a frame, measured.

Two whole programs are lowered, one all float, one all integers, and both are timed by the runtime's own tracer, which
looks inside the delegate. Its clock ticks in microseconds, so stream students are timed as a crowd. What the integers
add around their products (conversions) is spread over the layers evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn
from torch.export import ExportedProgram

from distill.files.checkpoint import Checkpoint
from distill.students.spec import Student
from export.deliver.delivery import write
from export.deliver.manifest import manifest
from export.lower.deploy import deploy
from export.lower.deploy_stream import CROWD_VOICES, DeployedStream
from export.lower.program import export_program, lower
from export.quantise.precision import Point
from export.quantise.rounding import quantise
from profiles.inspect.operators import operator_rows
from profiles.measure.harness import sharing_imports
from profiles.model.figures import OperatorRow
from sdk.artifact import seal

_RUNS = 600
_PRODUCTS = ("convolution", "conv2d", "depthwise conv2d", "fully connected")
_FLOAT_BYTES, _STEP_BYTES = 4, 4


@dataclass(frozen=True)
class LayerCost:
    """Of one layer. float_bytes, int8_bytes: its weights with bias and steps, in the file. float_us, int8_us: of a
    frame and voice, one thread; None where the runtime merged layers so that their times cannot be told apart."""

    float_bytes: int
    int8_bytes: int
    float_us: float | None
    int8_us: float | None

    @property
    def saved_bytes(self) -> int:
        return self.float_bytes - self.int8_bytes

    @property
    def saved_us(self) -> float:
        """0 where it is not known, or where integers take longer."""
        return max(0.0, (self.float_us or 0.0) - (self.int8_us or 0.0))


@sharing_imports()
def layer_costs(
    checkpoint: Checkpoint,
    rows: Sequence[np.ndarray],
    parts: Mapping[str, Sequence[str]],
    keep: Sequence[str],
    folder: Path,
) -> dict[str, LayerCost]:
    """Of the layers `parts`, each a unit of convolutions. rows: speech to calibrate on. keep: what cannot be integers.
    folder: for the two programs, which are left there."""
    student = checkpoint.student()
    float_us, float_other = _timed(checkpoint, student, folder / "float.pte")
    int8_us, int8_other = _timed(checkpoint, quantise(student, rows, keep), folder / "int8.pte")
    around = max(0.0, int8_other - float_other) / max(sum(map(len, parts.values())), 1)
    costs = {}
    for unit, names in parts.items():
        layers = [layer for name, layer in student.named_modules() if name in names and isinstance(layer, nn.Conv2d)]
        weights, outputs = sum(x.weight.numel() for x in layers), sum(x.out_channels for x in layers)
        known = all(name in float_us and name in int8_us for name in names)
        costs[unit] = LayerCost(
            float_bytes=(weights + outputs) * _FLOAT_BYTES,
            int8_bytes=weights + outputs * (_FLOAT_BYTES + _STEP_BYTES),
            float_us=sum(float_us[name] for name in names) if known else None,
            int8_us=sum(int8_us[name] + around for name in names) if known else None,
        )
    return costs


def _timed(checkpoint: Checkpoint, student: Student, path: Path) -> tuple[dict[str, float], float]:
    """Microseconds of a frame of each convolution by name, and of everything else together."""
    deployed = deploy(student)
    method, voices = ("crowd", CROWD_VOICES) if isinstance(deployed, DeployedStream) else ("forward", 1)
    exported = export_program(deployed, deployed.inputs(voices))
    point = Point("int8", student, checkpoint.weights_sha256, {}, {})
    write(path, seal(lower({method: exported}).program, manifest(checkpoint, point, "executorch", "xnnpack")))
    rows = operator_rows(path, _RUNS, method)
    products = [row for row in rows if row.kind in _PRODUCTS]
    names = convolution_names(exported)
    other = sum(_us(row) for row in rows if row not in products)
    if len(products) != len(names):
        return {}, other
    times: dict[str, float] = {}
    for name, row in zip(names, products, strict=True):
        times[name] = times.get(name, 0.0) + _us(row)
    return times, other


def _us(row: OperatorRow) -> float:
    return row.us or 0.0


def convolution_names(exported: ExportedProgram) -> list[str]:
    """The layer that each convolution of the program belongs to, in order; "" for one that belongs to no layer."""
    signature = exported.graph_signature
    owners = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    found = []
    for node in exported.graph.nodes:
        if node.op == "call_function" and "conv" in node.target.__name__:
            weight = node.args[1]
            source = weight if weight.op == "placeholder" else weight.args[0]
            name = owners.get(source.name, "")
            found.append(name.removeprefix("student.").removesuffix(".weight") if name.startswith("student.") else "")
    return found
