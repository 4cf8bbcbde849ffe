"""Times programs on this machine's processor, in fresh processes: threads, pinned cores, pace, caches, neighbours.

    for result in measure_cases([Job(path, "s5 fp32 xnnpack", Setting("xnnpack", threads=2))]): ...

Within one process times scatter little, but processes differ by several percent: where memory happened to be placed. So
a case is several *launches*, each a process of its own, and programs that share a setting take turns round by round.
The uncertainty comes from the launches.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from profiles.measure import _worker
from profiles.measure.harness import ROOT, fresh_environment, measure
from profiles.measure.steps import input_shapes, state_bytes, step_frames
from profiles.model.environment import available_cores
from profiles.model.figures import Case, MemoryRow, Pace, Setting, Timing
from profiles.model.record import Skipped
from sdk.artifact import open_artifact
from sdk.engines.executorch import load_runtime
from sdk.errors import ArtifactError, ProfileError

SDK_RATE_HZ = 48000  # what a game's audio runs at
LOADS = ("none", "renderer")
_EVICT_BYTES = 64_000_000  # read through before each step of a cold round; raised to twice the last cache


@dataclass(frozen=True)
class Job:
    """One artefact (its path, and its name in the record) in one setting."""

    path: Path
    artifact: str
    setting: Setting


@dataclass(frozen=True)
class _Launch:
    """What one process brought: the time it took to open, and the answers of its rounds, in order."""

    load_ms: float
    answers: list[dict[str, Any]]


def measure_cases(
    jobs: Sequence[Job],
    *,
    launches: int = 5,
    rounds: int = 2,
    frames: int = 60,
    seconds: float = 60.0,
    deadline_ms: float | None = None,
    memory: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Case | Skipped]:
    """A case, or why there is none, for each job; jobs that share a setting come together.

    launches, rounds (a launch), frames (a round): of flat-out cases with warm caches and no neighbours; others take one
    launch and all the rounds in it. seconds: of a real-time case. deadline_ms: from when a frame is due to when it is
    late; None for one step of the program. memory: also measure the heap, in the plain case on one thread.
    Raises `ProfileError` for a core that is not there or a setting that cannot be, `ArtifactError` for bad files.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        check_setting(job.setting)
        groups.setdefault(repr(job.setting), []).append(job)
    for group in groups.values():
        setting = group[0].setting
        yield from (Skipped(f"{job.artifact}: {setting.title}", why) for job in group if (why := why_not(job)))
        runnable = [job for job in group if not why_not(job)]
        if not runnable:
            continue
        say(f"{setting.title}: {', '.join(job.artifact for job in runnable)}")
        count, each = (launches, rounds) if setting.is_plain else (1, launches * rounds)
        taken = [_launch(runnable, each, frames, seconds) for _ in range(count)]
        for at, job in enumerate(runnable):
            one = setting.threads == setting.voices == 1 and setting.backend != "python_sdk"
            wanted = memory and setting.is_plain and one
            rows = memory_rows(job.path) if wanted else []
            yield _case(job, [launch[at] for launch in taken], rows, deadline_ms)


def check_setting(setting: Setting) -> None:
    """Raises `ProfileError` for what no machine could do, or not this one: what it is and what there is."""
    if setting.threads < 1:
        raise ProfileError(f"{setting.threads} threads cannot run anything: give 1 or more")
    if setting.load not in LOADS:
        raise ProfileError(f"no load {setting.load!r} to compete with; there are: {', '.join(LOADS)}")
    if not setting.pinned_cores:
        return
    if not hasattr(os, "sched_getaffinity"):
        raise ProfileError("this system cannot pin a process to a core (that needs Linux); leave the core out")
    cores = sorted(os.sched_getaffinity(0))
    missing = [core for core in setting.pinned_cores if core not in cores]
    if missing:
        raise ProfileError(
            f"core {', '.join(map(str, missing))} is not available: this process may use {', '.join(map(str, cores))}. "
            "Give one of these, or start it with more (taskset, or the container's cpuset)"
        )


