"""A small campaign of damaged files in every run, and all that ever escaped again: `make fuzz` is the large one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing import KEPT, TARGETS, campaign, check

NEEDS = {"yaml": "yaml", "sound": "soundfile"}
SMALL = [
    name for name in TARGETS if name != "checkpoint"
]  # whose bits are flipped by tests/distill/test_sealed_files.py
KEPT_FILES = sorted(path for path in KEPT.glob("*/*") if path.parent.name in TARGETS)


@pytest.mark.parametrize("name", SMALL)
def test_damaged_files_end_in_our_own_error(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="what reads these files is not installed")
    campaign(TARGETS[name], examples=40, derandomize=True)


@pytest.mark.parametrize("path", KEPT_FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_escaped_once_does_not_again(path: Path) -> None:
    check(TARGETS[path.parent.name], path.read_bytes())
