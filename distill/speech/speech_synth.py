"""A corpus of labelled synthetic speech: made-up voices in many languages, phone times exact, repeatable from a seed.

    python -m distill.recipes.speech_synth --hours 3 --out DIR --seed 1 --workers 2

The speech engine runs in programs of its own (`espeak_worker.py` says why), one for each shard. Shards that are on
disk are kept, so a run that was stopped goes on where it was. Needs `pip install -e '.[corpus]'`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from distill.files.pcm import to_float
from distill.speech.phones import Phone
from distill.speech.spoken import Spoken, is_spoken, read_spoken, spoken_name, spoken_recipe
from sdk.errors import DataError, EngineUnavailable

UTTERANCE_S = 3.6  # what an utterance lasts on average
SHARD_UTTERANCES = 300
_ENGINE_MISSING = 3  # exit status of the worker


def synthesise(out_dir: Path, hours: float, seed: int, workers: int = 1, language: str = "") -> list[Path]:
    """The shards of about `hours` of labelled speech below `out_dir`, making those that are missing or damaged.

    Same `seed` and `hours`, same shards on the same machine; another `seed`, other speakers. language: only this one,
    from sentences that no corpus holds, to score on. Warns of what it makes again. Raises `EngineUnavailable` without
    espeak-ng and `DataError` naming a shard that failed.
    """
    from tqdm import tqdm

    counts = _shard_sizes(hours)
    jobs = [(seed, shard, count, Path(out_dir), language) for shard, count in enumerate(counts)]
    todo = [job for job in jobs if not _is_done(*job)]
    with ThreadPoolExecutor(max(workers, 1)) as pool, tqdm(total=sum(counts), desc="speaking", unit="utterance") as bar:
        bar.update(sum(counts) - sum(job[2] for job in todo))
        pending = {pool.submit(_make_shard, *job): job[2] for job in todo}
        try:
            for done in as_completed(pending):
                done.result()
                bar.update(pending[done])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [Path(out_dir) / spoken_name(seed, shard, language) for shard in range(len(counts))]


def say(text: str, language: str = "en-us", seed: int = 0) -> tuple[np.ndarray, list[Phone]]:
    """`text` spoken by a clear voice: float32 `(n,)` in -1..1 at 16 kHz, and its phones.

    Raises `EngineUnavailable` without espeak-ng, `DataError` for a language it lacks or a text it cannot say.
    """
    with tempfile.TemporaryDirectory() as folder:
        _run_worker(Path(folder), ["--say", text, "--language", language, "--seed", str(seed)], f"{text!r}")
        said = read_spoken(Path(folder) / "said.npz")[0]
    return to_float(said.audio), said.phones


def perform(script: Sequence[Mapping[str, object]], seed: int = 1) -> list[Spoken]:
    """The lines of a script spoken one after another (`distill/corpus/styled/voices.py`); each is named by its line.

    Raises `EngineUnavailable` without espeak-ng, `DataError` for a line that it cannot say.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.json"
        path.write_text(json.dumps(list(script)), encoding="utf-8")
        _run_worker(Path(folder), ["--script", str(path), "--seed", str(seed)], f"a script of {len(script)} lines")
        return read_spoken(Path(folder) / "script.npz")


def ipa_of(texts: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Each (text, language tag) in espeak's IPA, a list of its clauses.

    Raises `EngineUnavailable` without espeak-ng, `DataError` for a language that it lacks.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps([list(pair) for pair in texts]), encoding="utf-8")
        _run_worker(Path(folder), ["--ipa", str(path)], f"{len(texts)} texts")
        return [list(clauses) for clauses in json.loads((Path(folder) / "IPA.json").read_text("utf-8"))]


def _shard_sizes(hours: float) -> list[int]:
    """Utterances for each shard."""
    if not (math.isfinite(hours) and hours > 0):
        raise DataError(f"hours is {hours}; give a number above 0")
    total = max(round(hours * 3600 / UTTERANCE_S), 1)
    full, rest = divmod(total, SHARD_UTTERANCES)
    return [SHARD_UTTERANCES] * full + [rest] * (rest > 0)


def _is_done(seed: int, shard: int, count: int, out: Path, language: str) -> bool:
    return is_spoken(out / spoken_name(seed, shard, language), spoken_recipe(seed, shard, count, language))


def _make_shard(seed: int, shard: int, count: int, out: Path, language: str) -> None:
    path = out / spoken_name(seed, shard, language)
    only = ["--language", language] if language else []
    try:
        _run_worker(out, ["--seed", str(seed), "--shard", str(shard), "--utterances", str(count), *only], str(path))
        read_spoken(path, spoken_recipe(seed, shard, count, language))
    finally:
        for half_written in out.glob(f".{path.name}.*"):  # left only by a worker that was killed
            half_written.unlink(missing_ok=True)


def _run_worker(out: Path, arguments: list[str], what: str) -> None:
    """Run the engine's program. Raises `EngineUnavailable` or, naming `what`, `DataError`, with the program's words."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "distill.speech.espeak_worker", "--out", str(out), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode == _ENGINE_MISSING:
        raise EngineUnavailable(done.stderr.strip())
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["it said nothing"]
        raise DataError(f"{what}: the speech engine stopped with status {done.returncode}: {words[-1]}")
