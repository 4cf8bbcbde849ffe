"""The figures of a profile: what was set, what a frame took, where time and memory went, and how sure we are.

Every figure says where it comes from (`Label`): *measured_here*, *measured_on_device* or *estimated*. They never mix: a
case has one label, and so has each row. An uncertainty is the half-width in percent of the interval that holds the true
value in about 95 of 100 repetitions, or None where nobody knows it. Raw samples are kept, so that a later question
(another percentile, a test against another run) needs no second measurement.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Label = Literal["measured_here", "measured_on_device", "estimated"]
Pacing = Literal["flat_out", "real_time"]
# What a budget counts holds the peak while a file is opened. The native profiler, whose loader peaks otherwise, tells
# what stays: two quantities, two names.
COUNTED, HELD = "counted", "model and state"
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}


def in_integers(precision: str) -> bool:
    """Whether a program of this precision multiplies integers: `int8`, and `mixed` and `dynamic` alike."""
    return precision in ("int8", "mixed", "dynamic")


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that `percent` % of all do not exceed (nearest rank): always one that really occurred."""
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)
    return ordered[min(len(ordered) - 1, max(0, int(rank) - 1))]


@dataclass(frozen=True)
class Setting:
    """How a case is run. backend: `xnnpack`, `portable`, `torchscript`, `eager`, `openvino`, `cuda`, `native`...

    pinned_cores: [] for wherever the system puts it. load: what competes, `none` or its name (`renderer`). voices: that
    share one model; a time is then a voice's share of the call that runs them all, and every voice waits for the whole
    call. A verdict is of one voice.
    """

    backend: str
    threads: int = 1
    pacing: Pacing = "flat_out"
    cache: Literal["warm", "cold"] = "warm"
    load: str = "none"
    pinned_cores: list[int] = dataclasses.field(default_factory=list)
    voices: int = 1

    @property
    def is_plain(self) -> bool:
        """Flat out, warm caches, nothing beside it: what cases are compared by."""
        return (self.pacing, self.cache, self.load) == ("flat_out", "warm", "none")

    @property
    def cores(self) -> str:
        """`core 0`, `cores 0 1`: where it was pinned; "" where the system chose."""
        found = " ".join(map(str, sorted(self.pinned_cores)))
        return f"core{'s' * (len(self.pinned_cores) > 1)} {found}" if found else ""

    @property
    def title(self) -> str:
        """`xnnpack, 2 threads, real time, cold cache, beside renderer`: for people."""
        words = [self.backend, f"{self.threads} thread" + "s" * (self.threads != 1), self.pacing.replace("_", " ")]
        words += ["cold cache"] * (self.cache == "cold") + [f"beside {self.load}"] * (self.load != "none")
        words += [f"{self.voices} voices"] * (self.voices != 1)
        return ", ".join(words)


@dataclass(frozen=True)
class Timing:
    """Microseconds that a frame takes. rounds_us: raw samples, round by round.

    A frame is one frame of the rig at the artefact's own rate, so a student that emits two rows at once has one sample
    for both, divided. The quantiles are those of all rounds together.
    """

    p50_us: float
    p95_us: float
    p99_us: float
    max_us: float
    rounds_us: list[list[float]]

    def __post_init__(self) -> None:
        if not self.rounds_us or not all(self.rounds_us):
            raise ValueError("a timing needs rounds with at least one frame each")

    @classmethod
    def of(cls, rounds_us: Sequence[Sequence[float]]) -> Timing:
        """Rounds of samples; kept to a tenth of a microsecond. Raises `ValueError` for an empty round."""
        rounds = [[round(float(sample), 1) for sample in samples] for samples in rounds_us]
        flat = [sample for samples in rounds for sample in samples] or [0.0]
        p50, p95, p99, most = (percentile(flat, percent) for percent in PERCENTILES.values())
        return cls(p50, p95, p99, most, rounds)

    @property
    def samples_us(self) -> list[float]:
        return [sample for samples in self.rounds_us for sample in samples]

    @property
    def round_medians_us(self) -> list[float]:
        return [statistics.median(samples) for samples in self.rounds_us]


@dataclass(frozen=True)
class Pace:
    """A run at the speed of speech. Times in microseconds, one a frame, in order.

    response_us: from the instant when the frame was due to the instant when its values were there, late wake-up and
    all. deadline_us: how long that may take. A frame over it is late.
    """

    period_us: float
    deadline_us: float
    response_us: list[float]

    @property
    def late(self) -> list[int]:
        """Indices of the late frames."""
        return [at for at, response in enumerate(self.response_us) if response > self.deadline_us]


