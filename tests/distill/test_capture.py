"""Captured faces: what is read, what is cut, and what is refused by name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from distill.corpus.capture.facegood import arkit_sources, to_arkit
from distill.corpus.capture.reader import Capture, read_captures, read_curves, read_live_link, to_shard
from distill.teachers.track import RigTrack
from sdk.errors import DataError
from sdk.faces.face import Face
from sdk.protocols.csv import PROTOCOL, live_link_layout
from sdk.rig import Frame, RigLayout

ARKIT = RigLayout.arkit()
FPS = Fraction(30)


def record(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, int(seconds * 16000)), 16000)


def live_link(path: Path, jaw: np.ndarray, lost: slice = slice(0, 0), order: list[int] | None = None) -> None:
    """A Live Link Face CSV at 30 fps whose jaw is `jaw`, rows `lost` without a face, rows in `order`."""
    layout = live_link_layout()
    rows = []
    for k, value in enumerate(jaw):
        row = PROTOCOL.encode(Frame(k, k * 16000 // 30, layout.vector({"jawOpen": value}), layout), layout).decode()
        gone = row.split(",")[0] + ",0\n"
        rows.append(gone if k in range(*lost.indices(len(jaw))) else row)
    rows = [rows[k] for k in order] if order else rows
    path.write_text(PROTOCOL.header(layout, FPS).decode() + "".join(rows), "utf-8")


def test_live_link_comes_back_frame_by_frame(tmp_path: Path) -> None:
    jaw = np.random.default_rng(0).uniform(0, 1, 90).astype(np.float32)
    live_link(tmp_path / "a.csv", jaw)
    track, tracked = read_live_link(tmp_path / "a.csv")
    assert track.layout.names == ARKIT.names
    assert track.fps == FPS
    assert tracked.all()
    np.testing.assert_allclose(track.values[:, ARKIT.index("jawOpen")], jaw, atol=3e-3)  # its clock has thousandths


def test_a_lost_face_is_bridged_and_a_long_loss_cut_out(tmp_path: Path) -> None:
    jaw = np.linspace(0, 1, 240).astype(np.float32)
    live_link(tmp_path / "a.csv", jaw, slice(100, 140))
    track, tracked = read_live_link(tmp_path / "a.csv")
    assert np.flatnonzero(~tracked).tolist() == list(range(100, 140))
    np.testing.assert_allclose(track.values[:, ARKIT.index("jawOpen")], jaw, atol=3e-3)  # linear, as it was made
    shard = to_shard([Capture("a", np.zeros(128000, np.float32), track, tracked)], ARKIT)
    assert np.diff(shard.offsets).tolist() == [int(100 / 30 * 16000), 128000 - int(140 / 30 * 16000)]
    second = shard.utterance(1)[1]
    assert second.values[0, ARKIT.index("jawOpen")] == pytest.approx(jaw[140], abs=3e-3)
    blink = tracked.copy()
    blink[:] = True
    blink[100:104] = False
    assert len(to_shard([Capture("a", np.zeros(128000, np.float32), track, blink)], ARKIT)) == 1


@pytest.mark.parametrize(
    ("order", "says"), [([*range(30), *range(20, 60)], "row 31 is not after"), ([0, 1, 1, 2], "row 3 is not after")]
)
def test_a_clock_that_stands_or_goes_back_is_refused(tmp_path: Path, order: list[int], says: str) -> None:
    live_link(tmp_path / "a.csv", np.zeros(60, np.float32), order=order)
    with pytest.raises(DataError, match=says):
        read_curves(tmp_path / "a.csv")


def test_live_link_without_a_face_or_a_column_or_with_nan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    live_link(path, np.zeros(10, np.float32), slice(0, 9))
    with pytest.raises(DataError, match="only 1 of its 10 rows"):
        read_curves(path)
    live_link(path, np.zeros(10, np.float32))
    whole = path.read_text("utf-8")
    path.write_text(whole.replace("JawOpen", "Jaw"), "utf-8")
    with pytest.raises(DataError, match=r"no column for jawOpen"):
        read_curves(path)
    path.write_text(whole.replace("0.0000000000", "nan", 1), "utf-8")
    with pytest.raises(DataError, match="NaN"):
        read_curves(path)


def test_a_table_of_seconds_is_read_by_its_titles(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,JAWOPEN,brow\n" + "".join(f"{k / 60},{k / 100},0.5\n" for k in range(60)), "utf-8")
    track, _ = read_curves(path)
    assert track.layout.names == ("jawOpen", "brow")
    assert track.fps == 60
    np.testing.assert_allclose(track.values[:, 0], np.arange(60) / 100, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("frame,jawOpen\n0,0\n1,0\n", "must be `time`"),
        ("time,jawOpen\n0,0\n0.1,x\n", "no numbers"),
        ("time,jawOpen\n0,0\n0.1\n", "other lengths"),
        ("time,jawOpen\n0,0\n0.1,nan\n", "NaN or infinite in 1 places, first in row 1"),
        ("time,jawOpen\n0,0\n0.2,0\n0.1,0\n", "goes back at row 3"),
        ("time,jawOpen\n0,0\n", "1 rows are no animation"),
        ("time,jawOpen\n0,0\n0.02,0\n0.04,0\n1e9,0\n", "there is a gap in time"),
        ("time,jawOpen\n0,0\n1e-9,0\n", "rows a second; curves come at 1 to 1000"),
        ("time,jawOpen\n0,0\n1e9,0\n", "rows a second; curves come at 1 to 1000"),
        ("time,jawOpen\n-9,0\n-8,0\n", "there is a gap in time"),
    ],
)
def test_tables_that_cannot_be_curves_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.csv").write_text(text, "utf-8")
    with pytest.raises(DataError, match=says):
        read_curves(tmp_path / "a.csv")


def studio(folder: Path, names: tuple[str, ...] = ("anna_1", "anna_2")) -> Path:
    """Recordings of 10 s with npy curves beside them: a jaw that opens with the clip's number."""
    for number, name in enumerate(names):
        record(folder / f"{name}.wav", 10.0)
        np.save(folder / f"{name}.npy", np.full((300, 2), 0.25 * (number + 1)))
    (folder / "channels.txt").write_text("jawOpen\nbrow\n", "utf-8")
    return folder


