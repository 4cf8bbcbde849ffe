"""Programs that use the library: plain C, C++, threads, hours of audio, an allocator that aborts."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from native_tools import (
    NO_CHUNKS,
    NO_RATES,
    TOLERANCE,
    largest_difference,
    noise,
    of_24_bits,
    read_line,
    run,
    wav_frames,
)

import sdk
from sdk.engines.base import StreamEngine
from sdk.native import abi

NATIVE = Path(__file__).resolve().parents[2] / "sdk" / "c"
Speech = Callable[[int, float], np.ndarray]


def test_the_header_is_c99(built_native: Path, tmp_path: Path) -> None:
    source = tmp_path / "h.c"
    source.write_text('#include "frame_stream.h"\nint main(void) { return (int)fp_abi_version() - FP_ABI_VERSION; }\n')
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    flags = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I", str(NATIVE / "include")]
    subprocess.run([compiler, *flags, "-fsyntax-only", source], check=True)


def test_a_plain_c_program_animates_a_wav(built_native: Path, any_kind: Path, wav: Path) -> None:
    header, *lines = run(built_native, "plain", any_kind, wav).splitlines()
    assert header.split(",")[2:] == sdk.open_artifact(any_kind).manifest.names
    rows = [line.split(",") for line in lines]
    layout = sdk.RigLayout(tuple(header.split(",")[2:]))
    frames = [sdk.Frame(int(row[0]), int(row[1]), np.array(row[2:], np.float32), layout) for row in rows]
    assert largest_difference(frames, wav_frames(any_kind, wav)) <= TOLERANCE


@pytest.mark.parametrize(
    ("said", "fps"),
    [("29.97", [30000, 1001]), ("23.976", [24000, 1001]), ("59.94", [60000, 1001]), ("12.5", [12500, 1000])],
)
def test_rates_as_television_says_them(said: str, fps: list[int], built_native: Path, brook: Path, wav: Path) -> None:
    assert json.loads(run(built_native, "cpp_wav", brook, wav, "--fps", said).splitlines()[1])["fps"] == fps


@pytest.mark.parametrize(
    ("option", "value"), [("--fps", said) for said in NO_RATES] + [("--chunk-ms", said) for said in NO_CHUNKS]
)
def test_numbers_that_are_none_are_refused(option: str, value: str, built_native: Path) -> None:
    """As Python refuses them; 0 frames a second would be the artefact's own, and 5x milliseconds were 5."""
    command = [built_native / "bin" / "cpp_wav", "model.pte", "speech.wav", option, value]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "usage: cpp_wav" in done.stderr


def test_a_wav_of_24_bits_is_that_of_16(built_native: Path, brook: Path, wav: Path, tmp_path: Path) -> None:
    wide = of_24_bits(wav, tmp_path / "wide.wav")
    assert run(built_native, "cpp_wav", brook, wide) == run(built_native, "cpp_wav", brook, wav)


