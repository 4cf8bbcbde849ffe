"""Which phones look alike, and which moments of an utterance are fair to ask about: what all measures of a mouth share.

Ten classes; a system whose mouth can be read tells them apart (`legibility.py`). Symbols are IPA, of any of the sources
of `distill.speech.phones`; a sound of another language that the English tables do not have is in no class.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence

from distill.speech.phones import ARPABET, Phone, spoken
from distill.speech.visemes import english

_CLASSES = {
    "shut": "P B M EM",
    "tuck": "F V",
    "round": "UW OW W AO UH OY",
    "spread": "IY IH EY Y IX",
    "mid": "EH AE AH ER AX AXR",
    "open": "AA AW AY",
    "hiss": "S Z SH ZH CH JH",
    "tongue": "T D N L TH DH DX EL EN NX",
    "back": "K G NG HH",
    "r": "R",
}
CLASSES = tuple(_CLASSES)
_CLASS_OF = {ARPABET[name]: label for label, names in _CLASSES.items() for name in names.split()}
VOWELS = frozenset(ARPABET[name] for name in "UW OW AO UH OY IY IH EY IX EH AE AH ER AX AXR AA AW AY".split())
OTHER_CONSONANTS = frozenset(ARPABET[n] for n in "T D K G N NG S Z SH ZH CH JH TH DH L HH Y DX EL EN NX".split())
LABIALS = frozenset("pbmfvw")
BESIDE_S = 0.12  # nearer than this, a labial moves the lips of its neighbour
REACH_S = 2 / 30  # how far before and behind its middle a phone's least gap is looked for
PAUSE_S = 0.10  # shorter silences are no pause: the articulatory teacher talks through them as well


def class_of(symbol: str) -> str | None:
    """The class of an IPA symbol; None for silence and for sounds that the tables do not have."""
    known = english(symbol)
    return None if known is None else _CLASS_OF.get(known)


def is_labial(phone: Phone) -> bool:
    """Whether the lips take part: p b m f v w, also where a symbol only begins with one of them."""
    return phone.symbol[:1] in LABIALS


def clear_of_labials(phones: Sequence[Phone], wanted: Collection[str]) -> Iterator[Phone]:
    """The phones of `wanted` (of the English tables) with no p b m f v w within 120 ms and no pause within 66 ms."""
    labials, silent = [p for p in phones if is_labial(p)], pauses(phones)
    for phone in phones:
        if english(phone.symbol) not in wanted or is_labial(phone):
            continue
        if any(p.end > phone.start - BESIDE_S and p.start < phone.end + BESIDE_S for p in labials):
            continue
        if not any(end > phone.start - REACH_S and start < phone.end + REACH_S for start, end in silent):
            yield phone


def pauses(phones: Sequence[Phone]) -> list[tuple[float, float]]:
    """[start, end) in seconds of silences of 100 ms and more, written as phones or left out, and of what lies before
    the first and behind the last sound: there a mouth may be shut."""
    said = spoken(phones)
    if not said:
        return [(-math.inf, math.inf)]
    between = [(a.end, b.start) for a, b in itertools.pairwise(said) if b.start - a.end >= PAUSE_S]
    return [(-math.inf, said[0].start), *between, (said[-1].end, math.inf)]
