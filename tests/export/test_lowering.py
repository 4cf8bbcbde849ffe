"""The deployment layout is the student; it lowers to one delegate; what does not is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from random_students import lively, make_stream_checkpoint
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx.passes.infra.pass_base import PassBase

from distill.students.spec import load_variant
from export.load.golden import golden_speech, golden_windows
from export.lower import shortcuts
from export.lower.deploy import DeployedStudent
from export.lower.deploy_stream import DeployedStream
from export.lower.kernels import lower_kernels
from export.lower.program import export_program, lower
from export.lower.torchscript import torchscript
from export.quantise.rounding import golden_rows, quantise
from sdk.errors import VerificationError

SMALL = load_variant("s2", {"channels": 16, "fc_width": 24})


@pytest.mark.parametrize(
    ("gain", "offset"), [(1.0, 0.0), (0.0, 0.0), (1e-4, 0.0), (0.01, 0.9), (1.0, -0.5), (0.0, 1.0)]
)
def test_deployment_layout_is_the_student(gain: float, offset: float) -> None:
    student = lively(SMALL.build())
    windows = torch.from_numpy(golden_windows(8192)[::4, None]) * gain + offset
    with torch.no_grad():
        deployed = DeployedStudent(student)
        for window in windows:
            torch.testing.assert_close(deployed(window[None]), student(window[None]), atol=5e-5, rtol=0)


def test_deploying_leaves_the_student_alone() -> None:
    student = lively(SMALL.build())
    DeployedStudent(student)
    assert not student.first_norm.decompose
    assert student.first.weight.shape == (16, 1, 1, 10)


class Half(nn.Module):
    """Ends in an operator that the delegate does not take."""

    def forward(self, window: Tensor) -> Tensor:
        return torch.cumsum(torch.tanh(window * 2), -1)


def test_what_stays_outside_the_delegate_is_refused() -> None:
    with pytest.raises(VerificationError, match=r"does not lower whole.*cumsum"):
        lower({"forward": export_program(Half(), (torch.zeros(1, 1, 64),))})


def run_passes(methods: dict[str, ExportedProgram], monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, list[str]]:
    """The program, and the passes that ran for it, decompositions among them."""
    ran: list[str] = []

    def noting(usual: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Any, *rest: Any) -> Any:
            ran.append(type(self).__name__)
            return usual(self, *rest)

        return noted

    with monkeypatch.context() as patch:
        for place, name in ((PassBase, "__call__"), (ExportedProgram, "run_decompositions")):
            patch.setattr(place, name, noting(getattr(place, name)))
        return lower(methods).program, ran


def test_what_could_change_nothing_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a student in integers, whose first and last layers are float: all kinds of nodes that ours have."""
    deployed = DeployedStream(
        quantise(make_stream_checkpoint(front=[[24, 640, 320]], dilations=[]).student(), golden_rows(2))
    )

    def methods() -> dict[str, ExportedProgram]:  # lowering takes constants out of what it is given
        return {"forward": export_program(deployed, deployed.inputs(1))}

    found, ran = run_passes(methods(), monkeypatch)
    monkeypatch.setitem(shortcuts.WRITTEN_FOR, "executorch", "99.0")  # of another version nothing is known
    everything, every = run_passes(methods(), monkeypatch)
    assert found == everything, "to the byte"
    assert ran.count("ExportedProgram") < every.count("ExportedProgram"), "decomposed again and again"
    assert len(every) > 30
    assert len(ran) < 0.6 * len(every)


def test_what_only_decomposes_by_itself_is_lowered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flattened window and a linear layer: the one must be decomposed, the other must not."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh()).eval()

    def methods() -> dict[str, ExportedProgram]:
        return {"forward": export_program(net, (torch.zeros(1, 1, 64),))}

    found, _ = run_passes(methods(), monkeypatch)
    monkeypatch.setitem(shortcuts.WRITTEN_FOR, "executorch", "99.0")
    assert found == run_passes(methods(), monkeypatch)[0]


