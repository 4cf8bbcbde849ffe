"""Private names: our libraries beside another executorch in one process, each with its own runtime, both right."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdk.c import private
from sdk.c.private import RenameFailed, find_patchelf, main, make_private
from sdk.errors import EngineUnavailable

ROOT = Path(__file__).resolve().parents[2]
# Plays one take through ExecuTorch's Python runtime and through the library, in the order asked; says how far apart the
# frames are, before and after the other was there, and which runtime libraries the process holds.
TOGETHER = """
import json, sys
import numpy as np, sdk
artifact, library, first = sys.argv[1:]
audio = np.random.default_rng(3).normal(0, 0.1, 16000).astype(np.float32)
def python():
    return np.array([f.values for f in sdk.predict(artifact, audio)])
def native():
    voice = sdk.NativePredictor(sdk.NativeModel(artifact, library))
    return np.array([f.values for f in voice.push(audio) + voice.finish()])
order = [python, native] if first == "python" else [native, python]
alone = order[0]()
other, again, last = order[1](), order[0](), order[1]()
maps = {line.split()[-1] for line in open("/proc/self/maps") if "libexecutorch.so" in line or "executorch.so" in line}
print(json.dumps({
    "apart": float(np.abs(alone - other).max()),
    "moved": float(max(np.abs(alone - again).max(), np.abs(other - last).max())),
    "spread": float(alone.std(axis=0).max()), "maps": sorted(maps),
}))
"""


@pytest.fixture(scope="module")
def private_folder(built_native: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        find_patchelf()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("private")
    assert main_says(built_native / "lib", folder) == 0
    return folder


def main_says(folder: Path, out: Path) -> int:
    """The command, run in this process."""
    before = sys.argv
    sys.argv = ["private", str(folder), "--out", str(out)]
    try:
        return main()
    finally:
        sys.argv = before


def together(artifact: Path, library: Path, first: str) -> dict[str, Any]:
    command = [sys.executable, "-c", TOGETHER, str(artifact), str(library), first]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("first", ["python", "native"])
def test_two_runtimes_stand_side_by_side(first: str, private_folder: Path, any_kind: Path) -> None:
    said = together(any_kind, private_folder, first)
    assert said["spread"] > 0.01, "the student answers to what it hears"
    assert said["apart"] <= 1e-4
    assert said["moved"] == 0, "neither disturbs the other"
    ours = [path for path in said["maps"] if Path(path).parent == private_folder]
    assert [Path(path).name for path in ours] == ["libframe_stream_executorch.so"]
    assert len(said["maps"]) == 2, "and the wheel's own"


def test_without_private_names_the_first_runtime_is_taken(built_native: Path, brook: Path) -> None:
    """Why the names are needed: the loader knows a library by its name alone."""
    said = together(brook, built_native / "lib", "python")
    assert len(said["maps"]) == 1
    assert not said["maps"][0].startswith(str(built_native))


def test_nothing_but_names_changes(private_folder: Path, built_native: Path) -> None:
    reader = shutil.which("readelf")
    if not reader:
        pytest.skip("readelf is not installed")
    files = sorted(private_folder.iterdir())
    assert [file.name for file in files if "executorch" not in file.name] == ["libframe_stream.so"]
    for file in files:
        said = subprocess.run([reader, "-d", file], capture_output=True, text=True, check=True).stdout
        assert "[libexecutorch" not in said
        if file.name != "libframe_stream.so":
            assert f"soname: [{file.name}]" in said
        plain = built_native / "lib" / file.name.replace("libframe_stream_", "lib")
        assert symbols(reader, file) == symbols(reader, plain)


def symbols(reader: str, file: Path) -> list[str]:
    """What a library gives and takes, by name."""
    said = subprocess.run([reader, "-W", "--dyn-syms", file], capture_output=True, text=True, check=True).stdout
    names = [line.split()[7] for line in said.splitlines() if len(line.split()) > 7]
    assert len(names) > 20
    return names


def test_what_cannot_be_renamed_is_said(
    tmp_path: Path, built_native: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(private.shutil, "which", lambda *_, **__: None)
    assert main_says(built_native / "lib", tmp_path / "out") == 77  # as all builders end that lack a tool: skipped
    assert "skipped: patchelf is not installed: apt install patchelf" in capsys.readouterr().err
    monkeypatch.undo()
    try:
        find_patchelf()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    with pytest.raises(RenameFailed, match=r"holds no libframe_stream\.so with the runtime beside it"):
        make_private(tmp_path, tmp_path / "out")
    (tmp_path / "libframe_stream.so").write_text("text")
    (tmp_path / "libexecutorch.so").write_text("text")
    with pytest.raises(RenameFailed, match="patchelf cannot rename it"):
        make_private(tmp_path, tmp_path / "out")
