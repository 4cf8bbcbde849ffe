"""Where each phone wants the face to be: targets and strengths by IPA letter, for the articulatory teacher.

A phone is one or more letters: a diphthong passes through two targets, an affricate is its release. Values are ARKit
weights of a calm speaker; a lip gap is about 3.2 cm x jaw on a default head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

CHANNELS = ("jaw", "funnel", "pucker", "stretch", "lower", "upper", "smile", "forward", "tongue")


@dataclass(frozen=True)
class Target:
    """Aim of one letter in each slow channel, how strongly it insists (`jaw`/lip strength), and its hard constraint.

    `hold`: `close` (bilabial), `tuck` (labiodental), `teeth` (sibilant: jaw nearly shut) or nothing.
    """

    jaw: float = 0.12
    funnel: float = 0.0
    pucker: float = 0.0
    stretch: float = 0.0
    lower: float = 0.10
    upper: float = 0.05
    smile: float = 0.0
    forward: float = 0.0
    tongue: float = 0.0
    jaw_strength: float = 0.6
    lip_strength: float = 0.5
    hold: str = ""

    def aims(self) -> tuple[float, ...]:
        return tuple(getattr(self, name) for name in CHANNELS)

    def strengths(self) -> tuple[float, ...]:
        """Strength in each slow channel: the jaw's own, the lips', and the tongue's."""
        return tuple(self.jaw_strength if n in ("jaw", "forward") else self.lip_strength for n in CHANNELS)


def _vowel(jaw: float, **aims: float) -> Target:
    return Target(jaw=jaw, jaw_strength=1.0, lip_strength=1.0, **aims)  # type: ignore[arg-type]


SILENCE = Target(jaw=0.0, lower=0.0, upper=0.0, jaw_strength=1.2, lip_strength=1.2)
UNKNOWN = Target(jaw_strength=0.3, lip_strength=0.2)

_BILABIAL = Target(jaw=0.08, lower=0.0, upper=0.0, jaw_strength=0.8, lip_strength=0.6, hold="close")
_LABIODENTAL = Target(jaw=0.08, lower=0.0, upper=0.16, jaw_strength=0.8, lip_strength=0.9, hold="tuck")
_DENTAL = Target(jaw=0.11, lower=0.16, upper=0.08, tongue=0.22, jaw_strength=0.8, lip_strength=0.6)
_ALVEOLAR = Target(jaw=0.10, lower=0.17, upper=0.08, jaw_strength=0.7, lip_strength=0.35)
_SIBILANT = Target(
    jaw=0.06, lower=0.24, upper=0.12, stretch=0.10, forward=0.04, jaw_strength=1.1, lip_strength=0.6, hold="teeth"
)
_POSTALVEOLAR = Target(
    jaw=0.08,
    funnel=0.30,
    pucker=0.35,
    lower=0.12,
    upper=0.12,
    forward=0.06,
    jaw_strength=1.0,
    lip_strength=0.9,
    hold="teeth",
)
_VELAR = Target(jaw=0.14, lower=0.12, upper=0.06, jaw_strength=0.5, lip_strength=0.25)
_GLOTTAL = Target(jaw=0.14, jaw_strength=0.15, lip_strength=0.1)
_RHOTIC = Target(jaw=0.11, funnel=0.12, pucker=0.32, lower=0.12, upper=0.06, jaw_strength=0.7, lip_strength=0.8)
_LABIOVELAR = Target(jaw=0.06, funnel=0.14, pucker=0.75, lower=0.02, upper=0.02, jaw_strength=0.9, lip_strength=1.2)
_PALATAL = Target(jaw=0.09, stretch=0.14, smile=0.10, lower=0.14, upper=0.06, jaw_strength=0.7, lip_strength=0.6)
_BILABIAL_FRICATIVE = Target(jaw=0.07, pucker=0.18, lower=0.02, upper=0.0, jaw_strength=0.9, lip_strength=1.0)

