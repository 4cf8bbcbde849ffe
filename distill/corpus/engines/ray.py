"""Batches of recordings -> label shards as tasks of Ray, on every node of a cluster that sees the same folders.

    batches --a few more than there are CPUs, in flight--> label_batch on some node --Made--> here

Ray places tasks, and gives those of a lost worker or node to another (`RETRIES` times). What such a worker left undone
is no shard, since shards are written whole; what it had written is found and kept by whoever gets its batch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from distill.corpus.labeller import Labeller, labeller
from distill.corpus.pool import Made, label_batch, one_thread
from distill.corpus.recordings import ShardPieces
from sdk.errors import DataError, EngineUnavailable, TinyfaceError

RETRIES = 5
_AHEAD = 2  # tasks in flight for each CPU of the cluster


def ray() -> Any:
    """The package. Raises `EngineUnavailable` without it."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise EngineUnavailable("--engine ray needs Ray: pip install 'tinyface[ray]'") from error


def label_batches(
    batches: Sequence[ShardPieces], folder: Path, teacher: str, tick: Callable[[int], None], device: str = "cpu"
) -> Iterator[Made]:
    """As `pool.label_batches`, on the cluster that `RAY_ADDRESS` names, or one of this machine alone.

    `folder` and the recordings lie where every node sees them under the same names. Each task takes a CPU, and a GPU
    where `device` is one. Raises `DataError` if a batch's workers were lost more than `RETRIES` times.
    """
    engine = ray()
    labeller(teacher, "cpu")  # a wrong name is told before all else
    if not engine.is_initialized():
        engine.init(log_to_driver=False, configure_logging=False, include_dashboard=False)
    gpu = 1 if device.startswith("cuda") else 0
    work = engine.remote(num_cpus=1, num_gpus=gpu, max_retries=RETRIES)(_work)
    waiting: dict[Any, ShardPieces] = {}
    left = list(reversed(batches))
    try:
        while left or waiting:
            most = _AHEAD * max(int(engine.cluster_resources().get("CPU", 1)), 1)
            while left and len(waiting) < most:
                batch = left.pop()
                waiting[work.remote(batch, str(folder), teacher, device)] = batch
            done, _ = engine.wait(list(waiting), num_returns=1, timeout=1.0)
            for task in done:
                batch = waiting.pop(task)
                made: Made = engine.get(task)
                tick(batch.samples)
                yield made
    except engine.exceptions.RayTaskError as error:
        if isinstance(error.cause, TinyfaceError):
            raise error.cause from None
        raise
    except engine.exceptions.RayError as error:
        raise DataError(
            f"the workers of a batch were lost {RETRIES + 1} times, by the system if memory ran out "
            f"({type(error).__name__}); the same command goes on from what is done"
        ) from error
    finally:
        for task in waiting:
            engine.cancel(task, force=True)


@cache
def _by(teacher: str, device: str) -> Labeller:
    return labeller(teacher, device)  # one a worker process; loading one takes a second


def _work(batch: ShardPieces, folder: str, teacher: str, device: str) -> Made:
    with one_thread():
        return label_batch(batch, Path(folder), _by(teacher, device), lambda samples: None)
