"""Shards, splits, batches: nothing is lost, nothing damaged is trained on, labels follow the audio."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill.corpus.labeller import BY_PHONES, Labeller, labeller
from distill.corpus.making import write_shards
from distill.corpus.rows.streams import Rows, StreamRows
from distill.corpus.rows.utterances import Utterances
from distill.corpus.rows.windows import Stretches
from distill.corpus.shards import (
    Shard,
    Utterance,
    digest_of,
    human_utterances,
    read_shard,
    unique_names,
    write_shard,
)
from distill.corpus.shelf import load_shards, open_shard
from distill.corpus.speakers import SIDES, speaker_of, split_of
from distill.files import disk as files
from distill.files.pcm import to_int16
from distill.speech.augment import Augment, add_noise
from distill.speech.phones import Phone, to_json
from distill.teachers.track import RigTrack
from distill.training.begin import inputs_of
from sdk.errors import AudioError, DataError
from sdk.window import WindowSpec


def utterance(name: str, speaker: str = "one", seconds: float = 2.0, seed: int = 0) -> Utterance:
    """Noise that is loud exactly where its /ɑ/ is."""
    random = np.random.default_rng(seed)
    audio = random.normal(0, 30, int(seconds * 16000))
    audio[16000:24000] *= 100
    return Utterance(name, speaker, audio.astype(np.int16), [Phone("m", 0.9, 1.0), Phone("ɑ", 1.0, 1.5)])


def test_shard_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "train-human-000.npz"
    made = [utterance("a"), utterance("b", "two", 3.1)]
    write_shard(path, made)
    shard = read_shard(path)
    assert shard.names == ["a", "b"]
    audio, track = shard.utterance(1)
    np.testing.assert_array_equal(audio, made[1].audio)
    assert track.duration_s == pytest.approx(3.1, abs=0.02)
    jaw = track.values[:, track.layout.index("jawOpen")]
    assert jaw[125] > 0.2
    assert jaw[10] < 0.01


@pytest.mark.parametrize("damage", ["truncate", "flip", "foreign"])
def test_damaged_shard_is_named_and_left_out(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "shards"
    for number in range(2):
        write_shard(folder / f"train-human-00{number}.npz", [utterance(str(number))])
    victim = folder / "train-human-000.npz"
    data = bytearray(victim.read_bytes())
    if damage == "truncate":
        data = data[: len(data) // 2]
    elif damage == "flip":
        data[len(data) // 3] ^= 0xFF
    else:
        data = bytearray(b"not a shard at all")
    victim.write_bytes(data)
    with pytest.raises(DataError, match="train-human-000"):
        read_shard(victim)
    assert [s.path.name for s in load_shards(tmp_path, "train")] == ["train-human-001.npz"]
    assert "train-human-000" in capsys.readouterr().err


@pytest.mark.parametrize("reader", [read_shard, open_shard])
@pytest.mark.parametrize("part", ["backwards", "beyond", "short", "fractions", "nan", "phones"])
def test_a_shard_whose_parts_do_not_belong_together(part: str, reader: Callable[[Path], Shard], tmp_path: Path) -> None:
    """Sealed again by whoever made it: its digest is right."""
    path = tmp_path / "train-human-000.npz"
    write_shard(path, [utterance("a"), utterance("b"), utterance("c")])
    with np.load(path) as data:
        content = dict(data)
    offsets = content["offsets"].copy()
    if part == "backwards":
        content["offsets"] = offsets[[0, 2, 1, 3]]
    elif part == "beyond":
        content["rig_offsets"] = content["rig_offsets"] * 1000
    elif part == "short":
        content["offsets"] = offsets[:-1]
    elif part == "fractions":
        content["offsets"] = offsets.astype(np.float64)
    elif part == "nan":
        content["rig"][5, 3] = np.nan
        content["digest"] = np.array(digest_of((content["audio"], content["rig"])))
    else:
        content["phones"] = content["phones"][:1]
    np.savez(path, **content)
    with pytest.raises(DataError, match=r"train-human-000\.npz: damaged shard"):
        reader(path)


def test_building_again_rebuilds_only_what_is_damaged(tmp_path: Path) -> None:
    made = [utterance("a", "s1"), utterance("b", "s2")]
    paths = write_shards(made, tmp_path, "human")
    before = [p.stat().st_mtime_ns for p in paths]
    paths[0].write_bytes(b"gone")
    assert write_shards(made, tmp_path, "human") == paths
    read_shard(paths[0])
    assert [p.stat().st_mtime_ns for p in paths][1:] == before[1:]


def test_a_shard_of_other_recordings_is_not_kept(tmp_path: Path) -> None:
    """A first, smaller build under the same name must not stand in for the whole one."""
    made = [utterance("a", "s1"), utterance("b", "s2")]
    (path,) = write_shards(made[:1], tmp_path, "human")
    assert write_shards(made, tmp_path, "human") == [path]
    assert read_shard(path).names == ["a", "b"]


@pytest.mark.parametrize("other", ["speakers", "sound", "phones"])
def test_a_shard_is_held_against_what_it_was_made_of(
    other: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names alone had kept phones that were corrected since, sound that was exchanged, speech of another seed, and
    speakers from before somebody wrote down who they are."""
    (path,) = write_shards([utterance("a", "s1")], tmp_path, "human")
    made, noise = utterance("a", "s1"), utterance("a", seed=1).audio
    others = {"speakers": replace(made, speaker="s3"), "sound": replace(made, audio=noise)}
    changed = {**others, "phones": replace(made, phones=[])}[other]
    assert split_of("s1") == split_of("s3") == path.name.split("-")[0]
    assert write_shards([changed], tmp_path, "human") == [path]
    assert f"it holds other {other} than asked for now" in capsys.readouterr().err
    shard = read_shard(path)
    assert (shard.speakers[0], shard.phones[0]) == (changed.speaker, to_json(changed.phones))
    np.testing.assert_array_equal(shard.utterance(0)[0], changed.audio)
    before = path.stat().st_mtime_ns
    write_shards([changed], tmp_path, "human")
    assert path.stat().st_mtime_ns == before


