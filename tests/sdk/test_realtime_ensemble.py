"""Eq. 8 against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.ensemble import RealtimeEnsemble
from sdk.errors import ConfigError, RigError


@given(count=st.integers(0, 30), first=st.floats(0, 1), share=st.floats(0, 1))
def test_smoothed_frames_are_equation_8(count: int, first: float, share: float) -> None:
    weights = (first, (1 - first) * share, (1 - first) * (1 - share))
    r = np.random.default_rng(count).random((count, 4)).astype(np.float32)  # r[i] is doubled frame i - 1
    ensemble = RealtimeEnsemble(weights)
    out = [smoothed for values in r if (smoothed := ensemble.push(values)) is not None]
    assert len(out) == max(0, (count - 1) // 2)
    for k, smoothed in enumerate(out):
        wanted = weights[0] * r[2 * k] + weights[1] * r[2 * k + 1] + weights[2] * r[2 * k + 2]
        np.testing.assert_allclose(smoothed, wanted, atol=1e-6)


def test_values_given_may_be_reused_by_the_caller() -> None:
    ensemble, values = RealtimeEnsemble(), np.zeros(2, dtype=np.float32)
    out = None
    for number in (0.0, 0.3, 0.6):
        values[:] = number
        out = ensemble.push(values)
    np.testing.assert_allclose(np.asarray(out), 0.3, atol=1e-7)


@pytest.mark.parametrize(
    "weights", [(), (1,), (0.5, 0.5), (0.5, 0.5, 0.5), (-0.5, 1, 0.5), (2, -1, 0), (float("nan"), 0, 1)]
)
def test_bad_weights_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"eq\. 8"):
        RealtimeEnsemble(weights)


def test_another_number_of_channels_is_refused() -> None:
    ensemble = RealtimeEnsemble()
    ensemble.push(np.zeros(2))
    with pytest.raises(RigError):
        ensemble.push(np.zeros(3))
