"""A checkpoint or twin with any bit flipped is refused, and so is one that unfolds to more than it holds."""

from __future__ import annotations

import dataclasses
import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.files.checkpoint import Checkpoint, model_card
from distill.files.sealed import MAGIC, check_whole, main, sealed, sealing
from distill.files.twin import Twin
from distill.students.spec import load_spec
from sdk.errors import CheckpointError, ConfigError
from tests.small_checkpoint import small_spec

SPEC = small_spec()
FLIPS = 400


def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "s8.pt"
    Checkpoint(SPEC, SPEC.build().state_dict(), {"seed": 0}, {"human": {"recall_at_2pct": 0.9}}).save(path)
    return path


def test_one_flipped_bit_is_seen_wherever_it_lies(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path)
    twin = tmp_path / "s8-int8.twin"
    state = {"weight": torch.zeros(4, 4, dtype=torch.int8)}
    Twin(SPEC, state, "0" * 64, {"precision": "int8"}, {"human": {"auc": 0.9}}).save(twin)
    random = np.random.default_rng(0)
    for path, load in ((checkpoint, Checkpoint.load), (twin, Twin.load)):
        good = path.read_bytes()
        load(path)
        for place in [*random.integers(0, len(good), FLIPS), *range(len(good) - 70, len(good))]:
            bad = bytearray(good)
            bad[place] ^= 1 << int(random.integers(8))
            path.write_bytes(bad)
            with pytest.raises(CheckpointError):
                load(path)
        for cut in (0, 1, len(good) // 2, len(good) - 1):
            path.write_bytes(good[:cut])
            with pytest.raises(CheckpointError):
                load(path)


def test_one_flipped_bit_of_a_run_is_seen(tmp_path: Path) -> None:
    """torch reads a record whose sum does not fit: a run would go on from other weights."""
    path, state = tmp_path / "s.pt.resume", {"weights": torch.arange(5000.0), "plan": {"steps": 4}}
    with path.open("wb") as stream, sealing(stream) as whole:
        torch.save(state, whole)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    assert path.read_bytes() == sealed(buffer.getvalue()), "as if it were sealed in memory"
    check_whole(path, "resume file")
    good = path.read_bytes()
    for place in [*np.random.default_rng(0).integers(0, len(good), 100), *range(len(good) - 70, len(good))]:
        path.write_bytes(good[:place] + bytes([good[place] ^ 16]) + good[place + 1 :])
        with pytest.raises(CheckpointError):
            check_whole(path, "resume file")


@pytest.mark.parametrize("field", ["training", "scores"])
@pytest.mark.parametrize("content", ["x", None, [1]])
def test_facts_that_are_no_table(field: str, content: object, tmp_path: Path) -> None:
    path = saved(tmp_path)
    resaved(path, torch.load(path, weights_only=True) | {field: content})
    with pytest.raises(CheckpointError, match=f"its {field} are no table"):
        Checkpoint.load(path)


def test_what_a_checkpoint_says_of_itself_is_text(tmp_path: Path) -> None:
    said = {
        "by": "<script>alert(1)</script>|\n# title\x1b[2J",
        "a": 0.5,
        "b": 0.5,
        "intervals": {"a": [1], "b": [0, "x"]},
    }
    card = model_card(Checkpoint(SPEC, SPEC.build().state_dict(), said))
    assert "<script" not in card
    assert "\x1b" not in card
    assert "\n# title" not in card
    assert "| a | 0.5 |" in card


def test_files_of_before_are_read_and_can_be_sealed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path)
    raw = torch.load(path, weights_only=True)
    torch.save(raw, path)
    assert Checkpoint.load(path).training == {"seed": 0}
    assert main([str(path)]) == 0
    assert path.read_bytes().endswith(MAGIC)
    assert Checkpoint.load(path).training == {"seed": 0}
    capsys.readouterr()
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == "", "once is enough"


def resaved(path: Path, raw: dict) -> None:
    buffer = io.BytesIO()
    torch.save(raw, buffer)
    path.write_bytes(sealed(buffer.getvalue()))


def test_what_unfolds_to_more_than_it_holds(tmp_path: Path) -> None:
    path = saved(tmp_path)
    raw = torch.load(path, weights_only=True)
    started = time.process_time()
    resaved(path, raw | {"state": {"weight": torch.zeros(1).expand(10**12)}})
    with pytest.raises(CheckpointError, match="larger than what it holds"):
        Checkpoint.load(path)
    with zipfile.ZipFile(path) as archive:
        records = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
        archive.writestr("archive/data/99", b"\0" * 50_000_000)
    with pytest.raises(CheckpointError, match="packed"):
        Checkpoint.load(path)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "changes",
    [{"channels": 10**9}, {"fc_width": 10**9}, {"dilations": [1] * 100_000}, {"dilations": [10**9]},
     {"context": [10**9, 1]}, {"front": [[10**9, 320, 320]]}],
    ids=["channels", "fc_width", "many", "dilated", "context", "front"],
)  # fmt: skip
def test_a_spec_beyond_reason(changes: dict) -> None:
    with pytest.raises(ConfigError, match=r"beyond|more than"):
        load_spec(dataclasses.asdict(SPEC) | changes, "file")
