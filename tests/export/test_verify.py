"""Verification runs every method of a file: what a single voice hears, and what voices hear together."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from random_students import make_stream_checkpoint

from distill.students.stream import StreamStudent
from export.deliver.manifest import manifest
from export.lower.deploy_stream import CROWD_VOICES, DeployedStream
from export.lower.program import export_program, lower
from export.lower.torchscript import torchscript
from export.quantise.precision import float_point
from export.verify.proof import TOLERANCE, verify
from sdk.artifact import seal
from sdk.errors import VerificationError


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
