"""Plans that no training can go by are refused by name, and a run that loses its weights ends before it keeps them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_corpus import SMALL

from distill.recipes.styled_student import StylePlan
from distill.recipes.table4 import ComponentsPlan
from distill.students.spec import load_variant
from distill.training.codetalker import CodeTalkerPlan
from distill.training.plan import Plan
from distill.training.run import Run
from distill.training.talker import TalkerPlan
from distill.training.voice2face.plan import Voice2FacePlan
from sdk.errors import ConfigError

PLANS = (Plan, Voice2FacePlan, TalkerPlan, CodeTalkerPlan, ComponentsPlan, StylePlan)
NUMBERS = [
    (plan, field.name, type(field.default))
    for plan in PLANS
    for field in dataclasses.fields(plan)
    if isinstance(field.default, int | float)
]


@pytest.mark.parametrize(("plan", "name", "kind"), NUMBERS, ids=lambda value: getattr(value, "__name__", value))
def test_no_number_of_a_plan_is_negative_or_none(plan: Any, name: str, kind: type) -> None:
    for value in (kind(-1), math.nan, math.inf):
        with pytest.raises(ConfigError, match=rf"{name} is {value}"):
            plan(**{name: value})


@pytest.mark.parametrize("name", ["batch", "frames", "exact_batch", "exact_frames", "rows", "row_hops"])
def test_what_is_counted_is_there(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0, which is not 1 or more"):
        Plan(**{name: 0})


def test_shares_and_stretches_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="mix_human is 2, which is not 0 to 1; ema is 2, which is not 0 to 1"):
        Plan(mix_human=2, ema=2)
    with pytest.raises(ConfigError, match="100000 windows is longer than a minute"):
        Plan(frames=100_000)
    with pytest.raises(ConfigError, match="no steps trains nothing"):
        Plan(steps=0, exact_steps=0)


def test_a_run_that_loses_its_weights_keeps_none(tmp_path: Path) -> None:
    """It ended with status 0 and wrote 54 tensors of no numbers."""
    spec = load_variant("s8", SMALL)
    student = spec.build()
    run = Run.begin(spec, Plan(steps=3, rows=1, row_hops=4), student, tmp_path / "s8.pt", {})

    def loss(_: Any, step: int) -> torch.Tensor:
        return sum(weight.sum() for weight in student.parameters()) * (math.nan if step else 1e-3)

    with pytest.raises(ConfigError, match=r"the loss of step 1 is nan: .* smaller --learning-rate"):
        run.go(3, loss, lambda step: 1e-3, draw=lambda random, step: np.zeros(1), save_every_s=0)
    kept = Run.begin(spec, Plan(steps=3, rows=1, row_hops=4), spec.build(), tmp_path / "s8.pt", {})
    assert kept.step == 1
    assert all(torch.isfinite(value).all() for value in kept.average.values())
