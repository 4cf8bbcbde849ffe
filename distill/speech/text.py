"""Things to say: English from a slot grammar, English-like pseudo-words, and short texts in other languages.

The grammar leans towards what lips show: /p b m/, /f v/, /w/ and rounded vowels. Pseudo-words break the habits of
real words, so that a student meets sound sequences the grammar never makes. `phrases.py` holds the words.
"""

from __future__ import annotations

import random
import re

from distill.speech.phrases import GRAMMAR, HELD_OUT, OTHER_LANGUAGES
from sdk.errors import ConfigError

Say = tuple[str, str]  # (language tag of the speech engine, text)

ENGLISH_ACCENTS = (
    *("en-us",) * 11, *("en-gb-x-rp",) * 3, "en-gb-scotland", "en-gb-x-gbclan", "en-029", "en-us-nyc", "en-gb-x-gbcwmd",
)  # fmt: skip

_ONSETS = (
    *("p", "b", "m") * 4, *("f", "v", "w") * 3, "pl", "bl", "pr", "br", "fl", "fr", "sm", "sp", "spr", "sw", "tw",
    "qu", "t", "d", "k", "g", "n", "s", "z", "sh", "ch", "j", "l", "r", "h", "th", "y", "st", "tr", "dr", "cl", "gr",
    "str", "",
)  # fmt: skip
_NUCLEI = ("a", "e", "i", "o", "u", "oo", "oo", "ee", "ow", "oa", "ay", "ai", "oy", "ar", "or", "er", "ea", "ou", "aw")
_CODAS = (
    *("", "") * 4, *("p", "b", "m") * 3, "mp", "mb", "lm", "lp", "f", "v", "ft", "mf", "pt", "bd", "md", "ps", "bz",
    "ms", "t", "d", "k", "g", "n", "s", "z", "sh", "tch", "dge", "l", "r", "th", "ng", "nt", "nd", "sk", "st", "x",
)  # fmt: skip
_LINKS = ("",) * 7 + ("p", "b", "m", "m", "n", "l", "f", "s")


def english(rng: random.Random) -> str:
    """One or two sentences of the slot grammar."""
    return " ".join(_sentence(rng) for _ in range(rng.choice((1, 1, 1, 1, 2))))


def _sentence(rng: random.Random) -> str:
    text = "<sentence>"
    while slot := re.search(r"<(\w+)>", text):
        name = slot.group(1)
        filler = str(rng.randint(2, 5000)) if name == "digits" else rng.choice(GRAMMAR[name])
        text = text[: slot.start()] + filler + text[slot.end() :]
    return text[0].upper() + text[1:]


def pseudo_words(rng: random.Random) -> str:
    """Three to nine words that English spelling can read but no dictionary holds, with some commas between."""
    words = []
    for _ in range(rng.randint(3, 9)):
        syllables = rng.choice((1, 1, 2, 2, 2, 3))
        inner = "".join(rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_LINKS) for _ in range(syllables - 1))
        last = rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS)
        words.append(inner + last + rng.choice(("", "", "", "", ",")))
    return " ".join(words).rstrip(",") + rng.choice((".", ".", "?", "!"))


def other_language(rng: random.Random) -> Say:
    """A sentence or two in a language that is not English; one in four is numbers, which espeak reads in any."""
    language = rng.choice(sorted(OTHER_LANGUAGES))
    if rng.random() < 0.25:
        numbers = [str(rng.randint(0, rng.choice((20, 100, 9999)))) for _ in range(rng.randint(2, 5))]
        return language, ", ".join(numbers) + "."
    sentences = OTHER_LANGUAGES[language]
    return language, " ".join(rng.sample(sentences, rng.choice((1, 1, 2))))


def utterance(rng: random.Random) -> Say:
    """What to say next: 45 % English sentences, 20 % English pseudo-words, 35 % other languages."""
    draw = rng.random()
    if draw < 0.35:
        return other_language(rng)
    text = english(rng) if draw < 0.80 else pseudo_words(rng)
    return rng.choice(ENGLISH_ACCENTS), text


def held_out(language: str, rng: random.Random) -> Say:
    """One or two sentences that no corpus holds, to score on. Raises `ConfigError` for a language without any."""
    if language not in HELD_OUT:
        raise ConfigError(f"no held-out sentences in {language!r}; there are some in: {', '.join(sorted(HELD_OUT))}")
    return language, " ".join(rng.sample(HELD_OUT[language], rng.choice((1, 2))))