def test_cpp_wav_prints_json_lines(built_native: Path, any_kind: Path, wav: Path, tmp_path: Path) -> None:
    ready, header, *lines = run(built_native, "cpp_wav", any_kind, wav, "--chunk-ms", 7).splitlines()
    assert ready == "READY"
    assert json.loads(header)["channels"]["jawOpen"] == [-1, 1]
    given = [read_line(line) for line in lines]
    assert largest_difference(given, wav_frames(any_kind, wav)) <= TOLERANCE
    broken = tmp_path / "broken.wav"
    nothing = wav.read_bytes()[:40] + b"\0\0\0\0"  # a recording of no samples is no take of no frames
    for content in (b"", b"RIFF", b"RIFF....WAVEdata\x04\0\0\0abcd", wav.read_bytes()[:40], nothing):
        broken.write_bytes(content)
        done = subprocess.run(
            [built_native / "bin/cpp_wav", any_kind, broken], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "broken.wav: it " in done.stderr


def test_threads_give_the_frames_of_one(built_native: Path, any_kind: Path) -> None:
    assert run(built_native, "threads", any_kind) == "ok\n"


@pytest.mark.parametrize(("rate_hz", "ensemble"), [(16000, 0), (44100, 1), (48000, 0)])
def test_nothing_is_allocated_in_the_loop(rate_hz: int, ensemble: int, built_native: Path, any_kind: Path) -> None:
    probe = [built_native / "bin" / "no_alloc"]
    alarm = subprocess.run([*probe, "--self-test"], capture_output=True, check=False)
    assert alarm.returncode == -signal.SIGABRT, "the allocator does abort"
    assert run(built_native, "no_alloc", any_kind, 0.05, rate_hz, ensemble) == f"{90 + 30}\n"


@pytest.mark.parametrize("voices", [3, 20])
def test_nothing_is_allocated_in_a_crowd(voices: int, built_native: Path, brook: Path) -> None:
    assert run(built_native, "no_alloc", brook, 0.05, 48000, 1, voices) == f"{voices * (90 + 30)}\n"


def test_opening_and_closing_leaks_nothing(built_native: Path, any_kind: Path) -> None:
    """200 rounds; glibc's cache of freed blocks counts as in use and fills slowly, so it is switched off."""
    said = run(built_native, "open_close", any_kind, 200, GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
    early, late = map(int, said.split())
    assert late == early, "180 rounds later the heap holds what it held"


@pytest.mark.parametrize(("rate_hz", "fps", "hours"), [(16000, Fraction(24000, 1001), 10), (44100, Fraction(1), 1)])
def test_a_long_take_does_not_drift(rate_hz: int, fps: Fraction, hours: int, built_native: Path, tiny: Path) -> None:
    """The last frames of hours of noise are those of the audio around their exact samples."""
    samples = rate_hz * 3600 * hours
    said = run(built_native, "long_take", tiny, rate_hz, fps.numerator, fps.denominator, 3600 * hours).splitlines()
    clock = sdk.FrameClock(fps)
    engine = sdk.open(tiny)
    window = engine.manifest.window
    assert int(said[0]) == clock.frames_before(16000 * 3600 * hours)
    for line in said[1:]:
        index, sample, *values = line.split()
        assert int(sample) == clock.sample(int(index))
        first = int(sample) - window.past_samples
        if rate_hz == 16000:
            count = min(window.length_samples, samples - first)
            audio = np.zeros(window.length_samples, np.float32)
            audio[:count] = noise(first, count) / np.float32(32768)
        else:
            start = (first - 2000) // 16000 * rate_hz  # a whole second, so both clocks meet there
            around = sdk.StreamingResampler(rate_hz).push(noise(start, 3 * rate_hz))
            offset = first - start // rate_hz * 16000
            audio = around[offset : offset + window.length_samples]
        np.testing.assert_allclose(np.array(values, np.float32), engine.run(audio), atol=TOLERANCE)


@pytest.mark.parametrize(("rate_hz", "voices"), [(44100, 1), (16000, 3)])
def test_a_soak_finds_the_clocks_frames(rate_hz: int, voices: int, built_native: Path, brook: Path) -> None:
    """What a day of `make soak` looks at, for a minute: places of frames, and memory, which each would end it."""
    said = run(built_native, "soak", brook, 0.02, rate_hz, voices, 30000, 1001)
    frames = sdk.FrameClock(Fraction(30000, 1001)).frames_before(72 * 16000)
    assert said.startswith(f"{voices} x 0.02 h at {rate_hz} Hz")
    assert f" {frames} frames each in their places" in said


def test_a_long_take_of_a_stream_student_does_not_drift(built_native: Path, brook: Path) -> None:
    """Half an hour in, its frames are those of a voice that began three seconds before: hops stay in their places."""
    said = run(built_native, "long_take", brook, 16000, 30000, 1001, 1800).splitlines()
    engine, clock = sdk.open(brook), sdk.FrameClock(Fraction(30000, 1001))
    assert isinstance(engine, StreamEngine)
    spec, samples = engine.manifest.hop, 16000 * 1800
    assert int(said[0]) == clock.frames_before(samples)
    for line in said[1:]:
        index, sample, *values = line.split()
        hops = spec.hops_until(int(sample))
        state, lately = engine.start(1), []
        for hop in range(hops - 150, hops):
            audio = np.zeros(320, np.float32)
            count = min(320, samples - 320 * hop)
            audio[:count] = noise(320 * hop, count) / np.float32(32768)
            made, state = engine.step(audio[None], state)
            lately.append(made[0])
        share = 1 - (spec.instant(hops - 1) - int(sample)) / 320
        wanted = (1 - share) * lately[-2] + share * lately[-1]
        assert int(sample) == clock.sample(int(index))
        np.testing.assert_allclose(np.array(values, np.float32), wanted, atol=TOLERANCE)


def test_voices_are_measured(built_native: Path, brook: Path, tiny: Path) -> None:
    rows = json.loads(run(built_native, "voices", "--voices", "1,20", "--seconds", 0.5, brook, tiny))
    assert [(row["student"], row["voices"], row["way"]) for row in rows] == [
        ("brook", 1, "one by one"), ("brook", 1, "crowd"), ("brook", 20, "one by one"), ("brook", 20, "crowd"),
        ("tiny", 1, "one by one"), ("tiny", 20, "one by one"),
    ]  # fmt: skip
    for row in rows:
        for times in (row["tick_ms"], row["tick_cpu_ms"]):
            assert 0 < times["p50"] <= times["p99"] <= times["max"]
        assert row["voices_per_core"] == pytest.approx(20000 / row["cpu_us_per_voice_tick"], rel=1e-2)
        assert row["frames"] >= 14 * row["voices"]
    for one, crowd in ((rows[0], rows[1]), (rows[2], rows[3])):
        assert one["frames"] == crowd["frames"]
        assert one["check"] == pytest.approx(crowd["check"], abs=1e-5), "both ways gave the same frames"
    for wrong in (
        ["--seconds", "1"],
        ["--rate", "x", "a.pte"],
        ["--voices", "1,5x", "a.pte"],
        ["--voices", "0", "a.pte"],
    ):
        done = subprocess.run([built_native / "bin/voices", *wrong], capture_output=True, check=False)
        assert done.returncode == 2, wrong


def test_another_project_finds_the_installed_library(built_native: Path, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.19)\nproject(game CXX)\nfind_package(frame_stream 1 REQUIRED)\n"
        "add_executable(game game.cpp)\ntarget_compile_features(game PRIVATE cxx_std_17)\n"
        "target_link_libraries(game PRIVATE frame_stream::frame_stream)\n"
        'foreach(library ${FRAME_STREAM_LIBRARIES})\n  message(STATUS "ship ${library}")\nendforeach()\n'
    )
    (tmp_path / "game.cpp").write_text(
        '#include <cstdio>\n#include "frame_stream.hpp"\nint main(int, char** words) {\n'
        "  const frame_stream::Model model(words[1]);\n  frame_stream::Stream voice(model, 48000);\n"
        "  std::vector<float> audio(48000, 0.1f);\n  int frames = 0;\n"
        "  voice.set_curve(1, 0.f, 0.25f, 0.f, 1.f);\n"
        "  voice.set_curve(2, 0.f, 0.5f, 0.f, 1.f);\n  voice.set_curve(2);\n"
        "  const auto count = [&](const frame_stream::Frame& frame) {\n"
        "    frames += frame.index == frames && frame.values[1] == 0.25f && frame.values[2] != 0.5f;\n  };\n"
        "  voice.push(audio.data(), audio.size(), count);\n  voice.finish(count);\n"
        '  try { frame_stream::Model("/nonexistent"); } catch (const frame_stream::Error& error) {\n'
        '    std::printf("%d %d\\n", frames, error.status());\n  }\n}\n'
    )
    build = tmp_path / "build"
    prefix = built_native / "installed"
    configure = ["cmake", "-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"]
    said = subprocess.run(configure, check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"ship .*/(\S+)", said)) == {path.name for path in (built_native / "lib").glob("lib*")}
    subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
    done = subprocess.run([build / "game", tiny], capture_output=True, text=True, check=True)
    assert done.stdout == f"30 {abi.NO_FILE}\n"


def test_only_the_header_is_exported(built_native: Path) -> None:
    reader = shutil.which("nm")
    if not reader:
        pytest.skip("nm is not installed")
    library = next((built_native / "lib").glob("libframe_stream.*"))
    listed = subprocess.run(
        [reader, "-D", "--defined-only", library], capture_output=True, text=True, check=True
    ).stdout
    exported = {line.split()[-1].split("@")[0] for line in listed.splitlines()}
    declared = set(re.findall(r"\b(fp_\w+)\(", (NATIVE / "include/frame_stream.h").read_text("utf-8")))
    assert exported == declared
    assert b"site-packages" not in library.read_bytes(), "no path of the builder stays inside"