def test_pairs_are_found_and_left_out_by_name_or_its_end(tmp_path: Path) -> None:
    folder = studio(tmp_path)
    record(folder / "nobody.wav", 1.0)
    assert [capture.name for capture in read_captures(folder)] == ["anna_1", "anna_2"]
    assert [capture.name for capture in read_captures(folder, ["2"])] == ["anna_1"]
    assert [capture.name for capture in read_captures(folder, ["anna_1"])] == ["anna_2"]
    with pytest.raises(DataError, match=r"nothing to leave out called 3; there are: anna_1, anna_2"):
        read_captures(folder, ["3"])


def test_a_shard_of_captures_is_cut_to_length_and_says_only_what_was_captured(tmp_path: Path) -> None:
    shard = to_shard(read_captures(studio(tmp_path)), ARKIT, longest_s=4.0)
    lengths = np.diff(shard.offsets) / 16000
    assert lengths.sum() == pytest.approx(20.0)
    assert lengths.max() <= 4.0
    assert set(shard.speakers) == {"anna_1", "anna_2"}
    assert set(shard.phones) == {"[]"}
    track = shard.utterance(len(shard) - 1)[1]
    assert track.fps == 100
    assert track.values[0, ARKIT.index("jawOpen")] == 0.5
    assert np.delete(track.values, ARKIT.index("jawOpen"), 1).max() == 0
    with pytest.raises(DataError, match="none of its channels"):
        to_shard(read_captures(tmp_path), RigLayout(("mouth",)))


