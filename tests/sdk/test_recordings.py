"""Recordings as people have them, each read to the right samples, or refused in one sentence."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sdk.__main__ import main
from sdk.errors import AudioError
from sdk.protocols.csv import read_csv
from sdk.sounds.recording import PhaseWatch, open_recording, read_recording

ROOT = Path(__file__).parents[2]
RATE = 16000


def tone(seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def wav(
    samples: np.ndarray, rate: int = RATE, told: int | None = None, coding: str = "<i2", chunks: bytes = b""
) -> bytes:
    """RIFF by hand: `told` is the data size in the header, `coding` how samples are written, `chunks` come before. Of a
    recorder that was cut off, told 0, the first line says no more than the rest."""
    rows = samples if samples.ndim == 2 else samples[:, None]
    kind, scale = {
        "<i2": (1, 32767),
        "<i4": (1, 2**31 - 1),
        "<f4": (3, 1),
        "<f8": (3, 1),
        "i3": (1, 2**23 - 1),
        "u1": (1, 127),
    }[coding]
    if coding == "i3":
        data = (rows * scale).round().astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    elif coding == "u1":
        data = ((rows * scale).round() + 128).astype(np.uint8).tobytes()
    else:
        data = (rows * scale).astype(coding).tobytes()
    width = {"i3": 3, "u1": 1}.get(coding) or np.dtype(coding).itemsize
    step = width * rows.shape[1]
    form = struct.pack("<HHIIHH", kind, rows.shape[1], rate, rate * step, step, width * 8)
    size = len(data) if told is None else told
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + chunks + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", 0 if told == 0 else len(body)) + body


LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0"
IXML = b"iXML" + struct.pack("<I", 4001) + b"<" + b"x" * 4000 + b"\0"


def long_wav(samples: np.ndarray, told: int | None = None, behind: bytes = b"") -> bytes:
    """RF64 of 16 bits: sizes of 32 bits are all ones, those of 64 stand in `ds64`; `told`: the samples' bytes."""
    data = (samples * 32767).astype("<i2").tobytes()
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    total = 4 + 36 + len(form) + 8 + len(data) + len(behind)
    ones = told in (0, 2**64 - 1)
    sizes = struct.pack("<QQQI", told if ones else total, len(data) if told is None else told, len(samples), 0)
    head = b"RF64" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + b"ds64" + struct.pack("<I", len(sizes)) + sizes
    return head + form + b"data" + struct.pack("<I", 0xFFFFFFFF) + data + behind


def through_both(path: Path, data: bytes) -> list[np.ndarray]:
    """What is read of a file at `path` and of the same bytes from a pipe, in small blocks."""
    path.write_bytes(data)
    with open_recording(path) as sound:
        told = sound.frames
        found = [np.concatenate([np.zeros((0, 1), np.float32), *sound.blocks(777)])]
    assert told in (None, len(found[0]))
    reader, writer = os.pipe()
    thread = threading.Thread(
        target=lambda: (os.write(writer, data[:50]), os.write(writer, data[50:]), os.close(writer))
    )
    thread.start()
    with open_recording(f"/dev/fd/{reader}") as sound:
        found.append(np.concatenate([np.zeros((0, 1), np.float32), *sound.blocks(777)]))
    thread.join()
    os.close(reader)
    return found


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no pipes by name here")
@pytest.mark.parametrize("behind", [b"", LIST, IXML, IXML + LIST], ids=["none", "list", "ixml", "both"])
def test_chunks_behind_the_samples_are_no_sound(tmp_path: Path, behind: bytes) -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile judges our wav reader")
    path, short = tmp_path / "a.wav", wav(tone())
    files = {
        "RIFF": b"RIFF" + struct.pack("<I", len(short) - 8 + len(behind)) + short[8:] + behind,
        "RF64": long_wav(tone(), behind=behind),
        "nothing": b"RIFF" + struct.pack("<I", 36 + len(behind)) + wav(tone()[:0])[8:] + behind,
        "nothing, RF64": long_wav(tone()[:0], behind=behind),
    }
    for name, data in files.items():
        for found in through_both(path, data):
            assert len(found) == soundfile.info(path).frames, name
            np.testing.assert_allclose(found[:, 0], soundfile.read(path, dtype="float32")[0], atol=1e-7)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no pipes by name here")
