"""Between 16-bit samples, as corpora keep them, and float32 in -1..1, as everything computes."""

from __future__ import annotations

import numpy as np


def to_float(pcm: np.ndarray) -> np.ndarray:
    """int16 of any shape as float32 in -1..1."""
    return np.asarray(pcm).astype(np.float32) / 32768


def to_int16(samples: np.ndarray) -> np.ndarray:
    """float32 as int16 of the same shape; what is louder than full scale is clipped."""
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)
