"""Student -> TorchScript `.pt`, traced and frozen, float32: for tools and as a second opinion on the `.pte`.

TorchScript is deprecated in PyTorch; it works in 2.13, and nothing that ships in an engine should depend on it.
"""

from __future__ import annotations

import io
import warnings

import torch

from distill.students.window import WindowStudent


def torchscript(student: WindowStudent) -> bytes:
    """The bytes of a frozen module (1, 1, window) -> (1, channels)."""
    window = torch.zeros(1, 1, student.window_samples)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # every shape is fixed here
        traced = torch.jit.trace(student.eval(), window, check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), buffer)
    return buffer.getvalue()
