"""A window student whose last layer predicts the components of meshes, as the paper's Table 4 has it (4.8.1).

    CodeTalker's meshes --50 principal components--> codes / reach --tanh--> what the student is asked for
    windows of 512 ms --S0's layers up to its first hidden one, as they are--> F_-4 --two new layers--> codes

The layers that hear are those of an S0 that learned from another teacher, frozen; the last two are learned anew. The
paper trains all of S0 for as long as it takes: here they stand for it on a core, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.window import WindowStudent
from sdk.window import WindowSpec

FPS = 30
_ROWS = 32  # windows a call: a core's cache holds what they need


class ComponentStudent(nn.Module):
    """`student` up to its first hidden layer, then new layers for numbers within +-`reach` (components,)."""

    reach: Tensor

    def __init__(self, student: WindowStudent, components: int, reach: Tensor) -> None:
        super().__init__()
        self.hears = student.requires_grad_(False).eval()
        width = student.fc1.out_channels
        self.fc2, self.fc3 = nn.Linear(width, width), nn.Linear(width, components)
        self.register_buffer("reach", reach)

    def last(self, features: Tensor) -> Tensor:
        """F_-4 (N, width) -> codes (N, components)."""
        found: Tensor = torch.tanh(self.fc3(functional.gelu(self.fc2(features)))) * self.reach
        return found

    def codes(self, audio: np.ndarray, window: WindowSpec) -> Tensor:
        """Codes `(frames, components)` of a recording `(n,)` at 30 fps."""
        with torch.inference_mode():
            return self.last(hidden(self.hears, audio, window))

    @property
    def parameters_counted(self) -> int:
        """Weights that a frame goes through."""
        heard = sum(value.numel() for name, value in self.hears.named_parameters() if name[:4] not in ("fc2.", "fc3."))
        return heard + sum(value.numel() for layer in (self.fc2, self.fc3) for value in layer.parameters())


def hidden(student: WindowStudent, audio: np.ndarray, window: WindowSpec, every: int = 1) -> Tensor:
    """F_-4 `(frames, width)` of every `every`-th frame, each of its own window, exactly as at inference."""
    with torch.inference_mode():
        return torch.cat([student.whole(rows)[0] for rows in _windows(audio, window, every)])


def _windows(audio: np.ndarray, window: WindowSpec, every: int) -> Iterator[Tensor]:
    frames = max(int(np.ceil(len(audio) * FPS / 16000 - 1e-9)), 1)
    starts: np.ndarray = np.arange(0, frames, every) * 16000 // FPS  # in what is padded by the past
    padded = np.pad(np.float32(audio), (window.past_samples, window.length_samples))
    every_window = np.lib.stride_tricks.sliding_window_view(padded, window.length_samples)
    for first in range(0, len(starts), _ROWS):
        yield torch.from_numpy(every_window[starts[first : first + _ROWS]].copy())[:, None]
