"""Phone labels on human speech without a download: pocketsphinx recognises, then aligns what it recognised.

Measured against hand-labelled English clips: /p b m/ recall 89 %, precision 88 % within two 30 fps frames, three
times real time on one core. The words are often wrong and the lips seldom, because a misheard word usually has the
same shape. English only. pocketsphinx's wheel carries its acoustic model (BSD).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from distill.speech.phones import SILENCE, Phone, from_arpabet, from_json, to_json
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError, EngineUnavailable

_SILENT_RMS = 1e-4  # -80 dB of full scale


class Aligner:
    """Phone labels for 16 kHz mono float32 speech; one recogniser, reused from clip to clip."""

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder, get_model_path
        except ImportError as error:
            raise EngineUnavailable("pocketsphinx is not installed; `pip install tinyface[train]` brings it") from error
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
        pcm = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
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


def label_file(path: Path, out: Path, aligner: Aligner | None = None) -> Path:
    """Write the phones of one recording to `out` (JSON rows), unless they are there already."""
    from distill.files.disk import atomic_write_text, load_mono

    if not out.exists():
        phones = (aligner or Aligner()).label(load_mono(path, SAMPLE_RATE_HZ))
        atomic_write_text(out, to_json(phones))
    return out


_worker_aligner: Aligner | None = None


def _label_in_worker(job: tuple[Path, Path]) -> str | None:
    global _worker_aligner  # one recogniser per worker process; loading one takes a second
    _worker_aligner = _worker_aligner or Aligner()
    try:
        label_file(*job, aligner=_worker_aligner)
    except (DataError, OSError, RuntimeError, ValueError) as error:
        return f"{job[0]}: {error}"
    return None


def label_files(
    paths: Iterable[Path], out_of: Callable[[Path], Path], workers: int = 1
) -> tuple[list[Path], list[str]]:
    """Label many recordings in parallel, resumable: what is on disk already is kept.

    Returns the label files and one message per recording that could not be labelled.
    """
    from tqdm import tqdm

    jobs = [(path, out_of(path)) for path in paths]
    todo = [job for job in jobs if not job[1].exists()]
    failures: list[str] = []
    if todo:
        with multiprocessing.get_context("spawn").Pool(min(workers, len(todo))) as pool:
            results = pool.imap_unordered(_label_in_worker, todo)
            failures = [f for f in tqdm(results, total=len(todo), desc="aligning", unit="clip") if f]
    return [out for _, out in jobs if out.exists()], failures


def read_labels(path: Path) -> list[Phone]:
    """The phones that `label_file` wrote. Raises `DataError` that names a damaged file."""
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # DataError is one of these
        raise DataError(f"{path}: {error}; delete it to label the recording again") from error
