"""Devices in the user's words: what a machine is, by public facts, and what a game leaves us of it.

    device = load_device("console_current")
    device.memory_budget_bytes, device.our_ms, device.peak_macs_per_s("fp32")

One YAML file a device in `profiles/devices/`; the file's name is the device's name. No figure stands without saying
where it comes from: `public: ...` names who says so and in what kind of document, `assumption: ...` gives the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from profiles.model.figures import in_integers
from profiles.model.record import DeviceFacts
from sdk.c.targets import TARGETS
from sdk.errors import ConfigError
from sdk.tools import strict

DEVICES = Path(__file__).resolve().parents[1] / "devices"
LIMITS_MS = {
    "bt1359": ("face after voice, live in a room (ITU-R BT.1359)", 90.0),
    "paper": ("face after voice (Han et al. 2025)", 140.0),
    "streamed": ("streamed conversation", 200.0),
}
BACKENDS = (
    "xnnpack", "portable", "native", "openvino", "torchscript", "python_sdk", "cuda_torchscript", "cuda_compiled"
)  # fmt: skip
NATIVE_BACKENDS = ("xnnpack", "tinyface")  # whose files the native library plays
_ORIGINS = ("public: ", "assumption: ")


@dataclass(frozen=True)
class Fact:
    """A number, and where it comes from. Raises `ValueError` unless the source begins with its kind and says enough."""

    value: float
    source: str

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError(f"value {self.value} is not above zero")
        if not self.source.startswith(_ORIGINS) or len(self.source.split()) < 4:
            raise ValueError(
                f"source {self.source!r} must begin with 'public: ' (who says so, in what document) or "
                "'assumption: ' (why)"
            )

    @property
    def is_assumed(self) -> bool:
        return self.source.startswith("assumption: ")


@dataclass(frozen=True)
class Gpu:
    """A graphics processor that may run us."""

    processor: str
    peak_macs_per_s: Fact
    memory_gb_per_s: Fact


@dataclass(frozen=True)
class Hardware:
    """One core of the kind that a game would give us, and what all cores share.

    clock_ghz: sustained while a game runs. fp32_macs_per_cycle, int8_macs_per_cycle: at best, a core.
    memory_gb_per_s: of the whole chip. core_gb_per_s: what one core draws of it. cache_mb: the last before memory.
    """

    processor: str
    isa: Literal["avx512", "avx2", "neon", "wasm_simd128"]
    cores: Fact
    clock_ghz: Fact
    fp32_macs_per_cycle: Fact
    int8_macs_per_cycle: Fact
    memory_gb_per_s: Fact
    core_gb_per_s: Fact
    cache_mb: Fact
    gpu: Gpu | None = None


@dataclass(frozen=True)
class LeftToUs:
    """What a game leaves. frame_share: of one frame's time on one core, 0 to 1. precisions: best first."""

    memory_mb: Fact
    frame_ms: Fact
    frame_share: Fact
    threads: Fact
    backends: list[str]
    precisions: list[Literal["fp32", "int8"]]
    latency_limits: list[Literal["bt1359", "paper", "streamed"]]

    def __post_init__(self) -> None:
        problems = [
            f"backend {name!r} is none of {', '.join(BACKENDS)}" for name in self.backends if name not in BACKENDS
        ]
        if self.frame_share.value > 1:
            problems.append(f"frame_share {self.frame_share.value} is over 1")
        if self.threads.value < 1 or self.threads.value % 1:
            problems.append(f"threads {self.threads.value:g} is no whole number from 1")
        for name in ("backends", "precisions", "latency_limits"):
            if not getattr(self, name):
                problems.append(f"{name} is empty")
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True)
class _File:
    """A device file as it is written: everything but the name."""

    title: str
    stands_for: str
    library: list[str]
    hardware: Hardware
    leaves_us: LeftToUs


