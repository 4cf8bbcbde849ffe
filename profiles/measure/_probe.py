"""The inside of the ruler: alone in a fresh process, opens one artefact, runs it, prints what that took as JSON.

    python -m profiles.measure._probe FILE RUNTIME SHAPES RUNS LOAD

RUNTIME: executorch or torchscript; SHAPES: of a .pt's inputs, as JSON; LOAD: mapped or buffer

Every figure is a difference: the runtime is loaded and warm before the first reading, so what remains is the
artefact's own. The heap is glibc's own count of bytes in use (`mallinfo2`), not pages of shared libraries.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profiles.measure._open import Shapes, open_pt, open_pte
from sdk.tools.caller import end_with_caller

_M_TOP_PAD, _M_MMAP_THRESHOLD = -2, -3
_LARGE_BYTES = 128 * 1024  # glibc's own default of both; setting either stops glibc from adapting the threshold
_FINE_BYTES = 4096  # from here on blocks are mapped one by one while the peak is looked for


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


class Heap:
    """Bytes this process holds from malloc now, and the most it held. `known` is False without glibc 2.33 or later."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self.known = hasattr(self._libc, "mallinfo2")
        if self.known:
            self._libc.mallinfo2.restype = _Mallinfo2
            self._libc.malloc.restype = ctypes.c_void_p
            self._libc.malloc.argtypes = [ctypes.c_size_t]
            self._libc.free.argtypes = [ctypes.c_void_p]

    def used_bytes(self) -> int:
        """Bytes in use, in small and in large blocks."""
        info = self._libc.mallinfo2()
        return int(info.uordblks + info.hblkhd)

    def passing_bytes(self, opened: Callable[[], object]) -> int:
        """What `opened()` holds for a while and gives back: its peak above what it leaves. Opens, and drops it again.

        glibc keeps a high-water mark of blocks that are mapped one by one and cannot reset it: one large block that
        is never touched fills the gap up to the old mark, and from there on every new peak shows. Meanwhile all but
        the smallest blocks are mapped so; that rounds them up to pages, which a difference of two such sums hardly
        feels, and the figures taken afterwards not at all. The heap then grows by what is asked and no more: with
        glibc's 128 KB to spare it would serve blocks of the peak unseen, one time in a few.
        """
        self._libc.mallopt(_M_TOP_PAD, 0)
        self._libc.mallopt(_M_MMAP_THRESHOLD, _FINE_BYTES)
        soaked = self._soak()
        gap = self._mark_bytes() - self._large_bytes()
        if gap > _FINE_BYTES:
            soaked.append(self._libc.malloc(gap))
        mark, before = self._mark_bytes(), self._large_bytes()
        kept = opened()
        passing = (self._mark_bytes() - mark) - (self._large_bytes() - before)
        del kept
        for block in soaked:
            self._libc.free(block)
        for knob in (_M_TOP_PAD, _M_MMAP_THRESHOLD):
            self._libc.mallopt(knob, _LARGE_BYTES)
        return max(passing, 0)

    def _soak(self) -> list[int]:
        """Take whatever lies free in the heap, so that every block from here on is a mapped one; never touched."""
        taken: list[int] = []
        for size in (1 << 22, 1 << 19, 1 << 16, 1 << 14, _FINE_BYTES):
            while True:
                before = self._large_bytes()
                block = self._libc.malloc(size)
                if self._large_bytes() != before:
                    self._libc.free(block)
                    break
                taken.append(block)
        return taken

    def _large_bytes(self) -> int:
        """Bytes in blocks that are mapped one by one."""
        return int(self._libc.mallinfo2().hblkhd)

    def _mark_bytes(self) -> int:
        """The most that was ever mapped one by one. Read by system calls: a Python file's own buffer, 128 KB from
        Python 3.14 on, would be such a block and hide what passes below it."""
        reading, writing = os.pipe()
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(writing, 2)  # glibc tells its mark only on stderr, in a few lines for each arena
        os.close(writing)
        try:
            self._libc.malloc_stats()
            self._libc.fflush(None)
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        said = b""
        while part := os.read(reading, _FINE_BYTES // 4):
            said += part
        os.close(reading)
        found = re.search(rb"max mmap bytes\s*=\s*(\d+)", said)
        return int(found[1]) if found else 0


def private_dirty_bytes() -> int | None:
    """Pages that only this process has and that differ from any file, or None where the kernel does not tell."""
    try:
        found = re.search(r"^Private_Dirty:\s+(\d+) kB", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def probe(path: str, runtime: str, shapes: Shapes, runs: int, load: str) -> dict[str, Any]:
    """Open, run three times, read the heap after each step; then time `runs` steps in process CPU time."""
    import torch

    torch.set_num_threads(1)
    torch.randn(1, 1, 8192)  # the first random numbers of a process allocate memory that is not the program's
    opened = open_pt(path, 1, shapes) if runtime == "torchscript" else open_pte(path, 1, load)
    heap = Heap()
    found: dict[str, Any] = {"heap_known": heap.known}
    dirty = private_dirty_bytes()
    passing = heap.passing_bytes(opened) if heap.known else 0
    gc.collect()
    start = heap.used_bytes() if heap.known else 0
    with torch.inference_mode():
        program = opened()
        if heap.known:
            loaded = heap.used_bytes() - start
            found |= {"loaded_bytes": loaded, "load_peak_bytes": loaded + passing}
        before = heap.used_bytes() if heap.known else 0
        program.make_inputs()
        inputs = heap.used_bytes() - before if heap.known else 0  # a voice's, not the program's
        for _ in range(3):
            program.step()
        program.make_inputs()  # results of the last step are held by Python alone: free them before reading
        if heap.known:
            with_voice = heap.used_bytes()
            found["steady_bytes"] = with_voice - start - inputs
            program.drop_inputs()
            found["voice_bytes"] = with_voice - heap.used_bytes()
            program.make_inputs()
        after = private_dirty_bytes()
        found["private_dirty_bytes"] = None if dirty is None or after is None else after - dirty
        times = []
        for _ in range(runs):
            begin = time.process_time_ns()
            program.step()
            times.append((time.process_time_ns() - begin) / 1000)
    found["times_us"] = times
    if runtime == "executorch" and heap.known:
        found["crowd_bytes"] = _crowd_bytes(path, load, heap)
    return found


def _crowd_bytes(path: str, load: str, heap: Heap) -> int | None:
    """What the method for many voices adds once it has run, its inputs not counted; None where there is none."""
    import torch

    start = heap.used_bytes()
    try:
        crowd = open_pte(path, 1, load, "crowd")()
    except RuntimeError:
        return None
    with torch.inference_mode():
        before = heap.used_bytes()
        crowd.make_inputs()
        inputs = heap.used_bytes() - before
        for _ in range(2):
            crowd.step()
        crowd.make_inputs()
    return heap.used_bytes() - start - inputs


def main() -> None:
    path, runtime, shapes, runs, load = sys.argv[1:]
    answer = probe(path, runtime, [tuple(shape) for shape in json.loads(shapes)], int(runs), load)
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    end_with_caller()
    main()
