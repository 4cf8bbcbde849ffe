"""The paper's student (Table 1): one 512 ms window of raw speech -> one rig vector.

    trunk   convolutions, 320 samples a column:   (B, 1, 8192) -> (B, C, 1, 25)
    head    wide context, tail, three FC layers:  (B, C, 1, 25) -> (B, rig)

The trunk is valid convolutions only, so the columns of overlapping windows coincide: `sequence` runs it once over
a long stretch and the head once for every column, a twentieth of the work of separate windows. The one thing that
does not shift along is the first norm, whose statistics are then those of the stretch instead of each window;
training uses that (see `training/feeds.py`), and finishes on exact windows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.layers import ChannelNorm, TimeNorm, WideConv, conclude, conv

COLUMN_SAMPLES = 320
FIELD_SAMPLES = 400  # receptive field of one trunk column
WIDE_KERNEL = 64
QUIET = 1e-8  # variance of the first layer's output below which (some -70 dB of sound) it is not raised to full level
# windows of 23 to 38 columns: the tail's four strides leave exactly one of them
SHORTEST_SAMPLES = FIELD_SAMPLES + 22 * COLUMN_SAMPLES
LONGEST_SAMPLES = FIELD_SAMPLES + 38 * COLUMN_SAMPLES - 1


class WindowStudent(nn.Module):
    """Table 1 with `channels` = C. `groups` of the 64-wide convolution: 4 reproduces the published parameter counts
    (2.96 / 0.78 / 0.23 M for C = 256 / 128 / 64 and 78 rig channels), which the paper's text does not mention."""

    def __init__(
        self, channels: int, rig_channels: int, groups: int = 4, fc_width: int = 150, window: int = 8192
    ) -> None:
        super().__init__()
        c = channels
        self.window_samples = window
        self.columns = (window - FIELD_SAMPLES) // COLUMN_SAMPLES + 1
        self.first = conv(1, c, 10, 5)
        self.first_norm = TimeNorm(c, QUIET)
        strided = [conv(c, c, 3, 2) for _ in range(4)] + [conv(c, c, 2, 2) for _ in range(2)]
        self.strided = nn.ModuleList(strided)
        self.linear_norm = ChannelNorm(c)
        self.linear = conv(c, c, 1)
        self.wide = WideConv(c, self.columns, WIDE_KERNEL, groups)
        self.tail_norm = ChannelNorm(c)
        self.tail = nn.ModuleList([*(conv(c, c, 3, 2) for _ in range(3)), conv(c, c, 2, 2)])
        self.fc1 = conv(c, fc_width, 1)
        self.fc2 = conv(fc_width, fc_width, 1)
        self.fc3 = conv(fc_width, rig_channels, 1)

    def trunk(self, audio: Tensor) -> Tensor:
        """(B, 1, n) -> (B, C, 1, (n - 400) // 320 + 1)."""
        x = audio.reshape(audio.shape[0], 1, 1, audio.shape[-1])
        x = functional.gelu(self.first_norm(self.first(x)))
        for layer in self.strided:
            x = functional.gelu(layer(x))
        return self.linear(self.linear_norm(x))

    def features(self, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, 1, 25) -> F_-4 (B, 150), F_-3 (B, 150), F_-2 (B, rig): hidden FC layers, and the last before tanh."""
        return self._decide(columns, self.wide(columns))

    def _decide(self, columns: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return conclude(self.tail_norm(columns + functional.gelu(context)), self.tail, self.fc1, self.fc2, self.fc3)

    def whole(self, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of one window: (B, 1, 8192) -> three of (B, width)."""
        # the first norm takes out what is constant, but not without rounding
        return self.features(self.trunk(window - window.mean(-1, keepdim=True)))

    def forward(self, window: Tensor) -> Tensor:
        """(B, 1, 8192) -> (B, rig) in -1..1."""
        return torch.tanh(self.whole(window)[2])

    def sequence(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of every window, one a column: (B, 1, 8192 + 320 (N - 1)) -> three of (B, N, width)."""
        columns = self.trunk(audio)
        windows = columns.unfold(3, self.columns, 1).permute(0, 3, 1, 2, 4)  # (B, N, C, 1, 25)
        batch, count = windows.shape[:2]
        one, two, last = self._decide(windows.flatten(0, 1), self.wide.over(columns).flatten(0, 1))
        return one.view(batch, count, -1), two.view(batch, count, -1), last.view(batch, count, -1)
