"""Backends of other machines: exported, labelled as unproved where they cannot run here, refused where they cannot."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
from pathlib import Path

import pytest
import torch
from random_students import make_checkpoint, make_stream_checkpoint

import sdk
from distill.files.checkpoint import Checkpoint
from distill.students.spec import Student
from export.build import main
from export.foreign import build_foreign
from export.load.checkpoints import Wanted
from export.lower.backends import base
from export.lower.deploy import deploy
from export.lower.torchscript import torchscript
from export.lower.trace import trace_forward
from sdk.errors import ArtifactError, ConfigError, EngineUnavailable


@pytest.fixture(scope="module")
def brooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("brooks")
    make_stream_checkpoint(front=[[24, 640, 320]]).save(folder / "s6.pt")  # one layer of each kind
    make_checkpoint("s2", 8, 0.7).save(folder / "s2.pt")
    return folder


@pytest.mark.parametrize("name", [name for name in base.backend_names() if base.load_backend(name).rows is None])
def test_each_exports_here_or_says_why_not(name: str, brooks: Path, tmp_path: Path) -> None:
    """What cannot run here says so in report and manifest, and the sdk refuses to play it."""
    backend = base.load_backend(name)
    student = "s6" if "stream" in backend.families else "s2"
    if backend.missing():
        with pytest.raises(EngineUnavailable, match=f"backend {name} cannot export here"):
            build_foreign(name, tmp_path / "out", Wanted(student, checkpoints=brooks))
        assert list(tmp_path.iterdir()) == []
        return
    report = build_foreign(name, tmp_path / "out", Wanted(student, checkpoints=brooks))
    manifest = sdk.open_artifact(tmp_path / "out" / "model.pte").manifest
    assert (manifest.backend, manifest.student) == (name, student)
    assert report["choice"]["backend"] == name
    assert not list((tmp_path / "out").glob("model.pt"))
    if name == "vulkan":
        file = report["files"]["model.pte"]
        assert (student, file["delegates"], file["outside_delegate"]) == ("s6", 1, 0), "it takes a stream whole"
    why_not = base.cannot_run(backend)
    assert report["verification"]["verified"] is not bool(why_not)
    if why_not:
        assert report["verification"]["why"] == why_not
        assert report["memory"]["counted_bytes"] is None
        assert manifest.tools["verified"] == f"no: {why_not}"
        assert "verified | no: " in (tmp_path / "out" / "model.md").read_text("utf-8")
        with pytest.raises((ArtifactError, EngineUnavailable), match=r"cannot load it|made for our own kernels"):
            sdk.open(tmp_path / "out" / "model.pte")
    if backend.rounds_itself:
        assert (manifest.precision, manifest.scores) == ("int8", {})
        assert manifest.training["parent_sha256"] == manifest.weights_sha256


def test_what_vulkan_lacks_is_rewritten(brooks: Path) -> None:
    """The one operator that shaders lack is rewritten, to the same numbers: so one delegate took all, further up."""
    from export.lower.backends.vulkan import without_maximum

    student = Checkpoint.load(brooks / "s6.pt").student()
    exported = trace_forward(student)
    rewritten = without_maximum(exported)
    names = {str(node.target) for node in rewritten.graph.nodes if node.op == "call_function"}
    assert not [name for name in names if "maximum" in name]
    assert "aten.maximum" in str(exported.graph)
    torch.manual_seed(1)
    hop, *state = export_inputs(student)
    for one, two in zip(exported.module()(hop, *state), rewritten.module()(hop, *state), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)


def export_inputs(student: Student) -> list[torch.Tensor]:
    inputs = deploy(student).inputs(1)
    return [torch.randn_like(tensor).abs() * 0.1 for tensor in inputs]


def test_a_precision_or_family_that_it_does_not_take(
    brooks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="backend vulkan takes fp32, not int8"):
        build_foreign("vulkan", tmp_path / "out", Wanted("s2", precision="int8", checkpoints=brooks))
    only = dataclasses.replace(base.load_backend("vulkan"), families=("window",))
    monkeypatch.setattr("export.foreign.exportable", lambda name: only)
    with pytest.raises(ConfigError, match="takes window students only"):
        build_foreign("vulkan", tmp_path / "out", Wanted("s6", checkpoints=brooks))
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QNN_SDK_ROOT", raising=False)
    assert main(["--backend", "qnn", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "EngineUnavailable: backend qnn cannot export here: " in said
    assert "QNN_SDK_ROOT" in said
    assert main(["--backend", "vulkan"]) == 2
    assert "--out FOLDER" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_absent_is_named() -> None:
    assert base.without("json", remedy="x") == ""
    assert base.without("json", "no_such_module.at_all", "nothing_like_it", remedy="fetch them") == (
        "no_such_module.at_all, nothing_like_it not installed: fetch them"
    )


def test_openvino_runs_where_it_is_installed(brooks: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("openvino") is None or importlib.util.find_spec("nncf") is None:
        pytest.skip("openvino and nncf are not installed: the extra openvino brings them")
    report = build_foreign("openvino", tmp_path / "out", Wanted("s2", checkpoints=brooks))
    assert report["verification"]["verified"]
    assert report["verification"]["max_abs_error"]["model.pte"] < 0.15


def bound_to_a_device(program: bytes) -> list[str]:
    """Nodes of a TorchScript graph that name a device: what they make would not follow the module to another one."""
    graph = torch.jit.load(io.BytesIO(program)).inlined_graph
    every = [node for block in graph.findAllNodes("prim::If") for inner in block.blocks() for node in inner.nodes()]
    every += list(graph.nodes())
    return [str(node).strip() for node in every if any(out.type().kind() == "DeviceObjType" for out in node.outputs())]


def test_a_float_torchscript_is_bound_to_no_device(brooks: Path) -> None:
    """Read, not run, where there is no graphics card: every tensor comes from the inputs or moves with the weights."""

    class Bound(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.rand(3, device=torch.device("cpu"))

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.trace(Bound().eval(), torch.zeros(3), check_trace=False)), buffer)
    assert bound_to_a_device(buffer.getvalue()), "the reading finds what is bound"
    for name in ("s2", "s6"):
        student = Checkpoint.load(brooks / f"{name}.pt").student()
        program = torchscript(student)
        assert bound_to_a_device(program) == []
        if torch.cuda.is_available():
            inputs = [tensor.cuda() for tensor in export_inputs(student)]
            found = torch.jit.load(io.BytesIO(program), map_location="cuda")(*inputs)
            assert all(one.is_cuda for one in (found if isinstance(found, tuple) else (found,)))
