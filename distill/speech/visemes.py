"""Three mappings of phones to visemes (4.7): which sounds look alike, by whom.

    jeffers    Jeffers and Barley 1971, Speechreading (Lipreading); 11 visemes, which leave /h/ out
    bozkurt    Bozkurt et al. 2007, "Comparison of Phoneme and Viseme Based Acoustic Units"; 15 visemes
    visemenet  Zhou et al. 2018, whose network speaks the 20 visemes of the JALI rig (Edwards et al. 2016)

The first two are written as Cappelletta and Harte 2012 tabulate them, in ARPAbet. VisemeNet publishes the names of its
visemes; which phones belong to each is read off the names, and /h/, which has none, is left out. Silence is a class of
its own everywhere.
"""

from __future__ import annotations

from distill.speech.phones import ARPABET, SILENCE

_JEFFERS = {
    "A": "F V", "B": "ER OW R W UH UW AXR", "C": "B P M EM", "D": "AW", "E": "DH TH", "F": "CH JH SH ZH", "G": "OY AO",
    "H": "S Z", "I": "AA AE AH AY EH EY IH IY Y AX IX", "J": "D L N T EL NX EN DX", "K": "G K NG",
}  # fmt: skip
_BOZKURT = {
    "V2": "AY AH", "V3": "EY EH AE", "V4": "ER", "V5": "IX IY IH AX AXR Y", "V6": "UW UH W", "V7": "AO AA OY OW",
    "V8": "AW", "V9": "G HH K NG", "V10": "R", "V11": "L D N EN EL T DX NX", "V12": "S Z", "V13": "CH SH JH ZH",
    "V14": "TH DH", "V15": "F V", "V16": "M EM B P",
}  # fmt: skip
_VISEMENET = {
    "Ah": "AA AY AW", "Aa": "AE", "Eh": "EH EY", "Ee": "IY", "Ih": "IH IX", "Oh": "AO OW OY", "Uh": "AH", "U": "UW UH",
    "Eu": "ER AXR", "Schwa": "AX", "R": "R", "S": "S Z", "ShChZh": "SH CH ZH", "Th": "TH DH", "JY": "JH Y",
    "LNTD": "L N T D NG EL EN NX DX", "GK": "G K", "MBP": "M B P EM", "FV": "F V", "WA": "W",
}  # fmt: skip

# sounds of British or synthetic voices by the General American phone that stands for them in the tables
_LIKE = {
    "ɐ": "ʌ", "a": "æ", "ɒ": "ɑ", "əʊ": "oʊ", "ɝ": "ɜ", "ᵻ": "ɪ", "əl": "l", "n̩": "n", "l̩": "l", "r": "ɹ", "g": "ɡ",
    "e": "ɛ", "o": "ɔ", "ɛə": "ɛ", "iə": "i",
}  # fmt: skip
PHONES = frozenset(ARPABET.values()) | {SILENCE}


def _by_phone(mapping: dict[str, str]) -> dict[str, str]:
    """IPA phone -> viseme."""
    table = {ARPABET[name]: viseme for viseme, names in mapping.items() for name in names.split()}
    return table | {SILENCE: SILENCE}


MAPPINGS: dict[str, dict[str, str]] = {
    "visemenet": _by_phone(_VISEMENET),
    "jeffers": _by_phone(_JEFFERS),
    "bozkurt": _by_phone(_BOZKURT),
}


def english(symbol: str) -> str | None:
    """The phone of the tables that an IPA symbol is (`iː` is `i`), or None for a sound that they do not have."""
    plain = symbol.replace("ː", "").replace("̪", "")
    plain = _LIKE.get(plain, plain)
    return plain if plain in PHONES else None
