"""From espeak's IPA to the symbols that Kokoro reads (misaki's), and from those to words of ARPAbet for the aligner.

espeak writes diphthongs and affricates with a tie (`a^ɪ`, `t^ʃ`); misaki, Kokoro's own front end, writes one capital or
ligature for each. Source: misaki's `espeak.py` (Apache-2.0), the table that Kokoro was trained with.
"""

from __future__ import annotations

from collections.abc import Sequence

from distill.speech.phones import ARPABET

_MISAKI = {
    "a^ɪ": "I", "a^ʊ": "W", "d^ʒ": "ʤ", "e^ɪ": "A", "t^ʃ": "ʧ", "ɔ^ɪ": "Y", "o^ʊ": "O", "ə^l": "ᵊl",
    "ʔn̩": "tᵊn", "n̩": "ᵊn", "l̩": "ᵊl", "ɚ": "əɹ", "ɜː": "ɜɹ", "ɜɹɹ": "ɜɹ", "^": "", "ʔ": "t", "ᵻ": "ɪ",
}  # fmt: skip
_RARE = ("AX", "AXR", "IX", "DX", "EL", "EM", "EN", "NX")  # not among the aligner's phones
_NAMES = {ipa: name for name, ipa in ARPABET.items() if name not in _RARE} | {
    "I": "AY", "W": "AW", "ʤ": "JH", "A": "EY", "ʧ": "CH", "Y": "OY", "O": "OW", "ɐ": "AH", "ə": "AH", "ɒ": "AA",
    "a": "AE", "e": "EH", "o": "OW", "ɾ": "T", "x": "K",
}  # fmt: skip
_SILENT = frozenset("ˈˌːᵊ")


def misaki(ipa: str) -> str:
    """One clause of espeak's IPA in Kokoro's symbols."""
    for theirs, ours in _MISAKI.items():
        ipa = ipa.replace(theirs, ours)
    return ipa


def words(clause: str) -> list[list[str]] | None:
    """The words of a clause as ARPAbet names; `None` if a symbol has none (foreign words)."""
    spelt = [_word(word) for word in clause.split()]
    return None if any(word is None for word in spelt) else [word for word in spelt if word]


def sentence(clauses: Sequence[str]) -> str:
    """Clauses in Kokoro's symbols as one sentence, a pause at each comma."""
    return ", ".join(clauses) + "."


def _word(word: str) -> list[str] | None:
    names: list[str] = []
    for symbol in word:
        if symbol in _SILENT:
            continue
        name = _NAMES.get(symbol)
        if name is None:
            return None
        if name == "R" and names[-1:] == ["ER"]:
            continue  # the vowel has it
        if name == "R" and names[-1:] == ["AH"] and "əɹ" in word:
            names[-1] = "ER"
            continue
        names.append(name)
    return names
