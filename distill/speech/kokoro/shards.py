"""A corpus by Kokoro's voices in shards (`distill/speech/spoken.py`), by processes side by side, taken up where it was.

Five CPU minutes for eight minutes of speech, which is why shards are short: what a stopped run loses is one of them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from concurrent.futures import as_completed
from multiprocessing import get_context
from pathlib import Path

from distill.speech.kokoro.voices import Kokoro, speak_all
from distill.speech.spoken import is_spoken, write_spoken
from sdk.errors import DataError
from sdk.tools import children
from sdk.tools.cache import cache_folder

UTTERANCES = 100  # of a shard
UTTERANCE_S = 4.0  # what one lasts on average


def synthesise(
    out: Path, hours: float, seed: int, voices: Path, texts: Sequence[str] = (), workers: int = 1
) -> list[Path]:
    """The shards of about `hours` of speech below `out`; those on disk are kept, damaged ones made again.

    voices: folder of `NAME.bin`. texts: English sentences that make up half of what is said, if there are any. Raises
    as `Kokoro` and `speak_all`, and `DataError` for hours that are not above 0.
    """
    from tqdm import tqdm

    if not (math.isfinite(hours) and hours > 0):
        raise DataError(f"hours is {hours}; give a number above 0")
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"kokoro-s{seed}-{i:05d}.npz" for i in range(math.ceil(hours * 3600 / UTTERANCE_S / UTTERANCES))]
    todo = [i for i, path in enumerate(paths) if not is_spoken(path, _recipe(seed, i, texts))]
    # spawn: a process that was forked beside threads of the inference engine can hang
    with (
        children.workers(min(workers, len(todo)), get_context("spawn")) as pool,
        tqdm(total=len(paths), initial=len(paths) - len(todo), desc="speaking", unit="shard") as bar,
    ):
        for done in as_completed([pool.submit(_make, paths[i], seed, i, voices, list(texts)) for i in todo]):
            done.result()
            bar.update()
    return paths


@functools.cache  # of a worker process: loading the network takes longer than a sentence
def _kokoro(voices: Path) -> Kokoro:
    return Kokoro(voices, cache_folder())


def _make(path: Path, seed: int, shard: int, voices: Path, texts: Sequence[str]) -> None:
    kokoro = _kokoro(voices)
    requests = kokoro.requests(seed, texts)
    spoken = speak_all(kokoro, [requests[i] for i in range(shard * UTTERANCES, (shard + 1) * UTTERANCES)])
    write_spoken(path, spoken, _recipe(seed, shard, texts))


def _recipe(seed: int, shard: int, texts: Sequence[str]) -> str:
    return f"kokoro v1 seed {seed} shard {shard} utterances {UTTERANCES} texts {len(set(texts))}"
