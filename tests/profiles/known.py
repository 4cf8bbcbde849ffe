"""Programs whose work is known, and their manifests: what the ruler is tried on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdk.manifest import Manifest

WINDOW, HOP, VOICES = 1600, 320, 4
NAMES = ["jawOpen", "mouthClose", "tongueOut"]


class Known(nn.Module):
    """(1, 1, 1600) -> (1, 3): a convolution of 16 outputs, 8 taps, stride 4; the mean of all columns; 3 x 16."""

    COLUMNS = (WINDOW - 8) // 4 + 1
    MACS = 16 * 8 * COLUMNS + 3 * 16

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(1, 16, (1, 8), (1, 4))
        self.last = nn.Conv2d(16, 3, 1)

    def forward(self, window: Tensor) -> Tensor:
        columns = nn.functional.gelu(self.conv(window.reshape(1, 1, 1, WINDOW)))
        return torch.tanh(self.last(columns.mean((2, 3), keepdim=True)).reshape(1, 3))


class Echo(nn.Module):
    """A stream: what comes out is of this hop and the one before, which is the state."""

    def forward(self, hop: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        loud = (hop.reshape(-1, 1, 1, HOP) * hop.reshape(-1, 1, 1, HOP)).mean((2, 3), keepdim=True).reshape(-1, 1)
        return torch.cat([loud, before.reshape(-1, 1), loud + before.reshape(-1, 1)], 1), loud.reshape(-1, 1)


def facts(kind: str = "window", runtime: str = "executorch") -> Manifest:
    stream = kind == "stream"
    return Manifest(
        schema=2, student="known", kind=kind, runtime=runtime,
        backend="xnnpack" if runtime == "executorch" else "cpu", precision="fp32", sample_rate_hz=16000,
        window_samples=HOP if stream else WINDOW, future_samples=160, state=[[1]] if stream else [],
        crowd_voices=VOICES if stream else 0, fps=[25, 1], ensemble=[], history="zeros", names=NAMES,
        minimum=[-1.0] * 3, maximum=[1.0] * 3, neutral=[0.0] * 3, parameters=211, weights_sha256="0" * 64, tools={},
        training={}, scores={},
    )  # fmt: skip
