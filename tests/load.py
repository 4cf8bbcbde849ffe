"""A corpus of hours made here, labelled by Ray with a node killed, trained on by 0, 1 and 2 readers: what that costs.

    python -m tests.load --speech DIR --out /scratch/load --hours 50 [--steps 200]      make load HOURS=50 SPEECH=DIR

It tests how much is borne, not what is learned: recordings are repeated at other speeds under other names, and the
teacher knows loudness alone (`--teacher` for a real one). What is done stays done, so the same command goes on after a
stop; with `--shards DIR` the corpus is that of DIR repeated, and labelling is left out. Figures go to OUT/load.json.
Status 1 where shards or weights differ that must be equal. Needs 150 MB an hour, and 265 more where labelling is
measured (the recordings, and all shards twice).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile
import torch

from distill.corpus.board import FOLDER, read_board
from distill.corpus.shards import SHARD_SECONDS
from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_open, atomic_write_text, find_audio, load_mono
from distill.recipes.pseudo_label import label
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import AudioError, DataError
from sdk.tools.command import ending, say

SPEEDS = ((1, 1), (20, 19), (19, 20), (10, 9), (9, 10), (8, 7), (7, 8))  # of each time round, resampled : original
READERS = (0, 1, 2)
ONE, TWO = "labelled by one node", "labelled by two nodes, one killed"
TEACHER = "tests.loud"


def speak(folders: list[Path], out: Path, hours: float) -> float:
    """Recordings of `folders` as `hours` of wav below `out`, each time round at another speed and by other speakers;
    the hours that there are."""
    if (out / "done").exists():
        return float((out / "done").read_text())
    paths = [path for folder in folders for path in find_audio(folder)]
    made = 0.0
    for number in itertools.count():
        for place, path in enumerate(paths):
            file = out / f"{number:03d}" / f"{1000 * number + place % 1000}-{number}-{place:05d}.wav"
            if not file.exists() and not _speak(path, file, *SPEEDS[number % len(SPEEDS)]):
                continue
            made += soundfile.info(file).duration / 3600
            if made >= hours:
                (out / "done").write_text(f"{made:.3f}")
                return made
        if not made:
            raise DataError("none of the recordings could be read; give other folders")
    raise AssertionError("itertools.count ended")


def _speak(path: Path, file: Path, up: int, down: int) -> bool:
    try:
        sound = load_mono(path)
    except AudioError:
        return False
    if up != down:  # by straight lines: it is for a load, and nobody listens
        times = np.arange(len(sound) * up // down) * (down / up)
        sound = np.interp(times, np.arange(len(sound)), sound).astype(np.float32)
    with atomic_open(file) as stream:
        soundfile.write(stream, sound.clip(-1, 1), SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
    return True


def repeat(shards: Path, out: Path, hours: float) -> float:
    """The training shards of the corpus `shards` as `hours` below `out`, copied under other names as often as it takes,
    so that all of it has to come from the disk; the hours that there are."""
    (out / "shards").mkdir(parents=True, exist_ok=True)
    made = 0.0
    for number, shard in enumerate(itertools.cycle(load_shards(shards, "train", 0))):
        path = out / "shards" / f"train-human-{number:03d}.npz"
        if not path.exists():
            part = path.with_suffix(".part")
            shutil.copyfile(shards / "shards" / shard.path.name, part)
            part.replace(path)
        made += shard.seconds / 3600
        if made >= hours:
            return made
    raise AssertionError("a cycle ended")


def labelled(speech: Path, out: Path, teacher: str, nodes: int, shard_s: float, kill_at: float = 0.0) -> dict[str, Any]:
    """Seconds that `nodes` nodes of Ray, a CPU each, took to label `speech` into `out`, and the digest of the shards.
    Of several one is killed, when `kill_at` of the shards are there."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])  # for `tests.loud`
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's is 15: beside other work its workers would hardly run
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [cluster.add_node(num_cpus=1) for _ in range(nodes - 1)]
    os.environ["RAY_ADDRESS"] = cluster.address
    killed: list[float] = []

    def killing() -> None:
        while not (tallies := list((out / FOLDER).glob("*.json"))):
            time.sleep(0.1)
        wanted = max(1, int(kill_at * json.loads(tallies[0].read_text())["planned"]))
        while len(list((out / "shards").glob("*.npz"))) < wanted:
            time.sleep(0.1)
        cluster.remove_node(others[0], allow_graceful=False)
        killed.append(round(time.monotonic() - began, 1))

    began = time.monotonic()
    if others:
        threading.Thread(target=killing, daemon=True).start()
    try:
        done = label([speech], out, teacher, shard_s=shard_s, engine="ray")
    finally:
        ray.shutdown()
        cluster.shutdown()
        del os.environ["RAY_ADDRESS"]
    shards = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in done.paths)).hexdigest()
    facts = {"nodes": nodes, "seconds": round(time.monotonic() - began, 1), "hours": round(done.hours, 2)}
    facts |= {"shards": len(done.paths), "kept": done.kept, "killed_at_s": killed, "sha256": shards}
    return {**facts, "lost_and_taken_again": read_board(out)[0].lost}


