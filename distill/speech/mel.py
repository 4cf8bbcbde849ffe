"""The spectral front end of teachers: power spectra of 25 ms of speech, 100 a second, and triangles on the mel scale.

    power        by torch.stft, for whatever runs in torch alone (the neural teacher, Voice2Face's cepstra)
    waves        the same as weights of a convolution, for ears that are lowered whole (DiffusionTalker's compact ones)

Students have front ends of their own, because what they hear ships: `students/stream.py` has bands whose weights lie in
the checkpoint as any layer's, `students/mfcc.py` the paper's features on bins of 40 Hz, which no file may change.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sdk.clock import SAMPLE_RATE_HZ

ROW_SAMPLES, WINDOW_SAMPLES, FFT = 160, 400, 512
BINS = FFT // 2 + 1


def power(audio: Tensor, window: Tensor) -> Tensor:
    """Power (B, 257, n / 160) of audio (B, n); row k is centred on sample 160 k. window: `(400,)`."""
    spectrum = torch.stft(
        audio, FFT, ROW_SAMPLES, WINDOW_SAMPLES, window, center=True, pad_mode="constant", return_complex=True
    )
    return (spectrum.real.square() + spectrum.imag.square())[..., : audio.shape[-1] // ROW_SAMPLES]


def waves() -> np.ndarray:
    """Windowed cosines and sines `(2 x 257, 400)` float32: their products with 400 samples, squared and added by pairs,
    are the power."""
    times = np.arange(WINDOW_SAMPLES)
    angles = 2 * np.pi * np.outer(np.arange(BINS), times) / FFT
    window = 0.5 - 0.5 * np.cos(2 * np.pi * times / WINDOW_SAMPLES)
    return (np.concatenate([np.cos(angles), -np.sin(angles)]) * window).astype(np.float32)


def mel_bands(count: int, low_hz: float = 60.0, high_hz: float = 7600.0) -> np.ndarray:
    """Triangular filters `(count, 257)` float32, evenly spaced on the mel scale (2595 log10(1 + f / 700)), peak 1."""
    to_mel = lambda hz: 2595 * np.log10(1 + np.asarray(hz) / 700)  # noqa: E731
    edges = 700 * (10 ** (np.linspace(to_mel(low_hz), to_mel(high_hz), count + 2) / 2595) - 1)
    bins = np.arange(BINS) * SAMPLE_RATE_HZ / FFT
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)
