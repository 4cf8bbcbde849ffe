"""`advance` against the plain definition: cut every window out of the whole recording."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.clock import FrameClock
from sdk.errors import AudioError
from sdk.stream import Step, StreamState, advance
from sdk.window import WindowSpec

FPS = st.sampled_from([Fraction(1), Fraction(24), Fraction(30000, 1001), Fraction(30), Fraction(60), Fraction(240)])
WINDOWS = st.builds(lambda past, future: WindowSpec(past + future, future), st.integers(1, 900), st.integers(0, 700))


def _brute_force(samples: np.ndarray, clock: FrameClock, window: WindowSpec, first_frame: int) -> list[Step]:
    padded = np.concatenate([np.zeros(20000, dtype=np.float32), samples])
    steps, frame = [], first_frame
    while clock.sample(frame) + max(1, window.future_samples) <= len(samples):
        begin = 20000 + clock.sample(frame) - window.past_samples
        steps.append(Step(frame, clock.sample(frame), padded[begin : begin + window.length_samples]))
        frame += 1
    return steps


@settings(max_examples=80)
@given(data=st.data(), fps=FPS, window=WINDOWS, first_frame=st.integers(-2, 2))
def test_every_window_is_the_one_of_the_definition(
    data: st.DataObject, fps: Fraction, window: WindowSpec, first_frame: int
) -> None:
    clock = FrameClock(fps)
    samples = np.arange(1, data.draw(st.integers(0, 4000)) + 1, dtype=np.float32)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(samples)), max_size=8)))
    state, steps = StreamState.initial(clock, window, first_frame), []
    for chunk in np.split(samples, cuts):
        state, due = advance(state, chunk, clock, window)
        steps += due
        assert len(state.history) <= window.length_samples
    wanted = _brute_force(samples, clock, window, first_frame)
    assert [step[:2] for step in steps] == [step[:2] for step in wanted]
    for got, want in zip(steps, wanted, strict=True):
        np.testing.assert_array_equal(got.window, want.window)
        assert got.window.shape == (window.length_samples,)
    assert state.received == len(samples)


def test_one_sample_at_a_time_and_frame_by_frame() -> None:
    clock, window = FrameClock(Fraction(30)), WindowSpec(700, 300)
    samples = np.arange(1, 2501, dtype=np.float32)
    state, seen = StreamState.initial(clock, window), []
    for received in range(1, 2501):
        state, due = advance(state, samples[received - 1 : received], clock, window)
        assert all(received == step.sample + 300 for step in due), "a frame comes out with its last sample, not later"
        seen += due
    assert [step.frame for step in seen] == [0, 1, 2, 3, 4]


def test_a_state_is_a_value() -> None:
    """The same state may be advanced twice; the first future does not touch the second."""
    clock, window = FrameClock(Fraction(30)), WindowSpec(600, 100)
    state, _ = advance(StreamState.initial(clock, window), np.ones(900, dtype=np.float32), clock, window)
    _, left = advance(state, np.full(900, 2, dtype=np.float32), clock, window)
    _, right = advance(state, np.full(900, 3, dtype=np.float32), clock, window)
    assert left[0].window[-1] == 2
    assert right[0].window[-1] == 3
    with pytest.raises(ValueError, match="read-only"):
        left[0].window[0] = 5


@pytest.mark.parametrize("fps", ["30", "29.97", "23.976", "60", "48"])
def test_ten_hours_are_exact(fps: str) -> None:
    clock = FrameClock.at(float(fps))
    frame = int(36000 * clock.fps)
    assert clock.sample(frame) == int(Fraction(frame) / clock.fps * 16000)
    assert abs(clock.sample(frame) - 36000 * 16000) <= 16000 / clock.fps
    assert clock.frames_before(clock.sample(frame)) == frame
    assert clock.frames_before(clock.sample(frame) + 1) == frame + 1

    window = WindowSpec(8192, 4096)
    received = clock.sample(frame - 1) + 4096  # frame - 1 has just come out
    state = StreamState(np.zeros(8000, dtype=np.float32), received, frame)
    hop = clock.sample(frame) - clock.sample(frame - 1)
    state, none = advance(state, np.zeros(hop - 1, dtype=np.float32), clock, window)
    state, one = advance(state, np.zeros(1, dtype=np.float32), clock, window)
    assert not none
    assert [step.frame for step in one] == [frame]


@pytest.mark.parametrize("samples", [np.zeros(4), np.zeros((4, 1), dtype=np.float32), np.zeros(4, dtype=np.int16)])
def test_other_samples_are_refused(samples: np.ndarray) -> None:
    clock, window = FrameClock(Fraction(30)), WindowSpec()
    with pytest.raises(AudioError):
        advance(StreamState.initial(clock, window), samples, clock, window)