def trained(corpus: Path, out: Path, readers: int, steps: int, memory_gb: float) -> dict[str, Any]:
    """Steps a second, share of waiting, peak of all processes' memory, and the weights of s8 after `steps`."""
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "distill.recipes.heterogeneous", "--variant", "s8", "--corpus", str(corpus)]
    command += ["--out", str(out), "--steps", str(steps), "--threads", "1", "--readers", str(readers)]
    began, peak = time.monotonic(), 0
    with subprocess.Popen([*command, "--memory-gb", str(memory_gb)], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _held(psutil.Process(process.pid)))
            time.sleep(0.5)
    if process.returncode:
        raise DataError(f"training ended with status {process.returncode}: {' '.join(command)}")
    made = Checkpoint.load(out)
    facts = {name: made.training[name] for name in ("steps_a_second", "waited_percent", "corpus_hours")}
    wall = round(time.monotonic() - began, 1)
    return {"readers": readers, **facts, "peak_mb": round(peak / 1e6), "wall_s": wall, "weights": made.weights_sha256}


def _held(process: psutil.Process) -> int:
    """Bytes of a process and its children; what they share counts once."""
    held = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            held += one.memory_full_info().pss
    except psutil.Error:
        return 0
    return held


def started(corpus: Path) -> dict[str, float]:
    """Seconds until a corpus on disk can be drawn from: the first time, when all is hashed, and from then on."""
    (corpus / "checked.json").unlink(missing_ok=True)
    found = {}
    for name in ("first_start_s", "restart_s"):
        began = time.monotonic()
        load_shards(corpus, "train", 0)
        found[name] = round(time.monotonic() - began, 2)
    return found


def figures(options: argparse.Namespace, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each stage's name and figures, as they are found, or as they are `known` from before a stop. Raises `DataError`
    where what must be equal is not."""
    out: Path = options.out
    corpus = out / "one"

    def once(name: str, find: Callable[[], Any]) -> tuple[str, Any]:
        return name, known[name] if name in known else find()

    if options.shards:
        yield once("hours", lambda: round(repeat(options.shards, corpus, options.hours), 2))
    else:
        yield once("hours", lambda: round(speak(options.speech, out / "speech", options.hours), 2))
        shard_s, kill_at = min(SHARD_SECONDS, options.hours * 3600 / 8), random.Random(options.seed).uniform(0.05, 0.7)
        speech, runs = out / "speech", []
        for name, folder, nodes in ((ONE, corpus, 1), (TWO, out / "two", 2)):
            find = partial(labelled, speech, folder, options.teacher, nodes, shard_s, kill_at)
            runs.append(once(name, find))
            yield runs[-1]
        if runs[0][1]["sha256"] != runs[1][1]["sha256"]:
            raise DataError("the shards of one node and of two, one of them killed, differ")
        shutil.rmtree(out / "two", ignore_errors=True)  # they are equal
    yield once("start", lambda: started(corpus))
    weights = set()
    for readers in READERS:
        find = partial(trained, corpus, out / f"r{readers}.pt", readers, options.steps, options.memory_gb)
        name, found = once(f"trained with {readers} readers", find)
        weights.add(found["weights"])
        yield name, found
    if len(weights) > 1:
        raise DataError("the weights of runs with other numbers of readers differ")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__.split("\n")[0])
    parser.add_argument("--speech", type=Path, nargs="+", default=[Path("../shared/data/speech")], help="recordings")
    parser.add_argument("--shards", type=Path, help="corpus to repeat in place of labelling one")
    parser.add_argument("--out", type=Path, default=Path("build/load"), help="folder for everything")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=200, help="of s8, for each number of readers")
    parser.add_argument("--memory-gb", type=float, default=0.0, help="a larger corpus stays on disk")
    parser.add_argument("--teacher", default=TEACHER, help="who labels; without it one that knows loudness alone")
    parser.add_argument("--seed", type=int, default=1, help="of the moment at which a node is killed")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    asked = {"asked": {name: str(value) for name, value in vars(options).items()}}
    with ending("stopped; the same command goes on from what is done") as end:
        options.out.mkdir(parents=True, exist_ok=True)
        file = options.out / "load.json"
        known = json.loads(file.read_text()) if file.exists() else asked
        if known["asked"] != asked["asked"]:
            raise DataError(f"{options.out}: another load test stands there, {known['asked']}; give another --out")
        for name, value in figures(options, dict(known)):
            known[name] = value
            say(f"{name}: {value}")
            atomic_write_text(file, json.dumps(known, indent=1))
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
