"""Phones of English speech by two recognisers: hama says which phones, pocketsphinx says from when to when.

    16 kHz speech --hama (CTC, 20 ms)--> words of phones --pocketsphinx (HMM, 10 ms)--> the same phones with their times

hama (Apache-2.0, 22.6 MB, numpy alone) mishears half as many /p b m/ as pocketsphinx does; but a CTC output is a spike
somewhere behind the sound it stands for. Against the Montreal Forced Aligner on 40 LJSpeech clips its spans begin 60
to 70 ms late with a standard deviation of 31 ms; aligned by pocketsphinx they lie 10 to 20 ms early with 17 to 22 ms.
Where the alignment finds no path (a clip in ten, mostly noisy or very short) the spans of the spikes stand, moved by
the delay.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from distill.speech.aligned import Aligner
from distill.speech.phones import ARPABET, Phone, from_arpabet
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import EngineUnavailable, pip_install

DELAY_S = 0.06  # a phone's spike comes this long after the phone begins
EARLY_S = 0.015
"""pocketsphinx's boundaries lie this much before the Montreal Forced Aligner's, and are moved to where its are (6,416
phones of known words on LJSpeech: 16 ms, standard deviation 15). The sound sides with pocketsphinx: of 731 closures
behind vowels it falls steepest 2 ms after its boundary and 12 ms before the other's (medians)."""
COARSE = 0.5  # confidence of times that no alignment confirmed
_LONGEST_S = {
    True: 0.22,
    False: 0.12,
}  # vowels, others: how long a phone before a pause may last, whose end no spike tells
_SHORTEST_S = 0.1  # a shorter recording is not given to any recogniser
_RARE = frozenset({"AX", "AXR", "IX", "DX", "EL", "EM", "EN", "NX"})  # not among pocketsphinx's phones
_ARPABET_OF = {ipa: name for name, ipa in ARPABET.items() if name not in _RARE} | {
    "ɝ": "ER", "ɚ": "ER", "ə": "AH", "ɐ": "AH", "g": "G", "t͡ʃ": "CH", "d͡ʒ": "JH", "o": "OW", "e": "EY", "a": "AA",
    "ɒ": "AA", "ɾ": "T", "ɫ": "L", "r": "R", "ɨ": "IH",
}  # fmt: skip
_VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())


class HamaAligner:
    """Phones for 16 kHz mono float32 English; one of each recogniser, reused from clip to clip."""

    def __init__(self) -> None:
        try:
            from hama.asr import ASRModel
        except ImportError as error:
            raise EngineUnavailable(f"hama is not installed; {pip_install('recognisers')} brings it") from error
        self._hama: Any = ASRModel()
        self._sphinx = Aligner()

    def label(self, samples: np.ndarray, text: str | None = None) -> list[Phone]:
        """Phones of `samples` `(n,)`, silence between them; `[]` where none is heard. With `text` pocketsphinx alone
        aligns it; raises as `Aligner.label`."""
        if text:
            return self._sphinx.label(samples, text)
        if len(samples) < _SHORTEST_S * SAMPLE_RATE_HZ:
            return []
        heard = self._hama(samples, SAMPLE_RATE_HZ)
        words = [known for word in heard.word_phoneme_text.split(" | ") if (known := _known(word.split()))]
        if not words:
            return []
        return self._sphinx.align_phones(samples, words, -EARLY_S) or self._spikes(heard, len(samples))

    def _spikes(self, heard: Any, count: int) -> list[Phone]:
        """Phones from spike to spike, moved by the delay and ended where a pause must be."""
        spans = [(_ARPABET_OF.get(s.phoneme), s.start_ms / 1000 - DELAY_S) for s in self._hama.phoneme_spans(heard)]
        found = [(name, max(start, 0.0)) for name, start in spans if name]
        phones: list[Phone] = []
        for (name, start), (_, following) in pairwise([*found, ("", count / SAMPLE_RATE_HZ)]):
            end = min(following, start + _LONGEST_S[name in _VOWELS])
            if end > start:
                phones.append(from_arpabet(name, start, end, COARSE))
        return phones


def _known(word: list[str]) -> list[str]:
    """ARPAbet of the symbols that English has; hama also spells Korean."""
    return [_ARPABET_OF[symbol] for symbol in word if symbol in _ARPABET_OF]
