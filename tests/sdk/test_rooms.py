"""Beside other people's packages: numpy alone installed, or an `sdk` and an `export.py` of theirs in the folder."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sdk.tools.rooms import need

ROOT = Path(__file__).resolve().parents[2]


def python(*words: str, cwd: Path, path: Path, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *flags, *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.skipif(sys.platform == "win32", reason="makes symbolic links")
def test_with_numpy_alone_exporting_says_what_to_install(tmp_path: Path) -> None:
    home = Path(np.__file__).parent
    for name in ("numpy", "numpy.libs"):
        if (home.parent / name).exists():
            (tmp_path / name).symlink_to(home.parent / name)
    for words in (("-m", "export.build", "--budget", "8MB"), ("-m", "export.choices"), ("-m", "export.qat")):
        done = python(*words, cwd=ROOT, path=tmp_path, flags=("-S",))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "error: exporting needs torch and executorch, not installed here: "
            "pip install -e '.[export]' in tinyface's folder\n"
        )
    done = python("-c", "import export.build", cwd=ROOT, path=tmp_path, flags=("-S",))
    assert "EngineUnavailable: exporting needs torch and executorch" in done.stderr
    assert python("-m", "sdk", "--help", cwd=ROOT, path=tmp_path, flags=("-S",)).returncode == 0


@pytest.mark.parametrize("lines", ["", f"__path__.append({str(ROOT / 'sdk')!r})"], ids=["alone", "editable"])
def test_somebody_elses_sdk_is_named(lines: str, tmp_path: Path) -> None:
    """Also where ours is found below it, as an editable install finds what theirs lacks."""
    (tmp_path / "sdk").mkdir()
    (tmp_path / "sdk" / "__init__.py").write_text(lines)
    for room in ("export", "profiles", "distill"):
        done = python("-c", f"import {room}", cwd=tmp_path, path=ROOT, flags=("-S",))
        assert f"tinyface's `{room}` needs tinyface's `sdk`, and Python finds another" in done.stderr
        assert "-P" in done.stderr


@pytest.mark.skipif(find_spec("torch") is None, reason="exporting needs torch")
def test_installed_commands_do_not_look_into_the_folder_they_stand_in(tmp_path: Path) -> None:
    """As pip writes them: a file elsewhere that imports the command."""
    for name in ("sdk.py", "export.py", "profiles.py"):
        (tmp_path / name).write_text("raise SystemExit('theirs')")
    (tmp_path / "bin").mkdir()
    for command, module in (("tinyface-build", "export.build"), ("tinyface-profiles", "profiles.__main__")):
        assert f'{command} = "{module}:main"' in (ROOT / "pyproject.toml").read_text()
        script = tmp_path / "bin" / command
        script.write_text(f"import sys\nfrom {module} import main\nsys.exit(main(['--help']))\n")
        done = python(str(script), cwd=tmp_path, path=ROOT)
        assert done.returncode == 0, done.stderr[-500:]
        assert "usage" in done.stdout


def test_what_is_there_is_not_asked_for() -> None:
    need("export", "testing", ("numpy", "pytest"))
