"""One folder of checkpoints and one real build of it, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from random_students import Built, make_checkpoint

from distill.files.checkpoint import Checkpoint
from export.load.checkpoints import Wanted
from export.pipeline import build


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints: the best exceeds 2 MB, the second (S2 in full size) fits, one is damaged, one was never scored."""
    folder = tmp_path_factory.mktemp("checkpoints")
    make_checkpoint("s5", 96, 0.9).save(folder / "s5.pt")
    make_checkpoint("s2", 64, 0.8, fc_width=150).save(folder / "s2.pt")
    make_checkpoint("s3", 8, None).save(folder / "s3.pt")
    (folder / "s4.pt").write_bytes((folder / "s2.pt").read_bytes()[:1000])
    return folder


@pytest.fixture(scope="session")
def built(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("build") / "deep" / "face"
    said: list[str] = []
    report = build(2_000_000, out, Wanted(checkpoints=shelf), said.append)
    return Built(out, report, Checkpoint.load(shelf / "s2.pt"), said)
