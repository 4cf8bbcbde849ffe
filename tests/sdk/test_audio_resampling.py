"""The door: what is let in, and that resampling is exact, clean and independent of the chunking."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.audio import StreamingResampler, lookahead_samples, to_mono_float
from sdk.errors import AudioError

RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000)


def _resample(rate: int, samples: np.ndarray, cuts: list[int] | None = None) -> np.ndarray:
    resampler = StreamingResampler(rate)
    chunks = np.split(samples, sorted(cuts or []))
    return np.concatenate([*(resampler.push(chunk) for chunk in chunks), resampler.finish()])


def _noise(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(count) * 0.2).astype(np.float32)


@settings(max_examples=60)
@given(data=st.data(), rate=st.one_of(st.sampled_from(RATES), st.integers(8000, 192000)))
def test_output_does_not_depend_on_the_chunking(data: st.DataObject, rate: int) -> None:
    count = data.draw(st.integers(0, 3000))
    cuts = data.draw(st.lists(st.integers(0, count), max_size=12))
    samples = _noise(count)
    whole = _resample(rate, samples)
    assert len(whole) == -(-count * 16000 // rate)
    np.testing.assert_allclose(_resample(rate, samples, cuts), whole, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_one_sample_at_a_time(rate: int) -> None:
    samples = _noise(1500)
    np.testing.assert_allclose(_resample(rate, samples, list(range(1500))), _resample(rate, samples), atol=1e-6)


@pytest.mark.parametrize("rate", [*RATES, 44101, 95999])
def test_passband_keeps_tones_in_place(rate: int) -> None:
    """A tone comes out as itself at the exact times j / 16000: no gain, no delay, on either side of any chunk."""
    time = np.arange(rate) / rate
    for hz in (100, 1000, 0.41 * min(rate, 16000)):
        got = _resample(rate, np.sin(2 * np.pi * hz * time).astype(np.float32))
        wanted = np.sin(2 * np.pi * hz * np.arange(len(got)) / 16000)
        assert np.sqrt(np.mean((got - wanted)[500:-500] ** 2) * 2) < 1e-3, f"{hz} Hz is off by more than -60 dB"


@pytest.mark.parametrize("rate", [15999, 16001, 44101])
def test_rates_of_many_phases_are_as_clean(rate: int) -> None:
    """Rates without a common divisor blend neighbouring rows of weights; snapping to one would cost 20 dB here."""
    got = _resample(rate, np.sin(2 * np.pi * 5000 * np.arange(rate) / rate).astype(np.float32))
    wanted = np.sin(2 * np.pi * 5000 * np.arange(len(got)) / 16000)
    assert np.sqrt(np.mean((got - wanted)[500:-500] ** 2) * 2) < 1e-4


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000, 192000])
def test_what_lies_above_8_khz_is_rejected(rate: int) -> None:
    time = np.arange(rate // 2) / rate
    for hz in (8020, 8500, 9500, 10900, 0.31 * rate, 0.47 * rate):
        if 8000 < hz < rate / 2:
            got = _resample(rate, np.sin(2 * np.pi * hz * time).astype(np.float32))[500:-500]
            assert np.sqrt(np.mean(got**2) * 2) < 1e-3, f"alias of {hz} Hz is above -60 dB"


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_agrees_with_scipy_in_the_passband(rate: int) -> None:
    signal = pytest.importorskip("scipy.signal")
    smooth = signal.firwin(801, 0.36 * min(rate, 16000), fs=rate)  # both filters are flat below this
    samples = np.convolve(_noise(rate), smooth, "same").astype(np.float32)
    common = np.gcd(rate, 16000)
    wide = ("kaiser", 8.0)
    wanted = signal.resample_poly(samples.astype(np.float64), 16000 // common, rate // common, window=wide)
    got = _resample(rate, samples)
    assert len(got) == len(wanted)
    inside = slice(800, -800)
    assert np.std((got - wanted)[inside]) < 1e-3 * np.std(wanted[inside])


def test_16_khz_passes_through_at_once() -> None:
    samples = _noise(100)
    resampler = StreamingResampler(16000)
    assert resampler.lookahead_samples == 0
    np.testing.assert_array_equal(resampler.push(samples), samples)
    assert len(resampler.finish()) == 0


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000, 44101])
def test_look_ahead_is_what_it_says(rate: int) -> None:
    """Sample j is out exactly when `lookahead_samples` inputs beyond its position are in."""
    resampler = StreamingResampler(rate)
    assert resampler.lookahead_samples == lookahead_samples(rate)
    made = 0
    for received in range(1, 800):
        made += len(resampler.push(np.zeros(1, dtype=np.float32)))
        assert made == sum(j * rate // 16000 + resampler.lookahead_samples < received for j in range(made + 3))


def test_no_drift_after_ten_hours() -> None:
    """With ten hours behind it, output still lies on j * rate / 16000 exactly."""
    rate = 44100
    resampler = StreamingResampler(rate)
    seconds = 36000
    state = type(resampler.state)(resampler.state.history, rate * seconds, 16000 * seconds)
    late = StreamingResampler(rate)
    late.state = state
    samples = _noise(5000)
    np.testing.assert_array_equal(late.push(samples), resampler.push(samples))
    assert late.state.produced - resampler.state.produced == 16000 * seconds


@pytest.mark.parametrize("dtype", [np.int16, ">i2", np.float32, np.float64])
def test_mono_float_of_every_dtype(dtype: object) -> None:
    wave = np.array([[0, 0], [16384, 0], [-32768, -32768]])
    given_wave = wave.astype(dtype) if np.dtype(dtype).kind == "i" else (wave / 32768).astype(dtype)  # type: ignore[call-overload]
    got = to_mono_float(given_wave)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.float32([0, 0.25, -1]))
    np.testing.assert_array_equal(to_mono_float(given_wave[:, 0]), np.float32([0, 0.5, -1]))


BAD = {
    "nan": np.array([0.0, np.nan]),
    "inf": np.array([0.0, -np.inf], dtype=np.float32),
    "int32": np.zeros(4, dtype=np.int32),
    "complex": np.zeros(4, dtype=complex),
    "text": "hello",
    "ragged": [[1.0], [1.0, 2.0]],
    "none": None,
    "scalar": np.float32(0.5),
    "3-D": np.zeros((2, 2, 2)),
    "9 channels": np.zeros((10, 9)),
    "channels first": np.zeros((2, 1000)),
    "no channels": np.zeros((5, 0)),
    "integers written as floats": np.array([0.0, 20000.0]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_samples_are_refused_and_cost_nothing(name: str) -> None:
    samples = _noise(2000)
    resampler = StreamingResampler(44100)
    first = resampler.push(samples[:1000])
    with pytest.raises(AudioError):
        resampler.push(BAD[name])
    rest = resampler.push(samples[1000:])
    np.testing.assert_array_equal(np.concatenate([first, rest, resampler.finish()]), _resample(44100, samples))


@pytest.mark.parametrize("rate", [0, -16000, 7999, 192001, 44100.5, "16000", None, True])
def test_bad_rates_are_refused(rate: object) -> None:
    with pytest.raises(AudioError, match="rate"):
        StreamingResampler(rate)  # type: ignore[arg-type]


def test_a_finished_stream_asks_for_reset() -> None:
    resampler = StreamingResampler(48000)
    resampler.push(_noise(100))
    tail = resampler.finish()
    assert len(resampler.finish()) == 0
    with pytest.raises(AudioError, match="reset"):
        resampler.push(_noise(1))
    resampler.reset()
    again = np.concatenate([resampler.push(_noise(100)), resampler.finish()])
    np.testing.assert_array_equal(again[len(again) - len(tail) :], tail)


def dying(count: int) -> np.ndarray:
    """The end of a reverb's tail, float32: it lies in the numbers below 1.2e-38, which processors multiply slowly."""
    return (_noise(count) * 1e-39).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 44101, 48000, 96000])
def test_silence_never_costs_more_than_speech(rate: int) -> None:
    """A tail that dies away took 13 to 35 times the time of speech."""

    def seconds(samples: np.ndarray) -> float:
        resampler, best = StreamingResampler(rate), 1e9
        for _ in range(5):
            started = time.thread_time()
            resampler.push(samples)
            best = min(best, time.thread_time() - started)
        return best

    tail = dying(2 * rate)
    assert 0 < np.abs(tail).max() < 1.2e-38
    assert not _resample(rate, tail).any()
    assert not _resample(rate, np.stack([tail, tail], axis=1).astype(np.float64)).any()
    assert seconds(tail) < 4 * seconds(_noise(2 * rate)) + 1e-3


def test_what_is_faint_but_sound_passes() -> None:
    faint = _noise(3000) * np.float32(1e-9)  # 180 dB under full scale
    np.testing.assert_allclose(_resample(48000, faint), _resample(48000, _noise(3000)) * 1e-9, rtol=1e-4, atol=1e-15)
