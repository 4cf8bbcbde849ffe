"""The README's code runs as it stands, on a freshly built artefact."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from export.build import main as build
from runtime_examples.animate.__main__ import main as animate

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


def animated(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says of the `.pte`, in a process of its own, and of the `.pt`, here, where torch is loaded."""
    if words[0].endswith(".pt"):
        assert animate(words) == 0
        return capsys.readouterr().out
    command = [sys.executable, "-m", "runtime_examples.animate", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_animates_its_sentence(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both artefacts of the default student shut the lips on the bundled sentence, and leave files to look at."""
    for artefact in ("model.pte", "model.pt"):
        out = demo / artefact.replace(".", "_")
        said = animated([str(demo / "build/demo" / artefact), "--trust", "--out", str(out)], capsys)
        found = re.search(r"lips shut on (\d+) of (\d+)", said)
        assert found, said
        assert int(found[1]) >= 0.8 * int(found[2])
        assert (out / "picture.png").stat().st_size > 50_000
        assert len((out / "frames.csv").read_text().splitlines()) > 100


COMMANDS = sorted(set(re.findall(r"python -m ([\w.]+)", README)))
ASK = """
import contextlib, io, json, runpy, sys
found = {}
for module in sys.argv[1:]:
    sys.argv, said, status = [module, "--help"], io.StringIO(), 0
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code or 0
        except Exception as error:
            status = repr(error)
    found[module] = status, said.getvalue()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[int | str, str]]:
    """(exit status, words) of each, asked for help: in one process, since each would import for seconds."""
    command = [sys.executable, "-W", "ignore", "-c", ASK, *COMMANDS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize("module", COMMANDS)
def test_commands_that_it_names_answer(answers: dict[str, tuple[int | str, str]], module: str) -> None:
    status, said = answers[module]
    assert status == 0, status
    assert "usage" in said
