"""Rooms made by image sources: repeatable, and rooms as they were asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distill.recipes import rooms
from distill.speech.augment import Augment, trim_room
from distill.speech.shoeboxes import RT60_S, make_rooms
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError


def test_no_rooms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one"):
        make_rooms(tmp_path, 0, 1)


def test_rooms_are_repeatable_and_die_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyroomacoustics")
    monkeypatch.setattr("sys.argv", ["rooms", "--out", str(tmp_path / "a"), "--count", "5"])
    assert rooms.main() == 0
    first = sorted((tmp_path / "a").glob("*.wav"))
    written = [path.stat().st_mtime_ns for path in first]
    again = make_rooms(tmp_path / "b", 5, 1)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert make_rooms(tmp_path / "a", 5, 1) == first
    assert [path.stat().st_mtime_ns for path in first] == written, "what was there was made again"
    heard = Augment.from_folders(None, tmp_path / "a").rooms
    assert heard
    for response in map(trim_room, heard):  # by Schroeder's decay, after the first sound
        left_db = 10 * np.log10(np.square(response[::-1]).cumsum()[::-1] / np.square(response).sum() + 1e-12)
        low, high = (int(np.argmax(left_db < level)) for level in (-10, -25))
        rt60 = (high - low) / SAMPLE_RATE_HZ * 4
        assert RT60_S[0] / 2 < rt60 < RT60_S[1] * 1.5, rt60
