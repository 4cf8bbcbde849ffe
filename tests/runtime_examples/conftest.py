"""The native library, built once, and small artefacts for it: they need no checkpoint."""

from __future__ import annotations

import dataclasses
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csharp_tools import Compile, find_compiler
from kernel_cases import CASES, Case, case_of
from made_once import compiled_once, made_once, one_at_a_time

from sdk.artifact import seal
from sdk.c.build import build, missing_tools
from sdk.errors import EngineUnavailable
from sdk.manifest import SCHEMA, Manifest
from sdk.native.abi import Library
from sdk.window import WindowSpec

ROOT = Path(__file__).resolve().parents[2]
TINY_WINDOW = 1000


@pytest.fixture(scope="session")
def built_native() -> Path:
    """The build folder: `lib/` and `bin/`. Kept in build/, so that a second run of the tests compiles nothing."""
    reason = missing_tools()
    if reason:
        pytest.skip(reason)
    out = ROOT / "build" / "native-tests"
    try:
        with one_at_a_time(out.with_suffix(".lock")), compiled_once():
            build(out, tests=True, install=out / "installed")
    except EngineUnavailable as error:
        pytest.skip(str(error))
    return out


@pytest.fixture(scope="session")
def alone() -> Path:
    """The build folder of the library without a runtime, with the calls of OVRLipSync."""
    reason = missing_tools()
    if reason:
        pytest.skip(reason)
    out = ROOT / "build" / "native-alone"
    with one_at_a_time(out.with_suffix(".lock")), compiled_once():
        return build(out, alone=True, tests=True, ovr=True).parent


@pytest.fixture(scope="session")
def library(built_native: Path) -> Library:
    return Library(built_native / "lib")


@pytest.fixture(scope="session")
def make_facts() -> Callable[..., Manifest]:
    """A valid manifest, some facts changed. Ranges are wide, so that a limit hides no difference."""

    def make(**changes: Any) -> Manifest:
        names = changes.pop("names", ["jawOpen", "mouthClose", "tongueOut"])
        facts: dict[str, Any] = {
            "schema": SCHEMA, "student": "tiny", "kind": "window", "runtime": "executorch", "backend": "xnnpack",
            "precision": "fp32", "sample_rate_hz": 16000, "window_samples": TINY_WINDOW, "future_samples": 400,
            "state": [], "crowd_voices": 0, "fps": [30, 1], "ensemble": [], "history": "zeros", "names": names,
            "minimum": [-1.0] * len(names), "maximum": [1.0] * len(names), "neutral": [0.0] * len(names),
            "parameters": 27, "weights_sha256": "0" * 64, "tools": {"torch": "2"}, "scores": {},
            "training": {"nested": [{"ü": 1.5e-3}, None, True, "\n\"😀\\"]},
        }  # fmt: skip
        return Manifest(**{**facts, **changes})

    return make


@pytest.fixture(scope="session")
def tiny_program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A linear map of the window: 27 kB, a few microseconds a run, and every sample of the window counts."""
    torch = pytest.importorskip("torch", reason="torch builds the programs under test")
    pytest.importorskip("executorch.exir", reason="executorch builds the programs under test")
    from export.lower.program import export_program, lower

    def make(_: Path) -> bytes:
        torch.manual_seed(3)
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(TINY_WINDOW, 3), torch.nn.Tanh()).eval()
        torch.nn.init.normal_(net[1].weight, std=0.05)
        return lower({"forward": export_program(net, (torch.zeros(1, 1, TINY_WINDOW),))}).program

    return made_once(tmp_path_factory, "tiny-program", make)[1]


@pytest.fixture(scope="session")
def tiny(tiny_program: bytes, make_facts: Callable[..., Manifest], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "model.pte"
    path.write_bytes(seal(tiny_program, make_facts()))
    return path


@pytest.fixture(scope="session")
def small(make_facts: Callable[..., Manifest], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained s2 of 16 channels, with weights that keep the variance: it answers to what it hears."""
    torch = pytest.importorskip("torch", reason="torch builds the programs under test")
    pytest.importorskip("executorch.exir", reason="executorch builds the programs under test")
    from distill.students.spec import load_variant
    from export.lower.deploy import DeployedStudent
    from export.lower.program import export_program, lower

    spec = load_variant("s2", {"channels": 16, "fc_width": 24})
    student = spec.build().eval()
    torch.manual_seed(0)
    for layer in student.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=(1.7 / layer.weight[0].numel()) ** 0.5)
            torch.nn.init.normal_(layer.bias, std=0.1)
    window: WindowSpec = spec.window
    deployed = DeployedStudent(student)

    def lowered(_: Path) -> bytes:
        return lower({"forward": export_program(deployed, deployed.inputs())}).program

    _, program = made_once(tmp_path_factory, "small-program", lowered)
    names = list(spec.layout.names)
    manifest = make_facts(names=names, window_samples=window.length_samples, future_samples=window.future_samples)
    path = tmp_path_factory.mktemp("small") / "model.pte"
    path.write_bytes(seal(program, dataclasses.replace(manifest, ensemble=[0.25, 0.5, 0.25])))
    return path


