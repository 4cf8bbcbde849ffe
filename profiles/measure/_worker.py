"""One program in one fresh process, timed on command: the far end of `profiles/measure/cpu.py`.

    python -m profiles.measure._worker JOB          JOB: JSON of `Job` fields

Reads one JSON object a line, answers one a line: `{"do": "open"}` first, then `{"do": "round", ...}` or
`{"do": "pace", ...}`; ends with its input. It answers once before, when the runtime is imported, so that nobody else is
starting up while it opens the artefact.
Wall and processor time are taken around each step. Right before and after each round a fixed product of matrices tells
how busy the machine was.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdk.tools.caller import end_with_caller


@dataclass(frozen=True)
class Job:
    """What this process is for. runtime: as the manifest has it, by which trust was asked.

    step_frames: frames of the rig that one step makes for a voice, as a fraction. voices: of one call of the program's
    method `crowd`; 1 for `forward`. evict_bytes: read through before each step of a cold case, or 0.
    """

    path: str
    runtime: str
    backend: str
    threads: int
    voices: int
    pinned_cores: list[int]
    shapes: list[list[int]]
    step_frames: float
    rate_hz: int
    fps: float
    evict_bytes: int


Step = Callable[[], float]


def _program_opener(job: Job) -> Callable[[], Step]:
    """A function that opens the program; what that gives runs one step and says how many frames it made."""
    import torch

    from profiles.measure._open import open_pt, open_pte

    torch.set_num_threads(job.threads)
    torch.set_grad_enabled(False)  # for the life of this process
    shapes = [tuple(shape) for shape in job.shapes]
    method = "forward" if job.voices == 1 else "crowd"
    if job.runtime == "torchscript":
        opened = open_pt(job.path, job.threads, shapes)
    else:
        opened = open_pte(job.path, job.threads, method=method)

    def open_program() -> Step:
        program = opened()
        program.make_inputs()
        program.step()

        def step() -> float:
            program.step()
            return job.step_frames * job.voices

        return step

    return open_program


def _sdk_opener(job: Job) -> Callable[[], Step]:
    """The whole path of the Python package: PCM blocks of 10 ms in until frames come out."""
    import sdk
    from sdk.engines.executorch import load_runtime

    load_runtime()  # importing a runtime is not opening an artefact
    noise = np.random.default_rng(0).normal(0, 0.1, job.rate_hz).astype(np.float32)
    block = job.rate_hz // 100

    def open_predictor() -> Step:
        predictor = sdk.FramePredictor(sdk.open(job.path, trusted=True), rate_hz=job.rate_hz)
        position = 0

        def step() -> float:
            nonlocal position
            frames: list[Any] = []
            while not frames:
                at = position % (len(noise) - block)
                frames = predictor.push(noise[at : at + block])
                position += block
            return len(frames)

        step()
        return step

    return open_predictor


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    if job.pinned_cores:
        os.sched_setaffinity(0, job.pinned_cores)  # before any runtime makes its threads, which inherit it
    opener = _sdk_opener(job) if job.backend == "python_sdk" else _program_opener(job)
    evict = np.ones(job.evict_bytes // 4, np.float32) if job.evict_bytes else None
    _answer({"ready": True})
    if not sys.stdin.readline():
        return
    started = time.perf_counter()
    step = opener()
    _answer({"load_ms": (time.perf_counter() - started) * 1000})
    for _ in range(5):
        step()
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "round":
            _answer(_round(step, order["frames"], evict))
        else:
            _answer(_pace(step, order["seconds"], job, evict))


def _round(step: Callable[[], float], frames: int, evict: np.ndarray | None) -> dict[str, Any]:
    """Steps until `frames` frames are made; microseconds of each."""
    wall, cpu = [], []
    made, started = 0.0, time.time()
    before = reference_us()
    while made < frames:
        if evict is not None:
            evict.sum()
        cpu_start, wall_start = time.process_time_ns(), time.perf_counter_ns()
        count = step()
        wall_end, cpu_end = time.perf_counter_ns(), time.process_time_ns()
        wall.append((wall_end - wall_start) / 1000 / count)
        cpu.append((cpu_end - cpu_start) / 1000 / count)
        made += count
    return {"wall_us": wall, "cpu_us": cpu, "started_s": started, "reference_us": (before + reference_us()) / 2}


def _pace(step: Callable[[], float], seconds: float, job: Job, evict: np.ndarray | None) -> dict[str, Any]:
    """Steps when they are due: microseconds of each from that instant on, and of the work alone, the latter a frame."""
    response, work, cpu = [], [], []
    started, wall, due, made = time.time(), time.perf_counter(), time.perf_counter(), job.step_frames * job.voices
    while due - wall < seconds:
        due += made / job.voices / job.fps
        if evict is not None:
            evict.sum()
        late = due - time.perf_counter()
        if late > 0:
            time.sleep(late)
        cpu_start, begin = time.process_time_ns(), time.perf_counter()
        made = step()
        end = time.perf_counter()
        response.append((end - due) * 1e6)
        work.append((end - begin) * 1e6 / made)
        cpu.append((time.process_time_ns() - cpu_start) / 1000 / made)
    return {"response_us": response, "wall_us": work, "cpu_us": cpu, "started_s": started}


def reference_us() -> float:
    """Median time of a fixed product of matrices on one thread: how busy the machine is just now."""
    times = []
    for _ in range(5):
        start = time.perf_counter_ns()
        _LEFT @ _RIGHT
        times.append((time.perf_counter_ns() - start) / 1000)
    return statistics.median(times)


_LEFT = np.full((128, 512), 0.5, np.float32)
_RIGHT = np.full((512, 256), 0.5, np.float32)


def _answer(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    end_with_caller()
    main()
