"""Student -> TorchScript `.pt`, traced and frozen, float32: for tools and as a second opinion on the `.pte`.

TorchScript is deprecated in PyTorch; it works in 2.13, and nothing that ships in an engine should depend on it.
"""

from __future__ import annotations

import io
import warnings

import torch
from torch import nn

from distill.students.spec import Student
from distill.students.stream import StreamStudent
from export.deploy_stream import DeployedStream


def torchscript(student: Student) -> bytes:
    """The bytes of a frozen module: (1, 1, window) -> (1, channels), or of a stream, hop and state for any voices."""
    if isinstance(student, StreamStudent):
        deployed = DeployedStream(student)
        module: nn.Module = deployed
        inputs = deployed.inputs(2)
    else:
        module, inputs = student, (torch.zeros(1, 1, student.window_samples),)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # every shape is fixed here
        traced = torch.jit.trace(module.eval(), inputs, check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), buffer)
    return buffer.getvalue()