def test_a_plan_for_our_own_kernels_is_wrapped_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delegate that holds it is given to the exporter made, and none of its passes."""
    student = make_stream_checkpoint(front=[[24, 640, 320]], dilations=[]).student()
    found = lower_kernels(student).program
    monkeypatch.setitem(shortcuts.WRITTEN_FOR, "executorch", "99.0")
    assert found == lower_kernels(student).program


def test_a_pass_runs_for_the_operators_that_it_changes() -> None:
    from executorch.backends.xnnpack._passes import XNNPACKPassManager
    from executorch.exir.dialects._ops import ops
    from executorch.exir.passes import MemoryFormatOpsPass, base_pre_op_replace_passes
    from executorch.exir.passes.remove_mixed_type_operators import RemoveMixedTypeOperators

    graph, aten = torch.fx.Graph(), ops.edge.aten
    row = graph.placeholder("row")

    def acting(operator: Any, *arguments: Any, rank: int = 4) -> set[str]:
        node = graph.call_function(operator, arguments)
        node.meta["val"] = torch.empty((1,) * rank)
        return {name for name, may in shortcuts.ACTS_ON.items() if may(node)}

    named = {one.__name__ for one in XNNPACKPassManager(None).passes}
    named |= {one.__name__ for one in base_pre_op_replace_passes}
    assert set(shortcuts.ACTS_ON) <= named | {RemoveMixedTypeOperators.__name__, MemoryFormatOpsPass.__name__}
    assert acting(aten.cat.default, [row] * 6) == {"DecomposeConcatenate"}
    assert acting(aten.cat.default, [row] * 5) == set()
    assert acting(aten.convolution.default, row, rank=3) == {"Conv1dUnsqueezePass"}
    assert acting(aten.convolution.default, row) == set()
    assert acting(aten._native_batch_norm_legit_no_training.default, row) == {"FuseBatchNormPass", "DecomposeBatchNorm"}
    assert acting(aten.addmm.default, row) == acting(aten.bmm.default, row) == {"ConvertToLinearPass"}
    assert acting(aten._softmax.default, row) == {"ConvertToSDPAPass"}
    assert acting(aten.relu.default, row) == acting(aten.hardtanh.default, row) == {"FuseActivationPass"}
    either = acting(aten._prelu_kernel.default, row)
    assert either == {"PReLUReshapePass", "FuseActivationPass"}, "a name that holds another's: one pass in vain"
    assert acting(aten.max.dim, row) == {"RemoveGetItemPass"}
    assert acting(aten.maximum.default, row) == acting(aten.sigmoid.default, row) == set()
    assert acting(aten._to_copy.default, row) == {"RemoveRedundantCopyPass", "MemoryFormatOpsPass"}
    assert acting(ops.edge.dim_order_ops._to_dim_order_copy.default, row) == {"DimOrderOpsRevertPass"}
    assert acting(aten.full.default, [4], 1.0) == {"ConstPropPass"}
    assert acting(torch.ops.aten.t.default, row) == {"NormalizeTransposePass", "ReplaceBrokenOpsWithFunctionalOpsPass"}
    assert acting(aten.mul.Tensor, row, row) == {"RemoveMixedTypeOperators"}, "of unknown types"
    row.meta["val"] = torch.empty(4)
    assert acting(aten.mul.Tensor, row, row) == set()
    row.meta["val"] = torch.empty(4, dtype=torch.int64)
    assert acting(aten.mul.Tensor, row, row) == {"RemoveMixedTypeOperators"}
    quantised = ops.edge.quantized_decomposed.quantize_per_tensor.default
    assert acting(quantised, row) == set()
    row.meta["custom"] = {"quantised by": "somebody"}
    assert acting(quantised, row) == {"PropagateCustomMetaPass"}


def test_torchscript_is_the_student() -> None:
    student = lively(SMALL.build())
    window = torch.from_numpy(golden_windows(8192)[3])[None, None]
    loaded = torch.jit.load(io.BytesIO(torchscript(student)))
    with torch.no_grad():
        torch.testing.assert_close(loaded(window), student(window), atol=1e-5, rtol=0)


def test_golden_speech_is_the_same_everywhere_and_has_all_parts() -> None:
    speech = golden_speech()
    assert np.array_equal(speech, golden_speech())
    assert speech.dtype == np.float32
    assert np.abs(speech).max() == 1.0
    fifth = len(speech) // 5
    assert not speech[2 * fifth : 2 * fifth + 9000].any()
    assert abs(speech[3 * fifth : 4 * fifth].mean() - 0.2) < 0.05
    assert speech[:fifth].std() > 0.02


def test_one_tensor_for_two_inputs_is_refused() -> None:
    """The exporter would make one input of it: the talker's denoiser once took its features for the personal ones."""
    same = torch.zeros(1, 4)
    with pytest.raises(ValueError, match="two inputs"):
        export_program(torch.nn.Bilinear(4, 4, 2), (same, same))
