"""The rows of Table 2: every student of a folder and its teacher, with their scores and what a frame of them costs."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

import sdk
from distill.files.checkpoint import Checkpoint
from distill.scoring.cost import macs_per_second
from distill.students.spec import Student
from distill.teachers.registry import teacher_kind
from export.deliver.manifest import manifest
from export.load.golden import golden_speech
from export.lower.memory import paper_bytes, xnnpack_rows
from export.lower.program import lower
from export.lower.torchscript import torchscript
from export.lower.trace import trace, trace_forward
from export.quantise.precision import float_point
from sdk.artifact import seal
from sdk.errors import ConfigError, DataError
from sdk.tools import strict
from sdk.tools.limits import read_arrays, read_json_file
from sdk.tools.threads import one_thread

NAMES = (
    "teacher", "m_no_kd", "m_kd", "h_no_kd", "h_kd", "s0", "s1", "s1_plus", "s2", "s2_plus", "s3", "s3_plus",
    "s4", "s4_plus", "s4_plus_smooth", "s4_plus_thirds", "s5", "s5_plus", "s5_plus_smooth", "s5_plus_thirds",
)  # fmt: skip
PAPER = Path(__file__).with_name("table2.yaml")
FPS = 30
CALLS = 60  # of each program for its time, in turns
_TEACHER_SECONDS = 10


@dataclass(frozen=True)
class Cost:
    """What one frame costs. parameters: count. macs: multiply-adds. paper_bytes: the paper's memory, parameters and
    every layer's output once at float32. counted_bytes: ours, whole, of the `.pte` (None where there is none).
    torchscript_ms, xnnpack_ms: CPU time on one thread, median. lower_bound: parameters, macs and memory leave something
    out."""

    parameters: int
    macs: float
    paper_bytes: int | None
    counted_bytes: int | None
    torchscript_ms: float | None
    xnnpack_ms: float | None
    lower_bound: bool = False

    def twice(self) -> Cost:
        """The same with two predictions a frame (eq. 8), counted as the paper does: everything but the parameters.

        Ours is not doubled: both predictions run one after the other in the same memory.
        """
        double = lambda value: None if value is None else 2 * value  # noqa: E731
        return dataclasses.replace(
            self, macs=2 * self.macs, paper_bytes=double(self.paper_bytes),
            torchscript_ms=double(self.torchscript_ms), xnnpack_ms=double(self.xnnpack_ms),
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line. future_ms: context plus the wait of the ensemble; None of a teacher, which hears everything. gaps:
    every closure and open vowel by key, empty where they were not kept. plan: how a student was trained, as its
    checkpoint says. missing: why there is nothing but a name."""

    name: str
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)
    cost: Cost | None = None
    future_ms: float | None = None
    gaps: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    plan: dict[str, Any] = dataclasses.field(default_factory=dict)
    missing: str = ""

    @property
    def label(self) -> str:
        """`S5+`, `M-KD`, `S̃5+`, `T`: the paper's name. Smoothed by thirds it is the paper's own S̃5+, ours the other."""
        if self.name == "teacher":
            return "T"
        head, *rest = self.name.split("_")
        if head in ("m", "h"):
            return f"{head.upper()}{'-KD' if rest == ['no', 'kd'] else ' KD'}"
        behind = ("+" if "plus" in rest else "") + (" thirds" if "thirds" in rest else "")
        return f"S{chr(0x303) if {'smooth', 'thirds'} & set(rest) else ''}{head[1:]}{behind}"

    def score(self, key: str, figure: str) -> float | None:
        """A figure of a key (`human`, `pbm`), None where it was not measured."""
        value = self.scores.get(key, {}).get(figure)
        return None if value is None or not np.isfinite(value) else float(value)


