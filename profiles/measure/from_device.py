"""Results that the C++ profiler brought back from a device, as cases of a record.

    case = read_result(Path("steam_deck.json"), artifacts)

The file is JSON of `Result`, read strictly; it names the artefact by the SHA-256 in its seal, so figures never land
beside a file of the same name that is another. Its cases are labelled *measured on device*, or *measured here* when
the profiler ran on this machine (`"machine": "here"`). What it sums up for people without Python (quantiles, histogram)
is made again from the samples.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from profiles.measure.cpu import median_uncertainty_percent
from profiles.model.figures import COUNTED, HELD, Case, Label, MemoryRow, OperatorRow, Pace, Pacing, Setting, Timing
from profiles.model.record import ArtifactFacts, Environment, Machine, convert, parse_object
from sdk.errors import ProfileError
from sdk.tools.limits import LARGEST_TEXT_BYTES, read_whole

SCHEMA = 1
KIND = "tinyface-native-profile"
FEWEST_ROUNDS = 3
BLOCK_MS = 10  # of the audio that it is given: what a delay is reckoned with
_OLD_NAMES = {COUNTED: HELD}  # profilers of before 30 November 2026 gave it the name of the other


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes under a name, as the profiler counted them."""

    name: str
    bytes: int
    part: bool


@dataclass(frozen=True)
class DeviceOperator:
    """One operator; None where the device could not tell."""

    name: str
    kind: str
    where: str
    calls: int
    us: float | None = None
    macs: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class DeviceCase:
    """One setting that the profiler ran; fields as in `figures.Case` and `figures.Setting`."""

    threads: int
    pacing: Pacing
    cache: Literal["warm", "cold"]
    load: str
    pinned_cores: list[int]
    rounds_us: list[list[float]]
    started_s: list[float] = dataclasses.field(default_factory=list)
    launch: list[int] = dataclasses.field(default_factory=list)
    reference_us: list[float] = dataclasses.field(default_factory=list)
    cpu_rounds_us: list[float] = dataclasses.field(default_factory=list)
    cpu_us: float | None = None
    load_ms: float | None = None
    pace: Pace | None = None
    memory: list[DeviceMemory] = dataclasses.field(default_factory=list)
    voices: int = 1
    p50_us: float | None = None
    p95_us: float | None = None
    p99_us: float | None = None
    max_us: float | None = None
    late_frames: int | None = None
    histogram_us: list[list[float]] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.rounds_us or not all(self.rounds_us):
            raise ValueError("rounds_us needs rounds with at least one frame each")
        if min(min(samples) for samples in self.rounds_us) <= 0:
            raise ValueError("rounds_us holds a frame that took no time")
        for name in ("started_s", "launch", "reference_us", "cpu_rounds_us"):
            if len(getattr(self, name)) not in (0, len(self.rounds_us)):
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {len(self.rounds_us)} rounds")


@dataclass(frozen=True)
class Result:
    """One run of the profiler on one artefact. machine: the device's name, or `here`. sha256: from the seal.

    fps, ensemble, chunk_ms: how it was played; None in results of before they were told.
    """

    schema: int
    kind: str
    machine: str
    environment: Environment
    sha256: str
    cases: list[DeviceCase]
    operators: list[DeviceOperator] = dataclasses.field(default_factory=list)
    student: str = ""
    precision: str = ""
    channels: int = 0
    note: str = ""
    fps: float | None = None
    ensemble: bool | None = None
    chunk_ms: int | None = None


def read_result(path: Path, artifacts: Sequence[ArtifactFacts]) -> list[Case]:
    """The cases in a result, under the names that `artifacts` have in the record.

    Raises `ProfileError`: unreadable, of another kind or version, mistakes in it, of an artefact that is not there, or
    played otherwise than its manifest says.
    """
    result, facts = _read(path, artifacts)
    return [_case(case, result, facts) for case in result.cases]


def read_results(paths: Sequence[Path], artifacts: Sequence[ArtifactFacts]) -> tuple[list[Case], list[Machine]]:
    """The cases of several results, and the machines that they came from, once each.

    Raises as `read_result`, and where two machines of one name are not the same.
    """
    cases: list[Case] = []
    machines: dict[str, Machine] = {}
    for path in paths:
        result, facts = _read(path, artifacts)
        cases += [_case(case, result, facts) for case in result.cases]
        before, there = machines.get(result.machine), result.environment
        if before and (before.environment.cpu, before.environment.machine) != (there.cpu, there.machine):
            raise ProfileError(
                f"{path}: comes from a {result.machine} with {there.cpu} ({there.machine}), another result from one "
                f"with {before.environment.cpu} ({before.environment.machine}). "
                "Profile again, with a --machine name each"
            )
        notes = dict.fromkeys([*(before.notes if before else []), *([result.note] if result.note else [])])
        machines[result.machine] = Machine(result.machine, before.environment if before else there, list(notes))
    return cases, list(machines.values())


