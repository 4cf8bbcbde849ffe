"""Phone labels: which phone is said from when to when. Read from TextGrid, JSON and recognisers; symbols are IPA.

Everything downstream (teacher, metrics, plots) knows one alphabet, IPA without stress marks, and one unit,
seconds from the first sample. `sil` is silence. ARPAbet (pocketsphinx, Montreal Forced Aligner) is mapped here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdk.errors import DataError
from sdk.tools.limits import LARGEST_TEXT_BYTES, LONGEST_SPEECH_S, read_whole

SILENCE = "sil"

ARPABET = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɜ", "EY": "eɪ",
    "IH": "ɪ", "IY": "i", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "u", "AX": "ə", "AXR": "ɚ", "IX": "ɪ",
    "B": "b", "CH": "tʃ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "dʒ", "K": "k", "L": "l",
    "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v",
    "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ", "DX": "ɾ", "EL": "l", "EM": "m", "EN": "n", "NX": "n",
}  # fmt: skip
_ARPABET_SILENCES = {"", "SIL", "SP", "SPN", "+NSN+", "+SPN+", "<EPS>", "PAU", "H#"}

BILABIALS = frozenset("pbm")
OPEN_VOWELS = frozenset(["ɑ", "æ", "a", "aɪ", "aʊ", "ɔ", "ʌ", "ɛ", "ɐ", "ɒ"])


@dataclass(frozen=True)
class Phone:
    """One phone: IPA symbol without stress, start and end in seconds; `stress` 0 none, 1 primary, 2 secondary.

    `confidence` in 0..1 says how far a recogniser may be trusted here; exact labels carry 1.
    """

    symbol: str
    start: float
    end: float
    stress: int = 0
    confidence: float = 1.0

    @property
    def duration(self) -> float:
        return self.end - self.start


def from_arpabet(name: str, start: float, end: float, confidence: float = 1.0) -> Phone:
    """One ARPAbet phone (`AA1`, `B`, `SIL`) as a `Phone`; raises `DataError` on a symbol that is not ARPAbet."""
    match = re.fullmatch(r"(.*?)([012])?", name.strip().upper())
    base, digit = (match.group(1), match.group(2)) if match else (name, None)
    if base in _ARPABET_SILENCES or base.startswith("+"):
        return Phone(SILENCE, start, end, 0, confidence)
    if base not in ARPABET:
        raise DataError(f"{name!r} is no ARPAbet phone; known: {' '.join(sorted(ARPABET))}")
    return Phone(ARPABET[base], start, end, int(digit or 0), confidence)


# no sign of equality within a number: one that could run over the next would be tried from every place in the file
_INTERVAL = re.compile(r'xmin\s*=\s*([^\s=]+)\s+xmax\s*=\s*([^\s=]+)\s+text\s*=\s*"([^"]*)"')


def read_textgrid(path: Path | str, tier: str = "phones") -> list[Phone]:
    """The interval tier `tier` (ARPAbet) of a long-format Praat TextGrid, UTF-8 or UTF-16 as Praat writes them.

    Raises `DataError` that names the file: unreadable, without such a tier, or with symbols that are not ARPAbet.
    """
    try:
        data = read_whole(Path(path), DataError, LARGEST_TEXT_BYTES)
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot read as a TextGrid: {error}") from error
    for item in re.split(r"item\s*\[\d+\]\s*:", text)[1:]:
        name = re.search(r'name\s*=\s*"([^"]*)"', item)
        if name and name.group(1) == tier and "intervals" in item:
            body = item[item.index("intervals") :]
            try:
                return _in_time([from_arpabet(t, float(a), float(b)) for a, b, t in _INTERVAL.findall(body)])
            except ValueError as error:  # a bad number, or the DataError of a symbol
                raise DataError(f"{path}: {error}") from error
    raise DataError(f"{path}: no interval tier named {tier!r}; is this a long-format TextGrid?")


def to_json(phones: Sequence[Phone]) -> str:
    """Phones as compact JSON rows `[symbol, start, end, stress, confidence]`."""
    rows = [[p.symbol, round(p.start, 5), round(p.end, 5), p.stress, round(p.confidence, 3)] for p in phones]
    return json.dumps(rows, ensure_ascii=False)


def from_json(text: str) -> list[Phone]:
    """Inverse of `to_json`. Raises `DataError` if the rows are not phones."""
    try:
        return _in_time([Phone(str(s), float(a), float(b), int(k), float(c)) for s, a, b, k, c in json.loads(text)])
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise DataError(f"not a list of phone rows [symbol, start, end, stress, confidence]: {error}") from error


def _in_time(phones: list[Phone]) -> list[Phone]:
    """`phones`, whose times are finite, from 0 on, and go forward; `ValueError` names the first that does not."""
    before = 0.0
    for number, phone in enumerate(phones, 1):
        if not before - 1e-3 <= phone.start <= phone.end <= LONGEST_SPEECH_S:
            raise ValueError(
                f"phone {number} lies from {phone.start} to {phone.end} s, behind one that begins at {before}"
            )
        before = phone.start
    return phones


def spoken(phones: Iterable[Phone]) -> list[Phone]:
    """Those that are said: a silence may be written among them, at either end or not at all."""
    return [phone for phone in phones if phone.symbol != SILENCE]


def bilabial_spans(phones: Iterable[Phone]) -> list[tuple[float, float]]:
    """(start, end) in seconds of every /p b m/."""
    return [(p.start, p.end) for p in phones if p.symbol[:1] in BILABIALS]


def is_open_vowel(phone: Phone) -> bool:
    """Whether the lips must be apart, whatever the vowel's length."""
    return phone.symbol.rstrip("ː") in OPEN_VOWELS


def open_vowel_spans(phones: Iterable[Phone]) -> list[tuple[float, float]]:
    """(start, end) in seconds of every open vowel of at least 50 ms: where shut lips would be wrong."""
    return [(p.start, p.end) for p in phones if is_open_vowel(p) and p.duration >= 0.05]
