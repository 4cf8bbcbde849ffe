"""Processors that have less: XNNPACK and our own kernels choose other code there, and the frames stay.

XNNPACK and we ask the processor itself, so no variable holds them below it. An emulator answers for another one:
Nehalem has SSE4.2 and no AVX, Haswell AVX2 and no AVX-512. What this machine has stands against both.
"""

from __future__ import annotations

import dataclasses
import platform
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from kernel_cases import INT8_TOLERANCE, UNITS_AGREE, Case, lively
from native_tools import largest_difference, read_line

from sdk.artifact import open_artifact, seal

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not shutil.which("qemu-x86_64"), reason="no emulator: apt install qemu-user"
)
Seen = Callable[[Path], float]


@pytest.fixture(params=["Nehalem", "Haswell"])
def seen(request: pytest.FixtureRequest, built_native: Path, wav: Path, tmp_path: Path) -> Seen:
    """How far the frames of an artefact are from this machine's where the processor says that it is another.

    Of three tenths of a second: a frame, or a hop, runs all of the code that the processor chooses.
    """
    short = tmp_path / "short.wav"
    with wave.open(str(wav)) as whole, wave.open(str(short), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(whole.getframerate() * 3 // 10))

    def frames(*before: str, artefact: Path) -> list[object]:
        words = [*before, str(built_native / "bin" / "cpp_wav"), str(artefact), str(short)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return [read_line(line) for line in done.stdout.splitlines()[2:]]

    def difference(artefact: Path) -> float:
        there = frames("qemu-x86_64", "-cpu", request.param, artefact=artefact)
        assert len(there) == 9
        return largest_difference(there, frames(artefact=artefact))  # type: ignore[arg-type]

    return difference


def test_xnnpack_in_floats(seen: Seen, any_kind: Path) -> None:
    assert seen(any_kind) <= UNITS_AGREE


@pytest.fixture(scope="module")
def integers(brook: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For one voice alone, as it is heard here."""
    from export.lower.deploy_stream import DeployedStream
    from export.lower.program import export_program, lower

    path = tmp_path_factory.mktemp("integers") / "model.pte"
    deployed = DeployedStream(lively("brook-int8"))
    program = lower({"forward": export_program(deployed, deployed.inputs(1))}).program
    path.write_bytes(seal(program, dataclasses.replace(open_artifact(brook).manifest, crowd_voices=0)))
    return path


def test_xnnpack_in_integers(seen: Seen, integers: Path) -> None:
    assert seen(integers) <= INT8_TOLERANCE


@pytest.mark.parametrize("name", ["brook", "pane", "creek-int8"])
def test_our_own_kernels(name: str, seen: Seen, make_case: Callable[[str], Case]) -> None:
    assert seen(make_case(name).path) <= (0 if name.endswith("-int8") else UNITS_AGREE), "int8 to the last bit"
