"""The deployment layout is the student; it lowers to one delegate; what does not is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from random_students import lively
from torch import Tensor, nn

from distill.students.spec import load_variant
from export.load.golden import golden_speech, golden_windows
from export.lower.deploy import DeployedStudent
from export.lower.program import export_program, lower
from export.lower.torchscript import torchscript
from sdk.errors import VerificationError

SMALL = load_variant("s2", {"channels": 16, "fc_width": 24})


@pytest.mark.parametrize(
    ("gain", "offset"), [(1.0, 0.0), (0.0, 0.0), (1e-4, 0.0), (0.01, 0.9), (1.0, -0.5), (0.0, 1.0)]
)
def test_deployment_layout_is_the_student(gain: float, offset: float) -> None:
    student = lively(SMALL.build())
    windows = torch.from_numpy(golden_windows(8192)[::4, None]) * gain + offset
    with torch.no_grad():
        deployed = DeployedStudent(student)
        for window in windows:
            torch.testing.assert_close(deployed(window[None]), student(window[None]), atol=5e-5, rtol=0)


def test_deploying_leaves_the_student_alone() -> None:
    student = lively(SMALL.build())
    DeployedStudent(student)
    assert not student.first_norm.decompose
    assert student.first.weight.shape == (16, 1, 1, 10)


class Half(nn.Module):
    """Ends in an operator that the delegate does not take."""

    def forward(self, window: Tensor) -> Tensor:
        return torch.cumsum(torch.tanh(window * 2), -1)


def test_what_stays_outside_the_delegate_is_refused() -> None:
    with pytest.raises(VerificationError, match=r"does not lower whole.*cumsum"):
        lower({"forward": export_program(Half(), (torch.zeros(1, 1, 64),))})


class Attentive(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        return torch.softmax(rows @ rows.transpose(1, 2), -1) @ rows


def test_patterns_that_nothing_could_match_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    from executorch.backends.xnnpack.partition.graphs import sdpa

    from export.lower import program

    net = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Tanh())
    methods = {"forward": export_program(net, (torch.zeros(1, 1, 64),))}
    drawn, usual = [], sdpa.get_graphs
    monkeypatch.setattr(sdpa, "get_graphs", lambda: drawn.append(1) or usual())
    without = lower(methods).program
    assert not drawn
    monkeypatch.setattr(program, "_LOOKED_FOR", ("",))
    assert lower(methods).program == without
    assert drawn
    monkeypatch.undo()
    attentive = {"forward": export_program(Attentive(), (torch.zeros(1, 3, 8),))}
    with program._patterns_that_may_match(attentive):
        assert sdpa.get_graphs is usual, "it may be one"


def test_torchscript_is_the_student() -> None:
    student = lively(SMALL.build())
    window = torch.from_numpy(golden_windows(8192)[3])[None, None]
    loaded = torch.jit.load(io.BytesIO(torchscript(student)))
    with torch.no_grad():
        torch.testing.assert_close(loaded(window), student(window), atol=1e-5, rtol=0)


def test_golden_speech_is_the_same_everywhere_and_has_all_parts() -> None:
    speech = golden_speech()
    assert np.array_equal(speech, golden_speech())
    assert speech.dtype == np.float32
    assert np.abs(speech).max() == 1.0
    fifth = len(speech) // 5
    assert not speech[2 * fifth : 2 * fifth + 9000].any()
    assert abs(speech[3 * fifth : 4 * fifth].mean() - 0.2) < 0.05
    assert speech[:fifth].std() > 0.02


def test_one_tensor_for_two_inputs_is_refused() -> None:
    """The exporter would make one input of it: the talker's denoiser once took its features for the personal ones."""
    same = torch.zeros(1, 4)
    with pytest.raises(ValueError, match="two inputs"):
        export_program(torch.nn.Bilinear(4, 4, 2), (same, same))
