"""The record of one profile run: everything that a report, a comparison or a trace is made from, as one JSON file.

    record.write(path)
    record = Record.read(path)        # strict: nothing unknown, nothing missing, the schema version must be this one

The figures inside, with their labels and uncertainties, are those of `profiles/model/figures.py`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiles.model.figures import Case, Estimate, Label, Prediction
from sdk.artifact import Artifact
from sdk.errors import ConfigError, ProfileError
from sdk.tools import strict
from sdk.tools.limits import LARGEST_TEXT_BYTES, read_json, read_whole
from sdk.tools.whole import whole_file

SCHEMA = 1
OUR_SOURCES, NATIVE_LIBRARY = "sdk sources", "native library"  # in `Environment.versions`, as hashes


@dataclass(frozen=True)
class Environment:
    """Where and with what it was measured. isa: what matters to kernels (`avx2`). load_average: 1, 5, 15 minutes.

    versions: of packages by name (`torch`, `executorch`), and of our own code as hashes. memory_bytes, governor, gpu,
    clock_ghz (as the system tells it, which may be the nominal one): None where not known.
    """

    machine: str
    cpu: str
    isa: list[str]
    cores: int
    memory_bytes: int | None
    system: str
    python: str
    versions: dict[str, str]
    load_average: list[float]
    governor: str | None
    gpu: str | None
    clock_ghz: float | None = None


@dataclass(frozen=True)
class ArtifactFacts:
    """What an artefact said about itself. `name` is what the other rows of the record call it.

    path: as the caller gave it. pbm: accuracy of lip closure, 0 to 1, and jitter in cm^2 / frame^4, by set of scores
    (`human`, `espeak`); empty where the checkpoint was not scored.
    """

    name: str
    path: str
    sha256: str
    file_bytes: int
    student: str
    kind: str
    runtime: str
    backend: str
    precision: str
    parameters: int
    channels: int
    fps: float
    future_ms: float
    ensemble: bool
    pbm: dict[str, float]
    jitter: dict[str, float]

    @classmethod
    def of(cls, artifact: Artifact, name: str, path: str) -> ArtifactFacts:
        """The facts of an opened artefact."""
        m = artifact.manifest
        return cls(
            name=name, path=path, sha256=artifact.sha256, file_bytes=artifact.path.stat().st_size,
            student=m.student, kind=m.kind, runtime=m.runtime, backend=m.backend, precision=m.precision,
            parameters=m.parameters, channels=len(m.names), fps=float(m.frame_rate),
            future_ms=m.future_samples * 1000.0 / m.sample_rate_hz, ensemble=bool(m.ensemble),
            pbm=_named(m.scores, "pbm"), jitter=_named(m.scores, "jitter"),
        )  # fmt: skip


def _named(scores: Any, metric: str, path: tuple[str, ...] = ()) -> dict[str, float]:
    """Values of `metric` in a tree of scores, by the names that lead there: `human`, `human noise_10db`."""
    if not isinstance(scores, dict):
        return {}
    own = scores.get(metric)
    found = {" ".join(path) or "all": float(own)} if isinstance(own, (int, float)) else {}
    for name, inner in scores.items():
        found |= _named(inner, metric, (*path, str(name)))
    return found


@dataclass(frozen=True)
class DeviceFacts:
    """What a device leaves us and demands. limits_ms: latency limits by name. facts, sources: for the reader."""

    name: str
    title: str
    memory_budget_bytes: int
    frame_ms: float
    our_ms: float
    threads: int
    backends: list[str]
    precisions: list[str]
    limits_ms: dict[str, float]
    facts: dict[str, str]
    sources: list[str]


@dataclass(frozen=True)
class Check:
    """One demand of a device on one artefact: `value` against `limit`, in `unit`.

    passed: None where it cannot be told: no figure, or the limit lies within the uncertainty.
    """

    artifact: str
    demand: str
    value: float | None
    limit: float | None
    unit: str
    passed: bool | None
    label: Label
    uncertainty_percent: float | None
    note: str


@dataclass(frozen=True)
class Machine:
    """A machine that results were brought back from: the name that its cases have, and what it said of itself.

    notes: what was written down with its results (`docked, 15 W`).
    """

    name: str
    environment: Environment
    notes: list[str]


@dataclass(frozen=True)
class Skipped:
    """What was asked for and not measured, and why."""

    case: str
    reason: str


@dataclass(frozen=True)
class Record:
    """One profile run, whole. environment: of the machine that made it; machines: that others brought results from."""

    schema: int
    created: str
    command: str
    environment: Environment
    artifacts: list[ArtifactFacts]
    cases: list[Case]
    device: DeviceFacts | None
    estimates: list[Estimate]
    predictions: list[Prediction]
    checks: list[Check]
    skipped: list[Skipped]
    machines: list[Machine] = dataclasses.field(default_factory=list)

    def artifact(self, name: str) -> ArtifactFacts:
        return next(facts for facts in self.artifacts if facts.name == name)

    def environment_of(self, case: Case) -> Environment | None:
        """Of the machine that a case ran on; None where nobody wrote it down."""
        if case.machine == "here":
            return self.environment
        return next((one.environment for one in self.machines if one.name == case.machine), None)

    def to_json(self) -> str:
        """JSON of every field; numbers are finite, or this raises `ValueError`."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def write(self, path: Path) -> None:
        """Whole or not at all. Raises `ProfileError` where it cannot be written."""
        with whole_file(path, ProfileError) as stream:
            stream.write(self.to_json().encode("utf-8"))

    @classmethod
    def read(cls, path: Path | str) -> Record:
        """Raises `ProfileError`: unreadable, not ours, of another schema version, or with any field wrong."""
        return cls.from_json(read_whole(Path(path), ProfileError, LARGEST_TEXT_BYTES), str(path))

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "record") -> Record:
        """As `read`, from the text itself."""
        raw = parse_object(text, where)
        if raw.get("schema") != SCHEMA:
            raise ProfileError(
                f"{where}: a record of schema {raw.get('schema')!r}; this version reads {SCHEMA}. Profile again"
            )
        record = convert(cls, raw, where)
        _check_names(record, where)
        return record


def _check_names(record: Record, where: str) -> None:
    """Raises `ProfileError` unless every figure is of an artefact that the record lists, once."""
    listed = [facts.name for facts in record.artifacts]
    rows: list[Case | Estimate | Check] = [*record.cases, *record.estimates, *record.checks]
    named = {row.artifact for row in rows}
    if len(set(listed)) < len(listed) or named - set(listed):
        strange = sorted(named - set(listed)) or [name for name in listed if listed.count(name) > 1]
        raise ProfileError(
            f"{where}: {strange[0]!r} is listed {listed.count(strange[0])} times among its artefacts, which should be "
            "once. The file was altered: profile again"
        )


def parse_object(text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object in `text`. Raises `ProfileError`."""
    raw = read_json(text, where, ProfileError)
    if not isinstance(raw, dict):
        raise ProfileError(f"{where}: not a JSON object; give a file that a profiler wrote")
    return raw


def convert(kind: type[strict.T], raw: Any, where: str) -> strict.T:
    """`raw` as the dataclass `kind`. Raises `ProfileError` with all mistakes."""
    try:
        return strict.load(kind, raw, where=where)
    except ConfigError as error:
        raise ProfileError(f"{error}. The file was altered, or another version wrote it: profile again") from error