def _read(path: Path, artifacts: Sequence[ArtifactFacts]) -> tuple[Result, ArtifactFacts]:
    raw = parse_object(read_whole(path, ProfileError, LARGEST_TEXT_BYTES), str(path))
    if (raw.get("kind"), raw.get("schema")) != (KIND, SCHEMA):
        raise ProfileError(
            f"{path}: kind {raw.get('kind')!r}, schema {raw.get('schema')!r}; this version reads {KIND}, schema "
            f"{SCHEMA}. Give what runtime_examples/profiler wrote"
        )
    result = convert(Result, raw, str(path))
    facts = next((facts for facts in artifacts if facts.sha256 == result.sha256), None)
    if facts is None:
        raise ProfileError(
            f"{path}: measured an artefact with SHA-256 {result.sha256[:16]}... ({result.student or 'unnamed'}), which "
            f"is none of {', '.join(f'{facts.name} ({facts.sha256[:16]}...)' for facts in artifacts)}. "
            "Give that artefact on the command line too"
        )
    _check_played(path, result, facts)
    return result, facts


def _check_played(path: Path, result: Result, facts: ArtifactFacts) -> None:
    """Raises `ProfileError` for other frames than all other figures are of: nothing could be held against them."""
    wrong = []
    if result.fps is not None and abs(result.fps - facts.fps) > 1e-4 * facts.fps:
        wrong.append(f"at {result.fps:g} frames a second, which its manifest has at {facts.fps:g} (--fps)")
    if result.ensemble is not None and result.ensemble != facts.ensemble:
        wrong.append(f"with{'' if result.ensemble else 'out'} the ensemble, unlike its manifest (--ensemble)")
    if result.chunk_ms is not None and result.chunk_ms != BLOCK_MS:
        wrong.append(f"in blocks of {result.chunk_ms} ms, where delays are reckoned with {BLOCK_MS} (--chunk-ms)")
    if wrong:
        raise ProfileError(
            f"{path}: {facts.name} was played {', and '.join(wrong)}: its times are of other frames. "
            "Run the profiler again without these options"
        )


def merge_launches(launches: Sequence[Sequence[Case]]) -> list[Case]:
    """One case for each setting from several runs of the profiler, each of which was a process of its own."""
    merged = []
    for first in launches[0]:
        same = [(at, case) for at, cases in enumerate(launches) for case in cases if case.setting == first.setting]
        if first.pace is not None or len(same) == 1:
            merged.append(first)
            continue
        rounds = [samples for _, case in same for samples in case.timing.rounds_us]
        timing, medians = Timing.of(rounds), [statistics.median(case.timing.samples_us) for _, case in same]
        merged.append(dataclasses.replace(
            first, timing=timing, launch=[at for at, case in same for _ in case.timing.rounds_us],
            started_s=[s for _, case in same for s in case.started_s],
            reference_us=[us for _, case in same for us in case.reference_us],
            cpu_rounds_us=[us for _, case in same for us in case.cpu_rounds_us],
            real_time_factor=first.real_time_factor * timing.p50_us / first.timing.p50_us,
            uncertainty_percent=median_uncertainty_percent(medians),
        ))  # fmt: skip
    return merged


def _case(case: DeviceCase, result: Result, facts: ArtifactFacts) -> Case:
    """`case` as the record tells it; operators stand with the first plain case on one thread."""
    label: Label = "measured_here" if result.machine == "here" else "measured_on_device"
    timing = Timing.of(case.rounds_us)
    plain = [c for c in result.cases if (c.threads, c.pacing, c.load, c.voices) == (1, "flat_out", "none", 1)]
    return Case(
        artifact=facts.name, machine=result.machine, label=label, timing=timing,
        setting=Setting("native", case.threads, case.pacing, case.cache, case.load, case.pinned_cores, case.voices),
        uncertainty_percent=_uncertainty_percent(case, timing), real_time_factor=timing.p50_us * facts.fps / 1e6,
        load_ms=case.load_ms, cpu_us=case.cpu_us, pace=case.pace,
        memory=[MemoryRow(_OLD_NAMES.get(row.name, row.name), row.bytes, row.part, label) for row in case.memory],
        operators=[OperatorRow(**vars(row), label=label) for row in result.operators] if case in plain[:1] else [],
        started_s=case.started_s, launch=case.launch, reference_us=case.reference_us, cpu_rounds_us=case.cpu_rounds_us,
    )  # fmt: skip


def _uncertainty_percent(case: DeviceCase, timing: Timing) -> float | None:
    """Of the median, from several launches; a single process cannot tell how processes differ."""
    if len(set(case.launch)) < FEWEST_ROUNDS:
        return None
    medians = timing.round_medians_us
    firsts = [[us for us, at in zip(medians, case.launch, strict=True) if at == n] for n in sorted(set(case.launch))]
    return median_uncertainty_percent([statistics.median(group) for group in firsts])