_SCHWA = _vowel(0.17, lower=0.14, upper=0.06)
_HIGH_FRONT = _vowel(0.11, stretch=0.26, smile=0.20, lower=0.18, upper=0.10)
_NEAR_HIGH_FRONT = _vowel(0.14, stretch=0.16, smile=0.10, lower=0.16, upper=0.08)
_MID_FRONT = _vowel(0.20, stretch=0.18, smile=0.12, lower=0.18, upper=0.10)
_OPEN_MID_FRONT = _vowel(0.26, stretch=0.14, smile=0.08, lower=0.20, upper=0.10)
_OPEN_FRONT = _vowel(0.34, stretch=0.12, smile=0.06, lower=0.24, upper=0.12)
_OPEN = _vowel(0.38, lower=0.22, upper=0.10)
_OPEN_MID_CENTRAL = _vowel(0.27, lower=0.18, upper=0.08)
_OPEN_ROUND = _vowel(0.32, funnel=0.14, pucker=0.14, lower=0.16, upper=0.06)
_OPEN_MID_ROUND = _vowel(0.27, funnel=0.22, pucker=0.28, lower=0.12, upper=0.06)
_MID_ROUND = _vowel(0.19, funnel=0.20, pucker=0.46, lower=0.08, upper=0.04)
_NEAR_HIGH_ROUND = _vowel(0.13, funnel=0.16, pucker=0.48, lower=0.08, upper=0.04)
_HIGH_ROUND = _vowel(0.10, funnel=0.16, pucker=0.68, lower=0.05, upper=0.03)
_HIGH_FRONT_ROUND = replace(_HIGH_ROUND, pucker=0.60)
_MID_FRONT_ROUND = _vowel(0.20, funnel=0.18, pucker=0.42, lower=0.10, upper=0.05)
_RHOTIC_VOWEL = _vowel(0.17, funnel=0.10, pucker=0.22, lower=0.13, upper=0.06)
_HIGH_BACK_SPREAD = _vowel(0.11, stretch=0.10, lower=0.14, upper=0.07)

LETTERS: dict[str, Target] = {
    **dict.fromkeys("pbmɓʙ", _BILABIAL),
    **dict.fromkeys("fvʋɱ", _LABIODENTAL),
    **dict.fromkeys("θð", _DENTAL),
    **dict.fromkeys("tdnlɾɫɬɮɗrʈɖɳɭɺɽ", _ALVEOLAR),
    **dict.fromkeys("szɕʑʂʐ", _SIBILANT),
    **dict.fromkeys("ʃʒ", _POSTALVEOLAR),
    **dict.fromkeys("kɡgŋxɣqɢχʁɴɠʀ", _VELAR),
    **dict.fromkeys("hɦʔħʕ", _GLOTTAL),
    **dict.fromkeys("ɹɻɚɝ", _RHOTIC),
    **dict.fromkeys("wʍɥ", _LABIOVELAR),
    **dict.fromkeys("jçʝɲʎcɟɰ", _PALATAL),
    **dict.fromkeys("βɸ", _BILABIAL_FRICATIVE),
    **dict.fromkeys("iI", _HIGH_FRONT),
    **dict.fromkeys("ɪᵻɨ", _NEAR_HIGH_FRONT),
    "e": _MID_FRONT,
    "ɛ": _OPEN_MID_FRONT,
    "æ": _OPEN_FRONT,
    **dict.fromkeys("aɑɐäA", _OPEN),
    **dict.fromkeys("ʌ", _OPEN_MID_CENTRAL),
    **dict.fromkeys("əɘɤ", _SCHWA),
    **dict.fromkeys("ɜɞ", _RHOTIC_VOWEL),
    "ɒ": _OPEN_ROUND,
    "ɔ": _OPEN_MID_ROUND,
    **dict.fromkeys("oɵ", _MID_ROUND),
    "ʊ": _NEAR_HIGH_ROUND,
    **dict.fromkeys("uʉ", _HIGH_ROUND),
    **dict.fromkeys("yʏ", _HIGH_FRONT_ROUND),
    **dict.fromkeys("øœɶ", _MID_FRONT_ROUND),
    **dict.fromkeys("ɯ", _HIGH_BACK_SPREAD),
}
CLASSES = (SILENCE, *dict.fromkeys(LETTERS.values()))
_AFFRICATE_STARTS = {"tʃ", "dʒ", "ts", "dz", "tɕ", "dʑ", "tʂ", "dʐ", "ʈʂ", "ɖʐ", "pf"}


def targets(symbol: str) -> list[Target]:
    """The targets that a phone passes through, in order; `[UNKNOWN]` for a symbol without a known letter."""
    if symbol == "sil":
        return [SILENCE]
    letters = [letter for letter in symbol if letter in LETTERS]
    if len(letters) > 1 and "".join(letters[:2]) in _AFFRICATE_STARTS:
        letters = letters[1:]
    return [LETTERS[letter] for letter in letters[:3]] or [UNKNOWN]
