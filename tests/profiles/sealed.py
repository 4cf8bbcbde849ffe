"""Tiny sealed artefacts: real TorchScript programs with a whole manifest, made in a second."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch

from sdk.artifact import seal
from sdk.manifest import SCHEMA, Manifest

WINDOW_SAMPLES = 1000


def manifest(**changes: Any) -> Manifest:
    """Facts of a scored window student with two channels, with some changed."""
    facts: dict[str, Any] = {
        "schema": SCHEMA, "student": "tiny", "kind": "window", "runtime": "torchscript", "backend": "cpu",
        "precision": "fp32", "sample_rate_hz": 16000, "window_samples": WINDOW_SAMPLES, "future_samples": 400,
        "state": [], "crowd_voices": 0, "fps": [30, 1], "ensemble": [], "history": "zeros",
        "names": ["jawOpen", "mouthClose"], "minimum": [0.0, 0.0], "maximum": [1.0, 1.0], "neutral": [0.0, 0.0],
        "parameters": 2002, "weights_sha256": "0" * 64, "tools": {"torch": "2"}, "training": {"corpus": "none"},
        "scores": {"human": {"pbm": 0.81, "jitter": 0.033}, "note": "made for a test"},
    }  # fmt: skip
    return Manifest(**(facts | changes))


class _Tiny(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(WINDOW_SAMPLES, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.layer(x.reshape(1, WINDOW_SAMPLES)))


def write_script(path: Path, **changes: Any) -> Path:
    """A `.pt` at `path`."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(_Tiny().eval(), torch.zeros(1, 1, WINDOW_SAMPLES)), buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(seal(buffer.getvalue(), manifest(**changes)))
    return path
