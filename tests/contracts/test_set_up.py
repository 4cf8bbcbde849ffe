"""What a fresh machine meets first: an old Python, an environment of before, no home folder, another processor."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sdk.errors import ConfigError
from sdk.tools.cache import cache_folder
from tests import isa

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that was set up without the lock, and a `make` that knows nothing of the one that runs the tests."""
    for word in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "LOCKED", "PYTHON"):
        monkeypatch.delenv(word, raising=False)
    for name in ("Makefile", "pyproject.toml", ".ci/requirements.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    return tmp_path


def test_what_was_set_up_without_the_lock_is_set_up_by_it_when_asked(set_up: Path) -> None:
    asked = ["make", "-n", "-C", str(set_up), "setup"]
    assert "pip install" not in subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert "--require-hashes" in subprocess.run([*asked, "LOCKED=1"], check=True, capture_output=True, text=True).stdout


def test_an_old_python_is_told_before_anything_is_made(set_up: Path) -> None:
    (set_up / ".venv" / ".ready").unlink()
    old = set_up / "python3.9"
    lines = "import sys; sys.version_info, sys.version = (3, 9, 6), '3.9.6 (a stand-in)'; exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -c "{lines}" "$1"\n')
    old.chmod(0o755)
    made = subprocess.run(["make", "-C", str(set_up), "setup", f"PYTHON={old}"], capture_output=True, text=True)
    assert made.returncode
    assert "3.9.6, and 3.10 or later is needed" in made.stderr
    assert not list((set_up / ".venv").iterdir())


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    for name in ("TINYFACE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="set TINYFACE_CACHE to a folder"):
        cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tinyface"
    monkeypatch.setenv("TINYFACE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


@pytest.mark.parametrize("processor", ["DEFAULT", "SVE256"])
def test_caps_that_no_processor_here_knows_are_not_called_the_same(
    processor: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    assert isa.main(["--cap", "AVX2", "--cap", "AVX512_CORE_VNNI"]) == 0
    said = capsys.readouterr().out
    assert said.count("left out") == 2
    assert said.splitlines()[-1].startswith("no cap was tried")
