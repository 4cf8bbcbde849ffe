"""Baselines in the export: a `.pt` that is scored as any other, and a clear refusal of everything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import sdk
from distill.files.checkpoint import Checkpoint
from distill.students.spec import load_variant
from distill.training.begin import initialise
from export.load.checkpoints import load_candidates
from export.lower.deploy import deploy
from export.lower.memory import paper_bytes
from export.lower.program import export_program
from export.plan.cost import cost
from export.quantise.rounding import golden_rows, with_grids
from export.torchscript import main
from sdk.errors import ConfigError

NAMES = ("m_kd", "h_kd")


@pytest.fixture(scope="module", params=NAMES)
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    spec = load_variant(request.param, {"channels": 24, "fc_width": 24})
    student = spec.build()
    initialise(student, 1)
    torch.nn.init.normal_(student.fc3.weight, std=0.3)
    return Checkpoint(spec, student.state_dict(), {"recipe": "none"})


def test_a_pt_plays_and_says_what_the_checkpoint_says(checkpoint: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "weights.pt")
    out = tmp_path / "model.pt"
    assert main(["--checkpoint", str(tmp_path / "weights.pt"), "--out", str(out)]) == 0
    manifest = sdk.open_artifact(out).manifest
    assert (manifest.kind, manifest.student) == ("window", checkpoint.spec.name)
    assert (manifest.window_samples, manifest.future_samples, manifest.state) == (8192, 4096, [])
    assert manifest.weights_sha256 == checkpoint.weights_sha256
    assert manifest.parameters == checkpoint.parameters
    audio = golden_rows(2)[1]
    frames = sdk.predict(sdk.open(out, trusted=True), audio)
    assert np.ptp([frame.values for frame in frames], axis=0).max() > 0.05
    padded, middle = np.pad(audio, (4096, 4096)), frames[20]
    window = torch.from_numpy(padded[middle.sample : middle.sample + 8192].copy())
    with torch.inference_mode():
        expected = checkpoint.layout.clamp(checkpoint.student()(window.reshape(1, 1, -1))[0].numpy())
    np.testing.assert_allclose(middle.values, expected, atol=1e-4)


def test_the_rest_of_the_export_refuses_it(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.pt"
    checkpoint.save(path)
    student = checkpoint.student()
    with pytest.raises(ConfigError, match="is not lowered"):
        deploy(student)
    with pytest.raises(ConfigError, match="stays in fp32"):
        with_grids(student)
    loaded, errors = load_candidates([path])
    assert not loaded
    assert "export.torchscript" in str(errors[0])
    out = tmp_path / "model.pt"
    assert main(["--checkpoint", str(path), "--out", str(out), "--precision", "int8"]) == 2
    assert "stays in fp32" in capsys.readouterr().err
    assert not out.exists()


def test_its_figures_for_the_table_can_be_computed(checkpoint: Checkpoint) -> None:
    """Parameters and all intermediate steps, multiply-adds and calls a second: the columns of Table 2."""
    student = checkpoint.student()
    assert paper_bytes(student) > 4 * checkpoint.parameters
    exported = export_program(student, (torch.zeros(1, 1, 8192),))
    found = cost(exported, checkpoint.spec, None)
    assert found.calls_per_s == 30
    assert found.macs > 5 * checkpoint.parameters