@dataclass(frozen=True)
class Device:
    """A device by name. title: in the user's words. stands_for: the product whose facts are given.

    library: the builds of the C library that are for it, by their names in `sdk.c.targets`; none where only its maker's
    own tools build.
    """

    name: str
    title: str
    stands_for: str
    library: list[str]
    hardware: Hardware
    leaves_us: LeftToUs

    @property
    def memory_budget_bytes(self) -> int:
        return round(self.leaves_us.memory_mb.value * 1e6)

    @property
    def our_ms(self) -> float:
        """Milliseconds of one game frame that are ours, on one core."""
        return self.leaves_us.frame_ms.value * self.leaves_us.frame_share.value

    @property
    def threads(self) -> int:
        return int(self.leaves_us.threads.value)

    @property
    def limits_ms(self) -> dict[str, float]:
        """Latency limits by what they are called for people."""
        return dict(LIMITS_MS[name] for name in self.leaves_us.latency_limits)

    def peak_macs_per_s(self, precision: str, threads: int = 1) -> float:
        """Multiply-adds a second at best, on `threads` cores, at `fp32` or `int8`."""
        hardware = self.hardware
        per_cycle = hardware.int8_macs_per_cycle if in_integers(precision) else hardware.fp32_macs_per_cycle
        return per_cycle.value * self.hardware.clock_ghz.value * 1e9 * threads

    def bytes_per_s(self, threads: int = 1) -> float:
        """What `threads` cores draw from memory, never more than the chip has."""
        return min(self.hardware.core_gb_per_s.value * threads, self.hardware.memory_gb_per_s.value) * 1e9

    def facts(self) -> DeviceFacts:
        """The device as a record tells it: demands as numbers, everything else for the reader."""
        left, shown, sources = self.leaves_us, {"stands for": self.stands_for, "cpu": self.hardware.processor}, []
        for part in (self.hardware, left, self.hardware.gpu):
            for field in fields(part) if part else ():
                value = getattr(part, field.name)
                if isinstance(value, Fact):
                    name = field.name if part is not self.hardware.gpu else f"gpu_{field.name}"
                    shown[name] = f"{value.value:g}" + " (assumed)" * value.is_assumed
                    sources.append(f"{name}: {value.source}")
        shown["isa"] = self.hardware.isa
        proofs = [f"{target} ({TARGETS[target].proved})" for target in self.library]
        shown["C library"] = ", ".join(proofs) or "built with its maker's tools, not here"
        return DeviceFacts(
            name=self.name, title=self.title, memory_budget_bytes=self.memory_budget_bytes,
            frame_ms=left.frame_ms.value, our_ms=self.our_ms, threads=self.threads, backends=list(left.backends),
            precisions=list(left.precisions), limits_ms=self.limits_ms, facts=shown, sources=sources,
        )  # fmt: skip


def plays(backends: Sequence[str], backend: str) -> bool:
    """Whether a device that allows `backends` plays a file for `backend`: `native` is the native library, whichever of
    its own the file is for."""
    return backend in backends or ("native" in backends and backend in NATIVE_BACKENDS)


def runs(precisions: Sequence[str], precision: str) -> bool:
    """Whether a device that allows `precisions` runs `precision`: one of int8 runs all that multiplies integers."""
    return precision in precisions or ("int8" in precisions and in_integers(precision))


def device_names() -> list[str]:
    """Names of the devices that there are, sorted."""
    return sorted(path.stem for path in DEVICES.glob("*.yaml"))


def load_device(name: str | Path) -> Device:
    """The device called `name`, or of the YAML file at that path. Raises `ConfigError` with what is wrong with it."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if str(name) not in device_names():
            raise ConfigError(
                f"no device {str(name)!r}; there are: {', '.join(device_names())}. "
                "For one of your own give the path of its .yaml file"
            )
        path = DEVICES / f"{name}.yaml"
    file = strict.load(_File, strict.load_yaml(path), where=str(path.name))
    strangers = [target for target in file.library if target not in TARGETS]
    if strangers:
        raise ConfigError(f"{path.name}: library {', '.join(strangers)} is none of {', '.join(TARGETS)}")
    return Device(path.stem, file.title, file.stands_for, file.library, file.hardware, file.leaves_us)
