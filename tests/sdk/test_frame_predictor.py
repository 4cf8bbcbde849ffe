"""The product's promises: any chunking, any rate, no look into the future, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facts_of_manifests import stream_facts
from hypothesis import given, settings
from hypothesis import strategies as st

import sdk
from sdk.clock import FrameClock
from sdk.engines.eager import EagerEngine
from sdk.errors import ArtifactError, AudioError, ConfigError, RigError, TinyfaceError
from sdk.manifest import Manifest
from sdk.predictor import FramePredictor, predict
from sdk.rig import Frame
from sdk.stream import StreamState

MakeEngine = Callable[..., EagerEngine]
RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000)
THIRDS = [1 / 3, 1 / 3, 1 / 3]


def _noise(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(count) * 0.3).astype(np.float32)


def _stream(predictor: FramePredictor, samples: np.ndarray, cuts: list[int]) -> list[Frame]:
    frames = [frame for chunk in np.split(samples, cuts) for frame in predictor.push(chunk)]
    return frames + predictor.finish()


def _same(got: list[Frame], wanted: list[Frame], atol: float = 1e-6) -> None:
    assert [(f.index, f.sample) for f in got] == [(f.index, f.sample) for f in wanted]
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=atol)


@settings(max_examples=40)
@given(
    data=st.data(),
    rate=st.sampled_from(RATES),
    fps=st.sampled_from([None, 24, "30000/1001", 60]),
    ensemble=st.booleans(),
    future=st.sampled_from([0, 100, 400, 1000]),
)
def test_any_chunking_gives_the_same_frames(
    make_engine: MakeEngine, data: st.DataObject, rate: int, fps: Any, ensemble: bool, future: int
) -> None:
    engine = make_engine(future_samples=future)
    samples = _noise(data.draw(st.integers(1, rate // 4)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(samples)), max_size=10)))
    whole = predict(engine, samples, rate, fps=fps, ensemble=ensemble)
    predictor = FramePredictor(engine, rate_hz=rate, fps=fps, ensemble=ensemble)
    _same(_stream(predictor, samples, cuts), whole)
    total = -(-len(samples) * 16000 // rate)
    assert [frame.index for frame in whole] == list(range(predictor.clock.frames_before(total)))


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("ensemble", [False, True])
def test_one_sample_at_a_time(make_engine: MakeEngine, rate: int, ensemble: bool) -> None:
    engine, samples = make_engine(), _noise(rate // 5)
    predictor = FramePredictor(engine, rate_hz=rate, ensemble=ensemble)
    _same(
        _stream(predictor, samples, list(range(1, len(samples)))),
        predict(engine, samples, rate, ensemble=ensemble),
        0.0,
    )


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ensemble", [False, True])
def test_frames_never_depend_on_audio_after_their_future(make_engine: MakeEngine, rate: int, ensemble: bool) -> None:
    """Change all audio from some sample on: frames whose latency ends before it stay as they are, to the last bit."""
    engine, samples = make_engine(), _noise(rate // 2)
    for cut in (rate // 10, rate // 4, rate // 3):
        changed = np.concatenate([samples[:cut], _noise(len(samples) - cut, seed=9)])
        before, after = (predict(engine, audio, rate, ensemble=ensemble) for audio in (samples, changed))
        wait_ms = FramePredictor(engine, rate_hz=rate, ensemble=ensemble).latency.total_ms
        for one, other in zip(before, after, strict=True):
            if one.sample / 16 + wait_ms <= cut * 1000 / rate:
                np.testing.assert_array_equal(one.values, other.values)
        assert any((one.values != other.values).any() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("rate", [8000, 48000])
def test_frames_come_out_as_early_as_the_latency_says(make_engine: MakeEngine, rate: int) -> None:
    predictor = FramePredictor(make_engine(), rate_hz=rate)
    for received, sample in enumerate(_noise(rate // 3), 1):
        for frame in predictor.push(np.array([sample])):
            assert received * 1000 / rate - frame.sample / 16 <= predictor.latency.total_ms + 1e-9


@pytest.mark.parametrize("rate", RATES)
def test_rates_agree(make_engine: MakeEngine, rate: int) -> None:
    """The same sound recorded at another rate gives the same animation."""

    def sound(at_hz: int) -> np.ndarray:
        time = np.arange(at_hz) / at_hz
        return sum(0.2 * np.sin(2 * np.pi * hz * time + hz) for hz in (120, 410, 1700, 2900))  # type: ignore[return-value]

    reference = predict(make_engine(), sound(16000), 16000)
    got = predict(make_engine(), sound(rate), rate)
    assert [frame.sample for frame in got] == [frame.sample for frame in reference]
    for one, other in list(zip(got, reference, strict=True))[2:-2]:  # the abrupt start and end ring a little
        np.testing.assert_allclose(one.values, other.values, atol=2e-3)


def test_every_frame_is_the_engine_on_its_own_window(make_engine: MakeEngine) -> None:
    """The plain definition, eq. 8 included: windows cut from the whole recording, no streaming anywhere."""
    engine, samples = make_engine(), _noise(16000)
    padded = np.concatenate([np.zeros(2000, np.float32), samples, np.zeros(3000, np.float32)])

    def at(sample: int) -> np.ndarray:
        return engine.run(padded[2000 + sample - 600 : 2000 + sample + 400])

    clock = FrameClock(Fraction(30))
    plain, smooth = predict(engine, samples), predict(engine, samples, ensemble=(0.2, 0.5, 0.3))
    assert len(plain) == len(smooth) == 30
    for frame in plain:
        np.testing.assert_allclose(frame.values, at(clock.sample(frame.index)), atol=1e-6)
    ticks = clock.doubled()
    for frame in smooth:
        three = [at(ticks.sample(2 * frame.index + i)) for i in (-1, 0, 1)]
        np.testing.assert_allclose(frame.values, 0.2 * three[0] + 0.5 * three[1] + 0.3 * three[2], atol=1e-6)


def test_the_manifest_decides_on_the_ensemble(make_engine: MakeEngine) -> None:
    samples = _noise(8000)
    smoothing, plain = make_engine(ensemble=[0.1, 0.8, 0.1]), make_engine()
    _same(predict(smoothing, samples), predict(plain, samples, ensemble=(0.1, 0.8, 0.1)), 0.0)
    _same(predict(smoothing, samples, ensemble=True), predict(smoothing, samples), 0.0)
    _same(predict(smoothing, samples, ensemble=False), predict(plain, samples), 0.0)
    _same(predict(plain, samples, ensemble=True), predict(plain, samples, ensemble=THIRDS), 0.0)


def test_stereo_int16_and_float_are_one_sound(make_engine: MakeEngine) -> None:
    mono = (_noise(4000) * 20000).astype(np.int16)
    reference = predict(make_engine(), mono)
    _same(predict(make_engine(), mono.astype(np.float64) / 32768), reference)
    _same(predict(make_engine(), np.stack([mono, mono], axis=1)), reference)


def test_values_are_kept_within_the_rig(make_manifest: Callable[..., Any]) -> None:
    engine = EagerEngine(make_manifest(minimum=[0, -1, 0], maximum=[1, 1, 0.5]), lambda _: np.array([7.0, -7.0, 7.0]))
    for frame in predict(engine, _noise(2000)):
        np.testing.assert_array_equal(frame.values, np.float32([1, -1, 0.5]))


def test_reset_starts_a_new_take(make_engine: MakeEngine) -> None:
    predictor = FramePredictor(make_engine(), rate_hz=44100, ensemble=True)
    first = _stream(predictor, _noise(20000), [77, 9000])
    assert predictor.finish() == []
    with pytest.raises(AudioError, match="reset"):
        predictor.push(_noise(10))
    predictor.reset()
    _same(_stream(predictor, _noise(20000), [500]), first)
    predictor.reset()
    assert predictor.finish() == []


BAD = {
    "nan": np.array([0.0, np.nan]),
    "inf": np.array([np.inf], dtype=np.float32),
    "dtype": np.zeros(5, dtype=np.uint8),
    "shape": np.zeros((5, 5, 5)),
    "channels": np.zeros((5, 12)),
    "text": "speech",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_audio_is_refused_and_nothing_is_lost(make_engine: MakeEngine, name: str) -> None:
    samples = _noise(30000)
    predictor = FramePredictor(make_engine(), rate_hz=48000, ensemble=True)
    frames = predictor.push(samples[:10000])
    with pytest.raises(AudioError):
        predictor.push(BAD[name])
    frames += predictor.push(samples[10000:]) + predictor.finish()
    _same(frames, predict(make_engine(), samples, 48000, ensemble=True))
    with pytest.raises(AudioError):
        predict(make_engine(), BAD[name])


@pytest.mark.parametrize("fails_at", [0, 1, 4, 10, 31])
def test_an_engine_that_fails_once_loses_nothing(make_engine: MakeEngine, fails_at: int) -> None:
    good, calls = make_engine(), iter(range(10**6))

    def flaky(window: np.ndarray) -> np.ndarray:
        if next(calls) == fails_at:
            raise ArtifactError("the device went away")
        return good.run(window)

    samples = _noise(24000)
    predictor = FramePredictor(EagerEngine(good.manifest, flaky), rate_hz=24000, ensemble=True)
    frames = []
    for feed in [lambda chunk=chunk: predictor.push(chunk) for chunk in np.split(samples, 6)] + [predictor.finish]:
        try:
            frames += feed()
        except ArtifactError:
            frames += feed()  # the same again
    _same(frames, predict(good, samples, 24000, ensemble=True))


@pytest.mark.parametrize("kind", ["window", "stream"])
@pytest.mark.parametrize("ensemble", [False, True])
def test_what_was_kept_is_gone_back_to_from_after_the_end(
    make_engine: MakeEngine, make_stream_engine: MakeEngine, kind: str, ensemble: bool
) -> None:
    """As a crowd or a game does that tries how a take would end: it goes on as if nobody had asked."""
    engine = make_engine() if kind == "window" else make_stream_engine()
    samples = _noise(24000)
    predictor = FramePredictor(engine, rate_hz=24000, ensemble=ensemble)
    frames = predictor.push(samples[:9000])
    before = predictor.snapshot()
    tried = predictor.finish()
    over = predictor.snapshot()
    for _ in range(2):
        predictor.restore(before)
        _same(predictor.finish(), tried)
    predictor.restore(before)
    frames += predictor.push(samples[9000:]) + predictor.finish()
    _same(frames, predict(engine, samples, 24000, ensemble=ensemble))
    predictor.reset()
    predictor.restore(over)
    assert predictor.finish() == []
    with pytest.raises(AudioError, match="reset"):
        predictor.push(samples)


def test_empty_audio(make_engine: MakeEngine) -> None:
    with pytest.raises(AudioError, match="no samples"):
        predict(make_engine(), np.zeros(0, np.float32))
    predictor = FramePredictor(make_engine())
    assert predictor.push(np.zeros(0, np.float32)) == []
    assert len(predictor.push(_noise(16000)) + predictor.push(np.zeros((0, 2)))) + len(predictor.finish()) == 30


def test_settings_that_cannot_be(make_engine: MakeEngine, make_manifest: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="out of range: give 1 to 240"):
        FramePredictor(make_engine(), fps=500)
    for bad, error in [
        ({"fps": [30]}, ConfigError),
        ({"rate_hz": 4000}, AudioError),
        ({"rate_hz": 400000}, AudioError),
        ({"fps": 0}, ConfigError),
        ({"fps": 1000}, ConfigError),
        ({"fps": "fast"}, ConfigError),
        ({"ensemble": (0.5, 0.5)}, ConfigError),
        ({"ensemble": True, "fps": 200}, ConfigError),
    ]:
        with pytest.raises(error):
            FramePredictor(make_engine(), **bad)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="only runs windows"):
        FramePredictor(EagerEngine(Manifest(**stream_facts()), lambda window: window))
    with pytest.raises(TinyfaceError):
        predict("no such file.pte", _noise(100))


def test_an_unknown_channel_is_answered_with_the_known_ones(make_engine: MakeEngine) -> None:
    frame = predict(make_engine(), _noise(1000))[0]
    assert 0 <= frame["jawOpen"] <= 1
    with pytest.raises(RigError, match=r"jawOpne.*jawOpen, mouthClose, tongueOut"):
        frame["jawOpne"]


def test_ten_hours_in(make_engine: MakeEngine) -> None:
    """Frames keep their absolute place however long a voice has been running."""
    predictor = FramePredictor(make_engine(), fps="30000/1001")
    hours = 10
    first = int(hours * 3600 * predictor.clock.fps)
    received = predictor.clock.sample(first) - 300
    predictor.voice.memory = StreamState(np.zeros(900, np.float32), received, first)
    frames = predictor.push(_noise(16000))
    assert frames[0].index == first
    for frame in frames:
        assert frame.sample == int(Fraction(frame.index * 1001, 30000) * 16000)


@pytest.mark.parametrize("runtime", ["executorch", "torchscript"])
def test_artefacts_animate_like_the_network(
    runtime: str, sealed: dict[str, Path], tiny_programs: dict[str, Any], make_manifest: Callable[..., Any]
) -> None:
    samples = _noise(22050)
    eager = EagerEngine(make_manifest(), tiny_programs["eager"])
    _same(predict(sdk.open(sealed[runtime], trusted=True), samples, 22050), predict(eager, samples, 22050), 1e-5)
