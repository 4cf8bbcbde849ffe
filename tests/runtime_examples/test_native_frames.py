"""The C door gives the frames of the Python package: every rate, chunking, frame rate, future and curve."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from native_tools import TOLERANCE, animate, largest_difference, noise, refused, values

import sdk
from sdk.artifact import seal
from sdk.manifest import Manifest
from sdk.native import NativeModel, NativePredictor, abi
from sdk.predictor import FramePredictor

Speech = Callable[[int, float], np.ndarray]


@pytest.mark.parametrize("ensemble", [False, None, True])
@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
def test_frames_equal_pythons(
    rate_hz: int, ensemble: bool | None, library: abi.Library, small: Path, speech_like: Speech
) -> None:
    audio = speech_like(rate_hz, 1.21)
    engine = sdk.open(small)
    wanted = sdk.predict(engine, audio, rate_hz, ensemble=ensemble)
    assert np.std([frame.values for frame in wanted], axis=0).max() > 0.01, "the student answers to what it hears"
    voice = NativePredictor(NativeModel(small, library), rate_hz=rate_hz, ensemble=ensemble)
    given = animate(voice, audio, np.random.default_rng(rate_hz).integers(1, rate_hz // 10, 50).tolist())
    assert largest_difference(given, wanted) <= TOLERANCE

    voice.reset()
    pcm = (audio * 32767).astype(np.int16)
    again = animate(voice, pcm, [rate_hz])
    assert largest_difference(again, sdk.predict(engine, pcm, rate_hz, ensemble=ensemble)) <= TOLERANCE
    voice.reset()
    np.testing.assert_array_equal(values(animate(voice, pcm, [1, 479])), values(again))


@pytest.mark.parametrize("rate_hz", [8001, 11025, 22050, 32000, 47999, 96000])
def test_odd_rates_equal_pythons(rate_hz: int, library: abi.Library, tiny: Path, speech_like: Speech) -> None:
    audio = speech_like(rate_hz, 0.7)
    voice = NativePredictor(NativeModel(tiny, library), rate_hz=rate_hz, buffer_samples=333)
    assert largest_difference(animate(voice, audio, [1000]), sdk.predict(tiny, audio, rate_hz)) <= TOLERANCE


@pytest.mark.parametrize("fps", ["1", "30000/1001", "24", "60", "120"])
@pytest.mark.parametrize("ensemble", [False, True])
def test_any_frame_rate(fps: str, ensemble: bool, library: abi.Library, tiny: Path, speech_like: Speech) -> None:
    audio = speech_like(16000, 2.3)
    weights = (0.5, 0.25, 0.25) if ensemble else False
    voice = NativePredictor(NativeModel(tiny, library), fps=Fraction(fps), ensemble=weights)
    wanted = sdk.predict(tiny, audio, fps=fps, ensemble=weights)
    assert largest_difference(animate(voice, audio, [701]), wanted) <= TOLERANCE


@pytest.mark.parametrize("future", [0, 1, 1000])
def test_any_future(
    future: int, library: abi.Library, tiny_program: bytes, make_facts: Callable[..., Manifest], tmp_path: Path
) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(seal(tiny_program, make_facts(future_samples=future)))
    model = NativeModel(path, library)
    for samples in (0, 1, 2, 533, 534, 3000):
        audio = noise(0, samples)
        given = animate(NativePredictor(model), audio, [97])
        predictor = FramePredictor(sdk.open(path))
        wanted = predictor.push(audio) + predictor.finish()
        assert len(given) == len(wanted) == -(-samples * 30 // 16000)
        if wanted:
            assert largest_difference(given, wanted) <= TOLERANCE


def test_interleaved_channels_are_averaged(library: abi.Library, tiny: Path, speech_like: Speech) -> None:
    stereo = np.stack([speech_like(48000, 0.5), speech_like(48000, 0.5)[::-1]], axis=1)
    model = NativeModel(tiny, library)
    for audio in (stereo, (stereo * 32767).astype(np.int16)):
        voice = NativePredictor(model, rate_hz=48000, audio_channels=2)
        assert largest_difference(animate(voice, audio, [480]), sdk.predict(tiny, audio, 48000)) <= TOLERANCE


def test_the_model_says_what_its_manifest_says(library: abi.Library, small: Path) -> None:
    artifact = sdk.open_artifact(small)
    for source in (small, str(small), small.read_bytes()):
        model, manifest = NativeModel(source, library), artifact.manifest
        info = model.info
        assert model.layout == manifest.layout
        assert (info.window_samples, info.future_samples) == (manifest.window_samples, manifest.future_samples)
        assert info.frame_rate == manifest.frame_rate
        assert (info.student, info.precision, info.backend, info.kind) == ("tiny", "fp32", "xnnpack", "window")
        assert info.sha256 == artifact.sha256
        assert (info.parameters, info.artifact_bytes) == (27, small.stat().st_size)
        assert info.ensemble == (0.25, 0.5, 0.25)
        assert (info.hop_samples, info.state_bytes, info.crowd_voices) == (0, 0, 0)
        raw = abi.sized(abi.ModelInfo)
        library.call("fp_model_get_info", model.handle, c.byref(raw))
        assert (raw.sample_rate_hz, raw.channels, raw.reserved) == (16000, len(manifest.names), 0)
        assert library.calls.fp_model_channel_name(model.handle, raw.channels) is None


@pytest.mark.parametrize(("rate_hz", "fps", "chunk"), [(16000, "30", 1), (48000, "30", 480), (44100, "30000/1001", 441),
                                                       (96000, "25", 1024), (8000, "240/7", 160)])  # fmt: skip
@pytest.mark.parametrize("ensemble", [False, True])
def test_latency_is_pythons(
    rate_hz: int, fps: str, chunk: int, ensemble: bool, library: abi.Library, tiny: Path
) -> None:
    wanted = FramePredictor(sdk.open(tiny), rate_hz=rate_hz, fps=fps, ensemble=ensemble).latency_at(chunk)
    voice = NativePredictor(NativeModel(tiny, library), rate_hz=rate_hz, fps=fps, ensemble=ensemble)
    assert voice.latency_at(chunk) == wanted
    parts = abi.sized(abi.LatencyParts)
    library.call("fp_stream_latency_samples", voice.handle, chunk, c.byref(parts))
    assert parts.total_samples == wanted.total_samples


def test_curves_shape_one_channel_of_one_voice(library: abi.Library, tiny: Path, speech_like: Speech) -> None:
    audio = speech_like(16000, 0.5)
    model = NativeModel(tiny, library)
    plain, shaped = NativePredictor(model), NativePredictor(model)
    name = plain.layout.names[1]
    shaped.set_curve(name, gain=2.0, offset=0.25, limits=(0.0, 0.5))
    before, after = values(animate(plain, audio, [160])), values(animate(shaped, audio, [160]))
    np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
    np.testing.assert_allclose(after[:, 1], np.clip(2 * before[:, 1] + 0.25, 0, 0.5), atol=1e-6)
    assert 0 < np.mean(after[:, 1] == 0.5) < 1, "the limit is reached, and not always"
    shaped.reset()
    library.call("fp_stream_set_curve", shaped.handle, 1, None)
    np.testing.assert_array_equal(values(animate(shaped, audio, [160])), before)
    shaped.reset()
    shaped.set_curve(name, gain=2.0)
    shaped.set_curve(name)
    np.testing.assert_array_equal(values(animate(shaped, audio, [160])), before)
    with refused(abi.BAD_ARGUMENT, "finite"):
        shaped.set_curve(name, gain=np.nan)
    with refused(abi.BAD_ARGUMENT, "minimum"):
        shaped.set_curve(name, limits=(1.0, 0.0))
    with refused(abi.BAD_STRUCT):
        library.call("fp_stream_set_curve", shaped.handle, 1, c.byref(abi.Curve(struct_size=4, gain=1, maximum=1)))
    with refused(abi.BAD_ARGUMENT, "channel 3"):
        library.call("fp_stream_set_curve", shaped.handle, 3, None)
