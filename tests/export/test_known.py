"""Plans made before: taken up only where nothing that they depend on has changed, and equal to plans made now."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from random_students import make_stream_checkpoint

from distill.files.checkpoint import Checkpoint
from export.load import versions
from export.lower.program import Lowered
from export.plan import choose, known
from export.plan.choose import plan
from export.quantise.precision import float_point


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setenv("TINYFACE_CACHE", str(tmp_path / "cache"))
    return make_stream_checkpoint()


def never(*_: object) -> None:
    raise AssertionError("traced again")


def test_a_known_plan_is_not_traced_again(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    point, names = float_point(checkpoint), ("xnnpack", "portable")
    first = plan(Path("s8.pt"), checkpoint, point, names)
    monkeypatch.setattr(choose, "trace_forward", never)
    again = plan(Path("s8.pt"), checkpoint, point, names)
    assert [(c.backend, c.rows, c.cost) for c in again] == [(c.backend, c.rows, c.cost) for c in first]
    with pytest.raises(AssertionError, match="traced again"):
        plan(Path("s8.pt"), checkpoint, dataclasses.replace(point, weights_sha256="0" * 64), names)
    monkeypatch.setattr(versions, "sources", lambda: "another line of ours")
    with pytest.raises(AssertionError, match="traced again"):
        plan(Path("s8.pt"), checkpoint, point, names)


def test_a_damaged_plan_is_made_again(checkpoint: Checkpoint) -> None:
    point = float_point(checkpoint)
    (first,) = plan(Path("s8.pt"), checkpoint, point)
    (file,) = known.folder().glob("*.plan")
    kept = file.read_bytes()
    at = next(at for at in range(len(kept) - 1, 0, -1) if kept[at : at + 1].isdigit())
    other_digit = kept[:at] + (b"1" if kept[at : at + 1] != b"1" else b"2") + kept[at + 1 :]
    for damage in (b"", b"{}", b'{"rows": {}, "cost": {}}', b"[1]", other_digit):
        file.write_bytes(damage)
        (made,) = plan(Path("s8.pt"), checkpoint, point)
        assert (made.rows, made.cost) == (first.rows, first.cost)
        assert file.read_bytes() == kept


def test_where_nothing_can_be_kept_plans_are_made_all_the_same(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TINYFACE_CACHE", str(tmp_path / "file"))
    assert plan(Path("s8.pt"), checkpoint, float_point(checkpoint))


def test_a_program_is_kept_byte_for_byte_and_never_damaged(checkpoint: Checkpoint) -> None:
    point, spec = float_point(checkpoint), checkpoint.spec
    made = Lowered(b"any\nbytes\x00", 7, 1, ("aten::add",))
    assert known.known_program(point, spec, "xnnpack", lambda: made) == made
    assert known.known_program(point, spec, "xnnpack", never) == made  # type: ignore[arg-type]
    (file,) = known.folder().glob("*.program")
    file.write_bytes(file.read_bytes()[:-1])
    other = Lowered(b"made again", 7, 1)
    assert known.known_program(point, spec, "xnnpack", lambda: other) == other
    for number in range(known.PROGRAMS_KEPT + 3):
        changed = dataclasses.replace(point, weights_sha256=str(number))
        known.known_program(changed, spec, "xnnpack", lambda: made)
    assert len(list(known.folder().glob("*.program"))) == known.PROGRAMS_KEPT
