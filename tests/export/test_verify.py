"""Verification runs every method of a file: what a single voice hears, and what voices hear together."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from random_students import make_checkpoint, make_stream_checkpoint

from distill.students.stream import StreamStudent
from export.deliver.manifest import manifest
from export.lower.deploy_stream import CROWD_VOICES, DeployedStream
from export.lower.program import export_program, lower
from export.lower.torchscript import torchscript
from export.quantise.precision import float_point
from export.verify import proof, styles
from export.verify.proof import TOLERANCE, verify
from sdk.artifact import seal
from sdk.clock import FrameClock
from sdk.errors import VerificationError
from sdk.manifest import SCHEMA, Manifest
from sdk.rig import Frame


def nothing(wanted: Any) -> np.ndarray:
    return np.full((len(wanted), 52), np.nan, np.float32)


def test_frames_that_are_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN is not above what is allowed; it is not within it either."""
    student = make_checkpoint("s2", 8, None).student()
    monkeypatch.setattr(
        proof, "_replayed", lambda _, heard: [{how: nothing(windows) for how, windows in one.items()} for one in heard]
    )
    with pytest.raises(VerificationError, match=r"model\.pte by nan \(alone\)"):
        verify({Path("model.pte"): student})


class Style:
    """A native voice that says NaN in one style, and what its student says, zeros, in the others."""

    def __init__(self, _: object) -> None:
        self.worn = 0.0

    def style(self, sadness: float = 0.0, **_: float) -> None:
        self.worn = np.nan * sadness if sadness else 0.0

    def push(self, audio: np.ndarray) -> list[Frame]:
        frames = FrameClock.at(30).frames_before(len(audio))
        return [Frame(k, 0, np.full(2, self.worn, np.float32), STYLED.layout) for k in range(frames)]


STYLED = Manifest(
    SCHEMA, "toy", "stream", "executorch", "tinyface", "fp32", 16000, 320, 0, [[1, 1, 1], [2, 1, 1]], 0, [30, 1], [],
    "zeros", ["jawOpen", "browDownLeft"], [0, 0], [1, 1], [0, 0], 1, "", {}, {"styles": ["sadness", "anger"]}, {},
)  # fmt: skip


def test_a_style_that_says_no_numbers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own kernels' values are not looked at on their way out, as those of other engines are."""

    class Silent(torch.nn.Module):
        neutral = torch.nn.Identity()

        def step(self, hop: torch.Tensor, state: Any) -> Any:
            return torch.zeros(1, 2), state

    (tmp_path / "model.pte").touch()
    monkeypatch.setattr(styles, "open_artifact", lambda _: SimpleNamespace(manifest=STYLED))
    monkeypatch.setattr(styles, "NativeModel", lambda _: None)
    monkeypatch.setattr(styles, "NativePredictor", Style)
    with pytest.raises(VerificationError, match=r"model\.pte says other than the student: values differ by nan"):
        styles.verify_styles(tmp_path, Silent(), print)  # type: ignore[arg-type]


def test_a_crowd_that_says_something_else_is_refused(tmp_path: Path) -> None:
    checkpoint = make_stream_checkpoint(front=[[24, 640, 320]], dilations=[])
    student = checkpoint.student()
    assert isinstance(student, StreamStudent)
    wrong = copy.deepcopy(student)
    with torch.no_grad():
        wrong.fc3.weight.neg_()
    single = DeployedStream(student)
    facts = manifest(checkpoint, float_point(checkpoint), "executorch", "xnnpack", True)
    for name, together in (("good", student), ("bad", wrong)):
        crowd = export_program(DeployedStream(together), single.inputs(CROWD_VOICES))
        program = lower({"forward": export_program(single, single.inputs(1)), "crowd": crowd}).program
        (tmp_path / f"{name}.pte").write_bytes(seal(program, facts))
    pt = tmp_path / "model.pt"
    pt.write_bytes(seal(torchscript(student), manifest(checkpoint, float_point(checkpoint), "torchscript", "cpu")))
    errors = verify({tmp_path / "good.pte": student, pt: student})
    assert set(errors) == {"good.pte", "model.pt"}
    assert max(errors.values()) < TOLERANCE
    with pytest.raises(VerificationError) as caught:
        verify({tmp_path / "bad.pte": student})
    said = str(caught.value)
    assert "alone" not in said, "one by one it is right"
    for voices in (CROWD_VOICES - 1, CROWD_VOICES, CROWD_VOICES + 1):
        assert f"({voices} voices)" in said
