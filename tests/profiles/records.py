"""Records to test reports and comparisons on, made from a seed: two artefacts on this machine, one brought back."""

from __future__ import annotations

import dataclasses

import numpy as np

from profiles.model.figures import (
    Case,
    Estimate,
    LatencyRow,
    MemoryRow,
    OperatorRow,
    Pace,
    Prediction,
    Setting,
    Timing,
)
from profiles.model.record import SCHEMA, ArtifactFacts, Check, DeviceFacts, Environment, Record, Skipped

FRAME_US = 1e6 / 30
TYPICAL_US = {"s2 fp32 xnnpack": 520.0, "s5 fp32 xnnpack": 1900.0, "s6 int8 xnnpack": 90.0}


def environment() -> Environment:
    return Environment(
        machine="x86_64", cpu="Test & Co <CPU>", isa=["avx2", "fma"], cores=2, memory_bytes=16 * 10**9,
        system="Test Linux 1", python="3.11.7",
        versions={"torch": "2.13.0", "executorch": "1.5.1", "sdk sources": "5d" * 8},
        load_average=[0.5, 0.4, 0.3], governor=None, gpu=None,
    )  # fmt: skip


def artifact(name: str) -> ArtifactFacts:
    student, precision, backend = name.split()
    return ArtifactFacts(
        name=name, path=f"build/{student}/model.pte", sha256="ab" * 32, file_bytes=3_000_000, student=student,
        kind="stream" if student == "s6" else "window", runtime="executorch", backend=backend, precision=precision,
        parameters=770_000, channels=52, fps=30.0, future_ms=64.0, ensemble=False,
        pbm={"human": 0.8078, "espeak": 0.9558}, jitter={"human": 0.0323, "espeak": 0.0419},
    )  # fmt: skip


def timing(
    generator: np.random.Generator,
    typical_us: float,
    launches: int,
    rounds: int = 2,
    frames: int = 40,
    launch_noise: float = 0.04,
) -> Case:
    """A flat-out case of `launches` processes: they differ by 4 %, the rounds inside by 2 %, frames have a tail."""
    rounds_us, cpu_us, launch, started = [], [], [], []
    for number in range(launches):
        level = typical_us * np.exp(generator.normal(0, launch_noise))
        for _ in range(rounds):
            samples = level * np.exp(generator.normal(0, 0.02)) * (1 + generator.gamma(0.8, 0.05, frames))
            rounds_us.append(samples.tolist())
            cpu_us.append(float(np.median(samples)))
            launch.append(number)
            started.append(1_800_000_000.0 + 10 * len(started))
    return Case(
        artifact="s5 fp32 xnnpack", machine="here", setting=Setting("xnnpack"), label="measured_here",
        timing=Timing.of(rounds_us), uncertainty_percent=3.0, real_time_factor=typical_us / FRAME_US, load_ms=12.5,
        cpu_us=float(np.median(cpu_us)), started_s=started, launch=launch, cpu_rounds_us=cpu_us,
    )  # fmt: skip


def memory() -> list[MemoryRow]:
    here = "measured_here"
    return [
        MemoryRow("packed weights and operators", 3_300_000, True, here),
        MemoryRow("workspace", 1_300_000, True, here),
        MemoryRow("stream state", 33_000, True, "estimated"),
        MemoryRow("load peak", 3_400_000, False, here),
        MemoryRow("steady", 4_600_000, False, here),
        MemoryRow("counted", 4_633_000, False, here),
    ]


def operators() -> list[OperatorRow]:
    here = "measured_here"
    return [
        OperatorRow("convolution #2", "convolution", "xnnpack", 1, 700.0, 40_000_000, 900_000, here, 5.0),
        OperatorRow("GELU #1", "GELU", "xnnpack", 1, 60.0, None, 1_600_000, here, 5.0),
        OperatorRow("quantise", "quantise", "portable", 2, None, None, 65_536, "estimated"),
    ]


