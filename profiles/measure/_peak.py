"""What this machine can do at best, alone in a fresh process: products of matrices in cache, and copies out of it.

    python -m profiles.measure._peak THREADS

Prints JSON: multiply-adds and bytes a second. The best of many short tries: what the machine can, not what it did
beside a neighbour.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from sdk.tools.caller import end_with_caller

_TRIES = 40
_COPY_BYTES = 256_000_000  # far beyond any last cache


def main() -> None:
    import torch

    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    rates = []
    with torch.inference_mode():
        for size in (384, 768):
            left, right, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
            rates.append(size**3 / _best_s(lambda a=left, b=right, c=out: torch.mm(a, b, out=c)))  # type: ignore[misc]
        image, weight = torch.randn(1, 64, 1, 4096), torch.randn(64, 64, 1, 3)
        macs = 64 * 4094 * 64 * 3
        rates.append(macs / _best_s(lambda: torch.nn.functional.conv2d(image, weight)))
        source, target = torch.ones(_COPY_BYTES // 4), torch.empty(_COPY_BYTES // 4)
        copied = 2 * _COPY_BYTES / _best_s(lambda: target.copy_(source), 12)
        read = _COPY_BYTES / _best_s(lambda: source.sum(), 12)
    found = {"threads": threads, "macs_per_s": max(rates), "copy_bytes_per_s": copied, "read_bytes_per_s": read}
    sys.stdout.write(json.dumps(found) + "\n")


def _best_s(call: Callable[[], object], tries: int = _TRIES) -> float:
    best = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    end_with_caller()
    main()