TINY_STREAM = {
    "channels": 16, "fc_width": 24, "context": [4, 2], "dilations": [1, 2],
    "spectrum": [], "front": [[8, 10, 5], [8, 3, 2], [8, 3, 2], [8, 3, 2], [16, 3, 2], [16, 2, 2], [16, 2, 2]],
}  # fmt: skip


@pytest.fixture(scope="session")
def make_stream(make_facts: Callable[..., Manifest], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """An artefact of a small untrained stream student, some facts of its manifest changed."""
    torch = pytest.importorskip("torch", reason="torch builds the programs under test")
    pytest.importorskip("executorch.exir", reason="executorch builds the programs under test")
    from distill.students.spec import load_variant
    from export.lower.deploy_stream import CROWD_VOICES, DeployedStream
    from export.lower.program import export_program, lower

    spec = load_variant("s6", TINY_STREAM)
    student = spec.build().eval()
    torch.manual_seed(0)
    for layer in student.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=(1.7 / layer.weight[0].numel()) ** 0.5)
    deployed = DeployedStream(student)

    def lowered(_: Path) -> bytes:
        methods = {"forward": export_program(deployed, deployed.inputs(1))}
        methods["crowd"] = export_program(deployed, deployed.inputs(CROWD_VOICES))
        return lower(methods).program

    _, program = made_once(tmp_path_factory, "brook-program", lowered)
    names = list(spec.layout.names)
    state = [list(tensor.shape[1:]) for tensor in student.initial_state()]

    def make(**changes: Any) -> bytes:
        facts = {"student": "brook", "kind": "stream", "names": names, "window_samples": 320, "future_samples": 704,
                 "state": state, "crowd_voices": CROWD_VOICES}  # fmt: skip
        return seal(program, make_facts(**{**facts, **changes}))

    return make


@pytest.fixture(scope="session")
def brook(make_stream: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small stream student: it answers to what it hears, and remembers."""
    path = tmp_path_factory.mktemp("brook") / "model.pte"
    path.write_bytes(make_stream(ensemble=[0.25, 0.5, 0.25]))
    return path


@pytest.fixture(scope="session")
def make_case(make_facts: Callable[..., Manifest], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """An artefact for our kernels by its name in `CASES`."""
    return cache(lambda name: case_of(name, make_facts, tmp_path_factory))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, make_case: Callable[[str], Case]) -> Case:
    return make_case(request.param)


@pytest.fixture(scope="session")
def speech_like() -> Callable[[int, float], np.ndarray]:
    """`seconds` of a gliding, pulsing voice at `rate_hz`, float32 within -0.6..0.6."""

    def make(rate_hz: int, seconds: float) -> np.ndarray:
        t = np.arange(int(rate_hz * seconds)) / rate_hz
        noise = np.random.default_rng(5).standard_normal(len(t))
        buzz = sum(np.sin(2 * np.pi * k * (110 * t + 12 * np.sin(3 * t))) / k for k in range(1, 12))
        voice = buzz * (0.5 + 0.5 * np.sin(2 * np.pi * 3.7 * t)) + 0.2 * noise * (np.sin(2 * np.pi * 2.3 * t) > 0.5)
        return (0.6 * voice / np.abs(voice).max()).astype(np.float32)

    return make


@pytest.fixture(params=["small", "brook"])
def any_kind(request: pytest.FixtureRequest) -> Path:
    """A window student, then a stream student."""
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture
def wav(tmp_path: Path, speech_like: Callable[[int, float], np.ndarray]) -> Path:
    """A second of voice at 22,050 Hz, 16 bits."""
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes((speech_like(22050, 1.0) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def compile_cs(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compiles C# sources into a program; gives the words that start it."""
    found = find_compiler(tmp_path_factory.mktemp("csharp"))
    if not found:
        pytest.skip("neither mcs and mono nor dotnet is installed: apt install mono-mcs mono-runtime")
    return found
