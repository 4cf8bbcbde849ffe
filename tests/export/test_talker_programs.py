"""A compact DiffusionTalker as programs: both say what torch says, and a budget that is too small is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill.files.teacher import Trained
from distill.teachers.diffusiontalker.network import Talker, TalkerSpec
from distill.teachers.diffusiontalker.teacher import FILE
from export.studies.talker.__main__ import main
from export.studies.talker.programs import cost_table, executorch, export, sampled, torchscript
from sdk.errors import BudgetExceeded, ConfigError
from sdk.rig import RigLayout

ARKIT = RigLayout.arkit()
SPEC = TalkerSpec("tiny", "compact", 0, 2, 16, 2, 12, 2, 6, 4, ["a"], ["neutral"], True, "rig", 6, "arkit")


@pytest.fixture(scope="module")
def trained() -> Trained[Talker]:
    torch.manual_seed(1)
    return Trained(FILE, SPEC, FILE.halved(Talker(SPEC, len(ARKIT)).state_dict()), ARKIT)


def test_both_programs_say_what_the_teacher_says(trained: Trained[Talker], tmp_path: Path) -> None:
    made = export(trained, tmp_path / "tiny", 1.0, 16_000_000)
    assert made.pt.stat().st_size > 10_000
    network = trained.network()
    audio = torch.randn(1, 16000) * 0.1
    noise = torch.randn(1, 30, 52)
    with torch.inference_mode():
        features = network.features(audio, made_reading())
        personal = network.personal(features, network.style(features))
        truth = network.normal(network.motion(features, personal, noise, 2))
    for call in (torchscript(made.pt), executorch(made.pte)):
        torch.testing.assert_close(sampled(call, made, audio, noise), truth, atol=2e-3, rtol=0)
    told = cost_table(made, 1)
    assert "| ExecuTorch |" in told
    assert "real time" in told
    made.check(made.counted_bytes, "tiny")
    with pytest.raises(BudgetExceeded, match=r"tiny needs .* for calls of 1 s, the budget is .*: planned "):
        made.check(made.counted_bytes - 1, "tiny")


def made_reading() -> torch.Tensor:
    from distill.teachers.diffusiontalker.ears import frame_weights

    return frame_weights(50, 30)


def test_a_budget_that_is_too_small_and_a_talker_that_is_too_large_are_refused(
    trained: Trained[Talker], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.teacher"
    trained.save(path)
    assert main([str(path), "--seconds", "1", "--budget", "100KB", "--out", str(tmp_path / "x")]) == 2
    assert "BudgetExceeded: tiny needs 1.8 MB for its weights alone" in capsys.readouterr().err
    assert not (tmp_path / "x.pte").exists()
    spec = replace(SPEC, personal=False)
    plain = Trained(FILE, spec, FILE.halved(Talker(spec, len(ARKIT)).state_dict()), ARKIT)
    with pytest.raises(ConfigError, match="no compact ears or no personalizer"):
        export(plain, tmp_path / "y", 1.0, 16_000_000)
