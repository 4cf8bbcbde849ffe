"""A build that is stopped from outside, or given what it cannot use: a clear word, and nothing half made left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from random_students import Built, make_checkpoint, make_stream_checkpoint

import sdk
from distill.files.twin import twin_path
from export.build import main
from export.quantise.rounding import post_training
from sdk.artifact import Artifact, seal
from sdk.errors import ManifestError

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("[4/6] lower", "[5/6] measure", "[6/6] verify")


@pytest.mark.parametrize(
    ("number", "stage"), [(signal.SIGINT, STAGES[0]), (signal.SIGTERM, STAGES[1]), (signal.SIGTERM, STAGES[2])]
)
def test_a_signal_in_the_middle_leaves_what_was_there(tmp_path: Path, number: signal.Signals, stage: str) -> None:
    """The real command in a process of its own, over an earlier build."""
    make_checkpoint("s2", 8, 0.8).save(tmp_path / "s2.pt")
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.pte").write_bytes(b"an earlier build")
    command = [sys.executable, "-W", "ignore", "-m", "export.build", "--budget", "8MB", "--out", str(out)]
    command += ["--checkpoint", str(tmp_path / "s2.pt"), "--backend", "xnnpack"]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in what a background job starts
    )  # fmt: skip
    assert process.stderr
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith(stage):
            time.sleep(0.3)
            process.send_signal(number)
            break
    said += process.stderr.read()
    # CPython ends by the signal itself where it hit code run by exec(), as torch does; a shell calls both 130
    assert process.wait(120) in (130, -signal.SIGINT), said
    assert "interrupted; nothing was written" in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "s2.pt"]
    assert [path.name for path in out.iterdir()] == ["model.pte"]
    assert (out / "model.pte").read_bytes() == b"an earlier build"


@pytest.mark.parametrize("how", ["schema", "altered", "twin of another rig", "twin schema"])
def test_what_is_not_of_this_version_or_rig_is_named(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "s6.pt", tmp_path / "out"
    parent = make_stream_checkpoint()
    parent.save(file)
    if how == "schema":
        torch.save(torch.load(file, weights_only=True) | {"schema": 99}, file)
        says = "checkpoint schema 99; this version reads 1"
    elif how == "altered":
        raw = torch.load(file, weights_only=True)
        raw["state"]["fc3.bias"] += 1
        torch.save(raw, file)
        says = "do not match their SHA-256"
    else:
        twin = post_training(parent)
        twin.save(twin_path(file))
        raw = torch.load(twin_path(file), weights_only=True)
        if how == "twin schema":
            raw["schema"], says = 99, "schema 99; this version reads 1"
        else:
            rig = tmp_path / "rig.txt"
            rig.write_text("jaw\nlips\n")
            make_stream_checkpoint(rig=str(rig)).save(file)
            says = "twin of other weights"
        torch.save(raw, twin_path(file))
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["--budget", "8MB", "--checkpoint", str(file), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "CheckpointError: " in said
    assert says in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_manifest_of_another_version_is_refused(built: Built, tmp_path: Path) -> None:
    artefact: Artifact = sdk.open_artifact(built.out / "model.pte")
    program, facts = artefact.read_program(), json.loads(artefact.manifest.to_json())

    class Foreign:
        def __init__(self, **changes: object) -> None:
            self.changes = changes

        def to_json(self) -> str:
            return json.dumps(facts | self.changes)

    path = tmp_path / "model.pte"
    path.write_bytes(seal(program, Foreign(schema=facts["schema"] + 1)))  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match=rf"schema {facts['schema'] + 1} \(this version reads {facts['schema']}\)"):
        sdk.open(path)
    path.write_bytes(seal(program, Foreign(colour="blue")))  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match=r"colour.*Export the artefact again"):
        sdk.open(path)


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_checkpoint("s2", 8, 0.8).save(tmp_path / "s2.pt")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    arguments = ["--budget", "8MB", "--checkpoint", str(tmp_path / "s2.pt"), "--backend", "xnnpack"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert "DataError: cannot write model.pte: No space left on device; nothing was changed" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["s2.pt"]
