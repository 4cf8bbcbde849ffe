"""The C door plays stream students as the Python package does, one by one and as a crowd."""

from __future__ import annotations

import ctypes as c
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from native_tools import TOLERANCE, animate, largest_difference, noise, pull_status, refused, values

import sdk
from sdk.native import NativeCrowd, NativeModel, NativePredictor, abi
from sdk.native.abi import Library
from sdk.predictor import FramePredictor

Speech = Callable[[int, float], np.ndarray]
Frames = list[sdk.Frame]
EXACT = 1e-5  # the same kernels, perhaps other sums


@pytest.mark.parametrize("ensemble", [False, None])
@pytest.mark.parametrize(
    ("rate_hz", "fps"),
    [(8000, "24"), (11025, "240/7"), (16000, "30"), (16000, "1"), (44100, "30000/1001"), (48000, "60"), (96000, "90")],
)
def test_frames_equal_pythons(
    rate_hz: int, fps: str, ensemble: bool | None, library: Library, brook: Path, speech_like: Speech
) -> None:
    audio = speech_like(rate_hz, 1.21)
    wanted = sdk.predict(brook, audio, rate_hz, fps=fps, ensemble=ensemble)
    if len(wanted) > 20:
        assert np.std([frame.values for frame in wanted], axis=0).max() > 0.01, "the student answers to what it hears"
    voice = NativePredictor(NativeModel(brook, library), rate_hz=rate_hz, fps=fps, ensemble=ensemble)
    cuts = np.random.default_rng(rate_hz).integers(1, rate_hz // 10, 50).tolist()
    given = animate(voice, audio, cuts)
    assert largest_difference(given, wanted) <= (EXACT if rate_hz == 16000 else TOLERANCE)
    for chunks in ([rate_hz], [1, 479], [319, 1, 320, 321]):
        voice.reset()
        again = animate(voice, audio, chunks)
        np.testing.assert_array_equal(values(again), values(given), "any chunking, and nothing is left")


@pytest.mark.parametrize("future", [0, 1, 64, 319, 320, 704, 4000])
def test_any_future_and_any_length(
    future: int, library: Library, make_stream: Callable[..., bytes], tmp_path: Path
) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(make_stream(future_samples=future))
    model, engine = NativeModel(path, library), sdk.open(path)
    for samples in (0, 1, 2, 319, 320, 321, 533, 534, 3000):
        for ensemble in (False, True):
            audio = noise(0, samples)
            given = animate(NativePredictor(model, ensemble=ensemble), audio, [97])
            predictor = FramePredictor(engine, ensemble=ensemble)
            wanted = predictor.push(audio) + predictor.finish()
            assert len(given) == len(wanted) == -(-samples * 30 // 16000)
            if wanted:
                assert largest_difference(given, wanted) <= EXACT


def test_the_model_says_what_its_manifest_says(library: Library, brook: Path) -> None:
    manifest = sdk.open_artifact(brook).manifest
    model = NativeModel(brook, library)
    info = model.info
    assert (info.kind, info.hop_samples, info.window_samples, info.future_samples) == ("stream", 320, 320, 704)
    assert info.state_bytes == 4 * sum(int(np.prod(shape)) for shape in manifest.state) > 0
    assert (info.crowd_voices, info.student) == (16, "brook")
    old = abi.ModelInfo(struct_size=abi.ModelInfo.kind.offset, kind=77)
    library.call("fp_model_get_info", model.handle, c.byref(old))
    assert (old.student, old.kind) == (b"brook", 77), "a caller of version 1.0 gets what it knows, and no byte more"


@pytest.mark.parametrize(("rate_hz", "fps", "chunk"), [(16000, "30", 1), (48000, "30", 480), (44100, "30000/1001", 441),
                                                       (96000, "25", 1024), (8000, "240/7", 160)])  # fmt: skip
@pytest.mark.parametrize("ensemble", [False, True])
def test_latency_is_pythons(rate_hz: int, fps: str, chunk: int, ensemble: bool, library: Library, brook: Path) -> None:
    wanted = FramePredictor(sdk.open(brook), rate_hz=rate_hz, fps=fps, ensemble=ensemble).latency_at(chunk)
    assert wanted.grid_samples > 0
    voice = NativePredictor(NativeModel(brook, library), rate_hz=rate_hz, fps=fps, ensemble=ensemble)
    assert voice.latency_at(chunk) == wanted
    parts = abi.sized(abi.LatencyParts)
    library.call("fp_stream_latency_samples", voice.handle, chunk, c.byref(parts))
    assert parts.total_samples == wanted.total_samples
    old = abi.LatencyParts(struct_size=abi.LatencyParts.grid_samples.offset, grid_samples=77)
    library.call("fp_stream_latency_samples", voice.handle, chunk, c.byref(old))
    assert (old.total_samples, old.grid_samples) == (parts.total_samples, 77), "a caller of version 1.0"


# ------------------------------------------------------------------------------------------------------------ crowds
VOICES: list[dict[str, Any]] = [
    {"rate_hz": 16000}, {"rate_hz": 48000}, {"rate_hz": 16000, "fps": 60},
    {"rate_hz": 44100, "ensemble": False, "fps": "30000/1001"}, {"rate_hz": 8000, "audio_channels": 2},
]  # fmt: skip


def open_voices(model: NativeModel, count: int) -> list[NativePredictor]:
    return [NativePredictor(model, **VOICES[i % len(VOICES)]) for i in range(count)]


def heard(voice: int, seconds: float) -> np.ndarray:
    """What voice `voice` hears: its own piece of noise, of its own length."""
    config = VOICES[voice % len(VOICES)]
    samples = noise(1000000 * voice, int(config["rate_hz"] * seconds) - 31 * voice)
    return np.stack([samples, samples // 2], axis=1) if config.get("audio_channels") == 2 else samples


def one_by_one(model: NativeModel, count: int, seconds: float) -> list[Frames]:
    return [animate(voice, heard(i, seconds), [500]) for i, voice in enumerate(open_voices(model, count))]


@pytest.mark.parametrize("count", [1, 3, 16, 37])
def test_a_crowd_is_its_voices(count: int, library: Library, brook: Path) -> None:
    """Voices of other rates, frame rates and lengths, chunks of any size; pull runs nothing that the crowd ran."""
    model = NativeModel(brook, library)
    crowd, voices = NativeCrowd(model), open_voices(model, count)
    audio = [heard(i, 0.6) for i in range(count)]
    random, at, hops = np.random.default_rng(count), [0] * count, 0
    given: list[Frames] = [[] for _ in range(count)]
    finished = [False] * count
    while not all(finished):
        for i, voice in enumerate(voices):
            if at[i] < len(audio[i]):
                at[i] += voice.feed(audio[i][at[i] : at[i] + int(random.integers(0, voice.rate_hz // 15))])
            elif not finished[i]:
                finished[i] = True
                library.call("fp_stream_finish", voice.handle)
        hops += crowd.run(voices)
        assert crowd.run(voices) == 0
        for i, voice in enumerate(voices):
            given[i] += voice.drain()
    assert [pull_status(voice) for voice in voices] == [abi.END] * count
    for one, other in zip(given, one_by_one(model, count, 0.6), strict=True):
        assert largest_difference(one, other) <= EXACT
    # every hop ran in the crowd: as many as the audio fills, and those that the last frame needs
    needed = 0
    for i, frames in enumerate(given):
        samples = -(-len(audio[i]) * 16000 // voices[i].rate_hz)
        last = frames[-1].sample
        if VOICES[i % len(VOICES)].get("ensemble") is not False:  # the ensemble's last tick is half a frame behind
            last = voices[i].clock.doubled().sample(2 * frames[-1].index + 1)
        needed += max(samples // 320, -(-(last + 704) // 320))
    assert hops == needed


def test_voices_come_go_and_are_pulled_without_the_crowd(library: Library, brook: Path) -> None:
    model = NativeModel(brook, library)
    first, second = NativeCrowd(model), NativeCrowd(model)
    voices = open_voices(model, 24)
    given: list[Frames] = [[] for _ in voices]
    for tick in range(30):
        for i, voice in enumerate(voices):
            block = voice.rate_hz // 50
            voice.feed(heard(i, 0.9)[tick * block : (tick + 1) * block])
        some = [voice for i, voice in enumerate(voices) if (i + tick) % 3]
        assert (first if tick % 2 else second).run(some) <= 2 * len(some)
        for i, voice in enumerate(voices):
            if (i + tick) % 4:  # not every one at every tick, and some before the crowd ever saw their audio
                given[i] += voice.drain()
    for i, voice in enumerate(voices):
        block = voice.rate_hz // 50
        given[i] += voice.drain()
        judge = NativePredictor(model, **VOICES[i % len(VOICES)])
        wanted = animate(judge, heard(i, 0.9)[: 30 * block], [700])[: len(given[i])]
        assert largest_difference(given[i], wanted) <= EXACT
        assert len(given[i]) > 10
    first.close()
    model.close()
    voices[0].reset()
    voices[0].feed(noise(0, 8000))
    assert second.run(voices[:1]) == 25, "a crowd outlives the model's handle"


def test_a_voice_that_nobody_pulls_waits(library: Library, brook: Path) -> None:
    """It holds what its buffer lasts, no more; the others go on, and it gives all its frames in the end."""
    model = NativeModel(brook, library)
    crowd = NativeCrowd(model)
    idle, busy = NativePredictor(model, buffer_samples=3200), NativePredictor(model)
    audio = noise(5, 32000)
    taken = 0
    frames: Frames = []
    for tick in range(100):
        taken += idle.feed(audio[taken : taken + 320])
        busy.feed(audio[320 * tick : 320 * (tick + 1)])
        crowd.run([idle, busy, idle])  # named twice, run once
        frames += busy.drain()
    assert 6400 <= taken < 16000, "the buffer, and as much in hops that have run"
    assert idle.feed(audio[:1]) == 0
    given = idle.drain()
    while taken < len(audio):
        taken += idle.feed(audio[taken:])
        given += idle.drain()
    assert len(given) == len(frames)
    assert largest_difference(given, frames) <= EXACT


def test_an_artefact_without_a_program_for_crowds(
    library: Library, make_stream: Callable[..., bytes], brook: Path
) -> None:
    model, judge = NativeModel(make_stream(crowd_voices=0), library), NativeModel(brook, library)
    crowd, voices = NativeCrowd(model), [NativePredictor(model) for _ in range(3)]
    for i, voice in enumerate(voices):
        voice.feed(heard(5 * i, 0.4))
    assert crowd.run(voices) == 20 + 19 + 19
    for i, voice in enumerate(voices):
        alone = NativePredictor(judge, ensemble=False)  # the one without was made without ensemble too
        alone.feed(heard(5 * i, 0.4))
        assert largest_difference(voice.drain(), alone.drain()) <= EXACT
    assert crowd.run([]) == 0


def test_crowds_that_cannot_be(library: Library, brook: Path, tiny: Path) -> None:
    windows, model, other = (NativeModel(path, library) for path in (tiny, brook, brook))
    with refused(abi.UNSUPPORTED, "tiny is a window student"):
        NativeCrowd(windows)
    crowd, voice, foreign, handle = NativeCrowd(model), NativePredictor(model), NativePredictor(other), c.c_void_p()
    voice.feed(noise(0, 3200))
    for strangers in ([voice, foreign], [NativePredictor(windows)]):
        with refused(abi.BAD_ARGUMENT, r"another fp_model"):
            crowd.run(strangers)
    hole = (c.c_void_p * 2)(voice.handle.value, None)
    for name, *arguments in [
        ("fp_crowd_create", None, c.byref(handle)), ("fp_crowd_create", model.handle, None),
        ("fp_crowd_run", None, hole, 1, None), ("fp_crowd_run", crowd.handle, None, 1, None),
        ("fp_crowd_run", crowd.handle, hole, 2, None),
    ]:  # fmt: skip
        with refused(abi.BAD_ARGUMENT):
            library.call(name, *arguments)
    assert crowd.run([voice]) == 10, "what was refused ran nothing"
    assert library.call("fp_crowd_run", crowd.handle, None, 0, None) == abi.OK
    library.calls.fp_crowd_destroy(None)


def test_manifests_that_do_not_fit_the_program(
    library: Library, make_stream: Callable[..., bytes], brook: Path
) -> None:
    state = sdk.open_artifact(brook).manifest.state
    longer, turned = [*state[:-1], [16, 1, 5]], [state[2], state[1], state[0], *state[3:]]
    wrong: list[dict[str, Any]] = [
        {"state": longer}, {"state": turned}, {"state": state[:-1]}, {"state": [*state, [1]]}, {"crowd_voices": 8},
        {"window_samples": 160}, {"names": ["a", "b"]},
        {"kind": "window", "future_samples": 320, "state": [], "crowd_voices": 0},
    ]  # fmt: skip
    for changes in wrong:
        with refused(abi.BAD_PROGRAM, "what its manifest says"):
            NativeModel(make_stream(**changes), library)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 96000])
def test_silence_never_costs_more_than_speech(rate_hz: int, library: Library, any_kind: Path) -> None:
    """The end of a reverb's tail lies in numbers that processors multiply 30 times slower."""
    voice = NativePredictor(NativeModel(any_kind, library), rate_hz=rate_hz, fps=30)
    speech = np.random.default_rng(3).standard_normal(rate_hz).astype(np.float32) * np.float32(0.2)

    def seconds(samples: np.ndarray) -> float:
        best = 1e9
        for _ in range(3):
            voice.reset()
            started = time.thread_time()
            animate(voice, samples, [rate_hz // 50])
            best = min(best, time.thread_time() - started)
        return best

    tail = speech * np.float32(1e-38)
    assert np.abs(tail).max() > 0
    assert seconds(tail) < 3 * seconds(speech)
    voice.reset()
    dead = animate(voice, np.zeros_like(tail), [rate_hz])
    voice.reset()
    np.testing.assert_array_equal(values(animate(voice, tail, [rate_hz])), values(dead))