@dataclass(frozen=True)
class Paper:
    """The paper's own figures by row name and field."""

    source: str
    fields: list[str]
    rows: dict[str, list[float | None]]

    @classmethod
    def load(cls, path: Path = PAPER) -> Paper:
        """Raises `ConfigError` for rows of another width than the fields, or other names than ours."""
        paper = strict.load(cls, strict.load_yaml(path), where=path.name)
        wrong = [name for name, row in paper.rows.items() if len(row) != len(paper.fields)]
        if wrong or set(paper.rows) != set(NAMES):
            raise ConfigError(f"{path}: rows {', '.join(wrong) or 'missing or unknown'} do not fit the fields")
        return paper

    def figure(self, name: str, field: str) -> float | None:
        return self.rows[name][self.fields.index(field)]


def read_rows(folder: Path, teacher: Path, timed: bool = True) -> list[Row]:
    """All rows in the paper's order; what has no file is a row that says so. A file that cannot be read is an error.

    timed: measure CPU times, all in this run, one after another in turns.
    """
    checkpoints = {name: Checkpoint.load(folder / f"{name}.pt") for name in NAMES if (folder / f"{name}.pt").exists()}
    costs = costs_of(checkpoints, timed)
    rows = []
    for name in NAMES:
        path = folder / f"{name}.pt"
        if name == "teacher":
            there = teacher.exists()
            rows.append(_teacher_row(teacher, folder, timed) if there else Row(name, missing=f"no {teacher.name}"))
        elif name not in checkpoints:
            rows.append(Row(name, missing=f"no {path.name}"))
        else:
            found = checkpoints[name]
            smooth = bool(found.spec.ensemble)
            fps = found.spec.fps[0] / found.spec.fps[1]
            future_ms = found.spec.future_ms + (500 / fps if smooth else 0)
            cost = costs[name].twice() if smooth else costs[name]
            plan = dict(found.training.get("plan", {}))
            rows.append(Row(name, with_whole(path, found.scores), cost, future_ms, read_gaps(path), plan))
    return rows


def read_gaps(path: Path) -> dict[str, np.ndarray]:
    """What `evaluate --gaps` wrote beside a checkpoint (`s0.gaps.npz` beside `s0.pt`), empty if it did not."""
    beside = path.with_suffix(".gaps.npz")
    if not beside.exists():
        return {}
    return read_arrays(beside, DataError)


def whole_path(path: Path) -> Path:
    """Where what lips of a checkpoint can be read lies beside it: weights need not be written again for it."""
    return path.with_suffix(".whole.json")


def with_whole(path: Path, scores: Mapping[str, Any]) -> dict[str, Any]:
    """`scores` with `whole` and `controls` of human speech, where they were measured (`whole_path`)."""
    beside = whole_path(path)
    if not beside.exists():
        return dict(scores)
    read = read_json_file(beside, DataError)["human"]
    return {**scores, "human": {**scores.get("human", {}), **{k: read[k] for k in ("whole", "controls") if k in read}}}


def costs_of(checkpoints: Mapping[str, Checkpoint], timed: bool) -> dict[str, Cost]:
    """Cost of every checkpoint; students of the same shape share one, for weights do not change it."""
    shapes = {name: _shape(checkpoint) for name, checkpoint in checkpoints.items()}
    firsts = {shape: name for name, shape in reversed(shapes.items())}
    times = _times({shape: checkpoints[name] for shape, name in firsts.items()}) if timed else {}
    each = {shape: _cost(checkpoints[name], times.get(shape, {})) for shape, name in firsts.items()}
    return {name: each[shape] for name, shape in shapes.items()}


def _shape(checkpoint: Checkpoint) -> str:
    spec = dataclasses.asdict(checkpoint.spec)
    shape = {key: value for key, value in spec.items() if key not in ("name", "future_ms", "ensemble", "rig")}
    return json.dumps({**shape, "rig": len(checkpoint.layout)}, sort_keys=True)