def test_shards_of_an_earlier_plan_are_refused(tmp_path: Path) -> None:
    """Their speakers may stand on another side by now."""
    write_shards([utterance("a", "?a"), utterance("b", "s1")], tmp_path / "shards", "espeak")
    foreign = sorted((tmp_path / "shards").iterdir())
    held = next(f"h{i}" for i in range(99) if split_of(f"h{i}") == "held")
    with pytest.raises(DataError, match=r"1 shards of another plan stand there \(train-espeak-000\.npz\)"):
        write_shards([utterance("a", held)], tmp_path / "shards", "espeak")
    foreign[0].unlink()
    write_shards([utterance("a", held)], tmp_path / "shards", "espeak")


@pytest.mark.parametrize("memory_bytes", [10**9, 0])
def test_who_stands_on_two_sides_is_not_trained_on(memory_bytes: int, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    write_shard(folder / "train-human-000.npz", [utterance("a", "ann"), utterance("b", "?b")])
    write_shard(folder / "valid-human-000.npz", [utterance("c", "cid"), utterance("d", "?b")])
    load_shards(tmp_path, "train", memory_bytes)
    write_shard(folder / "held-human-000.npz", [utterance("e", "ann")])
    with pytest.raises(DataError, match=r"1 speakers of held-human-000\.npz stand on the side train too: ann"):
        load_shards(tmp_path, "train", memory_bytes)


def test_other_phones_are_another_corpus_to_a_run(tmp_path: Path) -> None:
    """The digest of a shard is of its sound and curves; what a student learns of phones it learns from these."""
    found = []
    for place, phones in enumerate(([Phone("m", 0.9, 1.0)], [Phone("b", 0.9, 1.0)])):
        said = replace(utterance("a"), phones=phones)
        by = Labeller("ears", lambda one: labeller(BY_PHONES).label(utterance("a")))
        write_shard(tmp_path / str(place) / "train-human-000.npz", [said], by)
        path = tmp_path / str(place) / "train-human-000.npz"
        found.append(inputs_of([read_shard(path)], None))
        assert inputs_of([open_shard(path)], None) == found[-1]
    assert {name for name in found[0] if found[0][name] != found[1][name]} == {"phones"}


def test_recordings_of_one_name_in_two_folders_are_told_apart() -> None:
    paths = [Path("anna/1.wav"), Path("bob/1.wav"), Path("bob/2.wav")]
    names = unique_names([*paths, paths[0]])
    assert list(names) == paths
    assert len(set(names.values())) == 3
    assert names[paths[2]] == "2"


def test_split_is_by_speaker(tmp_path: Path) -> None:
    speakers = [f"speaker{i}" for i in range(60)]
    made = [utterance(f"{s}-{k}", s, 1.0) for s in speakers for k in range(2)]
    shards = [read_shard(p) for p in write_shards(made, tmp_path, "human")]
    sides = {
        name: {s for shard in shards if shard.path.stem.startswith(name) for s in shard.speakers} for name in SIDES
    }
    for side in SIDES:
        assert sides[side] == {s for s in speakers if split_of(s) == side} != set()


def test_speakers_are_known_by_a_table_or_by_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    table = 'name\tspeaker\ttext\nhello\tann\tso he "said\nfar\tbob\t5" long\nlast\tcid\t\n'
    (tmp_path / "clips.tsv").write_text(table, encoding="utf-8")
    assert [speaker_of(tmp_path / "audio" / f"{name}.ogg") for name in ("hello", "far", "last")] == [
        "ann",
        "bob",
        "cid",
    ]
    librispeech = ("103-1240-0000", "103-1240-0000_2", "103_1241_000000_000001", "2388_153731_000003_000000")
    assert [speaker_of(Path(f"{name}.flac")) for name in librispeech] == ["103", "103", "103", "2388"]
    assert [speaker_of(Path(f"{name}.wav")) for name in ("p225_003", "p225_003_mic1", "s5_001_mic2")] == [
        "p225", "p225", "s5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["2024-05-12", "12-05-2024", "2024_05_0012", "20240512_101500_0001", "1114_2_09", "1-2-3"]
)
def test_a_date_is_nobody(name: str) -> None:
    """All that was recorded in a year had been one speaker's, on one side."""
    assert speaker_of(Path(f"{name}.wav")) == f"?{name}"


def test_whom_nobody_named_is_only_trained_on() -> None:
    """He may be the speaker of another file: 38 of 51 validation clips were once of such people."""
    unknown = [speaker_of(Path(f"somewhere/clip{i}.wav")) for i in range(200)]
    assert {split_of(speaker) for speaker in unknown} == {"train"}
    assert len(set(unknown)) == 200


def test_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train-human-000.npz"
    write_shard(path, [utterance("a")])
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        write_shard(path, [utterance("b", seconds=4.0)])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_peak_that_went_round_is_put_back(tmp_path: Path) -> None:
    """Scaled to +1 and cast to 16 bits, the loudest sample becomes -1; a real swing to -1 stays."""
    tone = np.sin(2 * np.pi * 100 * np.arange(1600) / 16000)
    pcm = (tone / tone.max() * 32768).astype(np.int64).astype(np.int16)  # as the writer of those clips did
    assert pcm.min() == pcm[40] == -32768
    import soundfile

    soundfile.write(tmp_path / "a.wav", pcm, 16000)
    np.testing.assert_allclose(files.load_mono(tmp_path / "a.wav"), tone / tone.max(), atol=1e-4)
    low = np.array([0.1, -0.7, -1.0, -0.7, 0.3], np.float32)
    np.testing.assert_array_equal(files.unwrapped(low), low)


def test_a_rate_of_no_common_divisor_takes_no_gigabyte() -> None:
    """767,999 Hz has nothing in common with 16 kHz: an exact filter has 15 million taps."""
    rate = 767_999
    tone = np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate).astype(np.float32)
    tracemalloc.start()
    made = files.to_rate(tone, rate, 16000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert len(made) == -(-len(tone) * 16000 // rate)
    wanted = np.sin(2 * np.pi * 440 * np.arange(len(made)) / 16000)
    np.testing.assert_allclose(made[50:-50], wanted[50:-50], atol=2e-3)


@pytest.mark.parametrize("augment", [None, Augment()])
def test_batches_hold_the_label_of_every_frame(tmp_path: Path, augment: Augment | None) -> None:
    """The frame's own sample is loud exactly when its label's jaw is open, whatever the speed and the start."""
    path = tmp_path / "train-human-000.npz"
    write_shard(path, [utterance(str(i), seconds=2.5, seed=i) for i in range(4)])
    data = Stretches([read_shard(path)], WindowSpec(8192, 1024), {}, augment)
    if augment:
        augment.strength = 0.0
    batch = data.batch(np.random.default_rng(5), 32, 40, 320)
    assert batch.audio.shape == (32, 1, 39 * 320 + 8192)
    jaw = batch.rig[..., data.picker.channels.index("jawOpen")]
    loud, quiet = [], []
    for row in range(32):
        audio = batch.audio[row, 0]
        scale = np.abs(audio).max()
        if scale < 1e-3 or jaw[row].max() < 0.25:
            continue
        for frame, start in enumerate(batch.starts):
            at = start + 8192 - 1024
            level = np.sqrt(np.mean(audio[at - 160 : at + 160] ** 2)) / scale
            (loud if jaw[row, frame] > 0.3 else quiet if jaw[row, frame] < 0.02 else []).append(level)
    assert len(loud) > 50
    assert np.percentile(loud, 5) > 4 * np.percentile(quiet, 90)


@pytest.mark.parametrize("future", [1024, 4096])
def test_a_window_learns_of_an_utterance_from_its_first_frame_to_its_rest(
    future: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far ahead it hears: whoever hears half of a window ahead had learned of no frame in the last eighth of a
    second, nor that a mouth comes to rest."""
    path = tmp_path / "train-human-000.npz"
    write_shard(path, [utterance("0", seconds=2.5, seed=0)])
    asked: list[float] = []
    at = RigTrack.at
    monkeypatch.setattr(RigTrack, "at", lambda track, times: asked.extend(times) or at(track, times))
    Stretches([read_shard(path)], WindowSpec(8192, future), {}, None).batch(np.random.default_rng(1), 200, 32, 320)
    found = np.array(asked)
    assert found.min() < 0.05
    assert 2.85 < found.max() <= 2.9
    assert 0.03 < (found > 2.5).mean() < 0.3
    assert ((found > 2.3) & (found <= 2.5)).mean() > 0.03


@pytest.mark.parametrize("kind", [StreamRows, Utterances])
def test_rows_hold_the_label_of_every_instant_at_any_speed(kind: type, tmp_path: Path) -> None:
    """Slower speech has slower labels: in rows of several utterances the loud part is where the label is open."""
    path = tmp_path / "train-human-000.npz"
    write_shard(path, [utterance(str(i), seconds=2.5, seed=i) for i in range(4)])
    shards, unchanged = [read_shard(path)], Augment(strength=0.0)  # of which a speed is drawn, and nothing added
    rows = StreamRows(shards, 320, 320, {}, unchanged) if kind is StreamRows else Utterances(shards, 320, {}, unchanged)
    batch = rows.batch(np.random.default_rng(5), 12, 400)
    sound = batch.clean if isinstance(batch, Rows) else batch.audio
    jaw = batch.rig[:, 1:-1, rows.picker.channels.index("jawOpen")]
    around = np.lib.stride_tricks.sliding_window_view(sound.reshape(12, 800, 160), 2, axis=1)[:, 1:-2:2]
    level = np.sqrt(np.square(around).mean((2, 3))) / np.abs(sound.reshape(12, -1)).max(1, keepdims=True)
    assert (jaw > 0.3).sum() > 300
    assert np.percentile(level[jaw > 0.3], 5) > 4 * np.percentile(level[jaw < 0.02], 90)


class Hum(Augment):
    """In place of what was said one loud tone: what is heard then is not what was spoken."""

    def __call__(self, speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return np.full_like(speech, 0.75)


def test_what_is_clean_was_never_augmented(tmp_path: Path) -> None:
    """It is what a second teacher hears (4.4.4)."""
    path = tmp_path / "train-human-000.npz"
    write_shard(path, [utterance("a")])
    shards, random = [read_shard(path)], np.random.default_rng(0)
    drawn = Stretches(shards, WindowSpec(8192, 1024), {}, Hum()).batch(random, 4, 8, 320)
    for batch in (drawn, StreamRows(shards, 320, 320, {}, Hum()).batch(random, 4, 50)):
        assert (batch.audio == 0.75).all()
        assert np.abs(batch.clean).max() < 0.75
        assert batch.clean.any()


def test_behind_an_utterance_the_face_rests(tmp_path: Path) -> None:
    """One that is cut inside a vowel: its curves are open at the end, and nobody speaks beyond it."""
    path = tmp_path / "train-human-000.npz"
    write_shard(path, [Utterance("a", "one", np.full(16000, 900, np.int16), [Phone("ɑ", 0.0, 1.0)])])
    data = Stretches([read_shard(path)], WindowSpec(8192, 1024), {}, None)
    batch = data.batch(np.random.default_rng(0), 32, 40, 320)
    beside = np.pad(batch.clean[:, 0] != 0, ((0, 0), (320, 320)))
    jaw = batch.rig[..., data.picker.channels.index("jawOpen")]
    at = batch.starts + data.window.past_samples + 320
    spoken = beside[:, at]
    silent = ~(beside[:, at - 320] | spoken | beside[:, at + 320])
    assert min(silent.sum(), spoken.sum()) > 50
    assert np.abs(batch.rig[silent]).max() == 0
    assert not batch.classes[silent].any()
    assert jaw[spoken].min() > 0.1


def test_louder_than_full_scale_is_clipped() -> None:
    """And does not go round to the other end."""
    found = to_int16(np.array([-2.0, -1.0, 0.0, 1.0, 2.0], np.float32))
    assert found.tolist() == [-32767, -32767, 0, 32767, 32767]


def test_augmentation_is_reproducible_and_keeps_timing() -> None:
    click = np.zeros(16000, np.float32)
    click[8000] = 0.9
    augment = Augment()
    out = [augment(click, np.random.default_rng(7)) for _ in range(2)]
    np.testing.assert_array_equal(out[0], out[1])
    calm = Augment(struck=0)  # things that are struck click as loudly
    for seed in range(30):
        assert abs(int(np.abs(calm(click, np.random.default_rng(seed))).argmax()) - 8000) < 160


def test_noise_has_the_asked_level() -> None:
    random = np.random.default_rng(0)
    speech, noise = random.normal(0, 0.1, 16000).astype(np.float32), random.normal(0, 3, 16000)
    noisy = add_noise(speech, noise, 10.0)
    assert 10 * np.log10(np.mean(speech**2) / np.mean((noisy - speech) ** 2)) == pytest.approx(10.0, abs=0.05)


def test_bad_sound_files_are_refused(tmp_path: Path) -> None:
    import soundfile

    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 16000, subtype="FLOAT")
    for name, words in (("text", "not readable"), ("empty", "no samples"), ("nan", "NaN"), ("absent", "not readable")):
        with pytest.raises(AudioError, match=words):
            files.load_mono(tmp_path / f"{name}.wav")


def test_a_recording_that_cannot_be_read_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though it has a TextGrid, which would have spared it the recogniser."""
    import soundfile

    interval = 'intervals [1]:\nxmin = 0.2\nxmax = 0.4\ntext = "B"\n'
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
        (tmp_path / f"{name}.TextGrid").write_text(f'item [1]:\nname = "phones"\nintervals: size = 1\n{interval}')
    (tmp_path / "a.wav").write_text("no sound")
    (tmp_path / "b.TextGrid").write_text("no grid")
    assert [found.name for found in human_utterances([tmp_path], tmp_path / "labels")] == ["c"]
    told = capsys.readouterr().err
    assert "a.wav: not readable" in told
    assert "b.TextGrid: no interval tier" in told


def test_phones_are_those_of_the_recogniser_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody knows who heard is kept, and told."""
    import soundfile

    def hears(paths: list[Path], file_of: Callable[[Path], Path], workers: int, name: str) -> tuple[list, list]:
        for path in paths:
            file_of(path).parent.mkdir(parents=True, exist_ok=True)
            if not file_of(path).exists():
                file_of(path).write_text(to_json([Phone("b" if name == "hama" else "m", 0.2, 0.4)]))
        return [], []

    monkeypatch.setattr("distill.corpus.shards.label_files", hears)
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    labels = tmp_path / "labels"
    for name, symbol in (("pocketsphinx", "m"), ("hama", "b"), ("pocketsphinx", "m")):
        (found,) = human_utterances([tmp_path], labels, recogniser=name)
        assert found.phones[0].symbol == symbol
    assert not capsys.readouterr().err
    (labels / "a.phones.json").write_text(to_json([Phone("p", 0.2, 0.4)]))
    (found,) = human_utterances([tmp_path], labels, recogniser="hama")
    assert found.phones[0].symbol == "p"
    assert "nobody wrote down which recogniser heard them" in capsys.readouterr().err


def test_a_textgrid_beside_the_recording_is_taken_instead_of_recognition(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    interval = 'intervals [1]:\nxmin = 0.2\nxmax = 0.4\ntext = "B"\n'
    (tmp_path / "a.TextGrid").write_text(f'item [1]:\nname = "phones"\nintervals: size = 1\n{interval}')
    (found,) = human_utterances([tmp_path], tmp_path / "labels")
    assert found.phones == [Phone("b", 0.2, 0.4)]
    assert not (tmp_path / "labels").exists()
