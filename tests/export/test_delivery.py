"""How a build arrives: whole and of one build, on whatever disk its folder lies, or what was there before stays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.deliver import delivery
from sdk.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
DELIVERS = """
import sys
from pathlib import Path
from export.deliver import delivery
out, mark = Path(sys.argv[1]), sys.argv[2]
for _ in range(20):
    with delivery.workshop(out) as folder:
        for name in delivery.FILES:
            delivery.write(folder / name, mark.encode())
        delivery.deliver(folder, out)
"""
locked = pytest.mark.skipif(delivery.fcntl is None, reason="no locks of folders here")


@locked
def test_two_deliveries_never_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is stopped behind its first file. Another that begins then waits for it, and what stands is all the other's:
    left to chance, two never met in the milliseconds that a delivery takes."""
    out, made = tmp_path / "face", {mark: tmp_path / mark for mark in "ab"}
    for folder in (out, *made.values()):
        folder.mkdir()
    for mark, folder in made.items():
        for name in delivery.FILES:
            delivery.write(folder / name, mark.encode())
    moved, go_on, replace = threading.Event(), threading.Event(), os.replace

    def stopping(source: Path, target: Path) -> None:
        replace(source, target)
        if source.parent == made["a"] and not moved.is_set():
            moved.set()
            go_on.wait(60)

    monkeypatch.setattr(delivery.os, "replace", stopping)
    first, second = (threading.Thread(target=delivery.deliver, args=(made[mark], out)) for mark in "ab")
    first.start()
    assert moved.wait(60)
    second.start()
    second.join(0.3)
    waits = second.is_alive()
    go_on.set()
    first.join()
    second.join()
    assert waits
    assert {(out / name).read_bytes() for name in delivery.FILES} == {b"b"}


@locked
def test_two_builds_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    out = tmp_path / "face"
    both = [subprocess.Popen([sys.executable, "-c", DELIVERS, str(out), mark], cwd=ROOT) for mark in "ab"]
    assert [one.wait(timeout=300) for one in both] == [0, 0]
    assert len({(out / name).read_bytes() for name in delivery.FILES}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["face"]


def deliver(out: Path, mark: bytes = b"new", names: tuple[str, ...] = delivery.FILES) -> None:
    with delivery.workshop(out) as folder:
        for name in names:
            delivery.write(folder / name, mark)
        delivery.deliver(folder, out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    place = Path("/dev/shm")
    if not os.access(place, os.W_OK) or place.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second disk to write to")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def test_a_folder_on_another_disk(other_disk: Path, tmp_path: Path) -> None:
    """A mount or a volume: nothing can be renamed into it from beside it."""
    (tmp_path / "face").symlink_to(other_disk)
    for mark in (b"first", b"second"):
        deliver(tmp_path / "face", mark)
        assert contents(other_disk) == dict.fromkeys(delivery.FILES, mark)
    assert sorted(path.name for path in other_disk.iterdir()) == sorted(delivery.FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["face"]


def test_a_link_to_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "face").symlink_to(tmp_path / "deep" / "real")
    deliver(tmp_path / "face")
    assert contents(tmp_path / "deep" / "real") == dict.fromkeys(delivery.FILES, b"new")
    assert (tmp_path / "face").is_symlink()
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(DataError, match="leads back to itself"), delivery.workshop(tmp_path / "round"):
        raise AssertionError("the work was begun")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that nobody may write to")
def test_a_folder_that_cannot_be_written_to_is_told_before_the_work() -> None:
    """Not even the superuser makes files in `/proc`, whose parent is writable to them."""
    with pytest.raises(DataError, match="cannot write there"), delivery.workshop(Path("/proc")):
        raise AssertionError("the work was begun")


def test_a_delivery_that_fails_loses_nothing(tmp_path: Path) -> None:
    """A folder stands where `model.md` is to be: what came before it had been replaced, and the report was gone."""
    out = tmp_path / "face"
    deliver(out, b"old", ("model.pte", "report.json"))
    (out / "model.md").mkdir()
    with pytest.raises(DataError, match="cannot put the finished files there"):
        deliver(out)
    assert contents(out) == {"model.pte": b"old", "report.json": b"old"}
    assert sorted(path.name for path in out.iterdir()) == ["model.md", "model.pte", "report.json"]


def test_a_signature_of_an_earlier_build_goes_with_it(tmp_path: Path) -> None:
    deliver(tmp_path / "face", b"old")
    (tmp_path / "face" / "model.pte.sig").write_bytes(b"of the old one")
    deliver(tmp_path / "face")
    assert "model.pte.sig" not in contents(tmp_path / "face")


def test_a_profiles_report_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"schema": 1, "cases": []}')
    with pytest.raises(DataError, match="holds the report of a profile"), delivery.workshop(tmp_path):
        pass
    assert contents(tmp_path) == {"report.json": b'{"schema": 1, "cases": []}'}