def _cost(checkpoint: Checkpoint, times_ms: Mapping[str, float]) -> Cost:
    student = checkpoint.student()
    counted = xnnpack_rows(trace_forward(student), student).counted_bytes if _is_lowered(checkpoint) else None
    return Cost(
        parameters=checkpoint.parameters, macs=macs_of(student),
        paper_bytes=paper_bytes(student), counted_bytes=counted,
        torchscript_ms=times_ms.get("torchscript"), xnnpack_ms=times_ms.get("executorch"),
    )  # fmt: skip


def _is_lowered(checkpoint: Checkpoint) -> bool:
    """Whether a `.pte` is made of it; the paper's baselines are measured, not shipped."""
    return checkpoint.spec.family in ("window", "stream")


def macs_of(student: Student) -> float:
    """Multiply-adds of a frame: what the paper's FLOPs come to (S0: 0.35 G here, 0.33 there)."""
    return macs_per_second(student) / FPS


def _times(firsts: Mapping[str, Checkpoint]) -> dict[str, dict[str, float]]:
    """CPU milliseconds of one frame by shape and runtime."""
    with tempfile.TemporaryDirectory() as folder:
        calls: dict[tuple[str, str], Callable[[], object]] = {}
        for number, (shape, checkpoint) in enumerate(firsts.items()):
            for runtime, program in _programs(checkpoint).items():
                path = Path(folder) / f"{number}{'.pte' if runtime == 'executorch' else '.pt'}"
                path.write_bytes(program)
                engine: Any = sdk.open(path, trusted=True)
                window = golden_speech(1.0)[: checkpoint.spec.input_samples]
                calls[shape, runtime] = partial(engine.run, window)
        found: dict[str, dict[str, float]] = {}
        for (shape, runtime), value in in_turns(calls).items():
            found.setdefault(shape, {})[runtime] = value
        return found


def _programs(checkpoint: Checkpoint) -> dict[str, bytes]:
    point = float_point(checkpoint)
    made = {"torchscript": seal(torchscript(point.student), manifest(checkpoint, point, "torchscript", "cpu"))}
    if _is_lowered(checkpoint):
        program = lower(trace(point.student)).program
        made["executorch"] = seal(program, manifest(checkpoint, point, "executorch", "xnnpack"))
    return made


def in_turns(calls: Mapping[Any, Callable[[], object]], rounds: int = CALLS) -> dict[Any, float]:
    """Median CPU milliseconds of each call on one thread; all take turns, so that a busy minute falls on all alike."""
    with one_thread():
        taken: dict[Any, list[float]] = {key: [] for key in calls}
        for turn in range(rounds + 3):
            for key, call in calls.items():
                start = time.process_time_ns()
                call()
                if turn >= 3:  # the first calls optimise and allocate
                    taken[key].append((time.process_time_ns() - start) / 1e6)
        return {key: median(values) for key, values in taken.items()}


def teacher_path(folder: Path) -> Path:
    """Where the teacher's scores on the table's own sets lie: its file and card keep those it was chosen and shipped
    by, which are of other clips."""
    return folder / "teacher.json"


def _teacher_row(path: Path, folder: Path, timed: bool) -> Row:
    kind = teacher_kind(path)
    trained, teacher, audio = kind.file.load(path), kind.teacher(path), golden_speech(_TEACHER_SECONDS)
    frames = _TEACHER_SECONDS * FPS
    counter = FlopCounterMode(display=False)
    with counter:
        teacher.label(audio)
    parameters = sum(value.numel() for value in trained.network().parameters())
    taken = in_turns({"label": lambda: teacher.label(audio)}, rounds=3)["label"] / frames if timed else None
    macs = float(counter.get_total_flops() / 2 / frames)
    cost = Cost(parameters, macs, 4 * parameters, None, taken, None, lower_bound=True)
    here = teacher_path(folder)
    scores = read_json_file(here, DataError) if here.exists() else trained.scores
    return Row("teacher", with_whole(here, scores), cost, None, read_gaps(here))


def present(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows that are there, by name."""
    return {row.name: row for row in rows if not row.missing}
