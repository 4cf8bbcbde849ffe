"""Batches of recordings -> label shards as tasks of Ray, on every node of a cluster that sees the same folders.

    batches --a few more than there are CPUs, in flight--> label_batch on some node --Made--> here

Ray places tasks and notices lost workers and nodes; their batches are given out again here, after all others, so that
the board can tell (Ray's own retries tell nobody). What such a worker left undone is no shard, since shards are written
whole; what it had written is found and kept by whoever gets its batch.

Stopped, no task is cancelled: Ray 2.60 ends the whole process where a task that is cancelled ends at that moment
(task_manager.cc). The end of this process ends its tasks on the cluster; in one that lives on, those in flight go on to
their ends, and their shards are kept by the next command.
"""

from __future__ import annotations

import importlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from distill.corpus.labeller import Labeller, labeller
from distill.corpus.pool import Made, Watch, label_batch
from distill.corpus.recordings import ShardPieces
from sdk.errors import EngineUnavailable, TinyfaceError, pip_install
from sdk.tools.threads import one_thread

RETRIES = 5  # of a batch whose worker was lost
_PAUSE_S = 2.0  # before a batch that was lost twice is given out again: a node's death takes a moment to get about
_AHEAD = 2  # tasks in flight for each CPU of the cluster


def ray() -> Any:
    """The package. Raises `EngineUnavailable` without it."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise EngineUnavailable(f"--engine ray needs Ray: {pip_install('ray')}") from error


def label_batches(
    batches: Sequence[ShardPieces], folder: Path, teacher: str, watch: Watch, device: str = "cpu"
) -> Iterator[Made]:
    """As `pool.label_batches`, on the cluster that `RAY_ADDRESS` names, or one of this machine alone.

    `folder` and the recordings lie where every node sees them under the same names. Each task takes a CPU, and a GPU
    where `device` is one. A batch whose workers were lost more than `RETRIES` times is given up and the others go on.
    """
    engine = ray()
    labeller(teacher, "cpu")  # a wrong name is told before all else
    if not engine.is_initialized():
        _begin(engine)
    gpu = 1 if device.startswith("cuda") else 0
    work = engine.remote(num_cpus=1, num_gpus=gpu, max_retries=0)(_work)
    waiting: dict[Any, ShardPieces] = {}
    left, lost = list(reversed(batches)), Counter[str]()
    while left or waiting:
        most = _AHEAD * max(int(engine.cluster_resources().get("CPU", 1)), 1)
        while left and len(waiting) < most:
            batch = left.pop()
            time.sleep(_PAUSE_S if lost[batch.name] > 1 else 0)
            waiting[work.remote(batch, str(folder), teacher, device)] = batch
        done, _ = engine.wait(list(waiting), num_returns=1, timeout=1.0)
        for task in done:
            batch = waiting.pop(task)
            made = _answer(engine, task)
            if isinstance(made, Made):
                watch.heard(batch.samples)
                yield made
                continue
            lost[batch.name] += 1
            if lost[batch.name] > RETRIES:
                said = f"shard {batch.name}: its workers were lost {lost[batch.name]} times, the last so: {made}"
                yield Made(None, False, 0, (said,), given_up=True)
            else:
                watch.lost(1, f"{batch.name}: {made}")
                left.insert(0, batch)


def _begin(engine: Any) -> None:
    """Ray listens to SIGTERM from its start on and ends the process with a stack; who listened before, shall."""
    before = signal.getsignal(signal.SIGTERM)
    engine.init(log_to_driver=False, configure_logging=False, include_dashboard=False)
    if threading.current_thread() is threading.main_thread() and before is not None:
        signal.signal(signal.SIGTERM, before)


def _answer(engine: Any, task: Any) -> Made | str:
    """What became of a batch; a word on how its worker was lost if it was. Raises what `label_batch` raised."""
    try:
        made: Made = engine.get(task)
        return made
    except engine.exceptions.RayTaskError as error:
        if isinstance(error.cause, TinyfaceError):
            raise error.cause from None
        raise
    except engine.exceptions.RayError as error:
        return type(error).__name__


@cache
def _by(teacher: str, device: str) -> Labeller:
    return labeller(teacher, device)  # one a worker process; loading one takes a second


def _work(batch: ShardPieces, folder: str, teacher: str, device: str) -> Made:
    with one_thread():
        return label_batch(batch, Path(folder), _by(teacher, device), lambda samples: None)
