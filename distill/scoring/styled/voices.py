"""Whose voice it is: what a talker's personalizer tells of strangers, beside a public speaker encoder, and what it is
good for when somebody enrols with five seconds.

    made-up people in eight emotions    a person among clips of other emotions, an emotion among other people
    people who are real                 a person among all other clips; of their emotions nothing is known

`resemblyzer` (Apache-2.0, GE2E of Wan et al. 2018) was trained on thousands of speakers to tell them apart, and on
nothing else: the upper bound of identity here. `loudness and pitch`, six numbers, is what anything must beat.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill.corpus.speakers import UNKNOWN, speaker_of
from distill.corpus.styled.clips import Clip
from distill.files.disk import find_audio, load_mono
from distill.files.teacher import Trained
from distill.scoring.intervals import RESAMPLES
from distill.scoring.styled.talkers import errors, nearest
from distill.teachers.diffusiontalker.network import Talker
from distill.teachers.diffusiontalker.teacher import DiffusionTalkerTeacher
from distill.teachers.diffusiontalker.voice import Voice
from distill.teachers.voice2face.speech_encoder import SpeechEncoder
from sdk.errors import DataError, EngineUnavailable, pip_install
from sdk.faces.face import Face

SECONDS = 5.0
_RATE = 16000
Print = Callable[[np.ndarray], np.ndarray]


def has_resemblyzer() -> bool:
    """Whether it is installed."""
    return importlib.util.find_spec("resemblyzer") is not None


def resemblyzer() -> Print:
    """Its embedding of 16 kHz sound, `(256,)`. Raises `EngineUnavailable` where it cannot be imported."""
    try:
        with warnings.catch_warnings():  # it takes scipy by a name that scipy has given up
            warnings.simplefilter("ignore", DeprecationWarning)
            package: Any = importlib.import_module("resemblyzer")
    except ImportError as error:
        raise EngineUnavailable(f"resemblyzer cannot be used ({error}): {pip_install('voices')}") from error
    encoder = package.VoiceEncoder("cpu", verbose=False)

    def tell(audio: np.ndarray) -> np.ndarray:
        sound = package.preprocess_wav(audio.astype(np.float32))
        return np.asarray(encoder.embed_utterance(sound if len(sound) >= _RATE // 2 else audio.astype(np.float32)))

    return tell


def pitch_and_loudness(audio: np.ndarray) -> np.ndarray:
    """Six numbers that any program can tell: mean and spread of log pitch, of log energy, of how bright it is."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio.astype(np.float64), 512), 1024)[::320]
    energy = 10 * np.log10((frames**2).mean(1) + 1e-9)
    loud = energy > energy.max() - 30
    power = np.abs(np.fft.rfft(frames * np.hanning(1024), 2048)) ** 2
    alike = np.fft.irfft(power)[:, 40:267]  # lags of 400 to 60 Hz
    pitch = np.log2(_RATE / (40 + alike.argmax(1)))
    bright = np.log2((power @ np.arange(power.shape[1])) / (power.sum(1) + 1e-9) + 1)
    kept = [values[loud] for values in (pitch, energy / 10, bright)]
    return np.array([f(values) for values in kept for f in (np.mean, np.std)])


def standardised(vectors: np.ndarray) -> np.ndarray:
    """Vectors `(n, d)` less their mean, over their spread: angles between raw numbers would mean nothing."""
    found: np.ndarray = (vectors - vectors.mean(0)) / np.maximum(vectors.std(0), 1e-9)
    return found


def recordings(folder: Path, each: int = 4, people: int = 60) -> list[tuple[str, np.ndarray]]:
    """(who, five seconds of 16 kHz sound) of real people below `folder` who are known by name: up to `each` recordings
    of 2.5 s or more, of the first `people` who have two. Raises `DataError` where nobody has."""
    of: dict[str, list[Path]] = {}
    for path in find_audio(folder):
        if not (who := speaker_of(path)).startswith(UNKNOWN):
            of.setdefault(who, []).append(path)
    found: list[tuple[str, np.ndarray]] = []
    met = 0
    for who, paths in sorted(of.items()):
        sounds: list[np.ndarray] = []
        for path in paths:
            sound = load_mono(path)[: int(SECONDS * _RATE)]
            if len(sounds) < each and len(sound) >= 2.5 * _RATE:
                sounds.append(sound)
        if len(sounds) > 1 and met < people:
            met += 1
            found += [(who, sound) for sound in sounds]
    if not found:
        raise DataError(f"{folder}: nobody who is known by name (clips.tsv) has two recordings of 2.5 s there")
    return found


def of_people(tell: Print, heard: Sequence[tuple[str, np.ndarray]], scale: bool = False) -> dict[str, Any]:
    """How often a recording's nearest neighbour is of the same person (`nearest`)."""
    vectors = np.array([tell(sound) for _, sound in heard])
    who = [name for name, _ in heard]
    return nearest(standardised(vectors) if scale else vectors, who, [str(i) for i in range(len(who))], who)


def enrolled(
    trained: Trained[Talker], encoder: SpeechEncoder | None, clips: Sequence[Clip], among: Sequence[Clip] = ()
) -> dict[str, Any]:
    """Errors of strangers' faces when they enrol with five seconds of another sentence of theirs, in neutral.

    Rows: `own` sound tells who and how; `enrolled` tells who, the sound how; `somebody else` enrolled; and the right
    person in a `wrong emotion`. Of clips of an emotion; those of `neutral` are who enrols. among: clips of the same
    strangers, for what `clips` are too few to hold. Raises `DataError` where nobody else has another emotion.
    """
    plain = DiffusionTalkerTeacher(trained, encoder)
    neutral = {clip.person: clip for clip in (*among, *clips) if clip.emotion == "neutral"}
    asked = [clip for clip in clips if clip.emotion != "neutral" and clip.person in neutral]
    voices = {who: plain.enrol(clip.audio[: int(SECONDS * _RATE)], who) for who, clip in neutral.items()}
    order = sorted(voices)
    tracks: dict[str, list[np.ndarray]] = {name: [] for name in ("own", "enrolled", "somebody else", "wrong emotion")}
    for number, clip in enumerate(asked):
        moved = plain.enrol(clip.audio[: int(SECONDS * _RATE)], clip.name)
        other = voices[order[(order.index(clip.person) + 1) % len(order)]]
        far = _moved_otherwise(clip, [*asked[number + 1 :], *asked, *among])
        felt = plain.enrol(far.audio[: int(SECONDS * _RATE)], far.name)
        tracks["own"].append(plain.label(clip.audio).values)
        for name, voice in (
            ("enrolled", voices[clip.person].feeling(moved)),
            ("somebody else", other.feeling(moved)),
            ("wrong emotion", moved.feeling(felt)),
        ):
            tracks[name].append(_as(trained, encoder, voice).label(clip.audio).values)
    face = Face.default()
    return {name: errors(plain.layout, asked, found, face, RESAMPLES) for name, found in tracks.items()}


def _moved_otherwise(clip: Clip, others: Sequence[Clip]) -> Clip:
    for other in others:
        if other.person != clip.person and other.emotion not in ("neutral", clip.emotion):
            return other
    raise DataError(f"{clip.name}: nobody else is moved otherwise; enrolment asks for strangers in two emotions")


def _as(trained: Trained[Talker], encoder: SpeechEncoder | None, voice: Voice) -> DiffusionTalkerTeacher:
    return DiffusionTalkerTeacher(trained, encoder, voice)
