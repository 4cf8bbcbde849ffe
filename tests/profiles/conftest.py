"""Small artefacts for the ruler to measure: a window student as a `.pte` and as a `.pt`, and a stream student."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
import torch
from known import HOP, WINDOW, Echo, Known, facts
from made_once import made_once

from sdk.artifact import seal


@pytest.fixture(scope="session")
def known_pte(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("executorch.exir", reason="executorch builds the programs under test")
    from export.lower.program import export_program, lower

    def lowered(_: Path) -> bytes:
        return lower({"forward": export_program(Known().eval(), (torch.zeros(1, 1, WINDOW),))}).program

    _, program = made_once(tmp_path_factory, "known-program", lowered)
    path = tmp_path_factory.mktemp("known") / "model.pte"
    path.write_bytes(seal(program, facts()))
    return path


@pytest.fixture(scope="session")
def known_pt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.jit.save(torch.jit.freeze(torch.jit.trace(Known().eval(), torch.zeros(1, 1, WINDOW))), buffer)
    path = tmp_path_factory.mktemp("known") / "model.pt"
    path.write_bytes(seal(buffer.getvalue(), facts(runtime="torchscript")))
    return path


@pytest.fixture(scope="session")
def echo_pt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream student, in torch."""
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.jit.save(torch.jit.trace(Echo().eval(), (torch.zeros(1, 1, HOP), torch.zeros(1, 1))), buffer)
    path = tmp_path_factory.mktemp("echo") / "model.pt"
    manifest = dataclasses.replace(facts("stream", "torchscript"), crowd_voices=0)
    path.write_bytes(seal(buffer.getvalue(), manifest))
    return path
