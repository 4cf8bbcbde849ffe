"""A corpus that stays on disk: the same batches as from memory, checked once, damaged shards named, memory bounded."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from small_corpus import SMALL, utterance

from distill.corpus.labeller import Labeller
from distill.corpus.rows.streams import StreamRows
from distill.corpus.rows.utterances import Utterances
from distill.corpus.rows.windows import Stretches
from distill.corpus.shards import LABEL_HZ, read_shard, write_shard
from distill.corpus.shelf import OnDisk, load_shards, open_shard
from distill.speech.augment import Augment
from distill.students.spec import load_variant
from distill.teachers.track import RigTrack
from distill.training.options import Conduct
from distill.training.plan import Plan
from distill.training.student import train
from sdk.errors import DataError
from sdk.rig import RigLayout
from sdk.window import WindowSpec

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    for source in ("human", "espeak"):
        for number in range(2):
            made = [utterance(f"{source}{number}{i}", random) for i in range(3)]
            write_shard(folder / "shards" / f"train-{source}-00{number}.npz", made)
    return folder


def test_an_open_shard_holds_what_a_read_one_does(corpus: Path) -> None:
    path = corpus / "shards" / "train-human-001.npz"
    read, opened = read_shard(path), open_shard(path)
    assert isinstance(opened.audio, OnDisk)
    assert (len(opened), opened.seconds, opened.teacher) == (len(read), read.seconds, read.teacher)
    for name in ("phones", "speakers", "names"):
        assert list(getattr(opened, name)) == list(getattr(read, name))
        assert getattr(opened, name)[-1] == getattr(read, name)[-1]
    for i in range(len(read)):
        (audio, track), (audio_read, track_read) = opened.utterance(i), read.utterance(i)
        np.testing.assert_array_equal(audio, audio_read)
        np.testing.assert_array_equal(track.values, track_read.values)


def test_a_rig_keeps_its_ranges_and_its_rest_is_shown_where_nobody_speaks(tmp_path: Path) -> None:
    """-1 to 1 and a jaw that rests at 0.25: what a shard did not keep came back as 0 to 1 at rest in 0."""
    layout = RigLayout(("jaw", "wide"), (0.0, -1.0), (2.0, 1.0), (0.25, -0.5))
    frames = np.full((120, 2), [1.5, 0.75], np.float32)
    by = Labeller("mine", lambda _: RigTrack(frames, Fraction(LABEL_HZ), layout))
    random = np.random.default_rng(0)
    path = tmp_path / "shards" / "train-human-000.npz"
    write_shard(path, [utterance(f"u{i}", random) for i in range(3)], by)
    assert read_shard(path).layout == open_shard(path).layout == layout
    rows = StreamRows([read_shard(path)], 320, 0, {}, None).batch(np.random.default_rng(1), 2, 600).rig
    assert set(map(tuple, rows.reshape(-1, 2).tolist())) == {(1.5, 0.75), (0.25, -0.5)}


def test_memory_and_disk_give_the_same_batches(corpus: Path) -> None:
    mix = {"human": 0.7, "espeak": 0.3}
    small, large = load_shards(corpus, "train"), load_shards(corpus, "train", memory_bytes=1000)
    assert isinstance(small[0].audio, np.ndarray)
    assert isinstance(large[0].audio, OnDisk)
    for seed in range(3):
        draw = [np.random.default_rng([seed, 5]) for _ in range(6)]
        windows = [Stretches(s, WindowSpec(8192, 1024), mix, Augment()) for s in (small, large)]
        batches = [w.batch(r, 4, 10, 320) for w, r in zip(windows, draw[:2], strict=True)]
        rows = [
            StreamRows(s, 320, 640, mix, Augment(), noise_alone=0.12).batch(r, 2, 200)
            for s, r in zip((small, large), draw[2:4], strict=True)
        ]
        whole = [
            Utterances(s, 320, mix, Augment()).batch(r, 2, 200) for s, r in zip((small, large), draw[4:], strict=True)
        ]
        for one, other in (batches, rows, whole):
            np.testing.assert_array_equal(one.audio, other.audio)
            np.testing.assert_array_equal(one.rig, other.rig)
        np.testing.assert_array_equal(whole[0].classes, whole[1].classes)


def test_where_a_corpus_lies_changes_no_weight(corpus: Path, tmp_path: Path) -> None:
    spec = load_variant("s6", SMALL)
    plan = Plan(steps=4, exact_steps=0, rows=2, row_hops=60)
    trained = [
        train(spec, plan, corpus, tmp_path / "s.pt", Augment(), {}, conduct=Conduct(memory_bytes=b)) for b in (0, 10**9)
    ]
    assert trained[0].weights_sha256 == trained[1].weights_sha256


def test_utterances_are_drawn_by_their_length_and_mix(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for source, count in (("human", 1), ("espeak", 4)):
        write_shard(tmp_path / f"shards/train-{source}-000.npz", [utterance(str(i), random) for i in range(count)])
    picker = Stretches(
        load_shards(tmp_path, "train", 0), WindowSpec(8192, 1024), {"human": 0.75, "espeak": 0.25}, None
    ).picker
    picks = [picker.pick(random) for _ in range(2000)]
    human = np.mean(["human" in shard.path.name for shard, _ in picks])
    assert human == pytest.approx(0.75, abs=0.05)
    places = np.bincount([i for shard, i in picks if "espeak" in shard.path.name], minlength=4)
    assert places.min() > 0.6 * places.max()


def test_hours_of_a_corpus_are_the_same_share_of_each_source_and_lie_within_more(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for source, count in (("human", 8), ("espeak", 24)):
        write_shard(tmp_path / f"shards/train-{source}-000.npz", [utterance(str(i), random) for i in range(count)])
    shards, seen = load_shards(tmp_path, "train", 0), []
    whole = Stretches(shards, WindowSpec(8192, 1024), {}, None).picker
    for share in (0.25, 0.5, 1.0):
        picker = Stretches(shards, WindowSpec(8192, 1024), {}, None, hours=share * whole.seconds / 3600).picker
        assert picker.seconds == pytest.approx(share * whole.seconds, rel=0.1)
        drawn = {(shard.source, i) for shard, i in (picker.pick(random) for _ in range(2000))}
        assert sum(source == "human" for source, _ in drawn) == pytest.approx(8 * share, abs=1)
        assert sum(source == "espeak" for source, _ in drawn) == pytest.approx(24 * share, abs=2)
        seen.append(drawn)
    assert seen[0] < seen[1] < seen[2]


def _damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offsets = {entry.filename: entry.header_offset for entry in archive.infolist()}
    if how == "truncated":
        data = data[: len(data) // 2]
    elif how == "foreign":
        data = bytearray(b"no shard at all")
    else:
        data[offsets[f"{how}.npy"] + 300] ^= 0x40
    path.write_bytes(data)


@pytest.mark.parametrize("memory_bytes", [0, 10**9])
@pytest.mark.parametrize("how", ["truncated", "foreign", "audio", "rig", "phones", "offsets"])
def test_a_damaged_shard_in_the_middle_is_named_and_never_trained_on(
    tmp_path: Path, how: str, memory_bytes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(2)
    for number in range(3):
        made = [utterance(f"{number}{i}", random) for i in range(2)]
        write_shard(tmp_path / f"shards/train-human-00{number}.npz", made)
    _damage(tmp_path / "shards/train-human-001.npz", how)
    shards = load_shards(tmp_path, "train", memory_bytes)
    assert [shard.path.name for shard in shards] == ["train-human-000.npz", "train-human-002.npz"]
    assert "train-human-001.npz" in capsys.readouterr().err


def test_a_compressed_shard_is_refused_in_words(corpus: Path, tmp_path: Path) -> None:
    with np.load(corpus / "shards/train-human-000.npz") as data:
        np.savez_compressed(tmp_path / "train-human-000.npz", **data)
    with pytest.raises(DataError, match="compressed"):
        open_shard(tmp_path / "train-human-000.npz")


def test_a_shard_cut_short_while_it_is_trained_on_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "train-human-000.npz"
    write_shard(path, [utterance(str(i), np.random.default_rng(3)) for i in range(3)])
    shard = open_shard(path)
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(DataError, match="become shorter"):
        shard.utterance(2)


DRAWS = """
import sys, numpy as np
from pathlib import Path
from distill.corpus.shelf import load_shards
from distill.corpus.rows.streams import StreamRows
rows = StreamRows(load_shards(Path(sys.argv[1]), "train", 1000), 320, 640, {}, None)
for step in range(60):
    rows.batch(np.random.default_rng([1, step]), 2, 400)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """32 shards against 4: in memory the difference would be 128 MB; on disk it is the allocator's noise."""
    random = np.random.default_rng(4)
    made = [utterance(str(i), random) for i in range(34)]  # 102 s, 4.6 MB
    peaks_kb = []
    for count in (4, 32):
        for number in range(count):
            path = tmp_path / str(count) / "shards" / f"train-human-{number:03d}.npz"
            if number:
                path.hardlink_to(path.with_name("train-human-000.npz"))
            else:
                write_shard(path, made)
        command = [sys.executable, "-c", DRAWS, str(tmp_path / str(count))]
        out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        peaks_kb.append(int(out))
    shard_kb = (tmp_path / "4/shards/train-human-000.npz").stat().st_size / 1024
    assert peaks_kb[1] - peaks_kb[0] < 3 * shard_kb, peaks_kb