@pytest.mark.parametrize("told", [0, 2**64 - 1])
@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_a_writer_that_was_cut_off_is_read_to_the_end(tmp_path: Path, told: int, seconds: float) -> None:
    cut = wav(tone(seconds), told=0)
    for data in (
        long_wav(tone(seconds), told),
        cut,
        b"RIFF" + struct.pack("<I", 36) + cut[8:],  # what there was when the header was written
        b"RIFF" + struct.pack("<I", 36 + 1000) + cut[8:],  # and at another time
    ):
        for found in through_both(tmp_path / "a.wav", data):
            np.testing.assert_allclose(found[:, 0], tone(seconds), atol=2e-4)


@pytest.mark.parametrize("told", [None, 0, 0xFFFFFFFF, 10**9])
def test_a_header_s_sizes_are_not_believed(tmp_path: Path, told: int | None) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(wav(tone(), told=told))
    samples, rate = read_recording(path)
    assert rate == RATE
    np.testing.assert_allclose(samples[:, 0], tone(), atol=2e-4)


@pytest.mark.parametrize("coding", ["<i2", "<i4", "<f4", "<f8", "i3", "u1"])
def test_plain_codings_are_those_of_soundfile(tmp_path: Path, coding: str) -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile judges our wav reader")
    path = tmp_path / "a.wav"
    stereo = np.stack([tone(), -0.5 * tone()], axis=1)
    path.write_bytes(wav(stereo, coding=coding, chunks=b"LIST" + struct.pack("<I", 3) + b"abc\0"))
    samples, _ = read_recording(path)
    theirs, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_allclose(samples, theirs, atol=1e-7)


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(wav(tone(), told=0xFFFFFFFF)))
    writer.start()
    samples, _ = read_recording(pipe)
    writer.join()
    np.testing.assert_allclose(samples[:, 0], tone(), atol=2e-4)


def test_torn_and_foreign_files_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for data, words in (
        (b"", "a.wav"), (b"RIFF", "readable|header"), (wav(tone())[:30], "readable|header"),
        (b"not a sound at all", "not readable as sound"),
    ):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(AudioError, match=words):
            read_recording(path)
    path.write_bytes(wav(tone())[:-1])
    assert len(read_recording(path)[0]) == len(tone()) - 1, "half a sample is none"


def test_names_that_are_no_utf8_and_as_long_as_names_can_be(sealed: dict[str, Path], tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/na\xefve.wav"))
    long = tmp_path / ("x" * 251 + ".csv")
    try:
        odd.write_bytes(wav(tone()))
        long.touch()
    except OSError:
        pytest.skip("this file system has no such names")
    assert main(["animate", str(sealed["executorch"]), os.fspath(odd), "--out", os.fspath(long)]) == 0
    assert long.stat().st_size > 1000
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.is_file()).count(".part") == 0


def test_opposite_phase_is_heard(sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "phase.wav"
    path.write_bytes(wav(np.stack([tone(), -tone()], axis=1)))
    command = ["animate", str(sealed["executorch"]), str(path), "--out", str(tmp_path / "a.jsonl")]
    assert main(command) == 0
    assert "opposite phase: their mean keeps 0.0 %" in capsys.readouterr().err
    assert main([*command, "--channel", "1"]) == 0
    assert "phase" not in capsys.readouterr().err
    assert main([*command, "--channel", "3"]) == 2
    assert "no channel 3; it has 2" in capsys.readouterr().err
    watch = PhaseWatch(RATE)
    watch.hear(np.stack([tone(), tone()], axis=1))
    assert not watch.warning


def test_192_khz(sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fast.wav"
    path.write_bytes(wav(tone(rate=192000), 192000))
    assert main(["animate", str(sealed["executorch"]), str(path), "--out", str(tmp_path / "a.csv"), "--rest", "0"]) == 0
    assert "15 frames at 30 fps from 0.50 s" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["m4a", "webm"])
def test_what_phones_record_is_read_by_ffmpeg(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, source = tmp_path / f"a.{suffix}", tmp_path / "a.wav"
    source.write_bytes(wav(tone()))
    if shutil.which("ffmpeg"):
        subprocess.run(["ffmpeg", "-v", "error", "-i", str(source), str(path)], check=True)
        samples, rate = read_recording(path)
        assert len(samples) / rate == pytest.approx(0.5, abs=0.08)
        assert np.sqrt((samples**2).mean()) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    else:
        path.write_bytes(b"\0\0\0\x1cftypM4A ")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match="install ffmpeg for the rest"):
        read_recording(path)


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "sdk", *arguments]
    return subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, env={**os.environ, **environment}, check=False
    )