@dataclass(frozen=True)
class MemoryRow:
    """Bytes under a name. part: True if it adds up with the other parts to the total, False for a total or a peak."""

    name: str
    bytes: int
    part: bool
    label: Label
    uncertainty_percent: float | None = None


@dataclass(frozen=True)
class OperatorRow:
    """One operator of the program, all its calls in one frame together.

    name: `convolution #2`. kind: `convolution`. where: `xnnpack`, or what runs it outside the delegate. us: time in a
    frame; None where only counted. macs, bytes: multiply-adds, and bytes read and written; None where not counted.
    """

    name: str
    kind: str
    where: str
    calls: int
    us: float | None
    macs: int | None
    bytes: int | None
    label: Label
    uncertainty_percent: float | None = None


@dataclass(frozen=True)
class LatencyRow:
    """From a sound to its frame, taken apart, at one percentile of the inference (the other parts are fixed)."""

    percentile: Literal["p50", "p95", "p99", "max"]
    block_ms: float
    resampler_ms: float
    future_ms: float
    ensemble_ms: float
    inference_ms: float
    interpolation_ms: float

    @property
    def parts_ms(self) -> dict[str, float]:
        return {
            field.name[:-3]: getattr(self, field.name) for field in dataclasses.fields(self) if field.name[-3:] == "_ms"
        }

    @property
    def total_ms(self) -> float:
        return sum(self.parts_ms.values())

    def audio_delay_ms(self, limit_ms: float) -> float:
        """How much to delay the audio so that the face lags behind it by at most `limit_ms`."""
        return max(0.0, self.total_ms - limit_ms)


@dataclass(frozen=True)
class Case:
    """One artefact in one setting on one machine. machine: `here`, or the device that brought it back.

    uncertainty_percent: of the median. load_ms: open, load, first frame. cpu_us: median processor time of a frame, all
    threads. real_time_factor: time taken over time played, below 1 keeps up. pace: only at real-time pace. latency:
    empty where it was not asked for.
    started_s: Unix time of each round, by which a comparison sees that two cases took turns. reference_us: what a fixed
    piece of arithmetic took right beside each round, by which a comparison sees how busy the machine was. launch: in
    which of several processes each round ran, counted from 0; [] for all in one. cpu_rounds_us: median processor time
    of a frame in each round: a neighbour can triple the wall clock and hardly touches this.
    """

    artifact: str
    machine: str
    setting: Setting
    label: Label
    timing: Timing
    uncertainty_percent: float | None
    real_time_factor: float
    load_ms: float | None = None
    cpu_us: float | None = None
    pace: Pace | None = None
    memory: list[MemoryRow] = dataclasses.field(default_factory=list)
    operators: list[OperatorRow] = dataclasses.field(default_factory=list)
    latency: list[LatencyRow] = dataclasses.field(default_factory=list)
    started_s: list[float] = dataclasses.field(default_factory=list)
    reference_us: list[float] = dataclasses.field(default_factory=list)
    launch: list[int] = dataclasses.field(default_factory=list)
    cpu_rounds_us: list[float] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("started_s", "reference_us", "launch", "cpu_rounds_us"):
            count, rounds = len(getattr(self, name)), len(self.timing.rounds_us)
            if count not in (0, rounds) and self.pace is None:
                raise ValueError(f"{name} has {count} entries for {rounds} rounds")

    @property
    def title(self) -> str:
        return f"{self.artifact}: {self.setting.title}" + f" on {self.machine}" * (self.machine != "here")

    @property
    def place(self) -> str:
        """The artefact and the machine alone."""
        return self.artifact + f" on {self.machine}" * (self.machine != "here")

    def memory_bytes(self, name: str) -> int | None:
        """The row called `name`, or None."""
        return next((row.bytes for row in self.memory if row.name == name), None)


@dataclass(frozen=True)
class Estimate:
    """What a device would take for a frame, by calculation. low_us to high_us holds it as far as we can tell.

    bound: what limits it there, `compute` or `memory`. basis: the numbers it comes from, with units in their names.
    """

    artifact: str
    device: str
    backend: str
    threads: int
    us: float
    low_us: float
    high_us: float
    bound: str
    method: str
    basis: dict[str, float]


@dataclass(frozen=True)
class Prediction:
    """An estimate that could be checked: the same calculation for something that was then measured here."""

    title: str
    predicted_us: float
    measured_us: float
    within_stated: bool

    @property
    def error_percent(self) -> float:
        return (self.predicted_us / self.measured_us - 1.0) * 100.0
