"""The C# binding, compiled and run under Mono or .NET: frames are Python's, handles go back, errors speak."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from csharp_tools import BINDING, CSHARP, Compile, start
from native_tools import NO_CHUNKS, NO_RATES, TOLERANCE, largest_difference, of_24_bits, read_line, run, wav_frames


@pytest.fixture(scope="module")
def animate_wav(compile_cs: Compile) -> list[str]:
    return compile_cs("animate_wav", [*sorted((CSHARP / "animate_wav").glob("*.cs")), *BINDING])


def test_frames_are_pythons_and_lines_are_cpp_wavs(
    animate_wav: list[str], built_native: Path, any_kind: Path, wav: Path
) -> None:
    done = start(animate_wav, any_kind, wav, "--chunk-ms", 7, libraries=built_native / "lib")
    assert (done.returncode, done.stderr) == (0, "")
    ready, header, *lines = done.stdout.splitlines()
    assert largest_difference([read_line(line) for line in lines], wav_frames(any_kind, wav)) <= TOLERANCE
    cpp = run(built_native, "cpp_wav", any_kind, wav, "--chunk-ms", 7).splitlines()
    assert [ready, header] == cpp[:2]
    assert largest_difference([read_line(line) for line in lines], [read_line(line) for line in cpp[2:]]) == 0
    for ours, theirs in zip(lines, cpp[2:], strict=True):
        assert ours.partition('"values"')[2] == theirs.partition('"values"')[2], "the same text"
        late = json.loads(ours)["time_s"] - json.loads(theirs)["time_s"]
        assert abs(late) < 1.1e-6, "Mono rounds a tie the other way"


def test_options_are_cpp_wavs(animate_wav: list[str], built_native: Path, brook: Path, wav: Path) -> None:
    words = ("--fps", "30000/1001", "--ensemble", "on", "--chunk-ms", 100)
    done = start(animate_wav, brook, wav, *words, libraries=built_native / "lib")
    _, header, *lines = done.stdout.splitlines()
    assert json.loads(header)["fps"] == [30000, 1001]
    cpp = run(built_native, "cpp_wav", brook, wav, *words).splitlines()
    assert largest_difference([read_line(line) for line in lines], [read_line(line) for line in cpp[2:]]) == 0
    done = start(animate_wav, brook, wav, "--fps", "29.97", libraries=built_native / "lib")
    assert json.loads(done.stdout.splitlines()[1])["fps"] == [30000, 1001]
    numbers = [(brook, wav, "--fps", said) for said in NO_RATES] + [
        (brook, wav, "--chunk-ms", said) for said in NO_CHUNKS
    ]
    for wrong in ((), (brook,), (brook, wav, "--fps"), (brook, wav, "--speed", "2"), *numbers):
        done = start(animate_wav, *wrong, libraries=built_native / "lib")
        assert done.returncode == 2
        assert "usage" in done.stderr


def test_a_wav_of_24_bits_is_that_of_16(
    animate_wav: list[str], built_native: Path, brook: Path, wav: Path, tmp_path: Path
) -> None:
    """As in C++, so that the two print the same of one more kind of file."""
    wide = of_24_bits(wav, tmp_path / "wide.wav")
    done, known = (start(animate_wav, brook, sound, libraries=built_native / "lib") for sound in (wide, wav))
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == known.stdout


def test_what_cannot_be_played_is_said(
    animate_wav: list[str], built_native: Path, brook: Path, wav: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    libraries = built_native / "lib"
    nothing = wav.read_bytes()[:40] + b"\0\0\0\0"  # a recording of no samples is no take of no frames
    for content in (b"", b"RIFF", b"RIFF....WAVEdata\x04\0\0\0abcd", wav.read_bytes()[:40], nothing):
        broken.write_bytes(content)
        done = start(animate_wav, brook, broken, libraries=libraries)
        assert done.returncode == 1
        assert "broken.wav: it " in done.stderr
    for model, sound, says in (
        (tmp_path / "absent.pte", wav, "absent.pte"), (brook, tmp_path / "absent.wav", "absent.wav"),
        (wav, wav, "a foreign file"),
    ):  # fmt: skip
        done = start(animate_wav, model, sound, libraries=libraries)
        assert done.returncode == 1
        assert says in done.stderr
        assert "   at " not in done.stderr, "words, no stack trace"


def test_a_missing_or_foreign_library_is_said(animate_wav: list[str], brook: Path, wav: Path, tmp_path: Path) -> None:
    done = start(animate_wav, brook, wav, libraries=tmp_path)
    assert done.returncode == 1
    assert "the native library frame_stream cannot be loaded: put it" in done.stderr
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler, "the native library was built here"
    (tmp_path / "other.c").write_text("unsigned fp_abi_version(void) { return 2; }")
    subprocess.run([compiler, "-shared", "-fPIC", "other.c", "-o", "libframe_stream.so"], cwd=tmp_path, check=True)
    done = start(animate_wav, brook, wav, libraries=tmp_path)
    assert done.returncode == 1
    assert "ABI version 2, this binding speaks 1" in done.stderr


def test_the_binding_keeps_its_promises(compile_cs: Compile, built_native: Path, brook: Path, small: Path) -> None:
    """Names, refusals, crowds, two threads, no garbage in the loop, no handle lost: see csharp/Checks.cs."""
    checks = compile_cs("checks", [Path(__file__).parent / "csharp" / "Checks.cs", *BINDING])
    done = start(checks, brook, small, libraries=built_native / "lib")
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["model", "refusals", "takes and crowds", "two threads", "no garbage", "no leak"]
    assert done.returncode == 0


def test_the_binding_knows_no_engine() -> None:
    for file in BINDING:
        assert "UnityEngine" not in file.read_text("utf-8")
