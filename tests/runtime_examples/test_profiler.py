"""The C++ profiler: its file is what `profiles/` reads, its figures hold together, and it says what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles.measure.counts import native_counts
from profiles.measure.from_device import read_result
from profiles.measure.native import PROGRAM, find_profiler, run_native
from profiles.model.record import ArtifactFacts
from sdk.artifact import open_artifact
from sdk.errors import ArtifactError, EngineUnavailable, ProfileError

SHORT = ["--seconds", "0.5", "--rounds", "2", "--frames", "5"]


@pytest.fixture(scope="module")
def profiler(built_native: Path) -> Path:
    return built_native / "bin" / "profiler"


def profile(profiler: Path, model: Path, out: Path, *options: str) -> dict[str, Any]:
    command = [profiler, model, "--out", out, *SHORT, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text("utf-8"))
    assert isinstance(result, dict)
    return result


def test_the_file_is_what_profiles_reads(profiler: Path, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "deck.json"
    raw = profile(profiler, tiny, out, "--machine", "steam_deck", "--note", 'a "quoted" note')
    assert raw["note"] == 'a "quoted" note'
    assert (raw["fps"], raw["ensemble"], raw["chunk_ms"]) == (30.0, False, 10)
    artifact = open_artifact(tiny)
    assert raw["sha256"] == artifact.sha256
    cases = read_result(out, [ArtifactFacts.of(artifact, "tiny", str(tiny))])
    assert [(case.setting.pacing, case.setting.cache) for case in cases] == [
        ("flat_out", "warm"), ("flat_out", "cold"), ("real_time", "warm")
    ]  # fmt: skip
    assert {case.label for case in cases} == {"measured_on_device"}
    assert {case.machine for case in cases} == {"steam_deck"}
    warm, _, paced = cases
    assert [len(samples) for samples in warm.timing.rounds_us] == [5, 5]
    assert warm.memory_bytes("model and state") == warm.memory_bytes("model") + warm.memory_bytes("stream state")  # type: ignore[operator]
    assert warm.load_ms is not None
    assert warm.load_ms > 0
    assert paced.pace is not None
    assert 8 <= len(paced.pace.response_us) <= 15, "half a second at 30 fps, less the future that the student waits for"


def test_quantiles_and_histogram_are_those_of_the_samples(profiler: Path, tiny: Path, tmp_path: Path) -> None:
    raw = profile(profiler, tiny, tmp_path / "result.json", "--deadline-ms", "0.001", "--fps", "29.97")
    for case in raw["cases"]:
        samples = sorted(sample for samples in case["rounds_us"] for sample in samples)
        assert case["max_us"] == pytest.approx(samples[-1], abs=0.11)
        assert case["p50_us"] == pytest.approx(samples[(len(samples) + 1) // 2 - 1], abs=0.11)
        assert samples[0] - 0.11 <= case["p50_us"] <= case["p95_us"] <= case["p99_us"] <= case["max_us"]
        assert sum(count for _, count in case["histogram_us"]) == len(samples)
    paced = raw["cases"][-1]
    assert paced["late_frames"] == len(paced["pace"]["response_us"]), "nothing answers within a microsecond"
    assert paced["pace"]["period_us"] == pytest.approx(1e6 * 1001 / 30000, abs=0.1)
    with pytest.raises(ProfileError, match=r"played at 29.97 frames a second, which its manifest has at 30 \(--fps\)"):
        read_result(tmp_path / "result.json", [ArtifactFacts.of(open_artifact(tiny), "tiny", str(tiny))])


def test_a_wav_and_many_voices(profiler: Path, tiny: Path, tmp_path: Path) -> None:
    sound = tmp_path / "speech.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes((np.random.default_rng(0).normal(0, 3000, 2 * 30000)).astype("<i2").tobytes())
    raw = profile(profiler, tiny, tmp_path / "result.json", "--wav", str(sound), "--voices", "4", "--cold", "off")
    assert [case["cache"] for case in raw["cases"]] == ["warm", "warm"]
    assert {case["voices"] for case in raw["cases"]} == {4}


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--core", "997"], 1, "core 997 is not available: this process may use 0"),
        (["--wav", "/nonexistent.wav"], 1, "cannot read"),
        (["--seconds", "0.001"], 1, "too short for a single frame"),
        (
            ["--chunk-ms", "10001"],
            1,
            "--chunk-ms 10001 is longer than the sound, 10000 ms: give less, or a longer --wav",
        ),
        (["--chunk-ms", "2.5"], 2, "--chunk-ms 2.5 is not a whole number"),
        (["--voices", "1e30"], 2, "--voices 1e30 is not a number from 1"),
        (["--seconds", "inf"], 2, "--seconds inf is not a number from 0"),
        (["--fps", "0/1"], 2, "--fps 0/1 is no frame rate"),
        (["--rounds", "none"], 2, "--rounds none is not a number"),
        (["--speed", "9"], 2, "unknown option --speed"),
        (["--out"], 2, "--out needs a value"),
    ],
)
def test_what_cannot_be_is_said(
    profiler: Path, tiny: Path, tmp_path: Path, options: list[str], status: int, says: str
) -> None:
    out = tmp_path / "result.json"
    command = [profiler, tiny, "--out", out, *SHORT, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert says in done.stderr
    assert not out.exists()


def test_it_is_run_from_python(profiler: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAM, str(profiler))
    core = min(os.sched_getaffinity(0))
    out = run_native(tiny, tmp_path / "r.json", seconds=0, rounds=1, frames=3, deadline_ms=5, pinned_core=core)
    cases = read_result(out, [ArtifactFacts.of(open_artifact(tiny), "tiny", str(tiny))])
    assert {case.label for case in cases} == {"measured_here"}
    assert {tuple(case.setting.pinned_cores) for case in cases} == {(core,)}
    with pytest.raises(ArtifactError, match=r"foreign.pte: the C\+\+ profiler refuses it: profiler: .*seal"):
        run_native(_foreign(tmp_path), tmp_path / "r.json", seconds=0)
    monkeypatch.setenv(PROGRAM, str(tmp_path / "nothing"))
    with pytest.raises(EngineUnavailable, match=r"sdk.c.build --out"):
        find_profiler()


def test_instructions_are_counted_exactly(profiler: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under valgrind, whose processor is always the same: a product of 1000 x 3 takes at least 3000 / 8 of them."""
    monkeypatch.setenv(PROGRAM, str(profiler))
    try:
        counts = native_counts(tiny)
    except EngineUnavailable as error:
        pytest.skip(str(error))
    assert 3000 / 8 < counts.instructions < 10_000_000
    assert counts.data_reads > 3000 / 8
    assert counts.memory_bytes == 64 * counts.last_cache_misses


def _foreign(folder: Path) -> Path:
    path = folder / "foreign.pte"
    path.write_bytes(b"x" * 500)
    return path
