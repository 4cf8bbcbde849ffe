"""The methods of a compact DiffusionTalker, written as TorchScript and as an ExecuTorch program, checked and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill.files.disk import atomic_open
from distill.files.teacher import Trained
from distill.teachers.diffusiontalker.diffusion import sample
from distill.teachers.diffusiontalker.ears import frame_weights, frames_of
from distill.teachers.diffusiontalker.network import FPS, Talker
from distill.teachers.pretrained_ears import ROW_SAMPLES
from export.lower.program import Lowered, export_program, lower_with, quiet
from sdk.engines.executorch import load_runtime
from sdk.errors import BudgetExceeded, ConfigError, VerificationError

METHODS = ("hear", "personal", "denoise")
Call = Callable[[str, Sequence[Tensor]], list[Tensor]]
_CLOSE = 2e-3  # of normalised motion after all steps


class Hear(nn.Module):
    """Audio (1, n) -> features, identity, emotion."""

    reading: Tensor

    def __init__(self, network: Talker, rows: int, frames: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("reading", frame_weights(rows, frames, FPS))

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.network.features(audio, self.reading)
        identity, emotion = self.network.style(features)
        return features, identity, emotion


class Personal(nn.Module):
    """Features and a style -> the personal embedding."""

    def __init__(self, network: Talker) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, identity: Tensor, emotion: Tensor) -> Tensor:
        return self.network.personal(features, (identity, emotion))


@dataclass(frozen=True)
class Programs:
    """What was written: `pt` and `pte`, of calls of `samples`; the network they came from; the `.pte`'s own plan."""

    pt: Path
    pte: Path
    samples: int
    network: Talker
    lowered: Lowered

    @property
    def counted_bytes(self) -> int:
        """Weights, kept once by the runtime and once packed by the delegate at worst, and planned memory."""
        return _weights_bytes(self.network) + self.lowered.arenas_bytes

    def check(self, budget_bytes: int, name: str) -> None:
        """Raises `BudgetExceeded` if weights and plans are over the budget."""
        if self.counted_bytes > budget_bytes:
            planned = f"planned {self.lowered.arenas_bytes / 1e6:.1f}. Give fewer --seconds or more bytes"
            raise _exceeded(name, self.counted_bytes, f"for calls of {self.samples / 16000:g} s", budget_bytes, planned)


def export(trained: Trained[Talker], out: Path, seconds: float, budget_bytes: int) -> Programs:
    """Write `out`.pt and `out`.pte for calls of `seconds`, both checked against torch.

    Raises `ConfigError` for a talker with large ears or without a personalizer, `BudgetExceeded` before anything is
    written if weights and plans are over the budget, `VerificationError` if a program says other than torch.
    """
    if not trained.spec.compact or not trained.spec.personal:
        raise ConfigError(f"{trained.spec.name} has no compact ears or no personalizer; export what `compact` made")
    network = trained.network()
    for module in network.modules():  # the exporter wants tables that are made anew, such as a Fourier basis, kept too
        module._non_persistent_buffers_set.clear()
    weights_bytes = _weights_bytes(network)
    if weights_bytes > budget_bytes:  # to lower it would take seconds and come to the same
        raise _exceeded(trained.spec.name, weights_bytes, "for its weights alone", budget_bytes, "give more bytes")
    samples = max(int(seconds * 16000) // ROW_SAMPLES, 2) * ROW_SAMPLES
    parts, inputs = _parts(network, samples)
    lowered = _lowered(parts, inputs)
    made = Programs(out.with_suffix(".pt"), out.with_suffix(".pte"), samples, network, lowered)
    made.check(budget_bytes, trained.spec.name)
    with quiet():
        script = torch.jit.trace_module(_Joined(parts), {name: tuple(inputs[name]) for name in METHODS})
    torch.jit.save(script, str(made.pt))
    with atomic_open(made.pte) as stream:
        stream.write(lowered.program)
    audio = torch.from_numpy(np.random.default_rng(1).normal(0, 0.1, (1, samples)).astype(np.float32))
    truth = sampled(_eager(parts), made, audio)
    for name, call in (("TorchScript", torchscript(made.pt)), ("ExecuTorch", executorch(made.pte))):
        apart = float((sampled(call, made, audio) - truth).abs().max())
        if not apart <= _CLOSE:
            raise VerificationError(f"{name} says other than torch: normalised motion differs by {apart:.2g}")
    return made


def _weights_bytes(network: Talker) -> int:
    """Of weights that the runtime keeps once and the delegate packs once more, at worst."""
    return 2 * sum(value.numel() * 4 for value in [*network.parameters(), *network.buffers()])


def _exceeded(name: str, needs_bytes: int, what: str, budget_bytes: int, advice: str) -> BudgetExceeded:
    needs, budget = f"{needs_bytes / 1e6:.1f} MB", f"{budget_bytes / 1e6:.1f} MB"
    return BudgetExceeded(f"{name} needs {needs} {what}, the budget is {budget}: {advice}")


def sampled(call: Call, made: Programs, audio: Tensor, noise: Tensor | None = None) -> Tensor:
    """Normalised motion (1, N, C) of audio (1, n) by the methods behind `call`: hear, personal, a denoise a step."""
    features, identity, emotion = call("hear", [audio])
    (personal,) = call("personal", [features, identity, emotion])
    shape = (1, features.shape[1], len(made.network.mean))
    if noise is None:
        noise = torch.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32))
    return sample(lambda z, t: call("denoise", [z, t, features, personal])[0], noise, made.network.spec.steps)


