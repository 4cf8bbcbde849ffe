"""What a profile run is to measure: its plan, the artefacts it is about, and every case for this processor."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from profiles.measure.cpu import Job
from profiles.model.device import BACKENDS
from profiles.model.environment import available_cores
from profiles.model.figures import Setting
from profiles.model.record import ArtifactFacts, Skipped
from sdk.artifact import Artifact, open_artifact
from sdk.engines import check_trusted
from sdk.errors import ProfileError


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long.

    launches: fresh processes a flat-out case, each `rounds` of `frames`. seconds: of the paced run, 0 for none. loads:
    neighbours to measure beside. backends: None for all that run the artefact. gpu: `auto`, `off` or `require`. native:
    also run the C++ profiler here. native_results: files that it brought back. counts: also count instructions, where
    valgrind is installed; that takes minutes. trusted: also run `.pt` files, whose makers you know.
    """

    launches: int = 8
    rounds: int = 3
    frames: int = 60
    seconds: float = 60.0
    threads: tuple[int, ...] = (1, 2)
    pinned_core: int | None = None
    backends: tuple[str, ...] | None = None
    loads: tuple[str, ...] = ("none", "renderer")
    cold: bool = True
    gpu: Literal["auto", "off", "require"] = "auto"
    native: bool = True
    native_results: tuple[Path, ...] = ()
    operators: bool = True
    estimates: bool = True
    counts: bool = True
    trusted: bool = False

    def __post_init__(self) -> None:
        if min(self.launches, self.rounds, self.frames) < 1 or self.seconds < 0 or not self.threads:
            raise ProfileError("a plan needs a launch, a round, a frame and a number of threads, each 1 or more")

    @classmethod
    def quick(cls) -> Plan:
        """About a minute an artefact: fewer and shorter cases, the same tests."""
        return cls(
            launches=5, rounds=2, frames=40, seconds=10.0, threads=(1,), loads=("none",), cold=False, counts=False
        )


@dataclass(frozen=True)
class Subject:
    """An artefact under measurement."""

    path: Path
    artifact: Artifact
    facts: ArtifactFacts


def subjects_of(paths: Sequence[Path], trusted: bool) -> list[Subject]:
    if not paths:
        raise ProfileError("nothing to profile: give at least one artefact (.pte or .pt)")
    artifacts = [open_artifact(path) for path in paths]
    for artifact in artifacts:
        check_trusted(artifact, trusted)
    return [
        Subject(path, artifact, ArtifactFacts.of(artifact, name, str(path)))
        for path, artifact, name in zip(paths, artifacts, names(artifacts), strict=True)
    ]


def names(artifacts: Sequence[Artifact]) -> list[str]:
    """Short names, each once: `s5 fp32 xnnpack`, and the folder's name with those that would be equal."""
    plain = [" ".join((a.manifest.student, a.manifest.precision, a.manifest.backend)) for a in artifacts]
    plain = [
        f"{name} .pt" if a.manifest.runtime == "torchscript" else name for name, a in zip(plain, artifacts, strict=True)
    ]
    twice = Counter(plain)
    placed = [f"{n} ({a.path.parent.name})" if twice[n] > 1 else n for n, a in zip(plain, artifacts, strict=True)]
    again: Counter[str] = Counter()
    unique = []
    for name in placed:
        again[name] += 1
        unique.append(name if again[name] == 1 else f"{name} #{again[name]}")
    return unique


def jobs_of(subjects: Sequence[Subject], plan: Plan) -> tuple[list[Job], list[Skipped]]:
    """Every case for this processor, in an order in which artefacts of one setting stand together."""
    _check_backends(subjects, plan)
    pinned = [] if plan.pinned_core is None else [plan.pinned_core]
    jobs, skipped = [], []
    for subject in subjects:
        for backend in _backends(subject, plan):
            settings, too_many = _settings(backend, plan, pinned)
            voices = subject.artifact.manifest.crowd_voices
            if voices and backend == subject.artifact.manifest.backend:
                settings.append(Setting(backend, pinned_cores=pinned, voices=voices))
            jobs += [Job(subject.path, subject.facts.name, setting) for setting in settings]
            why = f"there are {available_cores()} cores here; more threads would only wait for each other"
            skipped += [Skipped(f"{subject.facts.name}: {setting.title}", why) for setting in too_many]
    order = {job.setting.title: at for at, job in reversed(list(enumerate(jobs)))}
    return sorted(jobs, key=lambda job: order[job.setting.title]), skipped


def _check_backends(subjects: Sequence[Subject], plan: Plan) -> None:
    """Raises `ProfileError` for a backend that there is none of, with those that there are."""
    there = sorted({*BACKENDS, *(_own(subject) for subject in subjects)})
    strange = [name for name in plan.backends or () if name not in there]
    if strange:
        raise ProfileError(f"no backend {', '.join(map(repr, strange))}; there are: {', '.join(there)}")


def _own(subject: Subject) -> str:
    manifest = subject.artifact.manifest
    return "torchscript" if manifest.runtime == "torchscript" else manifest.backend


def _backends(subject: Subject, plan: Plan) -> list[str]:
    found = [_own(subject), "python_sdk"]
    wanted = found if plan.backends is None else plan.backends
    return [name for name in wanted if not name.startswith("cuda") and name != "native"]


def _settings(backend: str, plan: Plan, pinned: list[int]) -> tuple[list[Setting], list[Setting]]:
    """What to run a backend in: the plain case at every thread count; pace, neighbours, cold caches on one thread."""
    if backend == "python_sdk":
        return [Setting(backend, pinned_cores=pinned)], []
    threads = [Setting(backend, count, pinned_cores=pinned) for count in plan.threads]
    most = len(pinned) or available_cores()
    settings = [setting for setting in threads if setting.threads <= most]
    first = Setting(backend, min(plan.threads), pinned_cores=pinned)
    if plan.seconds:
        settings.append(dataclasses.replace(first, pacing="real_time"))
    if plan.cold:
        settings.append(dataclasses.replace(first, cache="cold"))
    for load in plan.loads:
        if load != "none":
            settings.append(dataclasses.replace(first, load=load))
            settings += [dataclasses.replace(first, load=load, pacing="real_time")] if plan.seconds else []
    return settings, [setting for setting in threads if setting.threads > most]
