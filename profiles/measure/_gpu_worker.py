"""One TorchScript program on the CUDA device, alone in a fresh process; prints what it took as JSON.

    python -m profiles.measure._gpu_worker FILE BACKEND SHAPES ROUNDS FRAMES

A frame is timed by CUDA events from before its samples are copied to the device until its values are back on the host.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from profiles.measure._open import Shapes
from sdk.engines.torchscript import load_module
from sdk.tools.caller import end_with_caller

_WARM = 50  # steps before the first reading: the clock of an idle device rises slowly


def opened(path: str, backend: str, shapes: Shapes, device: str) -> Callable[..., Any]:
    """The module of a `.pt` on `device`: as it is, or through torch.compile, which needs it as an exported program."""
    import torch

    module = load_module(Path(path), device)
    if backend == "cuda_torchscript":
        return module  # type: ignore[no-any-return]
    compiled: Callable[..., Any] = torch.compile(exported(module, shapes, device), mode="reduce-overhead")
    return compiled


def exported(module: Any, shapes: Shapes, device: str = "cpu") -> Callable[..., Any]:
    """A TorchScript module as an ordinary one, which torch.compile takes: by torch's own converter."""
    import torch
    from torch._export.converter import TS2EPConverter

    inputs = tuple(torch.zeros(shape, device=device) for shape in shapes)
    program = TS2EPConverter(module, inputs).convert()
    ordinary: Callable[..., Any] = program.module()
    return ordinary


def measured(path: str, backend: str, shapes: Shapes, rounds: int, frames: int) -> dict[str, Any]:
    import torch

    started = time.perf_counter()
    host = [torch.randn(shapes[0]).mul_(0.1).pin_memory()]
    states = [torch.zeros(shape, device="cuda") for shape in shapes[1:]]
    run = opened(path, backend, shapes, "cuda")

    def step() -> None:
        nonlocal states
        outputs = run(host[0].to("cuda", non_blocking=True), *states)
        outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        states = [values.clone() for values in outputs[1:]]
        outputs[0].to("cpu")

    with torch.inference_mode():
        step()
        torch.cuda.synchronize()
        load_ms = (time.perf_counter() - started) * 1000
        for _ in range(_WARM):
            step()
        answers = [_round(torch, step, frames) for _ in range(rounds)]
    return {
        "load_ms": load_ms, "rounds": answers, "gpu": torch.cuda.get_device_name(0),
        "peak_bytes": torch.cuda.max_memory_allocated(),
    }  # fmt: skip


def _round(torch: Any, step: Callable[[], None], frames: int) -> dict[str, Any]:
    wall, cpu, started = [], [], time.time()
    for _ in range(frames):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        cpu_start = time.process_time_ns()
        begin.record()
        step()
        end.record()
        end.synchronize()
        wall.append(begin.elapsed_time(end) * 1000.0)
        cpu.append((time.process_time_ns() - cpu_start) / 1000)
    return {"wall_us": wall, "cpu_us": cpu, "started_s": started}


def main(arguments: Sequence[str]) -> None:
    path, backend, shapes, rounds, frames = arguments
    wanted = [tuple(shape) for shape in json.loads(shapes)]
    sys.stdout.write(json.dumps(measured(path, backend, wanted, int(rounds), int(frames))) + "\n")


if __name__ == "__main__":
    end_with_caller()
    main(sys.argv[1:])