def test_pipes_and_devices_at_both_ends(sealed: dict[str, Path], tmp_path: Path) -> None:
    model = str(sealed["executorch"])
    done = run("animate", model, "-", "--out", "-", "--rest", "0", stdin=wav(tone(), told=0))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 15
    done = run("animate", model, "/dev/stdin", "--out", "/dev/stdout", stdin=wav(tone()))
    assert done.returncode == 2
    assert b"no '' among the formats" in done.stderr
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("before")
    link.symlink_to(real)
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    (tmp_path / "a.wav").write_bytes(wav(tone()))
    for out in (link, pipe):
        assert main(["animate", model, str(tmp_path / "a.wav"), "--out", str(out)]) == 0
    reader.join(10)
    assert link.is_symlink()
    assert real.read_bytes() == got[0]
    assert pipe.is_fifo()
    assert got[0].startswith(b"Timecode")


def test_what_stdout_leads_to_is_written_into_and_not_replaced(sealed: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone()))
    log, other = tmp_path / "log", tmp_path / "other"
    for path in (log, other):
        path.write_text("what was there\n")
    command = [sys.executable, "-m", "sdk", "animate", str(sealed["executorch"]), str(tmp_path / "a.wav"), "--out", "-"]
    with log.open("ab") as stdout:  # as `>> log`
        subprocess.run(command, cwd=ROOT, stdout=stdout, check=True)
    lines = log.read_text().splitlines()
    assert lines[0] == "what was there"
    assert json.loads(lines[1])["format"] == "tinyface.frames"
    assert len(lines) > 15
    link = tmp_path / "link.csv"
    link.symlink_to("/dev/stdout")
    writes = "import sys; from pathlib import Path; from sdk.tools.whole import whole_file\n"
    writes += "for name in sys.argv[1:]:\n with whole_file(Path(name)) as stream: stream.write(b'ours')"
    for name in ("/dev/stdout", "/dev/fd/1", str(link)) if Path("/dev/fd/1").exists() else ():
        with other.open("ab") as stdout:
            subprocess.run([sys.executable, "-c", writes, name], cwd=ROOT, stdout=stdout, check=True)
    assert other.read_text() in ("what was there\n", "what was there\noursoursours")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_full_disk_behind_stdout_is_told_once(sealed: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone()))
    command = [sys.executable, "-m", "sdk", "animate", str(sealed["executorch"]), str(tmp_path / "a.wav"), "--out", "-"]
    with open("/dev/full", "wb") as stdout:
        done = subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (2, b"error: cannot write stdout: No space left on device\n")


def test_a_reader_that_has_enough_and_a_console_without_letters(sealed: dict[str, Path]) -> None:
    command = f"'{sys.executable}' -m sdk info '{sealed['executorch']}' | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("artefact")
    done2 = run("animate", str(sealed["executorch"]), "höö.wav", "--out", "ü.csv", PYTHONIOENCODING="ascii")
    assert done2.returncode == 2
    assert b"Traceback" not in done2.stderr
    assert b"h\\xf6\\xf6.wav" in done2.stderr


