"""How far a labelling is, told by files that anyone can read while it runs and after it was killed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from test_pseudo_label import SHARD_S, librispeech, teacher  # noqa: F401

from distill.corpus.board import SILENT_S, Tally, board, read_board, show
from distill.corpus.pool import Made
from distill.recipes.pseudo_label import label, main
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError

HOUR = 3600 * SAMPLE_RATE_HZ


def test_shards_made_kept_empty_failed_and_lost_are_told_while_it_runs(tmp_path: Path) -> None:
    with board(tmp_path, (0, 1), 6, 6 * HOUR) as shown:
        (running,) = read_board(tmp_path)
        assert (running.left, running.ended, running.seconds_left) == (6, "", None)
        for made in (
            Made(tmp_path / "a", False, HOUR),
            Made(tmp_path / "b", True, HOUR, ("b.wav: torn",)),
            Made(None, False, 0, ("c.wav: torn", "d.wav: torn")),
            Made(None, False, 0, ("shard e: its workers were lost",), given_up=True),
        ):
            shown.add(made)
        shown.lost(1, "its node is gone")
        (now,) = read_board(tmp_path)
        assert (now.made, now.kept, now.empty, now.failed, now.lost, now.left_out) == (1, 1, 1, 1, 1, 3)
        assert now.left == 2
        assert now.seconds_left == pytest.approx(4 * (now.written - now.began)), "an hour made, four are left"
        said = show([now], now.written)
        assert "2.00 of 6.00 h" in said
        assert "4 of 6 shards, 1 kept, 1 empty, 1 failed, 1 lost and taken again, 3 recordings left out; " in said
        assert said.endswith(" left")
        assert "silent for 0:02:00: killed?" in show([now], now.written + 120)
    assert read_board(tmp_path)[0].ended == "done"


def test_it_says_how_a_command_ended(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), board(tmp_path, (0, 1), 1, HOUR):
        raise KeyboardInterrupt
    assert read_board(tmp_path)[0].ended == "stopped"
    with pytest.raises(DataError), board(tmp_path, (0, 1), 1, HOUR):
        raise DataError("the disk is full")
    assert read_board(tmp_path)[0].ended == "failed: the disk is full"


def test_the_parts_of_an_array_are_seen_together(
    librispeech: Path,  # noqa: F811
    teacher: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S)
    for number in (0, 1):
        again = label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S, part=(number, 2))
    assert again.kept == len(again.paths)
    assert main(["--board", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    shards = len(list((tmp_path / "shards").iterdir()))
    assert [line.split()[0] for line in lines] == ["0/2", "1/2", "all"], "of the whole command that was before, no more"
    assert f"{shards} of {shards} shards, {shards} kept; 0 run" in lines[-1]


def test_several_that_run_end_with_the_slowest() -> None:
    now = time.time()
    fast, slow = (Tally(f"{k}/2", "host", 4, 4.0, 1, hours_done=k + 1.0, began=now - 60, written=now) for k in (1, 0))
    assert show([slow, fast], now).splitlines()[-1].endswith("2 run, the last for another 0:03:00")
    slow.written -= SILENT_S + 1
    assert show([slow, fast], now).splitlines()[-1].endswith("; 2 run"), "nobody knows of one that may be dead"


def test_what_is_no_board_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--board", "--out", str(tmp_path)]) == 2
    assert "nothing labels into it" in capsys.readouterr().err
    (tmp_path / "progress").mkdir()
    for text in ("{", "[]", "{}", json.dumps({"part": "0/1", "planned": "many"})):
        (tmp_path / "progress" / "0-1.json").write_text(text)
        with pytest.raises(DataError, match="no state of a labelling"):
            read_board(tmp_path)
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path)])
