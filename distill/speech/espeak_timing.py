"""espeak-ng's phoneme events, corrected to what the lips do. Pure functions on arrays: no engine in here.

The engine's events are sample-exact but do not mean what a label means. Its marker of a stop is the burst, because
the closure is queued before it; its marker of a vowel after a voiced stop or nasal comes when the transition out of
the closure is over. Left alone, half of every /p/ would be labelled as the vowel before it. The corrections:

    stops      start where the silence before the marker starts (a pause lends 60 to 90 ms of itself)
    /p/        ends at its marker, the burst: a bilabial's interval is the time for which the lips are shut
    /b/        after silence likewise; else, if it murmurs, before a vowel as below, before a pause or a consonant
               that is no glide 42 ms after its marker (47 in klatt voices), where the stored sound has its burst
    /b d g/    end where the sound steps up before the marker of a following vowel; where there is no clear step,
               28 ms before that marker (20 ms in klatt voices)
    nasals     likewise; without a step 19 ms (/m/; 34 in klatt voices) or 29 ms (others) before it

The figures are medians at 175 words per minute and shrink as speech gets faster; the rest is exact to a few
milliseconds. Between two bilabials the lips stay shut, as people do it.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from distill.speech.phones import SILENCE, Phone

Event = tuple[str, int]  # (IPA name as the engine gives it, sample position)

_STRESS = {"ˈ": 1, "ˌ": 2}
_VOICED_STOPS = frozenset("bdɡɟɢɖɗ")
_STOPS = _VOICED_STOPS | frozenset("ptkcqʔʈ")
_NASALS = frozenset("mnŋɲɳ")
_GLIDES = frozenset("lɹrjwʁɾɫʎɭɻɽʀɥʋ")
_VOWELS = frozenset("aeiouyɑæɐɒɔəɚɛɜɝɞɘɨɪʉɯʊʌøœɶɤɵɿʏᵻᵿ")
_SAME_LIPS = {"ɓ": "b", "ʙ": "b", "g": "ɡ"}  # letters that others stand for
_SILENT = 2  # |int16| up to which a sample counts as closure; the engine's closures are zeros
_LONGEST_RELEASE_S = 0.09  # before a vowel's marker, at 175 words per minute
_SILENT_CLOSURE_S = 0.01  # a stop with this much silence before its marker does not murmur
_LONGEST_CLOSURE_S = 0.12
_SHORTEST_PHONE_S = 0.02
_SHORTEST_PAUSE_S = 0.05  # the engine writes shorter ones inside words; they belong to a closure or to the phone before
_STRAY_S = 0.004  # what is shorter is rounding, not a phone


@dataclass(frozen=True)
class _Span:
    symbol: str
    start: int
    end: int
    stress: int


def phones_from_events(
    events: Sequence[Event], pcm: np.ndarray, rate_hz: int, words_per_minute: float, klatt: bool, rng: random.Random
) -> list[Phone]:
    """Corrected phones in seconds, in order and without gaps, from events and the int16 `pcm` `(n,)` they came with."""
    spans = _join_pauses(_spans(events, len(pcm)), int(_SHORTEST_PAUSE_S * rate_hz))
    pace = (175.0 / words_per_minute) ** 0.7
    closed = _start_stops_at_their_closure(spans, pcm, rate_hz, rng)
    ends = [_release(closed[i : i + 2], span.start, pcm, rate_hz, pace, klatt) for i, span in enumerate(spans)]
    spans = _fill_gaps([replace(span, end=end) for span, end in zip(closed, ends, strict=True)])
    spans = _join_pauses([s for s in spans if s.end - s.start >= _STRAY_S * rate_hz], 0)
    edges = pairwise([s.start for s in spans] + [s.end for s in spans[-1:]])
    return [Phone(s.symbol, a / rate_hz, b / rate_hz, s.stress) for s, (a, b) in zip(spans, edges, strict=True)]


def plain_symbol(name: str) -> tuple[str, int]:
    """IPA symbol without stress, tone or clipping marks, and the stress (0, 1, 2), of an engine's phoneme name."""
    stress = max((_STRESS.get(letter, 0) for letter in name[:1]), default=0)
    letters = unicodedata.normalize("NFD", name).replace("c\u0327", "ç")  # the base letter first, marks after it
    symbol = "".join(letter for letter in letters if letter not in "ˈˌ-_:.\"'" and not letter.isdigit())
    symbol = symbol[:-1] + "ʰ" if len(symbol) > 1 and symbol[-1] == "h" else symbol  # Mandarin's /ph/ is [pʰ]
    return (_SAME_LIPS.get(symbol[:1], symbol[:1]) + symbol[1:] if symbol else SILENCE), stress


def is_vowel(symbol: str) -> bool:
    """Whether an IPA symbol starts with a vowel letter, whatever its diacritics."""
    return unicodedata.normalize("NFD", symbol)[:1] in _VOWELS


