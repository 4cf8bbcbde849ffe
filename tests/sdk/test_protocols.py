"""Frames as bytes, and real recordings back."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sdk.clock import FrameClock
from sdk.errors import ConfigError, RigError
from sdk.protocols.base import FrameProtocol
from sdk.protocols.csv import COLUMNS, LiveLinkFaceCsv, live_link_layout, read_csv
from sdk.rig import ARKIT_52, Frame, RigLayout
from sdk.tools.plugins import load_plugin, plugin_names

NAMES = plugin_names("sdk.protocols", "PROTOCOL")
FPS = Fraction(30)


def _protocol(name: str) -> FrameProtocol:
    protocol: FrameProtocol = load_plugin("sdk.protocols", name, "PROTOCOL")
    return protocol


def _frames(layout: RigLayout, count: int, fps: Fraction = FPS) -> list[Frame]:
    rng, clock = np.random.default_rng(2), FrameClock(fps)
    return [Frame(k, clock.sample(k), rng.random(len(layout)).astype(np.float32), layout) for k in range(count)]


def _write(path: Path, frames: list[Frame], layout: RigLayout) -> Path:
    protocol = _protocol("csv")
    path.write_bytes(protocol.header(layout, FPS) + b"".join(protocol.encode(frame, layout) for frame in frames))
    return path


def test_the_folder_is_the_registry() -> None:
    assert {"csv", "jsonl"} <= set(NAMES)
    assert "base" not in NAMES
    with pytest.raises(ConfigError, match=r"'xml'.*csv.*jsonl"):
        load_plugin("sdk.protocols", "xml", "PROTOCOL")
    with pytest.raises(ConfigError, match="executorch, torchscript"):
        load_plugin("sdk.engines", "eager", "open_engine")
    for sly in ("", "__init__", "..errors", "csv.x", "base"):
        with pytest.raises(ConfigError):
            load_plugin("sdk.protocols", sly, "PROTOCOL")


@pytest.mark.parametrize("name", NAMES)
def test_encoding_is_pure_and_by_name(name: str) -> None:
    """The same frame gives the same bytes, and the order in which a frame holds its channels does not show."""
    layout = RigLayout.arkit()
    shuffled = RigLayout(tuple(reversed(ARKIT_52)))
    frame = _frames(layout, 3)[2]
    same = Frame(frame.index, frame.sample, frame.values[::-1].copy(), shuffled)
    protocol = _protocol(name)
    assert protocol.encode(frame, layout) == protocol.encode(frame, layout) == protocol.encode(same, layout)
    assert protocol.header(layout, FPS) == protocol.header(layout, FPS)
    poor = Frame(0, 0, np.zeros(1, np.float32), RigLayout(("jawOpen",)))
    with pytest.raises(RigError, match="no channel"):
        protocol.encode(poor, layout)


def test_json_lines_read_back_exactly() -> None:
    layout = RigLayout(("jawOpen", "crooked smile ü", "a"), (0, -1, 0), (1, 1, 2))
    frames = _frames(layout, 40)
    protocol = _protocol("jsonl")
    data = protocol.header(layout, Fraction(30000, 1001)) + b"".join(protocol.encode(frame, layout) for frame in frames)
    head, *lines = [json.loads(line) for line in data.decode("utf-8").splitlines()]
    assert head["fps"] == [30000, 1001]
    assert head["channels"] == {"jawOpen": [0, 1], "crooked smile ü": [-1, 1], "a": [0, 2]}
    for line, frame in zip(lines, frames, strict=True):
        assert (line["index"], line["sample"]) == (frame.index, frame.sample)
        assert line["time_s"] == pytest.approx(frame.sample / 16000, abs=1e-6)
        assert list(line["values"]) == list(layout.names)
        np.testing.assert_array_equal(np.float32(list(line["values"].values())), frame.values)


def test_csv_columns_are_the_app_s(captures: list[Path]) -> None:
    ours = _protocol("csv").header(RigLayout.arkit(), FPS).decode().strip()
    for path in captures:
        theirs = path.read_text().splitlines()[0]
        assert ours.lower() == theirs.strip().lower()


def test_csv_keeps_left_and_right_apart(tmp_path: Path) -> None:
    assert COLUMNS[15:17] == ("jawRight", "jawLeft")
    assert COLUMNS[21:23] == ("mouthRight", "mouthLeft")
    assert len(COLUMNS) == 61
    layout = RigLayout(("jawLeft", "mouthRight"))
    path = _write(tmp_path / "a.csv", [Frame(0, 0, np.float32([0.25, 0.75]), layout)], layout)
    titles, row = (line.split(",") for line in path.read_text().splitlines())
    cells = dict(zip(titles, row, strict=True))
    assert (cells["JawLeft"], cells["MouthRight"]) == ("0.2500000000", "0.7500000000")
    assert {cells[title] for title in titles[2:]} == {"0.2500000000", "0.7500000000", "0.0000000000"}
    assert (titles[:2], row[:2]) == (["Timecode", "BlendShapeCount"], ["00:00:00:00.000", "61"])


@pytest.mark.parametrize(
    "fps", [Fraction(2), Fraction(3), Fraction(24), Fraction(30000, 1001), Fraction(30), Fraction(60)]
)
def test_csv_reads_back(tmp_path: Path, fps: Fraction) -> None:
    layout = RigLayout.arkit()
    for count in (1, 2, 5, 200):
        frames = _frames(layout, count, fps)
        capture = read_csv(_write(tmp_path / "a.csv", frames, layout))
        assert capture.layout.names[:52] == ARKIT_52
        assert capture.tracked.all()
        np.testing.assert_array_equal(capture.samples, [frame.sample for frame in frames])
        np.testing.assert_allclose(capture.values[:, :52], [frame.values for frame in frames], atol=1e-9)
        assert not capture.values[:, 52:].any()


def test_csv_timecode_is_exact_after_ten_hours_and_over_midnight(tmp_path: Path) -> None:
    layout = RigLayout(("jawOpen",))
    frames = [Frame(0, 16000 * s + 533, np.zeros(1, np.float32), layout) for s in (36000, 86399, 86400, 2 * 86400 - 1)]
    path = _write(tmp_path / "a.csv", frames, layout)
    assert [line.split(",")[0] for line in path.read_text().splitlines()[1:]] == [
        "10:00:00:01.999", "23:59:59:01.999", "00:00:00:01.999", "23:59:59:01.999",
    ]  # fmt: skip
    np.testing.assert_array_equal(read_csv(path, 60).samples, [frame.sample for frame in frames])


def test_csv_says_which_channels_it_cannot_carry() -> None:
    with pytest.raises(RigError, match="jawClench"):
        _protocol("csv").header(RigLayout(("jawOpen", "jawClench")), FPS)


def test_real_recordings_are_read_whole(captures: list[Path]) -> None:
    lost = 0
    for path in captures:
        capture = read_csv(path)
        lines = path.read_text().splitlines()
        assert len(capture.values) == len(capture.times_s) == len(lines) - 1
        steps = np.diff(capture.times_s)
        assert np.median(steps) == pytest.approx(1 / 30, abs=1e-3), "30 rows a second, timecode at 60"
        assert steps.min() > 0
        assert np.isfinite(capture.values).all()
        lost += int((~capture.tracked).sum())
        place = lines[0].split(",").index("MouthLeft")
        column = capture.values[:, capture.layout.index("mouthLeft")]
        for number in (0, len(lines) // 2, len(lines) - 2):
            cells = lines[number + 1].split(",")
            if len(cells) > 2:
                assert column[number] == pytest.approx(float(cells[place]), abs=1e-7)
    assert lost == 277 + 35


def test_rows_without_a_face_hold_the_last_one(tmp_path: Path) -> None:
    layout = RigLayout(("jawOpen",))
    frames = [Frame(k, 533 * k, np.float32([k / 10]), layout) for k in range(6)]
    path = _write(tmp_path / "a.csv", frames, layout)
    lines = path.read_text().splitlines()
    for number in (1, 4, 5):
        lines[number] = lines[number].split(",")[0] + ",0"
    path.write_text("\n".join(lines) + "\n\n")
    capture = read_csv(path)
    assert capture.tracked.tolist() == [False, True, True, False, False, True]
    jaw = capture.values[:, live_link_layout().index("jawOpen")]
    np.testing.assert_allclose(jaw, [0.1, 0.1, 0.2, 0.2, 0.2, 0.5], atol=1e-7)


def test_bad_csv_is_explained(tmp_path: Path) -> None:
    layout = RigLayout.arkit()
    path = _write(tmp_path / "a.csv", _frames(layout, 3), layout)
    good = path.read_text().splitlines()
    cells = good[2].split(",")
    for bad, words in [
        ([], "not a Live Link"),
        (["a,b,c", "1,2,3"], "no column for"),
        ([good[0].replace("JawLeft", "JawLft"), good[1]], "jawLeft"),
        ([good[0], ",".join(["noon", *cells[1:]])], "line 2: 'noon' is no timecode"),
        ([good[0], good[1], ",".join([*cells[:9], "x", *cells[10:]])], "line 3"),
        ([good[0], ",".join([*cells[:9], "nan", *cells[10:]])], "NaN"),
        ([good[0], ",".join(cells[:30])], "30 cells"),
        ([good[0], *["bad,61"] * 9], "and 4 more"),
        ([good[0], ",".join([f"{'9' * 400}:00:00:01", *cells[1:]])], "is no timecode"),
        ([good[0], ",".join([f"00:00:00:{'9' * 400}", *cells[1:]])], "is no timecode"),
    ]:
        path.write_text("\n".join(bad))
        with pytest.raises(RigError, match=words):
            read_csv(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RigError, match="cannot read"):
        read_csv(path)
    with pytest.raises(RigError, match="cannot read"):
        read_csv(tmp_path / "none.csv")


def test_a_recording_without_rows(tmp_path: Path) -> None:
    capture = read_csv(_write(tmp_path / "a.csv", [], RigLayout.arkit()))
    assert capture.values.shape == (0, 61)


@pytest.mark.parametrize("fps", [Fraction(15), Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001),
                                 Fraction(30), Fraction(50), Fraction(60000, 1001), Fraction(60)])  # fmt: skip
def test_a_bound_csv_steps_by_whole_frames_and_carries_its_rate(tmp_path: Path, fps: Fraction) -> None:
    layout = RigLayout(("jawOpen",))
    clock, protocol = FrameClock(fps), LiveLinkFaceCsv().at(fps)
    start = 3600 * round(fps) - 40  # the hour is passed without a dropped number
    frames = [Frame(k, clock.sample(k), np.float32([k % 7 / 7]), layout) for k in range(start, start + 100)]
    path = tmp_path / "a.csv"
    path.write_bytes(protocol.header(layout, fps) + b"".join(protocol.encode(frame, layout) for frame in frames))
    numbers = []
    for line in path.read_text().splitlines()[1:]:
        hours, minutes, seconds, frame = line.split(",")[0].split(":")
        assert frame.endswith(".000")
        numbers.append((int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * round(fps) + int(frame[:2]))
    assert numbers == list(range(start, start + 100))
    capture = read_csv(path)
    assert capture.fps == fps
    np.testing.assert_array_equal(capture.samples, [frame.sample for frame in frames])
    np.testing.assert_allclose(capture.times_s, np.arange(start, start + 100) / float(fps))


def test_the_rate_is_told_by_the_first_row_that_has_it(tmp_path: Path) -> None:
    """A row of a lost face may end before the rate."""
    layout, protocol = RigLayout.arkit(), LiveLinkFaceCsv().at(FPS)
    lines = [protocol.encode(frame, layout).decode() for frame in _frames(layout, 3)]
    path = tmp_path / "a.csv"
    path.write_text(protocol.header(layout, FPS).decode() + "00:00:00:00.000,0\n" + "".join(lines[1:]))
    assert read_csv(path).fps == FPS
    path.write_text(protocol.header(layout, FPS).decode() + "00:00:00:00.000,0\n")
    assert read_csv(path).fps is None


def test_a_rate_that_timecode_cannot_count_keeps_the_app_s_sixtieths() -> None:
    for fps in (Fraction(12), Fraction(120)):
        assert LiveLinkFaceCsv().at(fps) == LiveLinkFaceCsv()
    assert b"FrameRate" not in LiveLinkFaceCsv().header(RigLayout.arkit(), FPS)


@pytest.mark.parametrize("word", ["29.97", 29.97, "23.976", "23.98", 23.98, "59.94", "29.97003", "47.952", "119.88"])
def test_broadcast_rates_are_thousandths_of_1001(word: str | float) -> None:
    rate = FrameClock.at(word).fps
    assert rate.denominator == 1001
    assert round(float(rate), 1) == round(float(word), 1)


def test_rates_of_floats_are_the_decimals_they_mean_and_others_have_terms_that_all_can_hold() -> None:
    assert FrameClock.at(Fraction(29.97)).fps == Fraction(30000, 1001)
    assert FrameClock.at(Fraction(12.3)).fps == Fraction(123, 10)
    for rate in (Fraction(2**32 * 30 + 7, 2**32 + 1), "30000001/1000000"):
        with pytest.raises(ConfigError, match="terms are 1,000,000 at most"):
            FrameClock.at(rate)


def test_other_rates_stay_what_they_are() -> None:
    assert [FrameClock.at(word).fps for word in ("30", "25", "12.5", 12.5, "2997/100", Fraction(2997, 100))] == [
        30, 25, Fraction(25, 2), Fraction(25, 2), Fraction(2997, 100), Fraction(2997, 100)
    ]  # fmt: skip
