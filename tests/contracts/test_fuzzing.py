"""A small campaign of damaged files in every run, and all that ever escaped again: `make fuzz` is the large one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzzing import KEPT, TARGETS, campaign, check

ROOT = Path(__file__).resolve().parents[2]
NEEDS = {"yaml": "yaml", "sound": "soundfile"}
SMALL = [
    name for name in TARGETS if name != "checkpoint"
]  # whose bits are flipped by tests/distill/test_sealed_files.py
KEPT_FILES = sorted(path for path in KEPT.glob("*/*") if path.parent.name in TARGETS)


@pytest.mark.parametrize("name", SMALL)
def test_damaged_files_end_in_our_own_error(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="what reads these files is not installed")
    campaign(TARGETS[name], 200)


@pytest.mark.parametrize("path", KEPT_FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_escaped_once_does_not_again(path: Path) -> None:
    check(TARGETS[path.parent.name], path.read_bytes())


def test_what_escapes_at_length_is_kept_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that fails at `Ja`, which lines that it reaches on the way lead to, and then none that fails."""
    pytest.importorskip("atheris", reason="optional extra `fuzz`")
    (tmp_path / "ears.py").write_text("""
def read(path, fails):
    words = path.read_bytes()
    if words[:1] == b"J":
        if words[1:2] == b"a":
            if fails:
                raise KeyError("Ja")
""")
    lines = """
from pathlib import Path
from tests import guided
from tests.fuzzing import Target

guided.TARGETS["face"] = Target(".txt", lambda: [b"jaw"], lambda path: __import__("ears").read(path, FAILS))
guided.OURS, guided.KEPT, guided.FOUND, guided.ROOT = ("ears",), Path("kept"), Path("found"), Path()
guided.hunt("face", 1 if FAILS else 0.02)
"""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for fails, words in (("True", "KeyError: 'Ja'; kept as kept/face/"), ("False", "nothing escaped")):
        run = subprocess.run([sys.executable, "-c", lines.replace("FAILS", fails)], cwd=tmp_path, text=True,
                             capture_output=True, check=False)  # fmt: skip
        assert words in run.stdout, run.stderr
        assert run.returncode == (fails == "True")
    (kept,) = (tmp_path / "kept/face").iterdir()
    assert kept.read_bytes()[:2] == b"Ja"
    assert "(so far " in run.stdout
