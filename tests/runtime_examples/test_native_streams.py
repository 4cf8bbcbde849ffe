"""The C door plays stream students as the Python package does, one by one and as a crowd."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import native_door as nd
import numpy as np
import pytest
from native_door import TOLERANCE, Crowd, Door, DoorError, Model, Stream, largest_difference, noise

import sdk
from sdk.predictor import FramePredictor

Speech = Callable[[int, float], np.ndarray]
Frames = list[tuple[int, int, np.ndarray]]
EXACT = 1e-5  # the same kernels, perhaps other sums


def fractioned(fps: str) -> dict[str, int]:
    rate = Fraction(fps)
    return {"fps_numerator": rate.numerator, "fps_denominator": rate.denominator}


@pytest.mark.parametrize("ensemble", [nd.OFF, nd.AS_MODEL])
@pytest.mark.parametrize(
    ("rate_hz", "fps"),
    [(8000, "24"), (11025, "240/7"), (16000, "30"), (16000, "1"), (44100, "30000/1001"), (48000, "60"), (96000, "90")],
)
def test_frames_equal_pythons(
    rate_hz: int, fps: str, ensemble: int, door: Door, brook: Path, speech_like: Speech
) -> None:
    audio = speech_like(rate_hz, 1.21)
    wanted = sdk.predict(brook, audio, rate_hz, fps=fps, ensemble=None if ensemble == nd.AS_MODEL else False)
    if len(wanted) > 20:
        assert np.std([frame.values for frame in wanted], axis=0).max() > 0.01, "the student answers to what it hears"
    model = door.open(brook)
    stream = model.stream(rate_hz, ensemble=ensemble, **fractioned(fps))
    cuts = np.random.default_rng(rate_hz).integers(1, rate_hz // 10, 50).tolist()
    given = stream.animate(audio, cuts)
    assert largest_difference(given, wanted) <= (EXACT if rate_hz == 16000 else TOLERANCE)
    for chunks in ([rate_hz], [1, 479], [319, 1, 320, 321]):
        door.call("fp_stream_reset", stream.handle)
        again = stream.animate(audio, chunks)
        np.testing.assert_array_equal([f[2] for f in again], [f[2] for f in given], "any chunking, and nothing is left")
    stream.destroy()
    model.close()


@pytest.mark.parametrize("future", [0, 1, 64, 319, 320, 704, 4000])
def test_any_future_and_any_length(future: int, door: Door, make_stream: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(make_stream(future_samples=future))
    model, engine = door.open(path), sdk.open(path)
    for samples in (0, 1, 2, 319, 320, 321, 533, 534, 3000):
        for ensemble in (False, True):
            audio = noise(0, samples)
            stream = model.stream(ensemble=nd.ON if ensemble else nd.OFF)
            given = stream.animate(audio, [97])
            predictor = FramePredictor(engine, ensemble=ensemble)
            wanted = predictor.push(audio) + predictor.finish()
            assert len(given) == len(wanted) == -(-samples * 30 // 16000)
            if wanted:
                assert largest_difference(given, wanted) <= EXACT
            stream.destroy()
    model.close()


def test_the_model_says_what_its_manifest_says(door: Door, brook: Path) -> None:
    manifest = sdk.open_artifact(brook).manifest
    model = door.open(brook)
    info = model.info
    assert (info.kind, info.hop_samples, info.window_samples, info.future_samples) == (nd.STREAM, 320, 320, 704)
    assert info.state_bytes == 4 * sum(int(np.prod(shape)) for shape in manifest.state) > 0
    assert (info.crowd_voices, info.student) == (16, b"brook")
    old = nd.Info(struct_size=nd.Info.kind.offset, kind=77)
    door.call("fp_model_get_info", model.handle, c.byref(old))
    assert (old.student, old.kind) == (b"brook", 77), "a caller of version 1.0 gets what it knows, and no byte more"
    model.close()


@pytest.mark.parametrize(("rate_hz", "fps", "chunk"), [(16000, "30", 1), (48000, "30", 480), (44100, "30000/1001", 441),
                                                       (96000, "25", 1024), (8000, "240/7", 160)])  # fmt: skip
@pytest.mark.parametrize("ensemble", [False, True])
def test_latency_is_pythons(rate_hz: int, fps: str, chunk: int, ensemble: bool, door: Door, brook: Path) -> None:
    wanted = FramePredictor(sdk.open(brook), rate_hz=rate_hz, fps=fps, ensemble=ensemble).latency_at(chunk)
    assert wanted.grid_samples > 0
    model = door.open(brook)
    stream = model.stream(rate_hz, ensemble=nd.ON if ensemble else nd.OFF, **fractioned(fps))
    parts = nd.sized(nd.LatencyParts)
    door.call("fp_stream_latency_samples", stream.handle, chunk, c.byref(parts))
    given = (parts.future, parts.grid, parts.ensemble, parts.resampler, parts.block, parts.total)
    assert given == (wanted.future_samples, wanted.grid_samples, wanted.ensemble_samples, wanted.resampler_samples,
                     wanted.block_samples, wanted.total_samples)  # fmt: skip
    old = nd.LatencyParts(struct_size=nd.LatencyParts.grid.offset, grid=77)
    door.call("fp_stream_latency_samples", stream.handle, chunk, c.byref(old))
    assert (old.total, old.grid) == (parts.total, 77), "a caller of version 1.0"
    stream.destroy()
    model.close()


# ------------------------------------------------------------------------------------------------------------ crowds
VOICES: list[dict[str, Any]] = [
    {"rate_hz": 16000}, {"rate_hz": 48000}, {"rate_hz": 16000, **fractioned("60")},
    {"rate_hz": 44100, "ensemble": nd.OFF, **fractioned("30000/1001")}, {"rate_hz": 8000, "audio_channels": 2},
]  # fmt: skip


def open_voices(model: Model, count: int) -> list[Stream]:
    return [model.stream(**VOICES[i % len(VOICES)]) for i in range(count)]


def heard(voice: int, seconds: float) -> np.ndarray:
    """What voice `voice` hears: its own piece of noise, of its own length."""
    config = VOICES[voice % len(VOICES)]
    samples = noise(1000000 * voice, int(config["rate_hz"] * seconds) - 31 * voice)
    return np.stack([samples, samples // 2], axis=1) if config.get("audio_channels") == 2 else samples


def one_by_one(model: Model, count: int, seconds: float) -> list[Frames]:
    frames = []
    for i, stream in enumerate(open_voices(model, count)):
        frames.append(stream.animate(heard(i, seconds), [500]))
        stream.destroy()
    return frames


def expect_same(given: Frames, wanted: Frames) -> None:
    assert [frame[:2] for frame in given] == [frame[:2] for frame in wanted]
    for one, other in zip(given, wanted, strict=True):
        np.testing.assert_allclose(one[2], other[2], atol=EXACT, rtol=0)


@pytest.mark.parametrize("count", [1, 3, 16, 37])
def test_a_crowd_is_its_voices(count: int, door: Door, brook: Path) -> None:
    """Voices of other rates, frame rates and lengths, chunks of any size; pull runs nothing that the crowd ran."""
    model = door.open(brook)
    crowd, streams = Crowd(model), open_voices(model, count)
    audio = [heard(i, 0.6) for i in range(count)]
    random, at, hops = np.random.default_rng(count), [0] * count, 0
    given: list[Frames] = [[] for _ in range(count)]
    finished = [False] * count
    while not all(finished):
        for i, stream in enumerate(streams):
            rate = stream.rate_hz
            if at[i] < len(audio[i]):
                at[i] += stream.push_some(audio[i][at[i] : at[i] + int(random.integers(0, rate // 15))])[1]
            elif not finished[i]:
                finished[i] = True
                door.call("fp_stream_finish", stream.handle)
        hops += crowd.run(streams)
        assert crowd.run(streams) == 0
        for i, stream in enumerate(streams):
            given[i] += stream.due()
    assert [stream.pull()[0] for stream in streams] == [nd.END] * count
    for one, other in zip(given, one_by_one(model, count, 0.6), strict=True):
        expect_same(one, other)
    # every hop ran in the crowd: as many as the audio fills, and those that the last frame needs
    needed = 0
    for i, frames in enumerate(given):
        samples = -(-len(audio[i]) * 16000 // streams[i].rate_hz)
        last = frames[-1][1] if VOICES[i % len(VOICES)].get("ensemble") == nd.OFF else second_half(streams[i], frames)
        needed += max(samples // 320, -(-(last + 704) // 320))
    assert hops == needed
    for stream in streams:
        stream.destroy()
    crowd.destroy()
    model.close()


def second_half(stream: Stream, frames: Frames) -> int:
    """The last tick of the ensemble, half a frame behind the last frame."""
    clock = sdk.FrameClock.at(Fraction(stream.config.fps_numerator or 30, stream.config.fps_denominator or 1))
    return clock.doubled().sample(2 * frames[-1][0] + 1)


def test_voices_come_go_and_are_pulled_without_the_crowd(door: Door, brook: Path) -> None:
    model = door.open(brook)
    first, second = Crowd(model), Crowd(model)
    streams = open_voices(model, 24)
    given: list[Frames] = [[] for _ in streams]
    for tick in range(30):
        for i, stream in enumerate(streams):
            block = stream.rate_hz // 50
            stream.push_some(heard(i, 0.9)[tick * block : (tick + 1) * block])
        some = [stream for i, stream in enumerate(streams) if (i + tick) % 3]
        assert (first if tick % 2 else second).run(some) <= 2 * len(some)
        for i, stream in enumerate(streams):
            if (i + tick) % 4:  # not every one at every tick, and some before the crowd ever saw their audio
                given[i] += stream.due()
    for i, stream in enumerate(streams):
        block = stream.rate_hz // 50
        given[i] += stream.due()
        judge = model.stream(**VOICES[i % len(VOICES)])
        expect_same(given[i], judge.animate(heard(i, 0.9)[: 30 * block], [700])[: len(given[i])])
        assert len(given[i]) > 10
        judge.destroy()
    first.destroy()
    model.close()
    door.call("fp_stream_reset", streams[0].handle)
    streams[0].push_some(noise(0, 8000))
    assert second.run(streams[:1]) == 25, "a crowd outlives the model's handle"
    second.destroy()
    for stream in streams:
        stream.destroy()


def test_a_voice_that_nobody_pulls_waits(door: Door, brook: Path) -> None:
    """It holds what its buffer lasts, no more; the others go on, and it gives all its frames in the end."""
    model = door.open(brook)
    crowd = Crowd(model)
    idle, busy = model.stream(buffer_samples=3200), model.stream()
    audio = noise(5, 32000)
    taken = 0
    frames: Frames = []
    for tick in range(100):
        taken += idle.push_some(audio[taken : taken + 320])[1]
        busy.push_some(audio[320 * tick : 320 * (tick + 1)])
        crowd.run([idle, busy, idle])  # named twice, run once
        frames += busy.due()
    assert 6400 <= taken < 16000, "the buffer, and as much in hops that have run"
    assert idle.push_some(audio[:1]) == (nd.AGAIN, 0)
    given = idle.due()
    while taken < len(audio):
        taken += idle.push_some(audio[taken:])[1]
        given += idle.due()
    assert len(given) == len(frames)
    expect_same(given, frames)
    for thing in (idle, busy, crowd):
        thing.destroy()
    model.close()


def test_an_artefact_without_a_program_for_crowds(door: Door, make_stream: Callable[..., bytes], brook: Path) -> None:
    model, judge = door.open(make_stream(crowd_voices=0)), door.open(brook)
    crowd, streams = Crowd(model), [model.stream() for _ in range(3)]
    for i, stream in enumerate(streams):
        stream.push_some(heard(5 * i, 0.4))
    assert crowd.run(streams) == 20 + 19 + 19
    for i, stream in enumerate(streams):
        voice = judge.stream(ensemble=nd.OFF)  # the one without was made without ensemble too
        voice.push_some(heard(5 * i, 0.4))
        expect_same(stream.due(), voice.due())
    assert crowd.run([]) == 0
    model.close()
    judge.close()


def test_crowds_that_cannot_be(door: Door, brook: Path, tiny: Path) -> None:
    windows, model, other = door.open(tiny), door.open(brook), door.open(brook)
    with pytest.raises(DoorError, match="tiny is a window student") as refused:
        Crowd(windows)
    assert refused.value.status == nd.UNSUPPORTED
    crowd, stream, foreign, handle = Crowd(model), model.stream(), other.stream(), c.c_void_p()
    stream.push_some(noise(0, 3200))
    for strangers in ([stream, foreign], [windows.stream()]):
        with pytest.raises(DoorError, match=r"another fp_model") as refused:
            crowd.run(strangers)
        assert refused.value.status == nd.BAD_ARGUMENT
    hole = (c.c_void_p * 2)(stream.handle, None)
    for name, *arguments in [
        ("fp_crowd_create", None, c.byref(handle)), ("fp_crowd_create", model.handle, None),
        ("fp_crowd_run", None, hole, c.c_size_t(1), None), ("fp_crowd_run", crowd.handle, None, c.c_size_t(1), None),
        ("fp_crowd_run", crowd.handle, hole, c.c_size_t(2), None),
    ]:  # fmt: skip
        with pytest.raises(DoorError) as refused:
            door.call(name, *arguments)
        assert refused.value.status == nd.BAD_ARGUMENT
    assert crowd.run([stream]) == 10, "what was refused ran nothing"
    assert door.call("fp_crowd_run", crowd.handle, None, c.c_size_t(0), None) == nd.OK
    door.calls.fp_crowd_destroy(None)
    crowd.destroy()


def test_manifests_that_do_not_fit_the_program(door: Door, make_stream: Callable[..., bytes], brook: Path) -> None:
    state = sdk.open_artifact(brook).manifest.state
    longer, turned = [*state[:-1], [16, 1, 5]], [state[1], state[0], *state[2:]]
    wrong: list[dict[str, Any]] = [
        {"state": longer}, {"state": turned}, {"state": state[:-1]}, {"state": [*state, [1]]}, {"crowd_voices": 8},
        {"window_samples": 160}, {"names": ["a", "b"]},
        {"kind": "window", "future_samples": 320, "state": [], "crowd_voices": 0},
    ]  # fmt: skip
    for changes in wrong:
        with pytest.raises(DoorError, match="what its manifest says") as refused:
            door.open(make_stream(**changes))
        assert refused.value.status == nd.BAD_PROGRAM, changes