def test_blocks_come_before_the_end_of_a_pipe() -> None:
    """A stream is heard while it is still being sent."""
    read, write = os.pipe()
    os.write(write, wav(tone(), told=0xFFFFFFFF))
    with open_recording(f"/dev/fd/{read}") as sound:
        first = next(iter(sound.blocks(1600)))
    os.close(write)
    assert len(first) == 1600


def frames_of(model: Path, recording: Path | str, out: Path, *options: str) -> np.ndarray:
    """Values `(frames, channels)` that the command makes of a recording."""
    assert main(["animate", str(model), str(recording), "--out", str(out), "--rest", "0", *options]) == 0
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()[1:]]
    return np.array([list(line["values"].values()) for line in lines])


def test_every_file_gives_the_frames_of_its_sound(sealed: dict[str, Path], tmp_path: Path) -> None:
    """However it is stored: to the last bit where no bit of the sound is lost."""
    model, out = sealed["executorch"], tmp_path / "a.jsonl"
    sound = np.concatenate([tone(0.25), 0.2 * tone(0.25)])
    plain = tmp_path / "plain.wav"
    plain.write_bytes(wav(sound))
    wanted = frames_of(model, plain, out)
    assert wanted.shape == (15, 3)
    assert np.ptp(wanted, axis=0).max() > 0.01, "frames that differ can tell"
    stereo = np.stack([-sound, sound], axis=1)
    pipe, odd = tmp_path / "pipe", Path(os.fsdecode(os.fsencode(tmp_path) + b"/na\xefve.wav"))
    os.mkfifo(pipe)
    stored: list[tuple[Path, bytes, tuple[str, ...], float]] = [
        (tmp_path / "nothing told.wav", wav(sound, told=0), (), 0),
        (tmp_path / "too much told.wav", wav(sound, told=0xFFFFFFFF), (), 0),
        (pipe, wav(sound, told=0), (), 0),
        (odd, wav(sound), (), 0),
        (tmp_path / f"{'x' * 251}.wav", wav(sound), (), 0),
        (tmp_path / "second.wav", wav(stereo), ("--channel", "2"), 0),
        (tmp_path / "24 bits.wav", wav(sound, coding="i3"), (), 1e-4),
        (tmp_path / "192 kHz.wav", wav(np.repeat(sound, 12), 192000), (), 0.02),
    ]
    for path, data, options, tolerance in stored:
        writer = threading.Thread(target=path.write_bytes, args=(data,))
        writer.start()
        if path != pipe:
            writer.join()
        found = frames_of(model, path, out, *options)
        writer.join()
        np.testing.assert_allclose(found, wanted, atol=tolerance, rtol=0, err_msg=path.name[:30])
    if shutil.which("ffmpeg"):
        for suffix in ("m4a", "webm"):
            subprocess.run(["ffmpeg", "-v", "error", "-i", plain, tmp_path / f"a.{suffix}"], check=True)
            found = frames_of(model, tmp_path / f"a.{suffix}", out)[: len(wanted)]
            assert np.abs(found - wanted).mean() < 0.02, suffix


@pytest.mark.parametrize(("word", "rate"), [("29.97", 30000), ("23.976", 24000), ("23.98", 24000), ("59.94", 60000)])
def test_rates_of_film_and_television_at_the_door(
    word: str, rate: int, sealed: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(0.3)))
    model, jsonl, table, live = (
        str(sealed["executorch"]),
        *(tmp_path / name for name in ("a.jsonl", "a.csv", "b.jsonl")),
    )
    for out in (jsonl, table):
        assert main(["animate", model, str(path), "--out", str(out), "--fps", word, "--rest", "0"]) == 0
    assert main(["live", model, "--wav", str(path), "--to", f"jsonl:{live}", "--fps", word, "--quiet"]) == 0
    for lines in (jsonl, live):
        head, *frames = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
        assert head["fps"] == [rate, 1001]
        assert [frame["sample"] for frame in frames] == [frame["index"] * 16000 * 1001 // rate for frame in frames]
    assert read_csv(table).fps == Fraction(rate, 1001)