def why_not(job: Job) -> str:
    """Why this artefact has no such case, or "" if it has."""
    manifest, backend = open_artifact(job.path).manifest, job.setting.backend
    own = "torchscript" if manifest.runtime == "torchscript" else manifest.backend
    if backend == "eager":
        return "eager needs the checkpoint, not an artefact: `make bench` compares them in one run"
    if backend not in (own, "python_sdk"):
        return f"the file runs on {own}; for {backend} export one that does"
    if manifest.runtime == "executorch" and not _is_played_here(manifest.backend):
        return f"Python's runtime has no backend {manifest.backend}"
    if job.setting.voices > 1 and job.setting.voices != manifest.crowd_voices:
        return f"one call of its program runs {max(1, manifest.crowd_voices)} voices, not {job.setting.voices}"
    if job.setting.voices > 1 and (backend == "python_sdk" or manifest.runtime != "executorch"):
        return "several voices in one call are measured on the program of a .pte alone"
    if backend == "python_sdk" and job.setting.threads != 1:
        return "the Python package runs a program on one thread"
    return ""


def _is_played_here(backend: str) -> bool:
    names = load_runtime()._get_registered_backend_names()
    return backend == "portable" or f"{backend}backend" in {name.lower() for name in names}


@contextmanager
def neighbours(load: str) -> Iterator[None]:
    """Busy processes beside us while the block runs: one for each core that we may use, or none."""
    with ExitStack() as stack:
        count = available_cores() if load == "renderer" else 0
        busy = [stack.enter_context(_process("profiles.measure._renderer")) for _ in range(count)]
        for one in busy:
            assert one.stdout
            one.stdout.readline()  # it has begun
        yield


def memory_rows(path: Path) -> list[MemoryRow]:
    """The heap that an artefact takes, and `counted` as budgets count it; empty where the platform cannot tell."""
    measured, voice = measure(path), state_bytes(open_artifact(path).manifest)
    if measured.heap_bytes is None or measured.loaded_bytes is None or measured.first_run_bytes is None:
        return []
    rows = {
        "packed weights and operators": (measured.loaded_bytes, True),
        "workspace": (measured.first_run_bytes, True),
        "stream state": (voice, True),
        "steady": (measured.steady_bytes, False),
        "load peak": (measured.load_peak_bytes, False),
        "private": (measured.private_dirty_bytes, False),
        "counted": (measured.heap_bytes + voice, False),
    }
    return [MemoryRow(name, size, part, "measured_here") for name, (size, part) in rows.items() if size is not None]


def _launch(jobs: Sequence[Job], rounds: int, frames: int, seconds: float) -> list[_Launch]:
    """One fresh process a job; their rounds take turns."""
    setting = jobs[0].setting
    paced = setting.pacing == "real_time"
    order = {"do": "pace", "seconds": seconds} if paced else {"do": "round", "frames": frames}
    with ExitStack() as stack:
        workers = [stack.enter_context(_process("profiles.measure._worker", *_arguments(job))) for job in jobs]
        for job, worker in zip(jobs, workers, strict=True):
            _read(job, worker)  # its runtime is imported: nothing starts up beside those that open, one after another
        stack.enter_context(neighbours(setting.load))
        loads = [_ask(job, worker, {"do": "open"})["load_ms"] for job, worker in zip(jobs, workers, strict=True)]
        answers: list[list[dict[str, Any]]] = [[] for _ in jobs]
        for _ in range(1 if paced else rounds):
            for at, worker in enumerate(workers):
                answers[at].append(_ask(jobs[at], worker, order))
    return [_Launch(load, found) for load, found in zip(loads, answers, strict=True)]


