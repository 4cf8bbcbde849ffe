"""The closed form of `Latency` against a stopwatch: push chunks, note when each frame comes out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from sdk.audio import StreamingResampler
from sdk.clock import FrameClock
from sdk.ensemble import RealtimeEnsemble
from sdk.errors import ConfigError
from sdk.latency import Latency
from sdk.stream import StreamState, advance
from sdk.window import WindowSpec


def _stopwatch_ms(
    clock: FrameClock, window: WindowSpec, ensemble: bool, rate: int, chunk: int, seconds: float
) -> float:
    """The longest any frame took from its own instant to the end of the chunk that brought it out."""
    resampler = StreamingResampler(rate)
    ticks = clock.doubled() if ensemble else clock
    smoother = RealtimeEnsemble()
    state = StreamState.initial(ticks, window, -1 if ensemble else 0)
    worst = 0.0
    for pushed in range(chunk, int(rate * seconds), chunk):
        state, steps = advance(state, resampler.push(np.zeros(chunk, dtype=np.float32)), ticks, window)
        for step in steps:
            frame = step.frame
            if ensemble:
                if smoother.push(np.zeros(1)) is None:
                    continue
                frame = (step.frame - 1) // 2
            worst = max(worst, pushed / rate - clock.sample(frame) / 16000)
    return worst * 1000


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize(
    ("rate", "chunk"), [(16000, 1), (16000, 160), (16000, 512), (48000, 480), (44100, 1024), (8000, 77)]
)
def test_total_is_the_worst_case(fps: Fraction, ensemble: bool, rate: int, chunk: int) -> None:
    clock, window = FrameClock(fps), WindowSpec(1000, 400)
    latency = Latency.of(clock, window, ensemble=ensemble, rate_hz=rate, chunk_samples=chunk)
    # long enough to meet every alignment of frames and chunks that whole-number arithmetic allows, up to a limit
    measured = _stopwatch_ms(clock, window, ensemble, rate, chunk, 12 if chunk > 1 else 0.7)
    assert measured <= latency.total_ms + 1e-9, "the promise is an upper bound"
    if rate == 16000 and not ensemble and fps.denominator == 1:
        assert latency.total_ms == pytest.approx(measured, abs=1e-9)
    elif fps.denominator == 1 and rate != 44100:  # else the alignments take hours to repeat
        assert latency.total_ms < measured + 0.2


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(30), Fraction(60000, 1001)])
@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize(
    ("rate", "chunk"), [(8000, 1), (11025, 256), (44100, 441), (44100, 1024), (48000, 1), (96000, 999)]
)
def test_the_bound_is_tight_over_hours(fps: Fraction, ensemble: bool, rate: int, chunk: int) -> None:
    """Whole-number brute force over every frame of a long take: which input lets it out, which chunk brings that."""
    clock, window = FrameClock(fps), WindowSpec(1000, 400)
    frame = np.arange(500_000, dtype=np.int64)
    step = 16000 * fps.denominator
    sample = frame * step // fps.numerator
    ready = (2 * frame + 1) * step // (2 * fps.numerator) if ensemble else sample
    needed = (ready + 400 - 1) * rate // 16000 + StreamingResampler(rate).lookahead_samples + 1
    arrived = -(-needed // chunk) * chunk
    worst_ms = float((arrived * 16000 - sample * rate).max()) * 1000 / (16000 * rate)
    total_ms = Latency.of(clock, window, ensemble=ensemble, rate_hz=rate, chunk_samples=chunk).total_ms
    assert worst_ms - 1e-9 <= total_ms < worst_ms + 0.2


def test_chunks_that_never_arrive_are_refused() -> None:
    with pytest.raises(ConfigError):
        Latency.of(FrameClock(Fraction(30)), WindowSpec(), chunk_samples=0)


def test_parts_add_up() -> None:
    latency = Latency.of(
        FrameClock(Fraction(30)),
        WindowSpec(8192, 1024),
        ensemble=True,
        rate_hz=48000,
        chunk_samples=480,
        inference_ms=0.5,
    )
    assert latency.future_ms == 64
    assert latency.ensemble_ms == pytest.approx(16.7, abs=0.05)
    assert latency.resampler_ms == pytest.approx(2.0)
    assert 0 <= latency.block_ms <= 10
    parts = (latency.future_ms, latency.ensemble_ms, latency.resampler_ms, latency.block_ms, latency.inference_ms)
    assert latency.total_ms == pytest.approx(sum(parts))
    assert latency.total_samples == int(np.ceil(latency.total_ms * 16))


def test_audio_delay_hides_what_exceeds_the_limit() -> None:
    slow = Latency.of(FrameClock(Fraction(30)), WindowSpec(8192, 4096))
    fast = Latency.of(FrameClock(Fraction(30)), WindowSpec(8192, 1024))
    assert slow.total_ms == 256
    assert slow.audio_delay_ms() == 166
    assert slow.audio_delay_ms(limit_ms=45) == 211
    assert fast.audio_delay_ms() == 0
