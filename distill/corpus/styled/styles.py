"""Made-up people and eight emotions: how a voice sounds and what a face adds to its speech.

Nobody was captured. Voices follow what reviews of vocal emotion agree on (Murray and Arnott 1993; Scherer 2003): pitch,
its range, pace, loudness, roughness, breath. Faces follow FACS's prototypes (Ekman and Friesen's EMFACS) by ARKit's
names, within the ranges of five Live Link Face recordings (brows to .9, smiles to .7, wide eyes to .5, 14 to 41 blinks
a minute). A corpus of them teaches a network that style exists and can be told from sound; it does not teach how
people do it. The emotions and their numbers are BEAT's.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sdk.errors import DataError

FIRST_SEED = 1  # of casts whose people are called by a letter and a number alone
_NAMED = re.compile(r"[mw](\d{3,})(?:s(\d+))?")


@dataclass(frozen=True)
class Emotion:
    """One emotion at full strength.

    Voice, as factors: `pitch`, `range` of pitch, `pace`, `loudness`; `rough` and `breath` are added to espeak's levels.
    Face: `pose` by channel, held while the person speaks; `accents`, what rises on stressed syllables; `jaw` and
    `lips`, factors of opening and of lip shapes; `blinks` a minute.
    """

    pitch: float = 1.0
    range: float = 1.0
    pace: float = 1.0
    loudness: float = 1.0
    rough: int = 0
    breath: int = 0
    pose: Mapping[str, float] = field(default_factory=dict)
    accents: Mapping[str, float] = field(default_factory=dict)
    jaw: float = 1.0
    lips: float = 1.0
    blinks: float = 20.0


def both(**sides: float) -> dict[str, float]:
    """The same value for the left and the right channel of each name."""
    return {f"{name}{side}": value for name, value in sides.items() for side in ("Left", "Right")}


EMOTIONS: dict[str, Emotion] = {
    "neutral": Emotion(accents={"browInnerUp": 0.12, **both(browOuterUp=0.08)}),
    "happiness": Emotion(
        pitch=1.28, range=1.5, pace=1.1, loudness=1.2, jaw=1.12, lips=0.9, blinks=22,
        pose=both(mouthSmile=0.46, cheekSquint=0.38, eyeSquint=0.22, browOuterUp=0.10),
        accents={"browInnerUp": 0.20, **both(browOuterUp=0.22, mouthSmile=0.10)},
    ),
    "anger": Emotion(
        pitch=1.12, range=1.45, pace=1.14, loudness=1.6, rough=3, jaw=1.25, lips=1.15, blinks=14,
        pose=both(browDown=0.62, eyeSquint=0.34, noseSneer=0.26, mouthPress=0.06, mouthFrown=0.12),
        accents=both(browDown=0.22, noseSneer=0.16),
    ),
    "sadness": Emotion(
        pitch=0.88, range=0.6, pace=0.8, loudness=0.55, breath=5, jaw=0.78, lips=0.9, blinks=12,
        pose={"browInnerUp": 0.58, **both(mouthFrown=0.40, browDown=0.12, eyeBlink=0.14, eyeLookDown=0.18)},
        accents={"browInnerUp": 0.10},
    ),
    "contempt": Emotion(
        pitch=0.94, range=0.85, pace=0.92, loudness=0.9, jaw=0.88, blinks=17,
        pose={
            "mouthSmileRight": 0.32, "mouthDimpleRight": 0.36, "eyeSquintRight": 0.16, "eyeSquintLeft": 0.10,
            "browOuterUpLeft": 0.18, "mouthLeft": 0.04,
        },
        accents={"browOuterUpLeft": 0.14},
    ),
    "surprise": Emotion(
        pitch=1.42, range=1.8, pace=1.02, loudness=1.15, jaw=1.22, blinks=10,
        pose={"browInnerUp": 0.56, **both(browOuterUp=0.55, eyeWide=0.48)},
        accents={"browInnerUp": 0.20, **both(browOuterUp=0.20, eyeWide=0.10)},
    ),
    "fear": Emotion(
        pitch=1.34, range=0.95, pace=1.22, loudness=0.85, rough=1, breath=3, jaw=1.02, blinks=34,
        pose={"browInnerUp": 0.62, **both(browDown=0.16, eyeWide=0.40, mouthStretch=0.26)},
        accents={"browInnerUp": 0.14},
    ),
    "disgust": Emotion(
        pitch=0.86, range=1.1, pace=0.86, loudness=0.95, rough=2, jaw=0.94, blinks=19,
        pose=both(noseSneer=0.52, browDown=0.30, mouthUpperUp=0.10, mouthFrown=0.18, cheekSquint=0.22, eyeSquint=0.2),
        accents=both(noseSneer=0.18),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """One made-up speaker: a voice and habits of the face.

    voice: pitch in Hz, its range as a factor, vocal tract in per cent, words a minute, colour (a seed for formants).
    habits: factors of jaw, lips, brows and of all expression; `lean`, what more the left side does than the right;
    rest: what the face holds anyway, by channel; blinks: factor.
    """

    name: str
    pitch_hz: float
    pitch_range: float
    tract: float
    words_per_minute: float
    colour: int
    jaw: float
    lips: float
    brows: float
    expression: float
    lean: float
    rest: Mapping[str, float]
    blinks: float


def cast_member(name: str) -> Person:
    """The made-up person of that name, which tells the seed. Raises `DataError` for anybody else: of people who were
    captured nobody knows what they would look like without their mood."""
    told = _NAMED.fullmatch(name)
    who = person(int(told[1]), int(told[2] or FIRST_SEED)) if told else None
    if who is None or who.name != name:
        raise DataError(f"{name!r} is nobody of the made-up cast, so what the face does without a style is not known")
    return who


def person(number: int, seed: int = FIRST_SEED) -> Person:
    """The `number`th person of a cast, the same for the same seed; women and men by turns. The name tells both, since
    it is all that a corpus keeps of who somebody is: `m002` of the first seed, `m002s7` of the seventh."""
    rng = random.Random(f"person-{seed}-{number}")
    woman = number % 2 == 1
    pitch = rng.uniform(160, 255) if woman else rng.uniform(80, 150)
    rest = {"browInnerUp": rng.uniform(0, 0.10), **both(mouthSmile=rng.uniform(0, 0.08), eyeWide=rng.uniform(0, 0.10))}
    rest |= both(eyeSquint=rng.uniform(0, 0.12), browDown=rng.uniform(0, 0.08))
    return Person(
        name=f"{'w' if woman else 'm'}{number:03d}{'' if seed == FIRST_SEED else f's{seed}'}",
        pitch_hz=pitch,
        pitch_range=rng.uniform(1.2, 1.7),
        tract=84 + 26 * (pitch - 70) / 230 + rng.uniform(-6, 10),
        words_per_minute=rng.uniform(140, 190),
        colour=rng.randrange(1 << 30),
        jaw=rng.uniform(0.8, 1.25),
        lips=rng.uniform(0.85, 1.2),
        brows=rng.uniform(0.6, 1.4),
        expression=rng.uniform(0.8, 1.15),
        lean=rng.uniform(-0.2, 0.2),
        rest=rest,
        blinks=rng.uniform(0.7, 1.5),
    )


@dataclass(frozen=True)
class Style:
    """Who speaks, moved by what, how strongly, 0..1."""

    person: str
    emotion: str
    strength: float

    def name(self, number: int) -> str:
        """Of the `number`th recording in this style: `m002_anger_10_07`."""
        return f"{self.person}_{self.emotion}_{round(10 * self.strength):02d}_{number:02d}"

    @classmethod
    def of(cls, name: str) -> Style:
        """The style that a recording's name tells. Raises `DataError` for another name."""
        parts = name.split("_")
        if len(parts) != 4 or parts[1] not in EMOTIONS or not parts[2].isdigit():
            raise DataError(f"{name!r} tells no style; names are PERSON_EMOTION_STRENGTH_NUMBER: m002_anger_10_07")
        return cls(parts[0], parts[1], int(parts[2]) / 10)