def test_pairs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = studio(tmp_path)
    np.save(folder / "anna_1.npy", np.zeros((330, 2)))
    with pytest.raises(DataError, match=r"curves of 11.00 s for a recording of 10.00 s"):
        read_captures(folder)
    assert len(read_captures(folder, tolerance_s=1.5)) == 2
    bad = np.zeros((300, 2))
    bad[7, 1] = np.nan
    np.save(folder / "anna_1.npy", bad)
    with pytest.raises(DataError, match=r"anna_1\.npy: NaN or infinite in 1 places, first in row 7"):
        read_captures(folder)
    np.save(folder / "anna_1.npy", np.zeros((300, 3)))
    with pytest.raises(DataError, match="does not hold 2 channels"):
        read_captures(folder)
    (folder / "channels.txt").unlink()
    with pytest.raises(DataError, match=r"anna_1\.txt or channels\.txt"):
        read_captures(folder)
    record(tmp_path / "empty" / "a.wav", 1.0)
    with pytest.raises(DataError, match="no recording with curves"):
        read_captures(tmp_path / "empty")


def test_facegood_becomes_arkit_where_they_correspond(tmp_path: Path) -> None:
    theirs = sorted({name for group in arkit_sources().values() for name in group} | {"mouth_oo_c", "tooth_d_d"})
    values = np.zeros((300, len(theirs)))
    for name, value in (("mouth_stretch_c", 0.5), ("mouth_funnel_dl", 0.4), ("mouth_oo_c", 0.3), ("tooth_d_d", 0.9)):
        values[:, theirs.index(name)] = value
    record(tmp_path / "wav" / "1114_2_01.wav", 10.0)
    (tmp_path / "bs_value").mkdir()
    np.save(tmp_path / "bs_value" / "bs_value_1114_2_01.npy", values)
    np.save(tmp_path / "shirley_1015_bs_name.npy", np.array(theirs))
    (capture,) = read_captures(tmp_path)
    layout = capture.track.layout
    assert set(layout.names) <= set(ARKIT.names)
    row = dict(zip(layout.names, capture.track.values[0].tolist(), strict=True))
    assert {name: round(value, 6) for name, value in row.items() if value} == {
        "jawOpen": 0.5, "mouthFunnel": 0.1, "mouthPucker": 0.3,
    }  # fmt: skip
    with pytest.raises(DataError, match="no FACEGOOD channel mouth_stretch_c"):
        to_arkit([name.replace("stretch_c", "x") for name in theirs], values)


def test_real_live_link_captures_are_read(data_folder: Path) -> None:
    folder = data_folder / "capture"
    paths = sorted(path for path in folder.glob("*.csv") if path.name != "tc.csv")
    if not paths:
        pytest.skip(f"no captures in {folder}")
    for path in paths:
        track, tracked = read_live_link(path)
        assert track.fps == 30
        assert 60 < track.duration_s < 140
        assert track.values[:, ARKIT.index("jawOpen")].max() > 0.2
        assert tracked.mean() > 0.85
    with pytest.raises(DataError, match="must be `time`"):
        read_curves(folder / "tc.csv")  # a list of takes, no animation


def test_real_facegood_moves_its_jaw_with_the_sound(data_folder: Path) -> None:
    folder = data_folder / "speech" / "facegood"
    if not folder.exists():
        pytest.skip(f"no FACEGOOD below {folder}")
    (capture,) = read_captures(folder, ["2_01", "2_02", "2_03", "2_04"])
    assert capture.name == "1114_3_15"
    jaw = capture.track.layout.select(capture.track.values, ["jawOpen"])[:, 0]
    frames = capture.audio[: len(jaw) * 16000 // 30]
    loud = np.array([np.sqrt(np.mean(part**2)) for part in np.array_split(frames, len(jaw))])
    level = np.log10(loud + 1e-4)
    assert np.corrcoef(jaw, level)[0, 1] > 0.5
    assert np.corrcoef(jaw[:-60], level[60:])[0, 1] < 0.3, "two seconds late it should not fit"
    shard = to_shard([capture], ARKIT)
    gap = Face.default().lip_gap_cm(shard.rig[0 : len(shard.rig)].astype(np.float32), ARKIT)
    assert 0.2 < (gap <= 0.15).mean() < 0.7
    assert isinstance(shard.utterance(0)[1], RigTrack)
