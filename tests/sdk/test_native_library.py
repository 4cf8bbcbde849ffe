"""Where the native library is looked for, and what is said where it is not there or not it."""

from __future__ import annotations

import ctypes.util
from pathlib import Path

import pytest

import sdk
from sdk.errors import EngineUnavailable
from sdk.native.abi import LIBRARY, Library, find_library

BUILD = r"sdk\.c\.build"


def test_without_a_word_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIBRARY, raising=False)
    for ask in (find_library, Library, lambda: sdk.NativeModel("model.pte")):
        with pytest.raises(EngineUnavailable, match=f"{BUILD}.*{LIBRARY}"):
            ask()


def test_a_path_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said, given = tmp_path / "said.so", tmp_path / "given.so"
    for file in (said, given):
        file.touch()
    monkeypatch.setenv(LIBRARY, str(said))
    assert find_library() == said
    assert find_library(given) == given
    said.unlink()
    with pytest.raises(EngineUnavailable, match=f"said.so.*said by {LIBRARY}.*{BUILD}"):
        find_library()


def test_a_folder_is_enough(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"frame_stream\.\w+.*build it"):
        find_library(tmp_path)
    for name in ("libframe_stream.so", "libframe_stream.dylib", "frame_stream.dll"):
        (tmp_path / name).touch()
    assert find_library(tmp_path).parent == tmp_path


def test_files_that_are_no_such_library(tmp_path: Path) -> None:
    text = tmp_path / "libframe_stream.so"
    text.write_text("not a library")
    with pytest.raises(EngineUnavailable, match=r"cannot be loaded .*copy the whole folder"):
        Library(text)
    name = ctypes.util.find_library("m")
    folders = [Path("/lib/x86_64-linux-gnu"), Path("/lib/aarch64-linux-gnu"), Path("/lib64"), Path("/usr/lib")]
    foreign = [folder / name for folder in folders if name and (folder / name).is_file()]
    if not foreign:
        pytest.skip("no foreign shared library found to try")
    with pytest.raises(EngineUnavailable, match=r"has no function fp_abi_version"):
        Library(foreign[0])
