"""A TorchScript file is a program of whoever made it: none runs unasked, and none may reach outside itself."""

from __future__ import annotations

import dataclasses
import io
import warnings
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import sdk
from sdk.__main__ import main
from sdk.artifact import open_artifact, seal
from sdk.engines._allowed import checked_program
from sdk.errors import ArtifactError

torch = pytest.importorskip("torch", reason="torch makes the programs under test")

WRITES = """
def forward(self, window: Tensor) -> Tensor:
    other = torch.from_file("{path}", True, 4)
    other.fill_(7.0)
    return window.reshape(1, -1)[:, :{channels}] + other[0]
"""
HIDDEN = """
def forward(self, window: Tensor) -> Tensor:
    for _ in range(1):
        if window.size(0) > 0:
            torch.manual_seed(1)
    return window.reshape(1, -1)[:, :{channels}]
"""


@pytest.fixture
def hostile(sealed: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Makes a sealed `.pt` whose manifest is that of a good one, with a program of these lines."""
    facts = open_artifact(sealed["torchscript"]).manifest

    def make(source: str) -> Path:
        module = type(f"Made{len(source)}", (torch.jit.ScriptModule,), {})()
        module.define(source.format(path=tmp_path / "victim", channels=len(facts.names)))
        torch.jit.save(module, str(tmp_path / "raw.pt"))
        path = tmp_path / "model.pt"
        path.write_bytes(seal((tmp_path / "raw.pt").read_bytes(), facts))
        return path

    return make


def test_no_torchscript_unasked(sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ArtifactError, match="trusted=True"):
        sdk.open(sealed["torchscript"])
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(bytes(3200))
    words = ["animate", str(sealed["torchscript"]), str(tmp_path / "a.wav"), "--out", str(tmp_path / "a.csv")]
    assert main(words) == 2
    assert "--trust" in capsys.readouterr().err
    assert main([*words, "--trust"]) == 0
    assert sdk.open(sealed["torchscript"], trusted=True).manifest.runtime == "torchscript"


@pytest.mark.parametrize("source", [WRITES, HIDDEN], ids=["from_file", "hidden in a loop"])
def test_a_program_that_reaches_outside_is_refused_before_it_runs(
    source: str, hostile: Callable[[str], Path], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious, sixteen bytes or more")
    with pytest.raises(ArtifactError, match="refused: no student"):
        sdk.open(hostile(source), trusted=True)
    assert victim.read_bytes() == b"precious, sixteen bytes or more"


CODE = "code/__torch__/made.py"
LINES = """class Made(Module):
  def forward(self: __torch__.made.Made,
    x: Tensor) -> Tensor:
    other = torch.from_file("VICTIM", True, 4)
    return torch.add(other, x)
"""
AT_LOADING = "  def __setstate__(self, n: int) -> None:\n    torch.relu(n)\n  def forward"
WAYS = {  # of saying the same so that a reader who looks for the words sees nothing
    "as a method of a string": {CODE: LINES.replace('torch.from_file("VICTIM", ', '"VICTIM".from_file(')},
    "by another name": {CODE: LINES.replace("torch.from_file(", "open_it = torch.from_file\n    other = open_it(")},
    "as an operator": {CODE: LINES.replace("torch.from_file", "ops.aten.from_file")},
    "in a file of another case": {CODE.upper().replace("CODE/__TORCH__", "code/__torch__"): LINES},
    "in a file without its suffix": {CODE[:-3]: LINES},
    "while it loads": {CODE: LINES.replace("  def forward", AT_LOADING).replace("from_file", "relu")},
    "in a record that stands twice": {CODE: LINES, CODE + " ": LINES.replace("from_file", "relu")},
    "by a class of PyTorch's own": {"data.pkl": b"\x80\x02c__torch__.torch.classes.rnn\nCellParamsBase\n."},
    "by a type of Python": {"constants.pkl": b"\x80\x02cposix\nsystem\n."},
    "in bytecode": {"bytecode.pkl": b"\x80\x02."},
    "without an end": {CODE: LINES.replace("    other", "    while True:\n      y = 1\n    other")},
}


@pytest.mark.parametrize("way", WAYS)
def test_no_other_way_in(way: str, sealed: dict[str, Path], tmp_path: Path) -> None:
    good, facts, victim = sealed["torchscript"], open_artifact(sealed["torchscript"]).manifest, tmp_path / "victim"
    victim.write_bytes(b"precious, sixteen bytes or more")
    made = io.BytesIO()
    with zipfile.ZipFile(good) as whole, zipfile.ZipFile(made, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that stands twice
        for entry in whole.infolist():
            if entry.filename.partition("/")[2] not in WAYS[way]:
                archive.writestr(entry.filename, whole.read(entry))
        for name, text in WAYS[way].items():
            data = text if isinstance(text, bytes) else text.replace("VICTIM", str(victim)).encode()
            archive.writestr("archive/" + name.strip(), data)
    path = tmp_path / "model.pt"
    path.write_bytes(seal(made.getvalue(), facts))
    with pytest.raises(ArtifactError, match="refused: no student"):
        sdk.open(path, trusted=True)
    assert victim.read_bytes() == b"precious, sixteen bytes or more"


def test_what_is_loaded_is_what_was_read(sealed: dict[str, Path]) -> None:
    with checked_program(sealed["torchscript"]) as program:
        anew = zipfile.ZipFile(program).namelist()
    assert any(name.endswith(".py") for name in anew)
    assert not any(name.endswith("debug_pkl") for name in anew)


def test_a_program_of_another_runtime_than_it_says_is_refused(sealed: dict[str, Path], tmp_path: Path) -> None:
    """Trust is asked by the manifest: a TorchScript program under ExecuTorch's name would run unasked."""
    for runtime, other in (("torchscript", "executorch"), ("executorch", "torchscript")):
        there = open_artifact(sealed[runtime])
        path = tmp_path / f"{other}.pt"
        path.write_bytes(seal(there.read_program(), dataclasses.replace(there.manifest, runtime=other)))
        with pytest.raises(ArtifactError, match=f"runs on {other}, and its program is one for {runtime}"):
            sdk.open(path, trusted=True)