def torchscript(path: Path) -> Call:
    """The methods of a TorchScript file."""
    script = torch.jit.load(str(path))

    def call(name: str, inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.inference_mode():
            return _listed(getattr(script, name)(*inputs))

    return call


def executorch(path: Path) -> Call:
    """The methods of an ExecuTorch program, on one thread. Raises `EngineUnavailable` without the runtime."""
    runtime = load_runtime()
    if runtime._threadpool_get_thread_count() != 1:
        runtime._unsafe_reset_threadpool(1)
    program = runtime._load_program(str(path))
    methods = {name: program.load_method(name) for name in METHODS}

    def call(name: str, inputs: Sequence[Tensor]) -> list[Tensor]:
        return [output.clone() for output in methods[name]([x.contiguous() for x in inputs])]

    return call


def cost_table(made: Programs, runs: int = 5) -> str:
    """A Markdown table: bytes, what is left outside the delegates, CPU seconds a second of audio, real time or not."""
    torch.set_num_threads(1)
    audio = torch.from_numpy(np.random.default_rng(2).normal(0, 0.1, (1, made.samples)).astype(np.float32))
    seconds = made.samples / 16000
    parts, _ = _parts(made.network, made.samples)
    lines = [
        f"{made.network.spec.steps} steps, calls of {seconds:g} s; counted {made.counted_bytes / 1e6:.2f} MB, of which "
        f"planned {made.lowered.arenas_bytes / 1e6:.2f}; outside the {made.lowered.delegates} delegates: "
        f"{', '.join(made.lowered.outside) or 'nothing'}", "",
        "| program | file, KB | CPU s a second of audio | real time on one core |", "|---|---|---|---|",
    ]  # fmt: skip
    calls: Mapping[str, tuple[Call, int]] = {
        "torch": (_eager(parts), 0),
        "TorchScript": (torchscript(made.pt), made.pt.stat().st_size),
        "ExecuTorch": (executorch(made.pte), made.pte.stat().st_size),
    }
    for name, (call, size) in calls.items():
        sampled(call, made, audio)
        began = time.process_time()
        for _ in range(runs):
            sampled(call, made, audio)
        cost = (time.process_time() - began) / runs / seconds
        shown = f"{size / 1000:,.0f}" if size else ""
        lines.append(f"| {name} | {shown} | {cost:.4f} | {'yes' if cost < 1 else 'no'}, {1 / cost:.0f} x |")
    lines.append("")
    lines.append(f"A frame waits for its stretch: {1000 * seconds:.0f} ms, where a stream student waits for 64.")
    return "\n".join(lines)


def _parts(network: Talker, samples: int) -> tuple[dict[str, nn.Module], dict[str, list[Tensor]]]:
    frames, spec = frames_of(samples), network.spec
    hear = Hear(network, samples // ROW_SAMPLES, frames)
    features, channels = torch.zeros(1, frames, spec.width), len(network.mean)
    style = [torch.zeros(1, spec.identity), torch.zeros(1, spec.emotion)]
    parts: dict[str, nn.Module] = {"hear": hear, "personal": Personal(network), "denoise": network.denoiser}
    inputs = {
        "hear": [torch.zeros(1, samples)],
        "personal": [features, *style],
        "denoise": [torch.zeros(1, frames, channels), torch.ones(1), features, features.clone()],
    }
    return parts, inputs


class _Joined(nn.Module):
    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)

    def hear(self, audio: Tensor) -> Any:
        return self.parts["hear"](audio)

    def personal(self, features: Tensor, identity: Tensor, emotion: Tensor) -> Any:
        return self.parts["personal"](features, identity, emotion)

    def denoise(self, noisy: Tensor, t: Tensor, features: Tensor, personal: Tensor) -> Any:
        return self.parts["denoise"](noisy, t, features, personal)


def _lowered(parts: Mapping[str, nn.Module], inputs: Mapping[str, list[Tensor]]) -> Lowered:
    methods = {name: export_program(parts[name], tuple(inputs[name])) for name in METHODS}
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return lower_with(methods, lambda name: XnnpackPartitioner(), "XNNPACK", whole=False)


def _eager(parts: Mapping[str, nn.Module]) -> Call:
    def call(name: str, inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.inference_mode():
            return _listed(parts[name](*inputs))

    return call


def _listed(outputs: Any) -> list[Tensor]:
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
