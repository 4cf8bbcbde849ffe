"""What espeak is asked to say, and by what voice: a person in an emotion as the lines of a voice variant.

A voice is a person's pitch and formants; an emotion multiplies pitch, its range and the pace, and adds roughness and
breath. Loudness is not espeak's: the sound is made louder or softer afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from distill.corpus.styled.styles import EMOTIONS, Person, Style
from distill.speech import text


@dataclass(frozen=True)
class Line:
    """One recording to make: `name` (which tells the style), who says what, espeak's voice, and a factor of level."""

    name: str
    speaker: str
    language: str
    text: str
    variant: str
    words_per_minute: int
    level: float


def lines(people: Sequence[Person], emotions: Sequence[str], each: int, seed: int) -> list[Line]:
    """`each` sentences by each person in each emotion, at full and at half strength by turns. Texts differ."""
    rng = random.Random(f"styled-{seed}")
    found = []
    for who in people:
        for emotion in emotions:
            for number in range(each):
                style = Style(who.name, emotion, 1.0 if number % 2 == 0 or emotion == "neutral" else 0.5)
                found.append(_line(who, style, number, text.english(rng)))
    return found


def _line(who: Person, style: Style, number: int, words: str) -> Line:
    emotion = EMOTIONS[style.emotion]

    def towards(factor: float) -> float:
        return factor**style.strength

    rng = random.Random(who.colour)
    pitch = who.pitch_hz * towards(emotion.pitch)
    variant = [f"pitch {pitch:.0f} {pitch * (1 + (who.pitch_range - 1) * towards(emotion.range)):.0f}"]
    for formant in range(9):
        frequency = who.tract * rng.uniform(0.95, 1.05)
        variant.append(f"formant {formant} {frequency:.0f} {rng.uniform(75, 110):.0f} {rng.uniform(90, 140):.0f}")
    rough = rng.randint(0, 2) + round(emotion.rough * style.strength)
    variant += [f"flutter {rng.randint(1, 3)}", f"roughness {min(rough, 7)}", f"voicing {rng.randint(85, 110)}"]
    breath = round(emotion.breath * style.strength)
    if breath:
        variant.append("breath 0 " + " ".join([str(breath)] * 7))
    pace = round(who.words_per_minute * towards(emotion.pace))
    return Line(
        style.name(number), who.name, "en-us", words, "\n".join(variant), pace, 0.55 * towards(emotion.loudness)
    )
