"""Denoising in a few steps: the noise schedule, DDIM's step, and what a student of half the steps is asked for.

    z_t = cos(pi t / 2) x + sin(pi t / 2) noise,     t from 0, the motion, to 1, noise alone
    DDIM (Song et al. 2021, no noise added):         z_s = a_s x^ + s_s (z_t - a_t x^) / s_t
    halving (Salimans and Ho 2022):                  the x^ with which one step of 1/n lands where the teacher's two
                                                     steps of 1/2n land

A denoiser is any function (z_t, t) -> x^, the motion itself. All of it works on tensors (B, N, channels), t is (B,).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
_MOST_SNR = 5.0  # a nearly clean pose must not outweigh all others


def levels(t: Tensor) -> tuple[Tensor, Tensor]:
    """(a_t, s_t), each (B, 1, 1): how much motion and how much noise there is at time t."""
    angle = (t.clamp(0, 1) * (math.pi / 2))[:, None, None]
    return torch.cos(angle), torch.sin(angle)


def add_noise(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """z_t of a motion."""
    signal, spread = levels(t)
    return signal * clean + spread * noise


def weight(t: Tensor) -> Tensor:
    """What an error at t weighs (B,): the signal to noise ratio, 1 at least and 5 at most."""
    signal, spread = levels(t)
    return (signal / spread.clamp(min=1e-4)).square().clamp(1.0, _MOST_SNR)[:, 0, 0]


def ddim_step(noisy: Tensor, clean: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """z_s of z_t and the motion `clean` that a denoiser saw in it, s < t."""
    signal, spread = levels(t)
    signal_s, spread_s = levels(s)
    return signal_s * clean + spread_s * (noisy - signal * clean) / spread


def sample(denoise: Denoise, noise: Tensor, steps: int) -> Tensor:
    """A motion from `noise` (B, N, channels) in `steps` steps of DDIM."""
    noisy = noise
    for step in range(steps, 0, -1):
        t = noise.new_full((len(noise),), step / steps)
        noisy = ddim_step(noisy, denoise(noisy, t), t, t - 1 / steps)
    return noisy


def halved_target(teacher: Denoise, noisy: Tensor, t: Tensor, steps: int) -> Tensor:
    """What a student of `steps` steps should see in z_t, t a multiple of 1 / steps, to land where two of the teacher's
    steps land."""
    middle, end = t - 0.5 / steps, t - 1 / steps
    half = ddim_step(noisy, teacher(noisy, t), t, middle)
    there = ddim_step(half, teacher(half, middle), middle, end)
    signal, spread = levels(t)
    signal_end, spread_end = levels(end)
    ratio = spread_end / spread
    return (there - ratio * noisy) / (signal_end - ratio * signal)
