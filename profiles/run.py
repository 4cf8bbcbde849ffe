"""One profile run: which cases there are to measure, and everything found in one record.

    record = profile([Path("model.pte")], load_device("steam_deck"), Plan.quick(), say=print)

What cannot be measured here is not an error: it stands in the record as skipped, with the reason. What was asked for by
name and cannot be (a pinned core, a GPU with `gpu="require"`) is one.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from profiles.inspect.operators import operator_rows
from profiles.judge import roofline
from profiles.judge.calibration import calibrate
from profiles.judge.verdict import checks
from profiles.measure import cpu, gpu
from profiles.measure.counts import Counts, native_counts
from profiles.measure.cpu import Job
from profiles.measure.delay import latency_rows
from profiles.measure.from_device import merge_launches, read_result, read_results
from profiles.measure.harness import sharing_imports
from profiles.measure.native import find_profiler, library_sha256, run_native
from profiles.measure.plan import Plan, Subject, jobs_of, subjects_of
from profiles.measure.steps import step_frames
from profiles.model.device import NATIVE_BACKENDS, Device
from profiles.model.environment import environment
from profiles.model.figures import Case, Estimate, Prediction, Setting, in_integers
from profiles.model.record import NATIVE_LIBRARY, SCHEMA, ArtifactFacts, Environment, Machine, Record, Skipped
from sdk.errors import ArtifactError, EngineUnavailable, TinyfaceError

Say = Callable[[str], None]


def profile(
    paths: Sequence[Path],
    device: Device | None,
    plan: Plan,
    say: Say = lambda line: None,
    command: str = "",
) -> Record:
    """Measure all `paths` by `plan`, judge them for `device`, and return the record.

    Raises `ArtifactError`, `ManifestError` (a file that cannot be used), `ProfileError` (a core that is not there, a
    result that does not belong), `EngineUnavailable` (a GPU that was required).
    """
    subjects = subjects_of(paths, plan.trusted)
    facts = [subject.facts for subject in subjects]
    where = environment()
    brought, machines = read_results(plan.native_results, facts)
    jobs, skipped = jobs_of(subjects, plan)
    on_gpu = _on_gpu(subjects, plan, say)  # first: one that is required and not there is told before the minutes
    found: list[Case | Skipped] = list(
        cpu.measure_cases(
            jobs, launches=plan.launches, rounds=plan.rounds, frames=plan.frames, seconds=plan.seconds, say=say
        )
    )
    native = _native(subjects, plan, say)
    if any(isinstance(result, Case) for result in native):
        where = dataclasses.replace(where, versions=where.versions | {NATIVE_LIBRARY: library_sha256()[:16]})
    found += [*on_gpu, *native, *brought]
    cases = [_with_latency(result, subjects) for result in found if isinstance(result, Case)]
    skipped += [result for result in found if isinstance(result, Skipped)]
    cases, without = _with_operators(cases, subjects, plan, say)
    estimates, predictions, missing = _estimated(cases, subjects, device, plan, where, say)
    demands = device.facts() if device else None
    return Record(
        schema=SCHEMA, created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), command=command, environment=where,
        artifacts=facts, cases=cases, device=demands, estimates=estimates, predictions=predictions,
        checks=checks(facts, cases, estimates, demands) if demands else [],
        skipped=[*skipped, *without, *missing, *_of_others(machines, device)], machines=machines,
    )  # fmt: skip


def _of_others(machines: Sequence[Machine], device: Device | None) -> list[Skipped]:
    """The machines whose figures stand in the record and judge nothing, as they are of another than the device."""
    if device is None:
        return []
    others = [one.name for one in machines if one.name not in (device.name, "here")]
    why = f"it is not {device.name}: what {device.name} took is brought back with --machine {device.name}"
    return [Skipped(f"{name}: a verdict", why) for name in others]


def _with_latency(case: Case, subjects: Sequence[Subject]) -> Case:
    manifest = _of(case, subjects).artifact.manifest
    return dataclasses.replace(
        case, latency=latency_rows(manifest, case.timing, pace=case.pace, voices=case.setting.voices)
    )


@sharing_imports()
def _with_operators(
    cases: Sequence[Case], subjects: Sequence[Subject], plan: Plan, say: Say
) -> tuple[list[Case], list[Skipped]]:
    """Operators to the first plain case of each artefact on one thread, alone and in a crowd; why there are none."""
    found, skipped, done = [], [], set()
    for case in cases:
        subject, method = _of(case, subjects), "crowd" if case.setting.voices > 1 else "forward"
        fits = case.setting.is_plain and case.setting.threads == 1 and case.machine == "here" and not case.operators
        fits = fits and case.setting.backend not in ("python_sdk", "native")
        if plan.operators and fits and (case.artifact, method) not in done:
            done.add((case.artifact, method))
            say(f"operators: {case.artifact}, {method}")
            try:
                case = dataclasses.replace(case, operators=operator_rows(subject.path, method=method))
            except TinyfaceError as error:
                skipped.append(Skipped(f"{case.artifact}: operators", str(error)))
        found.append(case)
    return found, skipped


def _on_gpu(subjects: Sequence[Subject], plan: Plan, say: Say) -> list[Case | Skipped]:
    """Cases on a CUDA device. Raises `EngineUnavailable` when one was required and nothing ran on it."""
    wanted = [name for name in gpu.BACKENDS if plan.backends is None or name in plan.backends]
    if plan.gpu == "off" or not wanted:
        return []
    scripts = [s for s in subjects if s.artifact.manifest.runtime == "torchscript"]
    jobs = [Job(s.path, s.facts.name, Setting(backend)) for backend in wanted for s in scripts]
    reason = gpu.why_no_gpu() if jobs else "a CUDA device runs a .pt, and none was given"
    found: list[Case | Skipped] = [Skipped("everything on a GPU", reason)] if reason else []
    if not reason:
        size = {"launches": plan.launches, "rounds": plan.rounds, "frames": plan.frames}
        found += gpu.measure_cases(jobs, **size, say=say)
    if plan.gpu == "require" and not any(isinstance(result, Case) for result in found):
        reasons = "; ".join(dict.fromkeys(result.reason for result in found if isinstance(result, Skipped)))
        raise EngineUnavailable(
            f"a GPU was required and nothing ran on one: {reasons}. "
            "Leave --gpu require out, or run on a machine that has one"
        )
    return found


def _native(subjects: Sequence[Subject], plan: Plan, say: Say) -> list[Case | Skipped]:
    """What the C++ profiler finds here: several launches of it, by turns between the artefacts; the first is paced."""
    programs = [subject for subject in subjects if subject.artifact.manifest.backend in NATIVE_BACKENDS]
    if not plan.native or not programs or not (plan.backends is None or "native" in plan.backends):
        return []
    try:
        find_profiler()
    except EngineUnavailable as error:
        return [Skipped("everything in C++ (native)", str(error))]
    say(f"native: {', '.join(subject.facts.name for subject in programs)}")
    taken: dict[str, list[list[Case]]] = {subject.facts.name: [] for subject in programs}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for launch in range(plan.launches):
            for subject in programs:
                name, seconds = subject.facts.name, plan.seconds if launch == 0 else 0.0
                if name in failed:
                    continue
                try:
                    taken[name].append(_launch_native(subject, plan, Path(folder), seconds))
                except TinyfaceError as error:  # what else was measured stays worth its minutes
                    failed[name] = str(error)
    whole = [case for name, runs in taken.items() if name not in failed for case in merge_launches(runs)]
    return [*whole, *(Skipped(f"{name}: native", why) for name, why in failed.items())]


def _launch_native(subject: Subject, plan: Plan, folder: Path, seconds: float) -> list[Case]:
    """One launch of the C++ profiler for one voice, and one for a crowd, where there is one."""
    found = _run_native(subject, plan, folder / "alone.json", seconds, voices=1)
    if voices := subject.artifact.manifest.crowd_voices:
        found += _run_native(subject, plan, folder / "crowd.json", 0.0, voices)
    return found


def _run_native(subject: Subject, plan: Plan, out: Path, seconds: float, voices: int) -> list[Case]:
    """One launch of the C++ profiler; cold caches of one voice alone."""
    result = run_native(
        subject.path, out, seconds=seconds, rounds=plan.rounds, frames=plan.frames, voices=voices,
        cold=plan.cold and voices == 1, pinned_core=plan.pinned_core,
    )  # fmt: skip
    return read_result(result, [subject.facts])


def _estimated(
    cases: Sequence[Case],
    subjects: Sequence[Subject],
    device: Device | None,
    plan: Plan,
    here: Environment,
    say: Say,
) -> tuple[list[Estimate], list[Prediction], list[Skipped]]:
    """What the device would take, by calculation, and the same calculation checked here."""
    if not plan.estimates or not any(case.operators for case in cases):
        return [], [], []
    facts = [subject.facts for subject in subjects]
    precisions = {one.name: one.precision for one in facts}
    weights = {
        one.facts.name: round(
            one.facts.parameters * (1 if in_integers(one.facts.precision) else 4) / step_frames(one.artifact.manifest)
        )
        for one in subjects
    }  # fetched once a run, and a run makes more or less than a frame
    try:
        calibration = calibrate(cases, precisions, weights, here, say)
        predictions = roofline.predictions(calibration, cases)
    except TinyfaceError as error:
        return [], [], [Skipped("estimates", str(error))]
    counted, uncounted = _counted(facts, plan, say) if device else ({}, [])
    estimates = {
        one.name: roofline.estimate(calibration, one.name, device, counts=counted.get(one.name)) if device else None
        for one in facts
    }
    why = "there is no measured case with operators on one thread to reckon from"
    missing = [name for name, made in estimates.items() if made is None and device]
    skipped = uncounted + [Skipped(f"{name}: estimate for the device", why) for name in missing]
    return [made for made in estimates.values() if made is not None], predictions, skipped


def _counted(facts: Sequence[ArtifactFacts], plan: Plan, say: Say) -> tuple[dict[str, Counts], list[Skipped]]:
    """Instructions and data references of each `.pte`, or why they were not counted."""
    found, skipped = {}, []
    for one in facts:
        if plan.counts and plan.native and one.runtime == "executorch":
            say(f"instructions: {one.name}")
            try:
                found[one.name] = native_counts(Path(one.path))
            except (EngineUnavailable, ArtifactError) as error:
                skipped.append(Skipped(f"{one.name}: instruction counts", str(error)))
    return found, skipped


def _of(case: Case, subjects: Sequence[Subject]) -> Subject:
    return next(subject for subject in subjects if subject.facts.name == case.artifact)
