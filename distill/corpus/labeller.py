"""Who labels: a teacher by its name or file, as a function from an utterance to its curves at 100 rows a second."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.pcm import to_float
from distill.speech.phones import Phone
from distill.teachers.articulatory.teacher import RULES, animate
from distill.teachers.track import RigTrack
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError
from sdk.tools.plugins import load_plugin

LABEL_HZ = 100
BY_PHONES = "articulatory"  # the teacher that needs phones and no ears
BY_RULES = f"rules {RULES}"  # in place of the weights of a teacher that learned none


@dataclass(frozen=True)
class Utterance:
    """One recording: int16 `(n,)` at 16 kHz, its phones, who speaks, and a name to find it by."""

    name: str
    speaker: str
    audio: np.ndarray
    phones: list[Phone]


@dataclass(frozen=True)
class Labeller:
    """Who labels, by the name of the teacher, and how: an utterance -> its RigTrack at `LABEL_HZ`.

    weights: SHA-256 of what the teacher learned, or which rules it goes by, where it says: labels of other weights, or
    of nobody knows which, are not its labels.
    """

    teacher: str
    label: Callable[[Utterance], RigTrack]
    weights: str = ""


def labeller(name: str, device: str = "cpu") -> Labeller:
    """The labeller of a teacher, at work on `device`: a file of distill/teachers, the path of a trained `.teacher`, or
    a module of somebody else's by its whole name (`studio.mouths`), with such a TEACHER as those files have. The
    articulatory one goes by the utterance's phones, every other by its sound.

    Raises `ConfigError` for a wrong name or a teacher that knows no other device than the CPU, and what the teacher
    raises when its weights are missing.
    """
    if name == BY_PHONES:
        return Labeller(name, lambda u: animate(u.phones, len(u.audio) / SAMPLE_RATE_HZ, LABEL_HZ), BY_RULES)
    if name.endswith(".teacher"):
        from distill.teachers.registry import teacher_kind

        path = Path(name)
        teacher: Any = teacher_kind(path).teacher(path)
        name = path.stem
    elif "." in name:
        teacher = _foreign(name)()
    else:
        teacher = load_plugin("distill.teachers", name, "TEACHER")()
    if device != "cpu":
        if not hasattr(teacher, "to"):
            raise ConfigError(f"the teacher {name} works on the CPU alone, not on {device}: leave the device out")
        teacher.to(device)

    def hear(utterance: Utterance) -> RigTrack:
        track: RigTrack = teacher.label(to_float(utterance.audio))
        count = max(int(np.ceil(len(utterance.audio) * LABEL_HZ / SAMPLE_RATE_HZ - 1e-9)), 1)
        return track.resampled(Fraction(LABEL_HZ), count)

    return Labeller(name, hear, str(getattr(teacher, "weights_sha256", "")))


def _foreign(name: str) -> Any:
    try:
        return importlib.import_module(name).TEACHER
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"teacher {name!r}: no module with a TEACHER by that name ({error})") from error
