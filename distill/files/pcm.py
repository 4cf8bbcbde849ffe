"""Between 16-bit samples, as corpora keep them, and float32 in -1..1, as everything computes; and between rates."""

from __future__ import annotations

import numpy as np
import scipy  # loads its parts when they are first used: `signal` takes a second


def to_float(pcm: np.ndarray) -> np.ndarray:
    """int16 of any shape as float32 in -1..1."""
    return np.asarray(pcm).astype(np.float32) / 32768


def to_int16(samples: np.ndarray) -> np.ndarray:
    """float32 as int16 of the same shape; what is louder than full scale is clipped."""
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)


def stretched(samples: np.ndarray, up: int, down: int, axis: int = -1) -> np.ndarray:
    """`samples` with `up / down` as many of them along `axis`, float32; as they are where the two are one."""
    return samples if up == down else scipy.signal.resample_poly(samples, up, down, axis=axis).astype(np.float32)