def _arguments(job: Job) -> list[str]:
    manifest = open_artifact(job.path).manifest
    setting = job.setting
    facts = _worker.Job(
        path=str(job.path.resolve()), runtime=manifest.runtime, backend=setting.backend,
        threads=setting.threads, voices=setting.voices,
        pinned_cores=setting.pinned_cores, shapes=input_shapes(manifest, setting.voices),
        step_frames=step_frames(manifest), rate_hz=SDK_RATE_HZ, fps=float(manifest.frame_rate),
        evict_bytes=max(_EVICT_BYTES, 2 * last_cache_bytes()) if setting.cache == "cold" else 0,
    )  # fmt: skip
    return [json.dumps(asdict(facts))]


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m module` with pipes; it ends with the block."""
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=fresh_environment(), text=True, errors="replace",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


def _ask(job: Job, worker: subprocess.Popen[str], order: dict[str, Any]) -> dict[str, Any]:
    assert worker.stdin
    try:
        worker.stdin.write(json.dumps(order) + "\n")
        worker.stdin.flush()
    except BrokenPipeError:
        pass  # it died; reading says of what
    return _read(job, worker)


def _read(job: Job, worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout
    assert worker.stderr
    line = worker.stdout.readline()
    if not line:
        said = " / ".join(worker.stderr.read().strip().splitlines()[-2:])
        raise ArtifactError(f"{job.path}: does not load and run ({job.setting.title}): {said or 'it ended'}")
    answer = json.loads(line)
    assert isinstance(answer, dict)
    return answer


def _case(job: Job, launches: Sequence[_Launch], memory: list[MemoryRow], deadline_ms: float | None) -> Case:
    answers = [answer for launch in launches for answer in launch.answers]
    timing = Timing.of([answer["wall_us"] for answer in answers])
    manifest = open_artifact(job.path).manifest
    step_us = step_frames(manifest) / float(manifest.frame_rate) * 1e6
    pace = None
    if job.setting.pacing == "real_time":
        deadline_us = step_us if deadline_ms is None else deadline_ms * 1000.0
        pace = Pace(step_us, deadline_us, [round(value, 1) for value in answers[0]["response_us"]])
    cpu_rounds = [round(statistics.median(answer["cpu_us"]), 1) for answer in answers]
    per_launch = [statistics.median([v for a in launch.answers for v in a["wall_us"]]) for launch in launches]
    return Case(
        artifact=job.artifact, machine="here", setting=job.setting, label="measured_here", timing=timing,
        uncertainty_percent=median_uncertainty_percent(per_launch),
        real_time_factor=timing.p50_us * float(manifest.frame_rate) / 1e6,
        load_ms=round(statistics.median(launch.load_ms for launch in launches), 2),
        cpu_us=statistics.median(value for answer in answers for value in answer["cpu_us"]),
        pace=pace, memory=memory, started_s=[answer["started_s"] for answer in answers],
        reference_us=[round(answer["reference_us"], 1) for answer in answers if "reference_us" in answer],
        launch=[at for at, launch in enumerate(launches) for _ in launch.answers], cpu_rounds_us=cpu_rounds,
    )  # fmt: skip


def median_uncertainty_percent(medians: Sequence[float]) -> float | None:
    """Half-width, in percent, of the 95 % interval of the median of several launches; None for fewer than three.

    Student's t on their spread, times 1.25: a median of normal values scatters that much more than their mean.
    """
    if len(medians) < 3:
        return None
    from scipy.stats import t as students_t  # a second to import, and only a whole profile asks

    t = float(students_t.ppf(0.975, len(medians) - 1))
    half_width = 1.25 * t * statistics.stdev(medians) / math.sqrt(len(medians))
    return 100.0 * half_width / statistics.median(medians)


def last_cache_bytes() -> int:
    """Size of the last cache of core 0, or 0 where the system does not say."""
    sizes = [0]
    for entry in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = entry.read_text().strip()
        sizes.append(int(text[:-1]) * {"K": 1024, "M": 1024**2}.get(text[-1], 1))
    return max(sizes)
