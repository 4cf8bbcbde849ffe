"""Post-training quantisation by a backend's own quantiser (PT2E), on golden speech: for processors of integers alone.

Our twins round where XNNPACK and our own kernels want it; Ethos-U and Cortex-M want everything on a grid, and by their
own rules. What comes of it was never scored: such an artefact says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from distill.students.spec import Student
from distill.students.stream import HOP_SAMPLES, StreamStudent
from export.load.golden import golden_stretches, golden_windows
from export.lower.deploy import deploy
from export.lower.program import export_program, quiet

_HOPS_EACH = 75


def quantised(student: Student, quantiser: Any) -> ExportedProgram:
    """`forward` of `student` for one voice, on the grids that `quantiser` chooses while it hears golden speech."""
    deployed = deploy(student).eval()
    inputs = deployed.inputs(1)
    with quiet(), torch.no_grad():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        exported = export_program(deployed, inputs)
        watching = prepare_pt2e(exported.module(check_guards=False), quantiser)
        for heard in _heard(student, deployed):
            watching(*heard)
        return torch.export.export(convert_pt2e(watching), inputs, strict=False)


def _heard(student: Student, deployed: nn.Module) -> Iterator[tuple[Tensor, ...]]:
    """Inputs of the program as speech makes them; a stream's states are those of the float student."""
    if not isinstance(student, StreamStudent):
        for window in torch.from_numpy(golden_windows(student.window_samples)):
            yield (window.reshape(1, 1, -1),)
        return
    for speech in golden_stretches():
        hops = torch.from_numpy(speech[: len(speech) // HOP_SAMPLES * HOP_SAMPLES]).reshape(-1, 1, 1, HOP_SAMPLES)
        _, *state = deployed.inputs(1)  # type: ignore[operator]
        for hop in hops[:_HOPS_EACH]:
            yield (hop, *state)
            _, *state = deployed(hop, *state)