def _spans(events: Sequence[Event], length: int) -> list[_Span]:
    """One span from each event to the next; notices of a switch of language, `(en)`, are no phones."""
    named = [(name, position) for name, position in events if not name.startswith("(")]
    ends = [position for _, position in named[1:]] + [length]
    symbols = [plain_symbol(name) for name, _ in named]
    rows = zip(symbols, named, ends, strict=True)
    return [_Span(symbol, start, end, stress) for (symbol, stress), (_, start), end in rows]


def _start_stops_at_their_closure(spans: list[_Span], pcm: np.ndarray, rate_hz: int, rng: random.Random) -> list[_Span]:
    """Move the start of every stop back over the silence before its burst; a pause lends at most 60 to 90 ms."""
    out = list(spans)
    for i, span in enumerate(spans):
        if span.symbol[0] not in _STOPS:
            continue
        borrowed = rng.uniform(0.06, 0.09)  # drawn for every stop, so that one stop's context moves no other's draw
        before = out[i - 1] if i else None
        after_pause = before is not None and before.symbol == SILENCE
        reach = int((borrowed if after_pause else _LONGEST_CLOSURE_S) * rate_hz)
        floor = before.start + (0 if after_pause else int(_SHORTEST_PHONE_S * rate_hz)) if before else 0
        start = span.start - _silence_before(pcm, span.start, min(reach, max(span.start - floor, 0)))
        out[i] = replace(span, start=start)
        if before:
            out[i - 1] = replace(before, end=start)
    return out


def _silence_before(pcm: np.ndarray, at: int, reach: int) -> int:
    """How many samples right before `at`, at most `reach`, are closure."""
    loud = np.flatnonzero(np.abs(pcm[at - reach : at].astype(np.int32)) > _SILENT)
    return reach - int(loud[-1]) - 1 if loud.size else reach


def _release(pair: list[_Span], marker: int, pcm: np.ndarray, rate_hz: int, pace: float, klatt: bool) -> int:
    """Where the first span ends, given the one after it and the engine's marker of the first."""
    span, after = pair[0], pair[1].symbol if len(pair) > 1 else SILENCE
    letter = span.symbol[0]
    if letter == "p" or (letter == "b" and marker - span.start >= _SILENT_CLOSURE_S * rate_hz):
        return marker
    if is_vowel(after):
        early = int(_early_release_s(letter, klatt) * pace * rate_hz)
        if not early:
            return span.end
        from_, to = max(span.start + rate_hz // 100, span.end - int(_LONGEST_RELEASE_S * pace * rate_hz)), span.end
        return _step_up(pcm, from_, to, rate_hz) or span.end - min(early, (span.end - span.start) // 2)
    if letter == "b" and after[0] not in _GLIDES:
        return min(span.end, marker + int((0.047 if klatt else 0.042) * rate_hz))
    return span.end


def _step_up(pcm: np.ndarray, start: int, end: int, rate_hz: int) -> int | None:
    """Where in `start..end` the sound gets louder most abruptly, or `None` if that is by less than 6 dB.

    Compares the energy of 12 ms after with 12 ms before, of the difference signal: a murmur has little above 300 Hz.
    """
    around = int(0.012 * rate_hz)
    first, last = max(start, around), min(end, len(pcm) - around - 1)
    if first >= last:
        return None
    energy = np.cumsum(np.diff(pcm[first - around : last + around + 1].astype(np.float64), prepend=0.0) ** 2) + 1.0
    at = np.arange(around, around + last - first)
    ratio = (energy[at + around] - energy[at] + 1.0) / (energy[at] - energy[at - around] + 1.0)
    best = int(np.argmax(ratio))
    return first + best if ratio[best] > 4.0 else None


def _fill_gaps(spans: list[_Span]) -> list[_Span]:
    """Give what a release left over to the phone that follows, or to an /h/ before a pause; /pf/ is /p/ and /f/."""
    out: list[_Span] = []
    for span in spans:
        if out and out[-1].end < span.start:
            burst = out[-1].end
            rest = "f" if out[-1].symbol == "pf" else "h" if span.symbol == SILENCE else ""
            if rest:
                out[-1] = replace(out[-1], symbol="p" if rest == "f" else out[-1].symbol)
                out.append(_Span(rest, burst, span.start, 0))
            else:
                span = replace(span, start=burst)
        out.append(span)
    return out


def _early_release_s(letter: str, klatt: bool) -> float:
    """By how much a sound ends before the marker of the vowel that follows, at 175 words per minute."""
    if letter in _VOICED_STOPS:
        return 0.020 if klatt else 0.028
    if letter == "m":
        return 0.034 if klatt else 0.019
    return 0.029 if letter in _NASALS else 0.0


def _join_pauses(spans: list[_Span], shortest: int) -> list[_Span]:
    """Join neighbouring pauses, and give a pause of under `shortest` samples to the phone before it."""
    out: list[_Span] = []
    for span in spans:
        if out and span.symbol == SILENCE and (out[-1].symbol == SILENCE or span.end - span.start < shortest):
            out[-1] = replace(out[-1], end=span.end)
        else:
            out.append(span)
    return out
