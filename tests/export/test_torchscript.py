"""`.pt`: what the student says, from a frozen module that needs nothing of ours, in floats and in integers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from random_students import lively, make_stream_checkpoint
from torch import Tensor

import sdk
from distill.students.spec import load_variant
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.students.window import WindowStudent
from export.lower.torchscript import torchscript
from export.quantise.rounding import golden_rows, quantise
from export.torchscript import main
from export.verify.proof import INT8_TOLERANCE, TOLERANCE

WITHOUT_US = """
import sys, torch, numpy
program = torch.jit.load(sys.argv[1]).eval()
inputs = [torch.from_numpy(array) for array in numpy.load(sys.argv[2]).values()]
with torch.inference_mode():
    result = program(*inputs)
result = result if isinstance(result, torch.Tensor) else result[0]
assert not [name for name in sys.modules if name.split(".")[0] in ("sdk", "distill", "export", "executorch")]
numpy.save(sys.argv[3], result.numpy())
"""
CAPS = ("SSE41", "AVX512_CORE", "ALL")  # 16-bit sums of pairs, the same wider, whatever is there (AMX too)


@pytest.fixture(scope="module")
def rows() -> list[np.ndarray]:
    return golden_rows(4)


def play(student: StreamStudent, path: Path, hops: Tensor) -> Tensor:
    """Values `(hops, channels)` of a stream's `.pt`, hop by hop."""
    program, state, values = torch.jit.load(str(path)), student.initial_state(), []
    with torch.inference_mode():
        for hop in hops:
            value, *state = program(hop.reshape(1, 1, -1), *state)
            values.append(value[0])
    return torch.stack(values)


@pytest.mark.parametrize("changes", [{}, {"separable": True}], ids=["dense", "separable"])
def test_a_stream_in_integers(rows: list[np.ndarray], tmp_path: Path, changes: dict[str, object]) -> None:
    student = make_stream_checkpoint(**changes).student()
    assert isinstance(student, StreamStudent)
    frozen = quantise(student, rows)
    files = {"float": tmp_path / "float.pt", "int8": tmp_path / "int8.pt"}
    files["float"].write_bytes(torchscript(student))
    files["int8"].write_bytes(torchscript(frozen))
    hops = torch.from_numpy(rows[2]).reshape(-1, HOP_SAMPLES)
    with torch.inference_mode():
        says = {"float": student(hops.reshape(1, 1, -1))[0], "int8": frozen(hops.reshape(1, 1, -1))[0]}
    found = {name: play(student, path, hops) for name, path in files.items()}
    assert float((found["float"] - says["float"]).abs().max()) < TOLERANCE
    error = float((found["int8"] - says["int8"]).abs().max())
    assert error < INT8_TOLERANCE
    assert error < float((says["int8"] - says["float"]).abs().max()), "it follows the twin, not the float student"


def test_a_window_student_in_integers_without_us_under_every_cap(rows: list[np.ndarray], tmp_path: Path) -> None:
    student = lively(load_variant("s2", {"channels": 32, "fc_width": 48}).build())
    assert isinstance(student, WindowStudent)
    frozen = quantise(student, rows[:3])
    single, integers = torchscript(student), torchscript(frozen)
    assert len(integers) < 0.6 * len(single)
    (tmp_path / "model.pt").write_bytes(integers)
    window = torch.from_numpy(rows[3][:8192].copy()).reshape(1, 1, -1)
    np.savez(tmp_path / "in.npz", window.numpy())
    words = [str(tmp_path / name) for name in ("model.pt", "in.npz", "out.npy")]
    with torch.inference_mode():
        expected = frozen(window)
    assert float(expected.std()) > 0.01
    for cap in CAPS:  # what another processor has; `make isa` runs whole test files under each
        capped = {**os.environ, "ONEDNN_MAX_CPU_ISA": cap}
        subprocess.run([sys.executable, "-W", "ignore", "-c", WITHOUT_US, *words], check=True, cwd=tmp_path, env=capped)
        np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected.numpy(), atol=INT8_TOLERANCE, err_msg=cap)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_stream_checkpoint().save(tmp_path / "s6.pt")
    out = tmp_path / "integers.pt"
    words = ["--checkpoint", str(tmp_path / "s6.pt"), "--out", str(out)]
    (tmp_path / "integers.pt.sig").write_bytes(b"of whoever signed an earlier one")
    assert main([*words, "--precision", "int8"]) == 0
    assert not (tmp_path / "integers.pt.sig").exists()
    assert sdk.open_artifact(out).manifest.precision == "int8"
    frames = sdk.predict(sdk.open(out, trusted=True), golden_rows(2)[1])
    assert np.ptp([frame.values for frame in frames], axis=0).max() > 0.05
    before = out.read_bytes()
    assert main([*words, "--precision", "mixed"]) == 2
    assert "nobody knows yet which layers" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_it_is_frozen(rows: list[np.ndarray], tmp_path: Path) -> None:
    student = make_stream_checkpoint().student()
    for number, made in enumerate((student, quantise(student, rows))):
        path = tmp_path / f"{number}.pt"
        path.write_bytes(torchscript(made))
        program = torch.jit.load(str(path))
        assert not list(program.parameters()), "weights are constants of the graph"
        kernels = str(program.graph)
        assert "quantized::" not in kernels, "torch's own give other numbers on other processors"
        assert ("aten::type_as" in kernels) == bool(number), "weights stay int8 in the file"
