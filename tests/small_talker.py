"""Styled clips without espeak, and a DiffusionTalker small enough for a test."""

from __future__ import annotations

import numpy as np

from distill.corpus.styled.clips import Clip
from distill.corpus.styled.expression import express
from distill.corpus.styled.styles import Style, person
from distill.speech.phones import Phone
from distill.teachers.diffusiontalker.network import TalkerSpec
from distill.training.talker import TalkerPlan
from sdk.rig import RigLayout

ARKIT = RigLayout.arkit()
PHONES = [
    Phone("m", 0.3, 0.45),
    Phone("ɑ", 0.45, 1.0, 1),
    Phone("b", 1.0, 1.12),
    Phone("i", 1.12, 2.0),
    Phone("p", 2.0, 2.1),
]
PEOPLE, EMOTIONS = ("m000", "w001", "m002"), ("anger", "neutral", "surprise")
SPEC = TalkerSpec(
    "tiny", "compact", 0, 4, 16, 2, 12, 2, 6, 4, list(PEOPLE), list(EMOTIONS), True, "rig", 6, "arkit"
)  # fmt: skip
PLAN = TalkerPlan(steps=4, batch=3, seconds=1.0, learning_rate=3e-3)


def tone(pitch_hz: float, seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    """A buzz of a pitch, loud while phones last."""
    times = np.arange(int(seconds * 16000)) / 16000
    buzz = sum(np.sin(2 * np.pi * pitch_hz * k * times) / k for k in range(1, 6))
    noise = np.random.default_rng(seed).normal(0, 0.02, len(times))
    return np.float32(0.1 * buzz * ((times > 0.3) & (times < 2.1)) + noise * (times > 0.1))


def clips() -> list[Clip]:
    """Three people in three emotions, which the pitch tells."""
    found = []
    for p, name in enumerate(PEOPLE):
        for e, emotion in enumerate(EMOTIONS):
            style = Style(name, emotion, 1.0)
            track = express(PHONES, 3.0, style, person(p), style.name(0), 30)
            found.append(Clip.made(style.name(0), name, emotion, tone(90 + 60 * p + 25 * e), track.values, PHONES))
    return found
