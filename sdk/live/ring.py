"""A ring of samples between one thread that writes and one that reads, without a lock.

Each side owns one counter that only grows; the other only reads it. Where the writer finds no room the oldest are not
overwritten under the reader's hands: the new ones are left out, and counted.
"""

from __future__ import annotations

import numpy as np


class Ring:
    """Room for `capacity` frames of `channels` float32 samples."""

    def __init__(self, capacity: int, channels: int) -> None:
        self._data = np.zeros((capacity, channels), np.float32)
        self.written = 0  # only the writer assigns
        self.read_total = 0  # only the reader assigns
        self.overrun = 0  # frames that found no room; the writer's

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
        size = len(self._data)
        count = min(most, self.written - self.read_total)
        start = self.read_total % size
        first = min(count, size - start)
        out = np.concatenate([self._data[start : start + first], self._data[: count - first]])
        self.read_total += count  # last: only now may the writer reuse the room
        return out

    def skip(self) -> int:
        """Forget all that waits; returns how many frames that was."""
        count = self.written - self.read_total
        self.read_total += count
        return count
