"""What was tried beside int8: it does what it says, and how far the backend takes it is what the study reports."""

from __future__ import annotations

import pytest
import torch
from random_students import make_stream_checkpoint
from torch import Tensor

from distill.students.stream import HOP_SAMPLES, StreamStudent
from export.lower.deploy import deploy
from export.lower.program import export_program, lower
from export.quantise.rounding import golden_rows
from export.studies.precision.alternatives import ALTERNATIVES, StoredConv
from sdk.errors import VerificationError


@pytest.fixture(scope="module")
def student() -> StreamStudent:
    made = make_stream_checkpoint().student()
    assert isinstance(made, StreamStudent)
    return made


def hops(module: torch.nn.Module, student: StreamStudent, audio: Tensor) -> Tensor:
    state, values = student.initial_state(), []
    with torch.inference_mode():
        for hop in audio.reshape(-1, 1, 1, HOP_SAMPLES):
            value, *state = module(hop, *state)
            values.append(value[0])
    return torch.stack(values)


@pytest.mark.parametrize("name", sorted(ALTERNATIVES))
def test_it_says_nearly_what_float_says(student: StreamStudent, name: str) -> None:
    audio = torch.from_numpy(golden_rows(2)[1][: HOP_SAMPLES * 120])
    expected = hops(deploy(student), student, audio)
    found = hops(ALTERNATIVES[name](student).eval(), student, audio)
    error = float((found - expected).square().mean().sqrt() / expected.std())
    assert 0 < error < 0.1
    assert found.dtype == torch.float32


def test_weights_are_stored_in_fewer_bits() -> None:
    conv = torch.nn.Conv2d(8, 16, (1, 3))
    assert StoredConv(conv, half=False).weight.dtype == torch.int8
    assert StoredConv(conv, half=True).weight.dtype == torch.float16
    x = torch.randn(2, 8, 1, 9)
    for layer in (StoredConv(conv, half=False), StoredConv(conv, half=True)):
        with torch.inference_mode():
            torch.testing.assert_close(layer(x), conv(x), atol=0.05, rtol=0)


def test_half_does_not_lower_whole(student: StreamStudent) -> None:
    inputs = deploy(student).inputs(1)
    with pytest.raises(VerificationError, match="gelu"):
        lower({"forward": export_program(ALTERNATIVES["half"](student).eval(), inputs)})
