"""Stream students keep the product's promises too: any chunking, any rate, no look ahead, and a crowd is its voices."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.clock import FrameClock
from sdk.crowd import Crowd
from sdk.engines.eager import EagerEngine, EagerStreamEngine
from sdk.errors import ArtifactError, AudioError, ConfigError, ManifestError
from sdk.hops import BetweenState, HopSpec, HopState, between
from sdk.latency import Latency
from sdk.predictor import FramePredictor, predict
from sdk.rig import Frame
from sdk.voices import StreamMemory

MakeEngine = Callable[..., EagerStreamEngine]
RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000)


def _noise(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(count) * 0.3).astype(np.float32)


def _played(predictor: FramePredictor, samples: np.ndarray, cuts: list[int]) -> list[Frame]:
    frames = [frame for chunk in np.split(samples, cuts) for frame in predictor.push(chunk)]
    return frames + predictor.finish()


def _same(got: list[Frame], wanted: list[Frame], atol: float = 0.0) -> None:
    assert [(f.index, f.sample) for f in got] == [(f.index, f.sample) for f in wanted]
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=atol, rtol=0)


@settings(max_examples=40)
@given(
    data=st.data(),
    rate=st.sampled_from(RATES),
    fps=st.sampled_from([None, 24, 25, "30000/1001", 60, 90, 240]),
    ensemble=st.booleans(),
    future=st.sampled_from([0, 1, 319, 320, 704, 2048]),
)
def test_any_chunking_gives_the_same_frames(
    make_stream_engine: MakeEngine, data: st.DataObject, rate: int, fps: Any, ensemble: bool, future: int
) -> None:
    engine = make_stream_engine(future_samples=future)
    ensemble = ensemble and fps != 240
    samples = _noise(data.draw(st.integers(1, rate // 4)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(samples)), max_size=10)))
    whole = predict(engine, samples, rate, fps=fps, ensemble=ensemble)
    predictor = FramePredictor(engine, rate_hz=rate, fps=fps, ensemble=ensemble)
    _same(_played(predictor, samples, cuts), whole)
    total = -(-len(samples) * 16000 // rate)
    assert [frame.index for frame in whole] == list(range(predictor.clock.frames_before(total)))


def test_frames_are_drawn_between_the_hops_around_them(make_stream_engine: MakeEngine) -> None:
    """The plain definition: run every hop, then interpolate all of it at once."""
    engine, samples = make_stream_engine(), _noise(16000)
    padded = np.concatenate([samples, np.zeros(3200, np.float32)]).reshape(-1, 320)
    state, rows = engine.start(1), []
    for hop in padded:
        values, state = engine.step(hop[None], state)
        rows.append(values[0])
    instants = 320 * (np.arange(len(rows)) + 1) - 704
    for fps in (24, 30, 60, 90):
        clock = FrameClock(Fraction(fps))
        for frame in predict(engine, samples, fps=fps):
            wanted = [np.interp(clock.sample(frame.index), instants, column) for column in np.transpose(rows)]
            np.testing.assert_allclose(frame.values, wanted, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("ensemble", [False, True])
def test_frames_never_depend_on_audio_after_their_latency(
    make_stream_engine: MakeEngine, rate: int, ensemble: bool
) -> None:
    engine, samples = make_stream_engine(), _noise(rate // 2)
    wait_ms = FramePredictor(engine, rate_hz=rate, ensemble=ensemble).latency.total_ms
    for cut in (rate // 10, rate // 4):
        changed = np.concatenate([samples[:cut], _noise(len(samples) - cut, seed=9)])
        before, after = (predict(engine, audio, rate, ensemble=ensemble) for audio in (samples, changed))
        for one, other in zip(before, after, strict=True):
            if one.sample / 16 + wait_ms <= cut * 1000 / rate:
                np.testing.assert_array_equal(one.values, other.values)
        assert any((one.values != other.values).any() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30), Fraction(30000, 1001), Fraction(60), Fraction(90)])
@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize(("rate", "chunk"), [(16000, 1), (16000, 160), (48000, 480), (44100, 1024), (8000, 77)])
def test_latency_is_the_worst_case(fps: Fraction, ensemble: bool, rate: int, chunk: int) -> None:
    """Brute force in whole numbers over a long take: which input fills the hop, which chunk brings that input."""
    clock, spec = FrameClock(fps), HopSpec(320, 704)
    latency = Latency.of(clock, spec, ensemble=ensemble, rate_hz=rate, chunk_samples=chunk)
    frame = np.arange(200_000, dtype=np.int64)
    step = 16000 * fps.denominator
    sample = frame * step // fps.numerator
    ready = (2 * frame + 1) * step // (2 * fps.numerator) if ensemble else sample
    received = -(-(ready + 704) // 320) * 320
    needed = (received - 1) * rate // 16000 + latency.resampler_samples + 1
    arrived = -(-needed // chunk) * chunk
    worst_ms = float((arrived * 16000 - sample * rate).max()) / (16 * rate)
    assert worst_ms - 1e-9 <= latency.total_ms
    if not ensemble:
        assert latency.total_ms < worst_ms + 0.2
        assert latency.future_ms + latency.grid_ms <= 64


def test_ticks_before_the_first_instant_take_the_first_values() -> None:
    spec, clock = HopSpec(320, 0), FrameClock(Fraction(100))
    state, due = between(BetweenState(0, None, 0), np.ones(2, np.float32), clock, spec)
    assert [tick for tick, _ in due] == [0, 1]  # at samples 0 and 160; 320 waits for its own sample
    assert all((values == 1).all() for _, values in due)
    _, due = between(state, np.full(2, 3, np.float32), clock, spec)
    assert [(tick, float(values[0])) for tick, values in due] == [(2, 1.0), (3, 2.0)]


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("ensemble", [False, True])
def test_a_crowd_is_its_voices(make_stream_engine: MakeEngine, rate: int, ensemble: bool) -> None:
    """Voices that begin at other times, with chunks of other sizes: each is what it would be alone."""
    engine, random = make_stream_engine(), np.random.default_rng(3)
    audio = [_noise(rate // 3 + 1000 * i, seed=i) for i in range(5)]
    crowd = Crowd(engine, 5, rate_hz=rate, ensemble=ensemble)
    heard, frames = [0] * 5, [[] for _ in range(5)]  # type: ignore[var-annotated]
    while any(at < len(sound) for at, sound in zip(heard, audio, strict=True)):
        chunks: list[np.ndarray | None] = []
        for i, sound in enumerate(audio):
            count = int(random.integers(0, 900))
            chunks.append(sound[heard[i] : heard[i] + count] if random.random() < 0.8 else None)
            heard[i] += count if chunks[-1] is not None else 0
        for own, new in zip(frames, crowd.push(chunks), strict=True):
            own += new
    for i, tail in enumerate(crowd.finish()):
        _same(frames[i] + tail, predict(engine, audio[i], rate, ensemble=ensemble))


@pytest.mark.parametrize("ensemble", [False, True])
def test_a_crowd_that_fails_loses_nothing(make_stream_engine: MakeEngine, ensemble: bool) -> None:
    good = make_stream_engine()
    calls = iter(range(1000))

    def flaky(hops: np.ndarray, state: Any) -> Any:
        if next(calls) == 3:
            raise ArtifactError("the device went away")
        return good.function(hops, state)

    crowd, audio = Crowd(EagerStreamEngine(good.manifest, flaky), 2, ensemble=ensemble), _noise(6400)
    frames = crowd.push([audio[:640], audio[:640]])[0]
    with pytest.raises(ArtifactError):
        crowd.push([audio[640:], audio[640:]])
    with pytest.raises(AudioError):
        crowd.push([audio[640:], "speech"])
    frames += crowd.push([audio[640:], audio[640:]])[0] + crowd.finish()[0]
    _same(frames, predict(good, audio, ensemble=ensemble))


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("ensemble", [False, True])
def test_a_crowd_whose_end_fails_ends_again(make_stream_engine: MakeEngine, rate: int, ensemble: bool) -> None:
    """At every call of the tail in turn. Voices of other lengths, one that is over, one that never spoke."""
    good, calls, fails_at = make_stream_engine(), 0, -1

    def flaky(hops: np.ndarray, state: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls - 1 == fails_at:
            raise ArtifactError("the device went away")
        return good.function(hops, state)

    audio = [_noise(rate // 3 + 1111 * i, seed=i) for i in range(4)] + [_noise(0)]
    wanted = [predict(good, sound, rate, ensemble=ensemble) if len(sound) else [] for sound in audio]
    crowd = Crowd(EagerStreamEngine(good.manifest, flaky), len(audio), rate_hz=rate, ensemble=ensemble)
    frames = crowd.push(audio)
    frames[1] += crowd.voices[1].finish()
    before = [voice.snapshot() for voice in crowd.voices]
    calls = 0
    ends = crowd.finish()
    of_all, most = calls, max(voice.timing.future_samples // 320 + 3 for voice in crowd.voices)
    assert 1 < of_all <= most, "tails run together"
    for own, end, whole in zip(frames, ends, wanted, strict=True):
        _same(own + end, whole)
    for n in range(of_all):
        for voice, memory in zip(crowd.voices, before, strict=True):
            voice.restore(memory)
        calls, fails_at = 0, n
        with pytest.raises(ArtifactError, match="went away"):
            crowd.finish()
        for again, end in zip(crowd.finish(), ends, strict=True):
            _same(again, end)
        assert crowd.finish() == [[] for _ in audio], "a second call gives none"


def test_crowds_that_cannot_be(make_stream_engine: MakeEngine, make_engine: Callable[..., EagerEngine]) -> None:
    for count in (0, 65_537, 10**12, 1.5, "3", None, True):  # of a million million lists nothing is left to answer
        with pytest.raises(ConfigError, match="voices: give a whole number"):
            Crowd(make_stream_engine(), count)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="window student"):
        Crowd(make_engine(), 2)  # type: ignore[arg-type]
    crowd = Crowd(make_stream_engine(), 2)
    with pytest.raises(AudioError, match="1 chunks for 2 voices"):
        crowd.push([None])
    crowd.finish()
    with pytest.raises(AudioError, match="reset"):
        crowd.push([_noise(10), None])


def test_ten_hours_in(make_stream_engine: MakeEngine) -> None:
    """Frames keep their absolute place, and their values, however long a voice has been running."""
    engine = make_stream_engine()
    fresh, old = FramePredictor(engine, fps="30000/1001"), FramePredictor(engine, fps="30000/1001")
    hops = 10 * 3600 * 50 // 50050 * 50050  # 30000 frames take exactly 1001 s
    ticks = hops // 50 * 30000 // 1001
    memory = fresh.voice.memory
    received = HopState(np.zeros(0, np.float32), hops * 320)
    old.voice.memory = StreamMemory(received, memory.queue, memory.state, BetweenState(hops, None, ticks))
    for one, other in zip(fresh.push(_noise(16000)), old.push(_noise(16000)), strict=True):
        assert (other.index, other.sample) == (one.index + ticks, one.sample + hops * 320)
        np.testing.assert_array_equal(one.values, other.values)


def test_hops_and_states_that_do_not_fit_are_refused(make_stream_engine: MakeEngine) -> None:
    engine = make_stream_engine()
    for hops in (np.zeros(320, "f4"), np.zeros((1, 319), "f4"), np.zeros((1, 320)), np.zeros((0, 320), "f4")):
        with pytest.raises(AudioError, match="hops are"):
            engine.step(hops, engine.start(1))
    with pytest.raises(AudioError, match="2 voices"):
        engine.step(np.zeros((2, 320), np.float32), engine.start(1))


@pytest.mark.parametrize(
    "changes",
    [{"state": []}, {"state": [[0, 1]]}, {"future_samples": -1}, {"crowd_voices": -1}, {"future_samples": 16001}],
)
def test_manifests_of_impossible_streams_are_refused(make_stream_engine: MakeEngine, changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestError):
        make_stream_engine(**changes)


def test_a_window_student_has_no_state(make_engine: Callable[..., EagerEngine]) -> None:
    with pytest.raises(ManifestError, match="neither state nor crowd"):
        make_engine(state=[[1]])
