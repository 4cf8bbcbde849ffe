"""Any tree of recordings to label shards: every recording once, the same bytes however it was made, nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from made_once import made_once

from distill.corpus import pool as label_pool
from distill.corpus.board import read_board
from distill.corpus.making import write_shards
from distill.corpus.pool import alone, clear_parts, nth_device, pick_device
from distill.corpus.recordings import find_pieces, read_piece
from distill.corpus.shards import labeller, read_shard
from distill.corpus.speakers import split_of
from distill.files.disk import find_audio, load_mono
from distill.files.teacher import Trained
from distill.recipes.pseudo_label import label, main
from distill.speech.phonetics import CLASSES
from distill.teachers.neural.network import Bidirectional, TeacherSpec
from distill.teachers.neural.teacher import FILE
from sdk.errors import AudioError, CheckpointError, ConfigError, DataError

ROOT = Path(__file__).resolve().parents[2]
SPEC = TeacherSpec("tiny", 16, 12, 3, [1], 8, [1], 12, 0.1, "arkit")
SHARD_S = 4.0
SUBSETS = ("train-clean-100", "train-clean-360", "train-other-500")


def teacher_file(path: Path, seed: int = 1) -> str:
    network = Bidirectional(SPEC, len(SPEC.layout), len(CLASSES))
    network.initialise(seed)
    random = np.random.default_rng(seed)
    network.rig.weight.data += torch.from_numpy(0.1 * random.normal(size=tuple(network.rig.weight.shape))).float()
    Trained(FILE, SPEC, FILE.halved(network.state_dict()), SPEC.layout).save(path)
    return str(path)


def speak(path: Path, seconds: float, seed: int, rate_hz: int = 16000, channels: int = 1) -> None:
    random = np.random.default_rng(seed)
    count = int(seconds * rate_hz)
    loud = 0.2 * np.repeat(random.random(count // 1600 + 1), 1600)[:count]
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, (loud * random.normal(size=count)).clip(-1, 1)[:, None].repeat(channels, 1), rate_hz)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made_once(tmp_path_factory, "teacher", lambda folder: teacher_file(folder / "tiny.teacher"))[1]


@pytest.fixture(scope="module")
def librispeech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its shape: subset/speaker/chapter/speaker-chapter-number.flac; 30 speakers, 45 chapters, 90 recordings."""

    def speak_all(root: Path) -> None:
        for number in range(90):
            subset, speaker, chapter, k = SUBSETS[number // 30], 100 + number // 3, 9000 + number // 2, number % 2
            path = root / subset / f"{speaker}" / f"{chapter}" / f"{speaker}-{chapter}-{k:04d}.flac"
            speak(path, 0.3 + number % 5 / 10, number)
        (root / "SPEAKERS.TXT").write_text("no sound, and nobody's business")

    return made_once(tmp_path_factory, "LibriSpeech", speak_all)[0]


@pytest.fixture(scope="module")
def straight(librispeech: Path, teacher: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree labelled in one go by one process."""

    def labelled(out: Path) -> None:
        label([librispeech], out, teacher, subsets=4, shard_s=SHARD_S)

    return made_once(tmp_path_factory, "straight", labelled)[0]


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "shards").iterdir())}


def test_every_recording_is_in_one_shard_and_each_shard_is_a_fair_sample(straight: Path, librispeech: Path) -> None:
    paths = find_audio(librispeech)
    subset_of = {path.stem: path.relative_to(librispeech).parts[0] for path in paths}
    shards = [read_shard(path) for path in sorted((straight / "shards").glob("*.npz"))]
    assert sorted(name for shard in shards for name in shard.names) == sorted(subset_of)
    train = [shard for shard in shards if shard.path.name.startswith("train-")]
    assert {shard.path.stem.split("-")[2] for shard in train} == {f"{k:02d}" for k in range(4)}
    for shard in shards:
        assert {split_of(speaker) for speaker in shard.speakers} == {shard.path.stem.split("-")[0]}
        assert shard.teacher == "tiny"
        for i, name in enumerate(shard.names):
            audio, track = shard.utterance(i)
            path = next(p for p in paths if p.stem == name)
            np.testing.assert_array_equal(audio, (load_mono(path).clip(-1, 1) * 32767).astype(np.int16))
            assert track.duration_s == pytest.approx(len(audio) / 16000, abs=0.02)
            assert np.abs(track.values).max() > 0.01
    for shard in train:
        if len(shard) > 5:  # the last of a subset is a rest
            assert len(set(shard.speakers)) > 4
            assert len({subset_of[name] for name in shard.names}) > 1


def test_the_same_shards_whatever_the_number_of_workers(
    straight: Path, librispeech: Path, teacher: str, tmp_path: Path
) -> None:
    done = label([librispeech], tmp_path, teacher, subsets=4, workers=3, shard_s=SHARD_S)
    assert contents(tmp_path) == contents(straight)
    assert done.paths == sorted((tmp_path / "shards").iterdir())
    assert done.hours * 3600 == pytest.approx(
        sum(soundfile.info(p).duration for p in find_audio(librispeech)), rel=1e-4
    )


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # who runs the tests behind an `&` ignores it, and so would they


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_at_any_moment_it_goes_on_to_the_same_shards(
    straight: Path, librispeech: Path, teacher: str, tmp_path: Path, number: signal.Signals
) -> None:
    """Two workers; killed outright, or by Ctrl-C, as soon as something is done."""
    arguments = ["--speech", str(librispeech), "--out", str(tmp_path), "--teacher", teacher, "--subsets", "4"]
    arguments += ["--workers", "2", "--shard-seconds", str(SHARD_S)]
    process = subprocess.Popen(
        [sys.executable, "-m", "distill.recipes.pseudo_label", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        preexec_fn=_hear_ctrl_c,
    )  # fmt: skip
    while process.poll() is None and not list((tmp_path / "shards").glob("*.npz")):
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate(timeout=400)  # pipes close when the workers, too, have ended
    found = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "shards").glob("*.npz")}
    whole = contents(straight)
    assert 0 < len(found) < len(whole)
    assert all((tmp_path / "shards" / name).read_bytes() == whole[name] for name in found)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "goes on from what is done" in error
        assert "Traceback" not in error
        assert contents(tmp_path).keys() == found.keys(), "nothing half written"
    label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S)
    assert contents(tmp_path) == whole
    assert all((tmp_path / "shards" / name).stat().st_mtime_ns == when for name, when in found.items())


def test_a_damaged_shard_is_named_and_made_again(
    straight: Path, librispeech: Path, teacher: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(straight / "shards", tmp_path / "shards")
    victim = sorted((tmp_path / "shards").iterdir())[3]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "shards").iterdir()}
    done = label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S)
    assert contents(tmp_path) == contents(straight)
    assert [p for p, when in times.items() if p.stat().st_mtime_ns != when] == [victim]
    assert f"rebuilding: {victim}" in capsys.readouterr().err
    assert (done.kept, len(done.paths)) == (len(times) - 1, len(times))


def test_what_cannot_be_read_is_named_and_left_out_until_it_can(
    tmp_path: Path, teacher: str, capsys: pytest.CaptureFixture[str]
) -> None:
    speech, out = tmp_path / "speech", tmp_path / "out"
    for name in "abcd":
        speak(speech / f"{name}.flac", 1.0, ord(name))
    (speech / "no_sound.wav").write_text("no sound")
    torn = speech / "b.flac"  # its header is whole
    torn_bytes = torn.read_bytes()
    torn.write_bytes(torn_bytes[: len(torn_bytes) // 2])
    arguments = ["--speech", str(speech), "--out", str(out), "--teacher", teacher]
    for _ in range(2):  # the second time keeps the shard, and says so again
        assert main(arguments) == 0
        error = capsys.readouterr().err
        assert "no_sound.wav: not readable" in error
        assert "b.flac: damaged" in error
        assert "2 recordings left out" in error
    assert "1 of them kept" in error
    (path,) = (out / "shards").iterdir()
    assert list(read_shard(path).names) == ["a", "c", "d"]
    torn.write_bytes(torn_bytes)
    assert main(arguments) == 0
    assert list(read_shard(path).names) == ["a", "b", "c", "d"]


def test_without_subsets_shards_are_filled_in_the_order_of_the_paths(
    tmp_path: Path, teacher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `write_shards` fills them from whole recordings: the two builders are interchangeable."""
    monkeypatch.setattr("distill.corpus.making.SHARD_SECONDS", 4.0)
    for number in range(12):
        speak(tmp_path / "speech" / f"{number:02d}.wav", 0.9, number, 8000)
    label([tmp_path / "speech"], tmp_path / "out", teacher, shard_s=4.0)
    pieces, _ = find_pieces([tmp_path / "speech"])
    made = write_shards(map(read_piece, pieces), tmp_path / "twin/shards", "human", labeller(teacher))
    assert len(made) > 2
    ours, theirs = (sorted((tmp_path / place / "shards").iterdir()) for place in ("out", "twin"))
    assert [path.name for path in ours] == [path.name for path in theirs]
    for one, other in zip(ours, theirs, strict=True):
        with np.load(one) as found, np.load(other) as wanted:
            assert set(found.files) - set(wanted.files) == {"made_of"}, "of headers, where recordings are not in hand"
            for name in wanted.files:
                np.testing.assert_array_equal(found[name], wanted[name])


def test_a_recording_that_was_exchanged_is_labelled_again(
    tmp_path: Path, teacher: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under its old name, of another length: its header tells. What holds no digest of headers yet is kept."""
    speech, out = tmp_path / "speech", tmp_path / "out"
    for name in "ab":
        speak(speech / f"{name}.wav", 1.0, ord(name))
    label([speech], out, teacher)
    (path,) = (out / "shards").iterdir()
    assert label([speech], out, teacher).kept == 1
    speak(speech / "b.wav", 1.5, 7)
    assert label([speech], out, teacher).kept == 0
    assert "it holds other sound than asked for now" in capsys.readouterr().err
    assert [len(read_shard(path).utterance(i)[0]) for i in range(2)] == [16000, 24000]
    with np.load(path) as data:
        earlier = {name: data[name] for name in data.files if name != "made_of"}
    np.savez(path, **earlier)
    assert label([speech], out, teacher).kept == 1


@pytest.mark.parametrize(
    ("suffix", "rate_hz", "channels"), [("wav", 16000, 1), ("flac", 44100, 2), ("mp3", 44100, 1), ("ogg", 48000, 2)]
)
def test_long_recordings_are_cut_at_pauses_and_nothing_is_lost(
    tmp_path: Path, suffix: str, rate_hz: int, channels: int
) -> None:
    if suffix.upper() not in soundfile.available_formats():
        pytest.skip(f"this libsndfile does not write {suffix}")
    count = 23 * rate_hz
    time_s = np.arange(count) / rate_hz
    talks = np.where(time_s % 1.7 < 1.35, 0.3, 0.0)  # a pause every 1.7 s
    sound = talks * np.random.default_rng(0).normal(size=count).clip(-2, 2)
    path = tmp_path / f"talk.{suffix}"
    soundfile.write(path, np.repeat(sound[:, None], channels, 1), rate_hz)
    pieces, failures = find_pieces([tmp_path], longest_s=7.0)
    assert not failures
    assert [piece.name for piece in pieces] == [f"talk@{k}of4" for k in range(1, 5)]
    parts = [read_piece(piece).audio for piece in reversed(pieces)][::-1]
    whole = (load_mono(path).clip(-1, 1) * 32767).astype(np.int16)
    assert sum(map(len, parts)) == len(whole)
    at = 0
    for part in parts:
        inner = slice(at + 800, at + len(part) - 800)
        np.testing.assert_allclose(part[800:-800], whole[inner], atol=400 if rate_hz != 16000 else 0)
        at += len(part)
        if part is not parts[-1]:
            assert np.abs(whole[at - 800 : at + 800].astype(int)).max() < 700, "cut inside a word"
    assert sum(piece.samples for piece in pieces) == len(whole)


def test_a_torn_long_recording_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.flac"
    speak(path, 20.0, 0)
    path.write_bytes(path.read_bytes()[:100_000])
    pieces, _ = find_pieces([tmp_path], longest_s=6.0)
    with pytest.raises(AudioError, match=r"talk\.flac"):
        read_piece(pieces[-1])


def test_names_are_the_trees_own_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("anna/1.wav", "bob/1.wav", "bob/2.wav"):
        speak(tmp_path / "here" / name, 0.2, 0)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    here, there = (find_pieces([tmp_path / place])[0] for place in ("here", "there"))
    assert [piece.name for piece in here] == [piece.name for piece in there]
    assert len({piece.name for piece in here}) == 3
    again, _ = find_pieces([tmp_path / "here", tmp_path / "here" / "bob"])
    assert [piece.path for piece in again] == [piece.path for piece in here]


def test_other_weights_are_another_teacher(
    straight: Path, librispeech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(straight / "shards", tmp_path / "shards")
    other = teacher_file(tmp_path / "tiny.teacher", seed=2)
    done = label([librispeech], tmp_path, other, subsets=4, shard_s=SHARD_S)
    assert done.kept == 0
    assert "other weights of tiny" in capsys.readouterr().err


def test_what_would_fail_after_hours_is_told_before(
    straight: Path, librispeech: Path, teacher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="shards of another plan"):
        label([librispeech], straight, teacher, subsets=5, shard_s=SHARD_S)
    with pytest.raises(ConfigError, match="subsets 1000"):
        label([librispeech], tmp_path, teacher, subsets=1000)
    with pytest.raises(ConfigError, match="there are: "):
        label([librispeech], tmp_path, "nobody")
    with pytest.raises(CheckpointError):
        label([librispeech], tmp_path, str(tmp_path / "absent.teacher"), workers=2)
    with pytest.raises(DataError, match="goes by phones"):
        label([librispeech], tmp_path, "articulatory")
    with pytest.raises(ConfigError, match="device 'gpu9'"):
        label([librispeech], tmp_path, teacher, device="gpu9")
    with pytest.raises(ConfigError, match="workers 0"):
        label([librispeech], tmp_path, teacher, workers=0)
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"0\.0 GB are free"):
        label([librispeech], tmp_path, teacher)
    assert not list((tmp_path / "shards").iterdir())


def test_what_a_killed_worker_had_in_work_goes_to_others(
    librispeech: Path,
    straight: Path,
    teacher: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(label_pool, "_work", _die_once)
    label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S, workers=2)
    assert contents(tmp_path) == contents(straight)
    assert "lost: a worker was killed; 2 shards go to others" in capsys.readouterr().err
    assert read_board(tmp_path)[0].lost == 2


def _die_once(batch: Any, folder: Path) -> object:
    try:
        (folder.parent / "died").touch(exist_ok=False)
    except FileExistsError:
        return label_pool._work(batch, folder)  # of another process, where nothing was put in its place
    (folder / f".{batch.name}.npz.0123.part").write_bytes(b"half")
    return os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_are_killed_again_and_again_are_told(
    librispeech: Path, teacher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_pool, "_work", _die)
    monkeypatch.setattr(label_pool, "IN_VAIN", 0)
    with pytest.raises(DataError, match=r"a worker was killed 1 times in a row.* goes on with them"):
        label([librispeech], tmp_path, teacher, workers=2)
    assert read_board(tmp_path)[0].ended.startswith("failed: a worker was killed 1 times")


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_teacher_of_somebody_elses_is_its_modules_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, librispeech: Path
) -> None:
    (tmp_path / "studio").mkdir()
    lines = "from distill.teachers.neural.teacher import NeuralTeacher\nclass TEACHER(NeuralTeacher): ...\n"
    (tmp_path / "studio" / "mouths.py").write_text(lines)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert labeller("studio.mouths").teacher == "studio.mouths"
    for name in ("studio.lips", "studio"):
        with pytest.raises(ConfigError, match=r"no module with a TEACHER|there are: "):
            labeller(name)
    (tmp_path / "studio" / "lips.py").write_text("")
    with pytest.raises(ConfigError, match="no module with a TEACHER"):
        labeller("studio.lips")


def test_half_written_files_are_removed_and_two_commands_do_not_meet(tmp_path: Path) -> None:
    half, others = (tmp_path / f".train-{source}-000.npz.123.part" for source in ("human", "espeak"))
    for part in (half, others):
        part.write_bytes(b"half")
    with alone(tmp_path):
        clear_parts(tmp_path, ["train-human-000"])
        with pytest.raises(DataError, match="another command"), alone(tmp_path):
            pass
    assert (half.exists(), others.exists()) == (False, True)
    with alone(tmp_path):
        pass


def test_parts_label_beside_one_another_and_beside_no_whole(tmp_path: Path) -> None:
    with alone(tmp_path, "-0-2"), alone(tmp_path, "-1-2"):
        for other in ("", "-0-2"):
            with pytest.raises(DataError, match="another command"), alone(tmp_path, other):
                pass
    with alone(tmp_path), pytest.raises(DataError, match="another command"), alone(tmp_path, "-0-2"):
        pass


def test_devices_are_found_and_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == "cuda"
    assert [nth_device("cuda", number) for number in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert nth_device("cuda:1", 0) == "cuda:1"
    assert nth_device("cpu", 3) == "cpu"
    monkeypatch.setattr("distill.corpus.labeller.load_plugin", lambda *_: object)  # a teacher without `to`
    with pytest.raises(ConfigError, match="CPU alone"):
        labeller("bound", "cuda")


QUICK_TEACHER = """
import numpy as np
from distill.teachers.track import RigTrack
from sdk.rig import RigLayout
class TEACHER:
    layout, fps = RigLayout.arkit(), 50
    def label(self, waveform):
        return RigTrack(np.full((-(-len(waveform) // 320), 52), 0.5, np.float32), self.fps, self.layout)
"""
LABELS = """
import sys
from pathlib import Path
from distill.recipes.pseudo_label import label
label([Path(sys.argv[1])], Path(sys.argv[2]), sys.argv[3], subsets=2, shard_s=60.0)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_does_not_grow_with_the_recordings(tmp_path: Path) -> None:
    """16 shards of a minute against 2: held together they would take 14 x 2.6 = 36 MB more. Half of that tells whether
    they are: the allocator alone moves the peak of the same run by up to 12 MB."""
    speak(tmp_path / "one.wav", 20.0, 0)
    (tmp_path / "studio").mkdir()
    (tmp_path / "studio" / "quick.py").write_text(QUICK_TEACHER)
    found = {**os.environ, "PYTHONPATH": str(tmp_path)}
    peaks_kb = []
    for count in (6, 48):
        folder = tmp_path / f"speech{count}"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}-1-{number}.wav").hardlink_to(tmp_path / "one.wav")
        command = [sys.executable, "-c", LABELS, str(folder), str(tmp_path / f"out{count}"), "studio.quick"]
        done = subprocess.run(command, cwd=ROOT, env=found, capture_output=True, text=True, check=True)
        peaks_kb.append(int(done.stdout))
    assert peaks_kb[1] - peaks_kb[0] < 18_000, peaks_kb
