"""Without a CUDA device everything on it is skipped with the reason; with one it is measured."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from profiles.measure._gpu_worker import exported
from profiles.measure.cpu import Job
from profiles.measure.gpu import BACKENDS, measure_cases, why_no_gpu
from profiles.model.figures import Case, Setting
from profiles.model.record import Skipped


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_device_is_a_reason(known_pt: Path, backend: str) -> None:
    (found,) = measure_cases([Job(known_pt, "a", Setting(backend))])
    assert isinstance(found, Skipped)
    assert "sees no CUDA device" in found.reason
    assert found.case.startswith(f"a: {backend}")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_device_is_measured(known_pt: Path, backend: str) -> None:
    assert why_no_gpu() == ""
    (found,) = measure_cases([Job(known_pt, "a", Setting(backend))], launches=1, rounds=2, frames=5)
    assert isinstance(found, Case)
    assert [len(samples) for samples in found.timing.rounds_us] == [5, 5]
    assert found.timing.p50_us > 0


def test_the_module_that_is_compiled_is_the_one_in_the_file(known_pt: Path) -> None:
    """torch.compile does not take TorchScript: the conversion must not change what is computed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(str(known_pt)).eval()
        ordinary = exported(module, [(1, 1, 1600)])
        window = torch.randn(1, 1, 1600)
        with torch.inference_mode():
            torch.testing.assert_close(ordinary(window), module(window))
