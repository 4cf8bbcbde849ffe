"""Teachers' files: what a shipped one holds is what is written again, and each kind refuses the other's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from distill.teachers.neural import teacher as neural
from distill.teachers.registry import teacher_kind
from distill.teachers.voice2face import teacher as voice2face
from sdk.errors import CheckpointError

KINDS = pytest.mark.parametrize("kind", [neural, voice2face], ids=lambda module: str(module.FILE.mark))


def fields(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


@KINDS
def test_a_shipped_file_is_written_again_as_it_was(kind: Any, tmp_path: Path) -> None:
    kind.FILE.load(kind.FILE.shipped).save(tmp_path / "again.teacher")
    before, after = fields(kind.FILE.shipped), fields(tmp_path / "again.teacher")
    assert list(after) == list(before)
    assert list(after["state"]) == list(before["state"])
    for name, value in before.pop("state").items():
        assert after["state"][name].dtype == value.dtype, name
        assert torch.equal(after["state"][name], value), name
    del after["state"]
    if (ears := before.get("teacher", {}).get("ears")) is not None:
        ears.setdefault("spectrum", [])  # a field of students that are younger than this file
    assert after == before


@KINDS
def test_a_file_is_known_by_its_mark_and_refused_by_the_other_kind(kind: Any) -> None:
    assert teacher_kind(kind.FILE.shipped).file is kind.FILE
    other = neural if kind is voice2face else voice2face
    with pytest.raises(CheckpointError, match=r"a foreign file: it holds no trained .* of tinyface"):
        other.FILE.load(kind.FILE.shipped)


@KINDS
def test_a_lip_gap_that_is_no_number_is_refused_by_the_files_name(kind: Any, tmp_path: Path) -> None:
    raw = fields(kind.FILE.shipped)
    raw["shut_cm"] = None
    torch.save(raw, tmp_path / "a.teacher")
    with pytest.raises(CheckpointError, match=r"a\.teacher: .* Train or copy the teacher again"):
        kind.FILE.load(tmp_path / "a.teacher")


@pytest.mark.parametrize("shut_cm", ["x", None, float("nan"), 10**400], ids=["words", "none", "nan", "beyond"])
def test_lips_that_shut_below_no_number(shut_cm: object, tmp_path: Path) -> None:
    torch.save(fields(neural.FILE.shipped) | {"shut_cm": shut_cm}, tmp_path / "a.teacher")
    with pytest.raises(CheckpointError):
        neural.FILE.load(tmp_path / "a.teacher")


def test_a_teachers_file_is_checked_before_it_is_looked_into(tmp_path: Path) -> None:
    good = neural.FILE.shipped.read_bytes()
    path = tmp_path / "a.teacher"
    path.write_bytes(good)
    assert teacher_kind(path).file is neural.FILE
    path.write_bytes(good[:-500] + bytes([good[-500] ^ 1]) + good[-499:])
    with pytest.raises(CheckpointError, match="SHA-256"):
        teacher_kind(path)
