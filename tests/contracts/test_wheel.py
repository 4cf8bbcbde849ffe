"""The wheel is whole, and reproducible: made in two places from the same sources and date, it is the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("sdk", "distill", "export", "profiles", "runtime_examples")
MADE = shutil.ignore_patterns("__pycache__", "node_modules", "build", "*.egg-info")
BUILD = "from setuptools import build_meta; import sys; print(build_meta.build_wheel(sys.argv[1]))"


def wheel(place: Path, seed: int) -> Path:
    """A wheel of a copy of the sources at `place`."""
    place.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, place / room, ignore=MADE)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place)
    around = {**os.environ, "SOURCE_DATE_EPOCH": "1764374400", "PYTHONHASHSEED": str(seed)}
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(place / "made")], cwd=place, env=around, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (made,) = (place / "made").glob("*.whl")
    return made


def test_the_wheel_is_reproducible_and_whole(tmp_path: Path) -> None:
    setuptools = pytest.importorskip("setuptools", reason="setuptools builds the wheel", minversion="70.1")
    one, two = wheel(tmp_path / "one", 1), wheel(tmp_path / "two", 2)
    assert hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(two.read_bytes()).digest(), setuptools
    with zipfile.ZipFile(one) as archive:
        names = set(archive.namelist())
    for needed in ("sdk/c/include/frame_stream.h", "sdk/c/monocypher/monocypher.c", "sdk/c/monocypher/LICENCE.txt"):
        assert needed in names, "what an installed package builds the C library from"
    assert not [name for name in names if name.startswith(("tests/", "build/"))]
