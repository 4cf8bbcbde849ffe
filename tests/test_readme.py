"""The README's code runs as it stands, on a freshly built artefact."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from export.build import main as build

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` exports first, in a working folder of its own."""
    folder = tmp_path_factory.mktemp("readme")
    assert build(["--budget", "8MB", "--out", str(folder / "build/demo")]) == 0
    return folder


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_blocks_run(demo: Path, block: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{block}"
    done = subprocess.run([sys.executable, "-c", code], cwd=demo, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_demo_animates_its_sentence(demo: Path) -> None:
    """Both artefacts of the default student shut the lips on the bundled sentence, and leave files to look at."""
    for artefact in ("model.pte", "model.pt"):
        out = demo / artefact.replace(".", "_")
        command = [
            sys.executable,
            "-m",
            "runtime_examples.animate",
            str(demo / "build/demo" / artefact),
            "--trust",
            "--out",
            str(out),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = re.search(r"lips shut on (\d+) of (\d+)", done.stdout)
        assert found, done.stdout
        assert int(found[1]) >= 0.8 * int(found[2])
        assert (out / "picture.png").stat().st_size > 50_000
        assert len((out / "frames.csv").read_text().splitlines()) > 100


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", README))))
def test_commands_that_it_names_answer(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout
