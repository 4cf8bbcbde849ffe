"""Phone labels on human speech without a download: pocketsphinx recognises, then aligns what it recognised.

Measured against hand-labelled English clips: /p b m/ recall 89 %, precision 88 % within two 30 fps frames, three
times real time on one core. The words are often wrong and the lips seldom, because a misheard word usually has the
same shape. English only. pocketsphinx's wheel carries its acoustic model (BSD).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill.files.pcm import to_int16
from distill.speech.phones import SILENCE, Phone, from_arpabet
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError, EngineUnavailable, pip_install

_SILENT_RMS = 1e-4  # -80 dB of full scale


class Aligner:
    """Phone labels for 16 kHz mono float32 speech; one recogniser, reused from clip to clip."""

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder, get_model_path
        except ImportError as error:
            raise EngineUnavailable(f"pocketsphinx is not installed; {pip_install('train')} brings it") from error
        model = Path(get_model_path()) / "en-us"
        self._decoder = Decoder(
            hmm=str(model / "en-us"),
            lm=str(model / "en-us.lm.bin"),
            dict=str(model / "cmudict-en-us.dict"),
            loglevel="FATAL",
        )

    def label(self, samples: np.ndarray, text: str | None = None) -> list[Phone]:
        """Phones of `samples` `(n,)`; with `text` the transcript is aligned instead of recognised.

        Returns `[]` where nothing was recognised. Raises `DataError` if `text` holds words the dictionary lacks, or
        cannot be aligned with the sound.
        """
        pcm = to_int16(samples).astype("<i2").tobytes()
        decoder = self._decoder
        decoder.activate_search("_default")
        if text is None:
            self._run(pcm)
            if not decoder.hyp() or not decoder.hyp().hypstr.strip():
                return []
        else:
            try:
                decoder.set_align_text(" ".join(text.lower().split()))
            except RuntimeError as error:
                raise DataError(f"cannot align {text!r}: {error}; leave the transcript out to recognise") from error
            self._run(pcm)
        try:
            decoder.set_alignment()
            self._run(pcm)
            return self._phones(samples)
        except RuntimeError as error:
            said = "what was recognised" if text is None else repr(text)
            raise DataError(f"cannot align {said} with the sound: {error}; is it English speech?") from error
        finally:
            decoder.activate_search("_default")

    def align_phones(self, samples: np.ndarray, words: Sequence[Sequence[str]], shift_s: float = 0.0) -> list[Phone]:
        """Times of phones that are known already: `words` of ARPAbet names in the order in which they are spoken.

        shift_s: how much earlier (below nought: later) each phone lies than the models say. Returns `[]` where the
        sound does not go with them.
        """
        decoder = self._decoder
        names = []
        for word in words:
            name = "_" + "_".join(word).lower()
            if decoder.lookup_word(name) is None:
                decoder.add_word(name, " ".join(word), False)
            names.append(name)
        pcm = to_int16(samples).astype("<i2").tobytes()
        try:
            decoder.set_align_text(" ".join(names))
            self._run(pcm)
            decoder.set_alignment()
            self._run(pcm)
            phones = self._phones(samples)
        except RuntimeError:
            return []
        finally:
            decoder.activate_search("_default")
        count = len(samples) / SAMPLE_RATE_HZ
        moved = [(p, max(p.start - shift_s, 0.0), min(p.end - shift_s, count)) for p in phones]
        return [Phone(p.symbol, a, b, p.stress, p.confidence) for p, a, b in moved if b > a]

    def _run(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()

    def _phones(self, samples: np.ndarray) -> list[Phone]:
        """Phones of the alignment; a word heard in silence (the recogniser must say something) becomes silence."""
        alignment = self._decoder.get_alignment()
        phones: list[Phone] = []
        for word in alignment or ():
            heard = [
                from_arpabet(phone.name, phone.start * 0.01, (phone.start + phone.duration) * 0.01) for phone in word
            ]
            if not heard:
                continue
            start, end = heard[0].start, heard[-1].end
            piece = samples[int(start * SAMPLE_RATE_HZ) : int(end * SAMPLE_RATE_HZ)]
            silent = not len(piece) or float(np.sqrt(np.mean(piece**2))) < _SILENT_RMS
            phones += [Phone(SILENCE, start, end)] if silent else heard
        return phones
