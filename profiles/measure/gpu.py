"""Times TorchScript programs on a CUDA device, in fresh processes: as they are, and through torch.compile.

Where there is no device, every case is skipped with the reason.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence

from profiles.measure.cpu import Job, median_uncertainty_percent
from profiles.measure.harness import run_fresh
from profiles.measure.steps import input_shapes, step_frames
from profiles.model.figures import Case, MemoryRow, Timing
from profiles.model.record import Skipped
from sdk.artifact import open_artifact
from sdk.errors import TinyfaceError, pip_install

BACKENDS = ("cuda_torchscript", "cuda_compiled")


def why_no_gpu() -> str:
    """Why nothing can be measured on a CUDA device here, or "" if it can."""
    try:
        import torch
    except ImportError:
        return f"PyTorch is not installed: {pip_install('play')}"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} sees no CUDA device: needs an NVIDIA driver and a torch built with CUDA"
    return ""


def measure_cases(
    jobs: Sequence[Job],
    *,
    launches: int = 5,
    rounds: int = 2,
    frames: int = 60,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Case | Skipped]:
    """A case, or why there is none, for each job (flat out, backend `cuda_torchscript` or `cuda_compiled`).

    launches, rounds (a launch), frames (a round): as in `cpu.py`. A program that does not run has no case.
    """
    reason = why_no_gpu()
    for job in jobs:
        manifest = open_artifact(job.path).manifest
        title = f"{job.artifact}: {job.setting.title}"
        if reason:
            yield Skipped(title, reason)
        elif job.setting.backend not in BACKENDS or manifest.runtime != "torchscript":
            yield Skipped(title, f"a CUDA device runs the .pt of a student, not this file on {job.setting.backend}")
        else:
            say(title)
            try:
                yield _case(job, launches, rounds, frames)
            except TinyfaceError as error:  # a driver's mood must not cost what the processor took minutes for
                yield Skipped(title, str(error))


def _case(job: Job, launches: int, rounds: int, frames: int) -> Case:
    manifest = open_artifact(job.path).manifest
    shapes = json.dumps(input_shapes(manifest))
    arguments = (str(job.path.resolve()), job.setting.backend, shapes, str(rounds), str(frames))
    taken = [run_fresh("profiles.measure._gpu_worker", *arguments) for _ in range(launches)]
    answers = [answer for launch in taken for answer in launch["rounds"]]
    share = step_frames(manifest)
    rounds_us = [[value / share for value in answer["wall_us"]] for answer in answers]
    timing = Timing.of(rounds_us)
    per_launch = [statistics.median(v for a in launch["rounds"] for v in a["wall_us"]) for launch in taken]
    return Case(
        artifact=job.artifact, machine="here", setting=job.setting, label="measured_here", timing=timing,
        uncertainty_percent=median_uncertainty_percent(per_launch),
        real_time_factor=timing.p50_us * float(manifest.frame_rate) / 1e6,
        load_ms=round(statistics.median(launch["load_ms"] for launch in taken), 2),
        cpu_us=statistics.median(v / share for answer in answers for v in answer["cpu_us"]),
        memory=[MemoryRow("peak of device tensors", max(x["peak_bytes"] for x in taken), False, "measured_here")],
        started_s=[answer["started_s"] for answer in answers],
        launch=[at for at, launch in enumerate(taken) for _ in launch["rounds"]],
        cpu_rounds_us=[round(statistics.median(answer["cpu_us"]) / share, 1) for answer in answers],
    )  # fmt: skip
