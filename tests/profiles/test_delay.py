"""The latency of a profile is that of the sdk, held by playing audio in blocks, plus what the inference took."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from known import facts

import sdk
from profiles.measure.delay import latency_rows
from profiles.model.figures import Pace, Timing
from sdk.engines.eager import EagerEngine

RATE_HZ, BLOCK = 48000, 480
TIMING = Timing.of([[1000.0] * 90 + [4000.0] * 9 + [9000.0]])


def worst_wait_ms(ensemble: bool) -> float:
    """Blocks of 10 ms into a predictor whose engine costs nothing: the longest that a frame came after itself."""
    engine = EagerEngine(facts(), lambda window: np.zeros(3, np.float32))
    predictor = sdk.FramePredictor(engine, rate_hz=RATE_HZ, ensemble=ensemble)
    worst = 0.0
    for block in range(1, 400):
        for frame in predictor.push(np.zeros(BLOCK, np.float32)):
            worst = max(worst, 1000 * (block * BLOCK / RATE_HZ - frame.sample / 16000))
    return worst


@pytest.mark.parametrize("ensemble", [False, True])
def test_the_fixed_parts_are_what_playing_shows(ensemble: bool) -> None:
    manifest = dataclasses.replace(facts(), ensemble=[0.25, 0.5, 0.25] if ensemble else [])
    row = latency_rows(manifest, TIMING)[0]
    fixed = row.total_ms - row.inference_ms
    assert -1e-6 <= fixed - worst_wait_ms(ensemble) <= 0.2
    assert row.future_ms == 10
    assert row.resampler_ms == 2
    assert (row.ensemble_ms > 0) == ensemble
    assert row.interpolation_ms == 0


def test_one_row_a_percentile() -> None:
    rows = latency_rows(facts(), TIMING)
    assert [row.percentile for row in rows] == ["p50", "p95", "p99", "max"]
    assert [row.inference_ms for row in rows] == [1.0, 4.0, 4.0, 9.0]
    assert len({row.total_ms - row.inference_ms for row in rows}) == 1
    assert rows[3].audio_delay_ms(20) == pytest.approx(rows[3].total_ms - 20)
    assert rows[0].audio_delay_ms(200) == 0


def test_responses_at_real_time_pace_count_with_their_wake_up() -> None:
    pace = Pace(40_000, 40_000, [2000.0] * 98 + [7000.0, 30_000.0])
    assert [row.inference_ms for row in latency_rows(facts(), TIMING, pace=pace)] == [2.0, 2.0, 7.0, 30.0]


def test_a_frame_waits_for_a_whole_run() -> None:
    """A stream's step makes half a frame, and a crowd's call serves others too: the wait is that of the call."""
    (stream, *_), (crowd, *_) = (latency_rows(facts("stream"), TIMING, voices=voices) for voices in (1, 4))
    assert stream.inference_ms == 0.5
    assert crowd.inference_ms == 2.0
    assert stream.interpolation_ms > 0, "its hop must fill up"
