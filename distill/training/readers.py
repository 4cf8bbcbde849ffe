"""Batches drawn ahead by other processes: the same batches in the same order, whoever draws them.

    step k --a seed of its own--> draw(random, k) in reader k mod n --at most AHEAD a reader--> the training loop

A batch follows from its step alone, so a run may be killed with two readers and go on with none. By torch's DataLoader,
which every torch has: the corpus has its own reader (`corpus/shelf.py`), so what WebDataset or LitData are for, streams
of samples in archives of theirs, is not needed. Readers share the shards in memory with their parent (fork) or read
their own slices of those on disk; each holds `AHEAD` batches and the one that it draws, and no more.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from sdk.errors import TinyfaceError
from sdk.tools.children import end_with_parent

AHEAD = 3
Draw = Callable[[np.random.Generator, int], Any]


class _Steps(Dataset[Any]):
    def __init__(self, draw: Draw, random: Callable[[int], np.random.Generator], first: int, total: int) -> None:
        self.draw, self.random, self.first, self.total = draw, random, first, total

    def __len__(self) -> int:
        return self.total - self.first

    def __getitem__(self, k: int) -> Any:
        try:
            return self.draw(self.random(self.first + k), self.first + k)
        except TinyfaceError as error:  # one line for whoever trains, not the loader's traceback of another process
            return error


def drawn(
    draw: Draw, random: Callable[[int], np.random.Generator], first: int, total: int, readers: int = 0
) -> Generator[Any, None, None]:
    """What steps `first` to `total` look at, drawn here or by `readers` processes; close it and they end.

    Raises what `draw` raises.
    """
    if readers < 1 or first >= total:
        yield from (draw(random(step), step) for step in range(first, total))
        return
    way = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    loader = DataLoader(
        _Steps(draw, random, first, total), batch_size=None, num_workers=readers, prefetch_factor=AHEAD,
        collate_fn=_as_it_is, worker_init_fn=_begin, multiprocessing_context=way,
    )  # fmt: skip
    for batch in loader:
        if isinstance(batch, TinyfaceError):
            raise batch
        yield batch


def _as_it_is(batch: Any) -> Any:
    return batch


def _begin(_: int) -> None:
    """Ctrl-C goes to all processes of a terminal; the parent lets its step end, saves, and then ends its readers.

    Where it is killed they end by themselves: torch's own look at the parent is before a batch, never while one waits
    in a pipe that nobody empties any more.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