def latency(future_ms: float, us: dict[str, float]) -> list[LatencyRow]:
    return [LatencyRow(name, 10.0, 1.3, future_ms, 16.7, value / 1e3, 0.0) for name, value in us.items()]  # type: ignore[arg-type]


def case(name: str, seed: int = 0, threads: int = 1, launches: int = 6) -> Case:
    """A flat-out case of `name` with memory, operators and latency."""
    made = timing(np.random.default_rng(seed), TYPICAL_US[name] / threads**0.8, launches)
    rows = {"p50": made.timing.p50_us, "p95": made.timing.p95_us, "p99": made.timing.p99_us, "max": made.timing.max_us}
    return dataclasses.replace(
        made, artifact=name, setting=Setting("xnnpack", threads), memory=memory() if threads == 1 else [],
        operators=operators() if threads == 1 else [], latency=latency(256.0 if "s2" in name else 64.0, rows),
    )  # fmt: skip


def minute(name: str, seed: int = 3, seconds: int = 60, late: int = 4) -> Case:
    """A case at real-time pace with `late` late frames."""
    generator = np.random.default_rng(seed)
    count = seconds * 30
    compute = TYPICAL_US[name] * 1.3 * (1 + generator.gamma(0.8, 0.1, count))
    response = compute + generator.gamma(1.5, 40, count)
    response[generator.choice(count, late, replace=False)] += FRAME_US
    return dataclasses.replace(
        timing(generator, TYPICAL_US[name], 1), artifact=name, setting=Setting("xnnpack", pacing="real_time"),
        timing=Timing.of(compute.reshape(seconds, 30).tolist()), launch=[], started_s=[], cpu_rounds_us=[],
        pace=Pace(FRAME_US, FRAME_US, [round(float(us), 1) for us in response]),
    )  # fmt: skip


def device() -> DeviceFacts:
    return DeviceFacts(
        name="steam_deck", title="handheld PC", memory_budget_bytes=8_000_000, frame_ms=1000 / 60, our_ms=1.5,
        threads=1, backends=["xnnpack"], precisions=["fp32", "int8"],
        limits_ms={"live (ITU-R BT.1359)": 90.0, "paper": 140.0, "streamed": 200.0},
        facts={"cpu": "Zen 2, 4 cores", "clock_ghz": "2.8"}, sources=["cpu: public: the maker's sheet"],
    )  # fmt: skip


def record(names: tuple[str, ...] = ("s2 fp32 xnnpack", "s5 fp32 xnnpack"), seed: int = 0) -> Record:
    """A whole record: every artefact at one and two threads, a minute of pace, one case from a device, estimates."""
    cases = [case(name, seed + at, threads) for at, name in enumerate(names) for threads in (1, 2)]
    cases += [minute(name, seed + at) for at, name in enumerate(names)]
    brought = dataclasses.replace(case(names[-1], seed + 9), machine="steam_deck", label="measured_on_device")
    return Record(
        schema=SCHEMA, created="2026-11-21T12:00:00Z", command="python -m profiles ...", environment=environment(),
        artifacts=[artifact(name) for name in names], cases=[*cases, brought], device=device(),
        estimates=[
            Estimate(n, "steam_deck", "xnnpack", 1, TYPICAL_US[n] * 1.4, TYPICAL_US[n], TYPICAL_US[n] * 2, "compute",
                     "roofline, calibrated here", {"macs": 88e6, "peak_macs_per_s": 45e9})
            for n in names
        ],
        predictions=[Prediction("s2 from s5's calibration", 480.0, 520.0, True)],
        checks=[
            Check(names[-1], "memory", 4.633, 8.0, "MB", True, "measured_here", 1.0, ""),
            Check(names[-1], "time of a frame", 2.7, 1.5, "ms", False, "estimated", 45.0, "at most 3.8 ms"),
            Check(names[-1], "late frames", None, 0.0, "frames", None, "measured_on_device", None, "not brought back"),
        ],
        skipped=[Skipped("s5 fp32 xnnpack: cuda_torchscript", "there is no CUDA device here")],
    )  # fmt: skip
