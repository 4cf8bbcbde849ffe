"""The C door gives the frames of the Python package: every rate, chunking, frame rate, future and curve."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import native_door as nd
import numpy as np
import pytest
from native_door import TOLERANCE, Door, DoorError, largest_difference, noise

import sdk
from sdk.artifact import seal
from sdk.manifest import Manifest
from sdk.predictor import FramePredictor

Speech = Callable[[int, float], np.ndarray]


@pytest.mark.parametrize("ensemble", [nd.OFF, nd.AS_MODEL, nd.ON])
@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
def test_frames_equal_pythons(rate_hz: int, ensemble: int, door: Door, small: Path, speech_like: Speech) -> None:
    audio = speech_like(rate_hz, 1.21)
    engine = sdk.open(small)
    wanted_as = {nd.OFF: False, nd.AS_MODEL: None, nd.ON: True}[ensemble]
    wanted = sdk.predict(engine, audio, rate_hz, ensemble=wanted_as)
    assert np.std([frame.values for frame in wanted], axis=0).max() > 0.01, "the student answers to what it hears"
    model = door.open(small)
    stream = model.stream(rate_hz, ensemble=ensemble)
    given = stream.animate(audio, np.random.default_rng(rate_hz).integers(1, rate_hz // 10, 50).tolist())
    assert largest_difference(given, wanted) <= TOLERANCE

    door.call("fp_stream_reset", stream.handle)
    pcm = (audio * 32767).astype(np.int16)
    again = stream.animate(pcm, [rate_hz])
    assert largest_difference(again, sdk.predict(engine, pcm, rate_hz, ensemble=wanted_as)) <= TOLERANCE
    door.call("fp_stream_reset", stream.handle)
    np.testing.assert_array_equal([f[2] for f in stream.animate(pcm, [1, 479])], [f[2] for f in again])
    stream.destroy()
    model.close()


@pytest.mark.parametrize("rate_hz", [8001, 11025, 22050, 32000, 47999, 96000])
def test_odd_rates_equal_pythons(rate_hz: int, door: Door, tiny: Path, speech_like: Speech) -> None:
    audio = speech_like(rate_hz, 0.7)
    model = door.open(tiny)
    stream = model.stream(rate_hz, buffer_samples=333)
    assert largest_difference(stream.animate(audio, [1000]), sdk.predict(tiny, audio, rate_hz)) <= TOLERANCE
    stream.destroy()
    model.close()


@pytest.mark.parametrize("fps", ["1", "30000/1001", "24", "60", "120"])
@pytest.mark.parametrize("ensemble", [False, True])
def test_any_frame_rate(fps: str, ensemble: bool, door: Door, tiny: Path, speech_like: Speech) -> None:
    rate = Fraction(fps)
    audio = speech_like(16000, 2.3)
    model = door.open(tiny)
    stream = model.stream(
        fps_numerator=rate.numerator, fps_denominator=rate.denominator, ensemble=nd.ON if ensemble else nd.OFF,
        ensemble_weights=(c.c_float * 3)(0.5, 0.25, 0.25),
    )  # fmt: skip
    weights = (0.5, 0.25, 0.25) if ensemble else False
    wanted = sdk.predict(tiny, audio, fps=fps, ensemble=weights)
    assert largest_difference(stream.animate(audio, [701]), wanted) <= TOLERANCE
    stream.destroy()
    model.close()


@pytest.mark.parametrize("future", [0, 1, 1000])
def test_any_future(
    future: int, door: Door, tiny_program: bytes, make_facts: Callable[..., Manifest], tmp_path: Path
) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(seal(tiny_program, make_facts(future_samples=future)))
    model = door.open(path)
    for samples in (0, 1, 2, 533, 534, 3000):
        audio = noise(0, samples)
        stream = model.stream()
        given = stream.animate(audio, [97])
        predictor = FramePredictor(sdk.open(path))
        wanted = predictor.push(audio) + predictor.finish()
        assert len(given) == len(wanted) == -(-samples * 30 // 16000)
        if wanted:
            assert largest_difference(given, wanted) <= TOLERANCE
        stream.destroy()
    model.close()


def test_interleaved_channels_are_averaged(door: Door, tiny: Path, speech_like: Speech) -> None:
    stereo = np.stack([speech_like(48000, 0.5), speech_like(48000, 0.5)[::-1]], axis=1)
    model = door.open(tiny)
    for audio in (stereo, (stereo * 32767).astype(np.int16)):
        stream = model.stream(48000, audio_channels=2)
        assert largest_difference(stream.animate(audio, [480]), sdk.predict(tiny, audio, 48000)) <= TOLERANCE
        stream.destroy()
    model.close()


def test_the_model_says_what_its_manifest_says(door: Door, small: Path) -> None:
    artifact = sdk.open_artifact(small)
    for source in (small, small.read_bytes()):
        model = door.open(source)
        info, manifest = model.info, artifact.manifest
        assert model.names == manifest.names
        assert (info.window_samples, info.future_samples) == (manifest.window_samples, manifest.future_samples)
        assert (info.fps_numerator, info.fps_denominator, info.sample_rate_hz) == (30, 1, 16000)
        assert (info.student, info.precision, info.backend) == (b"tiny", b"fp32", b"xnnpack")
        assert info.sha256.decode() == artifact.sha256
        assert (info.parameters, info.artifact_bytes) == (27, small.stat().st_size)
        assert (info.ensemble, list(info.ensemble_weights)) == (1, [0.25, 0.5, 0.25])
        assert (info.kind, info.hop_samples, info.state_bytes, info.crowd_voices) == (nd.WINDOW, 0, 0, 0)
        assert door.calls.fp_model_channel_name(model.handle, len(model.names)) is None
        low, high = c.c_float(), c.c_float()
        door.call("fp_model_channel_range", model.handle, 3, c.byref(low), c.byref(high), None)
        assert (low.value, high.value) == (-1, 1)
        model.close()
    assert door.calls.fp_abi_version() == 1


@pytest.mark.parametrize(("rate_hz", "fps", "chunk"), [(16000, "30", 1), (48000, "30", 480), (44100, "30000/1001", 441),
                                                       (96000, "25", 1024), (8000, "240/7", 160)])  # fmt: skip
@pytest.mark.parametrize("ensemble", [False, True])
def test_latency_is_pythons(rate_hz: int, fps: str, chunk: int, ensemble: bool, door: Door, tiny: Path) -> None:
    wanted = FramePredictor(sdk.open(tiny), rate_hz=rate_hz, fps=fps, ensemble=ensemble).latency_at(chunk)
    model, rate = door.open(tiny), Fraction(fps)
    stream = model.stream(rate_hz, fps_numerator=rate.numerator, fps_denominator=rate.denominator,
                          ensemble=nd.ON if ensemble else nd.OFF)  # fmt: skip
    parts = nd.sized(nd.LatencyParts)
    door.call("fp_stream_latency_samples", stream.handle, chunk, c.byref(parts))
    given = (parts.future, parts.ensemble, parts.resampler, parts.block, parts.total, parts.grid)
    assert given == (wanted.future_samples, wanted.ensemble_samples, wanted.resampler_samples, wanted.block_samples,
                     wanted.total_samples, wanted.grid_samples)  # fmt: skip
    stream.destroy()
    model.close()


def test_curves_shape_one_channel_of_one_voice(door: Door, tiny: Path, speech_like: Speech) -> None:
    audio = speech_like(16000, 0.5)
    model = door.open(tiny)
    plain, shaped = model.stream(), model.stream()
    curve = nd.sized(nd.Curve, gain=2.0, offset=0.25, minimum=0.0, maximum=0.5)
    door.call("fp_stream_set_curve", shaped.handle, 1, c.byref(curve))
    before = np.array([values for _, _, values in plain.animate(audio, [160])])
    after = np.array([values for _, _, values in shaped.animate(audio, [160])])
    np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
    np.testing.assert_allclose(after[:, 1], np.clip(2 * before[:, 1] + 0.25, 0, 0.5), atol=1e-6)
    assert 0 < np.mean(after[:, 1] == 0.5) < 1, "the limit is reached, and not always"
    door.call("fp_stream_reset", shaped.handle)
    door.call("fp_stream_set_curve", shaped.handle, 1, None)
    np.testing.assert_array_equal(np.array([v for _, _, v in shaped.animate(audio, [160])]), before)
    for broken in ({"gain": np.nan}, {"minimum": 1.0, "maximum": 0.0}, {"struct_size": 4}):
        bad = nd.sized(nd.Curve, gain=1.0, maximum=1.0)
        for name, value in broken.items():
            setattr(bad, name, value)
        with pytest.raises(DoorError):
            door.call("fp_stream_set_curve", shaped.handle, 1, c.byref(bad))
    with pytest.raises(DoorError, match="channel 3"):
        door.call("fp_stream_set_curve", shaped.handle, 3, None)
    for thing in (plain, shaped):
        thing.destroy()
    model.close()
