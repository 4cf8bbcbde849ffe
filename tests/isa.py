"""The numeric tests under each cap that this processor can be asked for, as if it had nothing better.

    python -m tests.isa [--cap NAME ...] [TEST FILE ...]

oneDNN and ATen choose their kernels by what the processor has; two variables hold them below it. Our own kernels run
in every unit by their own tests; XNNPACK and they are held lower by an emulator (`test_native_capped.py`). Status 1 if
any test fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
CAPS = {  # what oneDNN may use, and ATen
    "SSE41": "default",
    "AVX2": "avx2",
    "AVX512_CORE": "avx512",
    "AVX512_CORE_VNNI": "avx512",
    "AVX512_CORE_AMX": "avx512",
}
LEVELS = ("default", "avx2", "avx512")
NUMERIC = ("export/test_torchscript.py", "export/test_quantise.py", "export/test_dynamic.py", "export/test_lowering.py",
           "distill/test_sweep.py", "distill/test_stream_students.py", "distill/test_students.py",
           "distill/test_windowed.py", "distill/test_metrics_and_losses.py", "sdk/test_engines.py",
           "sdk/test_stream_voices.py")  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.isa", description=__doc__.split("\n")[0])
    parser.add_argument("--cap", action="append", choices=CAPS, help="one of them alone; may be given again")
    parser.add_argument("files", nargs="*", type=Path, metavar="TEST FILE")
    options = parser.parse_args(arguments)
    files = options.files or [ROOT / "tests" / name for name in NUMERIC]
    there = torch.backends.cpu.get_cpu_capability().lower()
    most = LEVELS.index(there) if there in LEVELS else -1
    ran, failed = [], []
    for cap in options.cap or CAPS:
        if LEVELS.index(CAPS[cap]) > most:  # ATen believes its variable, and would run what is not there
            print(f"== {cap}: left out, this processor has no more than {there}", flush=True)
            continue
        ran.append(cap)
        capped = {**os.environ, "ONEDNN_MAX_CPU_ISA": cap, "ATEN_CPU_CAPABILITY": CAPS[cap]}
        print(f"== {cap}", flush=True)
        words = [sys.executable, "-m", "pytest", "-q", "--durations=0", "--durations-min=60", *map(str, files)]
        if subprocess.run(words, cwd=ROOT, env=capped).returncode:
            failed.append(cap)
    if failed:
        print(f"failed under {', '.join(failed)}")
    else:
        print(f"the same under {', '.join(ran)}" if ran else "no cap was tried: this processor has none of them")
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
