"""A ring of samples between one thread that writes and one that reads, without a lock.

Each counter has one owner and only grows; others only read it. Where the writer finds no room the oldest are not
overwritten under the reader's hands: the new ones are left out, and counted. A third may forget what waits while the
other two go on: it has a counter of its own, as the reader may be in the middle of taking what is forgotten.
"""

from __future__ import annotations

import numpy as np


class Ring:
    """Room for `capacity` frames of `channels` float32 samples."""

    def __init__(self, capacity: int, channels: int) -> None:
        self._data = np.zeros((capacity, channels), np.float32)
        self.written = 0  # only the writer assigns
        self._taken = 0  # only the reader assigns
        self._forgotten = 0  # frames before this one are not read any more; only `skip` assigns
        self.overrun = 0  # frames that found no room; the writer's

    @property
    def read_total(self) -> int:
        """Frames that were read or forgotten so far."""
        return max(self._taken, self._forgotten)

    @property
    def waiting(self) -> int:
        """Frames that can be read now."""
        return self.written - self.read_total

    @property
    def room(self) -> int:
        """Frames that can be written now."""
        return len(self._data) - self.waiting

    def write(self, frames: np.ndarray) -> int:
        """Take `(n, channels)` in as far as there is room; returns how many."""
        size = len(self._data)
        taken = min(self.room, len(frames))
        start = self.written % size
        first = min(taken, size - start)
        self._data[start : start + first] = frames[:first]
        self._data[: taken - first] = frames[first:taken]
        self.overrun += len(frames) - taken
        self.written += taken  # last: only now may the reader look
        return taken

    def read(self, most: int) -> np.ndarray:
        """Up to `most` frames `(n, channels)`, oldest first; a copy."""
        size, begin = len(self._data), self.read_total
        count = min(most, self.written - begin)
        start = begin % size
        first = min(count, size - start)
        out = np.concatenate([self._data[start : start + first], self._data[: count - first]])
        self._taken = begin + count  # last: only now may the writer reuse the room
        return out

    def skip(self) -> int:
        """Forget all that waits, from any one thread; returns how many frames that was."""
        written = self.written
        count = written - self.read_total
        self._forgotten = written
        return count
