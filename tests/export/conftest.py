"""One folder of checkpoints and one real build of it, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_once import made_once
from random_students import Built, make_checkpoint

from distill.files.checkpoint import Checkpoint
from export.load.checkpoints import Wanted
from export.pipeline import build


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints: the best exceeds 2 MB, the second (S2 in full size) fits, one is damaged, one was never scored."""

    def make(folder: Path) -> None:
        make_checkpoint("s5", 96, 0.9).save(folder / "s5.pt")
        make_checkpoint("s2", 64, 0.8, fc_width=150).save(folder / "s2.pt")
        make_checkpoint("s3", 8, None).save(folder / "s3.pt")
        (folder / "s4.pt").write_bytes((folder / "s2.pt").read_bytes()[:1000])

    return made_once(tmp_path_factory, "shelf", make)[0]


@pytest.fixture(scope="session")
def built(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:

    def make(folder: Path) -> tuple[dict[str, Any], list[str]]:
        said: list[str] = []
        return build(2_000_000, folder / "deep" / "face", Wanted(checkpoints=shelf), said.append), said

    folder, (report, said) = made_once(tmp_path_factory, "built", make)
    return Built(folder / "deep" / "face", report, Checkpoint.load(shelf / "s2.pt"), said)
