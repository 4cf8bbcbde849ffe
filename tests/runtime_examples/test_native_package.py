"""An installed package can build the native library: its sources are package data."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CARRIED = (
    "sdk/c",
    "sdk/js",
    *(f"runtime_examples/{name}" for name in ("cpp_wav", "profiler", "csharp", "unity", "unreal", "web")),
)
MADE = {"__pycache__", "bin", "obj"}  # by builds, where somebody ran one inside


def package_data(package: str) -> list[str]:
    if sys.version_info < (3, 11):
        pytest.skip("reading pyproject.toml needs Python 3.11")
    import tomllib

    content = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns: list[str] = content["tool"]["setuptools"]["package-data"][package]
    return patterns


@pytest.mark.parametrize("folder", CARRIED)
def test_every_source_goes_into_the_wheel(folder: str) -> None:
    package = folder.split("/")[0]
    carried = {file for pattern in package_data(package) for file in (ROOT / package).glob(pattern)}
    sources = {file for file in (ROOT / folder).rglob("*") if file.is_file() and file.suffix != ".py"}
    missing = {file for file in sources - carried if not MADE & set(file.parts)}
    assert sources, "the folder is there"
    assert not missing
