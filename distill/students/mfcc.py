"""The MFCC baseline (4.1.2): what the paper compares S0 with, a student that hears designed features, not the waveform.

    features    13 MFCC and 26 subband centroids of 25 ms frames, standardised:  (B, 1, n) -> (B, 1, 39, T)
    frequency   strided convolutions until one row is left (appendix A):         -> (B, 256, 1, T)
    time        strided convolutions until one column is left, three FC layers:  (B, 256, 1, 49) -> (B, rig)

The paper gives neither kernels nor T. Kernels of 3 with stride 2, a frame each 10 ms and all channels 256 come to
1.98 M parameters and 0.19 G multiply-adds at 78 rig channels, where Table 2 says 2 M and 0.25 G. A frame each 8 ms
(`hop_samples: 128`) comes to 0.24 G and doubles the work of training.

Voice2Face normalises the centroids by speaker. A causal window does not know its speaker's mean: here every feature is
standardised by the mean and deviation that it has over our corpus, constants which the weights' file carries.

`sequence` runs the frequency layers once over a stretch. Windows lie 320 samples apart; where frames lie so that 320 is
no multiple of their hop, they are computed on the common grid of both and each window takes its own: nothing in
`sequence` is approximate.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.students.layers import conclude, in_float32
from distill.students.torchaudio_cpu import load_torchaudio
from distill.students.window import COLUMN_SAMPLES, FIELD_SAMPLES
from sdk.clock import SAMPLE_RATE_HZ

FRAME_SAMPLES = 400  # 25 ms, also the step of the FFT: its bins lie 40 Hz apart
CEPSTRA = 13
BANDS = 26  # triangles on the mel scale, for both kinds
FEATURES = CEPSTRA + BANDS
LOG_FLOOR = 1e-6  # torchaudio's, of a band's energy
POWER_FLOOR = 1e-6  # of a bin: white noise at -80 dB; in silence a band's centroid is then its triangle's own

# of 24 minutes of the training shards (65 % human), silence included, by `measure_statistics`; centroids in kHz
MEAN = (
    -29.397, 6.090, 0.469, 1.789, -0.585, -1.292, -0.095, -1.198, -0.129, -0.254, -0.204, -0.076, -0.324,
    0.081, 0.151, 0.225, 0.316, 0.414, 0.519, 0.639, 0.773, 0.918, 1.082, 1.259, 1.450, 1.657,
    1.887, 2.150, 2.427, 2.723, 3.061, 3.421, 3.805, 4.241, 4.743, 5.288, 5.907, 6.543, 7.210,
)  # fmt: skip
DEVIATION = (
    24.093, 8.361, 4.446, 3.856, 3.377, 3.065, 2.593, 2.581, 1.899, 1.781, 1.484, 1.502, 1.406,
    0.023, 0.024, 0.021, 0.025, 0.027, 0.030, 0.031, 0.032, 0.033, 0.036, 0.042, 0.049, 0.052,
    0.058, 0.063, 0.068, 0.076, 0.081, 0.088, 0.101, 0.114, 0.108, 0.109, 0.122, 0.134, 0.147,
)  # fmt: skip


class SpectralFeatures(nn.Module):
    """MFCC as torchaudio's, and spectral subband centroids in kHz, both of one power spectrum; no parameters."""

    window: Tensor
    bands: Tensor
    cosines: Tensor
    khz: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        functions = load_torchaudio().functional
        bins = FRAME_SAMPLES // 2 + 1
        constants = {
            "window": torch.hann_window(FRAME_SAMPLES),
            "bands": functions.melscale_fbanks(bins, 0.0, SAMPLE_RATE_HZ / 2, BANDS, SAMPLE_RATE_HZ),
            "cosines": functions.create_dct(CEPSTRA, BANDS, "ortho"),
            "khz": torch.linspace(0, SAMPLE_RATE_HZ / 2000, bins),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        # rounded as a file may keep them, so that a student hears the same before and after
        self.register_buffer("mean", torch.tensor(MEAN).half().float())
        self.register_buffer("deviation", torch.tensor(DEVIATION).half().float())

    def raw(self, audio: Tensor, hop: int) -> Tensor:
        """Before standardising: (B, n) -> (B, 39, (n - 400) // hop + 1)."""
        spectrum = torch.stft(
            audio, FRAME_SAMPLES, hop, window=self.window, center=False, return_complex=True, onesided=True
        )
        power = (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)
        cepstra = torch.log(power @ self.bands + LOG_FLOOR) @ self.cosines
        floored = power + POWER_FLOOR
        centroids = ((floored * self.khz) @ self.bands) / (floored @ self.bands)
        return torch.cat([cepstra, centroids], 2).transpose(1, 2)

    def forward(self, audio: Tensor, hop: int) -> Tensor:
        """(B, 1, n) -> (B, 1, 39, T), each feature of zero mean and unit deviation over the corpus."""
        with in_float32(audio.device.type):  # in half precision logarithms would come in steps
            raw = self.raw(audio.float().flatten(1), hop)
            return ((raw - self.mean[:, None]) / self.deviation[:, None]).unsqueeze(1)


class MfccStudent(nn.Module):
    """channels: of every convolution. hop_samples: from frame to frame in a window. The rest as `WindowStudent`."""

    def __init__(
        self, channels: int, rig_channels: int, fc_width: int = 150, window: int = 8192, hop_samples: int = 160
    ) -> None:
        super().__init__()
        self.window_samples = window
        self.columns = (window - FIELD_SAMPLES) // COLUMN_SAMPLES + 1
        self.hop_samples = hop_samples
        self.frames = (window - FRAME_SAMPLES) // hop_samples + 1
        self.spectral = SpectralFeatures()
        self.frequency = nn.ModuleList()
        for number, (kernel, stride, pad) in enumerate(halvings(FEATURES)):
            inputs = channels if number else 1
            self.frequency.append(nn.Conv2d(inputs, channels, (kernel, 1), (stride, 1), (pad, 0)))
        self.time = nn.ModuleList(
            nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, pad))
            for kernel, stride, pad in halvings(self.frames)
        )
        self.fc1 = nn.Conv2d(channels, fc_width, 1)
        self.fc2 = nn.Conv2d(fc_width, fc_width, 1)
        self.fc3 = nn.Conv2d(fc_width, rig_channels, 1)

    def trunk(self, audio: Tensor, hop: int) -> Tensor:
        """Features and frequency layers: (B, 1, n) -> (B, C, 1, (n - 400) // hop + 1)."""
        x = self.spectral(audio, hop)
        for layer in self.frequency:
            x = functional.gelu(layer(x))
        return x

    def features(self, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, 1, frames) -> F_-4 (B, fc), F_-3 (B, fc), F_-2 (B, rig): hidden FC layers, the last before tanh."""
        return conclude(columns, self.time, self.fc1, self.fc2, self.fc3)

    def whole(self, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of one window: (B, 1, 8192) -> three of (B, width)."""
        return self.features(self.trunk(window, self.hop_samples))

    def forward(self, window: Tensor) -> Tensor:
        """(B, 1, 8192) -> (B, rig) in -1..1."""
        return torch.tanh(self.whole(window)[2])

    def sequence(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of every window, one each 320 samples: (B, 1, 8192 + 320 (N - 1)) -> three of (B, N, width)."""
        grid = math.gcd(self.hop_samples, COLUMN_SAMPLES)
        step = self.hop_samples // grid
        length = step * (self.frames - 1) + 1
        # the unfolding: (B, C, 1, N, frames)
        windows = self.trunk(audio, grid).unfold(3, length, COLUMN_SAMPLES // grid)[..., ::step]
        batch, count = windows.shape[0], windows.shape[3]
        windows = windows.permute(0, 3, 1, 2, 4).reshape(batch * count, -1, 1, self.frames)
        one, two, last = self.features(windows)
        return one.view(batch, count, -1), two.view(batch, count, -1), last.view(batch, count, -1)


def halvings(size: int) -> list[tuple[int, int, int]]:
    """`(kernel, stride, padding)` of the layers that take `size` positions to one: halved while more than three."""
    layers = []
    while size > 3:
        layers.append((3, 2, 1))
        size = (size - 1) // 2 + 1
    return [*layers, (size, 1, 0)]


def measure_statistics(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation `(39,)` of the features of `rows` of speech `(B, n)`: what `MEAN` and `DEVIATION` hold."""
    with torch.no_grad():
        raw = SpectralFeatures().raw(rows, FRAME_SAMPLES // 2).transpose(0, 1).flatten(1)
    return raw.mean(1), raw.std(1)
