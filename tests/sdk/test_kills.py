"""The judge of `make faults` is able to fail."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.killed_commands import commands
from tests.kills import Command, run, torture


def test_a_command_that_writes_in_place_is_found(tmp_path: Path) -> None:
    """A program that writes where its result will stand, and leaves something beside it."""
    (tmp_path / "half.py").write_text(
        "import sys, time\nfrom pathlib import Path\nout = Path(sys.argv[1])\n"
        "out.with_name('left').write_text('x')\nout.write_text('half')\ntime.sleep(0.5)\nout.write_text('whole')\n"
    )

    def whole(path: Path) -> None:
        assert path.read_text() == "whole", "half-written"

    command = Command("half", lambda out: [str(tmp_path / "half.py"), str(out)], "out.txt", whole)
    (tmp_path / "out").mkdir()
    run(command, tmp_path / "out", None)
    whole(tmp_path / "out" / "out.txt")
    with pytest.raises(AssertionError, match=r"half-written|left 1 files behind"):
        torture(command, tmp_path / "again", kills=8, until=time.monotonic() + 60)


def test_what_is_killed_can_be_made(tmp_path: Path) -> None:
    """Shapes of students change: what the commands build and learn from is made of today's."""
    pytest.importorskip("torch", reason="torch builds the student")
    made = commands(tmp_path / "model.pte", tmp_path)
    assert [command.name for command in made] == ["animate", "torchscript", "build", "label", "train"]
    (lower,) = (command for command in made if command.name == "torchscript")
    from distill.files.checkpoint import Checkpoint

    words = lower.words(tmp_path / "out")
    assert Checkpoint.load(Path(words[words.index("--checkpoint") + 1])).spec.name == "s8"
