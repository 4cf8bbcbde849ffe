"""Artefacts for our own kernels, and the students that they came from as their judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_once import made_once
from native_tools import TOLERANCE

from sdk.artifact import open_artifact, seal
from sdk.engines.eager import EagerEngine, EagerStreamEngine
from sdk.manifest import Manifest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = "tinyface"
STYLES = ["anger", "sadness"]
UNITS_AGREE = 1e-4  # of kernels that sum in other orders
INT8_TOLERANCE = 0.06  # of values: a sum on the edge between two steps may fall to either side, and what follows too
Speech = Callable[[int, float], np.ndarray]

# every path of the kernels: whole panels and parts of them, groups that fill panels or do not, one stretch or many,
# dilation, layers without state, each activation, columns that are whole tiles or not
BROOK = {
    "channels": 16, "fc_width": 24, "context": [4, 2], "dilations": [1, 2],
    "spectrum": [], "front": [[8, 10, 5], [8, 3, 2], [8, 3, 2], [8, 3, 2], [16, 3, 2], [16, 2, 2], [16, 2, 2]],
}  # fmt: skip
DELTA = {
    "channels": 68, "fc_width": 37, "context": [5, 4], "dilations": [3], "activation": "relu",
    "spectrum": [], "front": [[32, 20, 10], [64, 8, 4], [40, 8, 4], [68, 4, 2]],
}  # fmt: skip
CREEK = {
    "channels": 64,
    "fc_width": 64,
    "context": [3, 2],
    "dilations": [1, 4],
    "spectrum": [],
    "front": [[48, 40, 20], [64, 16, 16]],
}
WAVES = {
    "channels": 32, "fc_width": 24, "context": [4, 2], "dilations": [1],
    "spectrum": [20, 200, 160, 12], "front": [[32, 4, 2]],
}  # fmt: skip
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "waves": ("s6", WAVES), "brook": ("s6", BROOK), "delta": ("s6", DELTA), "creek": ("s6", CREEK),
    "pane": ("s2", {"channels": 16, "fc_width": 24}), "bay": ("s2", {"channels": 24, "fc_width": 33}),
}  # fmt: skip
CASES = [*SHAPES, "waves-int8", "brook-int8", "delta-int8", "creek-int8", "bay-int8"]


@dataclass(frozen=True)
class Case:
    """An artefact for our kernels, and the student it came from as its judge."""

    path: Path
    judge: EagerEngine | EagerStreamEngine
    tolerance: float

    @property
    def is_stream(self) -> bool:
        return isinstance(self.judge, EagerStreamEngine)


def lively(name: str) -> Any:
    """A student whose random weights keep the variance, with norms that have seen something."""
    torch = pytest.importorskip("torch", reason="torch builds the programs under test")
    from distill.students.spec import load_variant
    from export.quantise.rounding import golden_rows, quantise

    variant, changes = SHAPES[name.removesuffix("-int8")]
    student = load_variant(variant, changes).build().eval()
    generator = torch.manual_seed(len(name))
    for layer in student.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=(1.7 / layer.weight[0].numel()) ** 0.5)
            torch.nn.init.normal_(layer.bias, std=0.1)
        elif isinstance(getattr(layer, "weight", None), torch.nn.Parameter):
            torch.nn.init.uniform_(layer.weight, 0.7, 1.3, generator=generator)
            torch.nn.init.uniform_(layer.bias, -0.2, 0.2, generator=generator)
    torch.nn.init.normal_(student.fc3.weight, std=0.1)
    if getattr(student, "spectrum", None) is not None:
        student.spectrum.initialise()  # energies are sums of what is not below nought; their logarithm is steep there
    return quantise(student, [row[:32000] for row in golden_rows(2)]) if name.endswith("-int8") else student


def judge_of(student: Any, manifest: Manifest) -> EagerEngine | EagerStreamEngine:
    import torch

    def window(samples: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(student(torch.tensor(samples)[None, None]))

    def step(hops: np.ndarray, state: Any) -> Any:
        with torch.inference_mode():
            made, after = student.step(torch.from_numpy(hops)[:, None], tuple(map(torch.from_numpy, state)))
        return made.numpy(), tuple(tensor.numpy() for tensor in after)

    return EagerStreamEngine(manifest, step) if manifest.kind == "stream" else EagerEngine(manifest, window)


def case_of(name: str, make_facts: Callable[..., Manifest], tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The case of a name of `CASES`. Its program is lowered once a run of the tests."""
    pytest.importorskip("executorch.exir", reason="executorch builds the programs under test")
    from distill.students.spec import load_variant
    from distill.students.stream import StreamStudent
    from export.lower.deploy_stream import CROWD_VOICES
    from export.lower.kernels import lower_kernels

    student, spec = lively(name), load_variant(*SHAPES[name.removesuffix("-int8")])
    facts: dict[str, Any] = {"student": name, "names": list(spec.layout.names), "backend": BACKEND}
    if isinstance(student, StreamStudent):
        state = [list(tensor.shape[1:]) for tensor in student.initial_state()]
        facts |= {"kind": "stream", "window_samples": 320, "future_samples": 704, "state": state,
                  "crowd_voices": CROWD_VOICES}  # fmt: skip
    else:
        facts |= {"window_samples": 8192, "future_samples": 1024}
    manifest = make_facts(**facts)
    path = tmp_path_factory.mktemp(name) / "model.pte"
    _, program = made_once(tmp_path_factory, f"kernels-{name}", lambda _: lower_kernels(student).program)
    path.write_bytes(seal(program, manifest))
    tolerance = INT8_TOLERANCE if name.endswith("-int8") else TOLERANCE
    return Case(path, judge_of(student, manifest), tolerance)


@dataclass(frozen=True)
class Styled:
    """An artefact with styles, the same student's without, and the styled student itself as judge."""

    path: Path
    plain: Path
    judge: EagerEngine | EagerStreamEngine
    tolerance: float


def styled_case(precision: str, out: Path) -> Styled:
    """s8, or its int8 twin, with a head of styles that says something; files go to `out`."""
    torch = pytest.importorskip("torch", reason="torch builds the programs under test")
    pytest.importorskip("executorch.exir", reason="executorch builds the programs under test")
    from distill.files.checkpoint import Checkpoint
    from distill.files.styles import stream_of
    from distill.students.styled import StyledStream, StyleHead, StyleSpec
    from export.deliver.manifest import manifest
    from export.lower.kernels import lower_kernels
    from export.quantise.precision import points
    from export.styled import Dressed, program

    path = ROOT / "checkpoints" / "s8.pt"
    checkpoint = Checkpoint.load(path)
    (point,) = points(path, checkpoint, precision)
    torch.manual_seed(1)
    head = StyleHead(StyleSpec(STYLES, 4), stream_of(checkpoint).fc3.in_channels, checkpoint.layout)
    for layer in (head.hold, head.gate, head.move):
        torch.nn.init.normal_(layer.weight, std=0.3)
    student = StyledStream(point.student, head).eval()  # type: ignore[arg-type]
    styled, plain = out / "styled.pte", out / "plain.pte"
    styled.write_bytes(program(Dressed(path, checkpoint, point, student), BACKEND)[1])
    plain.write_bytes(seal(lower_kernels(point.student).program, manifest(checkpoint, point, "executorch", BACKEND)))
    judge = judge_of(student, open_artifact(styled).manifest)
    return Styled(styled, plain, judge, TOLERANCE if precision == "fp32" else INT8_TOLERANCE)
