"""A training run: the student, the average of its weights, the optimiser, and how to go on from a killed one.

Every step draws from a seed of its own, so a resumed run sees the batches that an unbroken one would have seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill.data.files import atomic_open
from distill.students.spec import Student, StudentSpec
from distill.teachers.bidirectional import Bidirectional, TeacherSpec
from sdk.errors import CheckpointError

SAVE_EVERY_S = 60.0


def initialise(student: nn.Module, seed: int) -> None:
    """He initialisation, small last layer: with torch's default a net this deep barely depends on its input."""
    torch.manual_seed(seed)
    for module in student.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.normal_(student.fc3.weight, std=0.02)  # type: ignore[union-attr,arg-type]


@dataclass
class Run:
    """A training run's whole state: what a resume file holds, with the spec and plan (its fields) it belongs to."""

    spec: StudentSpec | TeacherSpec
    plan: dict[str, Any]
    student: Student | Bidirectional
    average: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    smooth_loss: float | None = None
    whole: bool = True  # not in the middle of a step

    @classmethod
    def begin(cls, spec: StudentSpec | TeacherSpec, plan: dict[str, Any], student: Student | Bidirectional) -> Run:
        """A run that has not made a step, from the weights that `student` has."""
        optimiser = torch.optim.AdamW(student.parameters(), lr=plan["learning_rate"], weight_decay=1e-3)
        return cls(spec, plan, student, {k: v.clone() for k, v in student.state_dict().items()}, optimiser)

    def save(self, path: Path) -> None:
        """Write all of it to `path`, whole or not at all."""
        with atomic_open(path) as stream:
            torch.save(
                {
                    "spec": asdict(self.spec),
                    "plan": self.plan,
                    "student": self.student.state_dict(),
                    "average": self.average,
                    "optimiser": self.optimiser.state_dict(),
                    "step": self.step,
                    "seconds": self.seconds,
                },
                stream,
            )

    def resume(self, path: Path) -> None:
        """Go on from `path`. Raises `CheckpointError` if it belongs to another student or is damaged."""
        try:
            saved = torch.load(path, weights_only=True)
            # s1 and s5 have the same weights' shapes, so only the spec tells them apart
            if saved["spec"] != asdict(self.spec):
                raise CheckpointError(f"it belongs to {saved['spec']['name']}, or to other settings of it")
            if saved["plan"] != self.plan:
                raise CheckpointError("it belongs to a run with other steps, rates, weights or seed")
            self.student.load_state_dict(saved["student"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.average, self.step, self.seconds = saved["average"], saved["step"], saved["seconds"]
        except Exception as error:  # the unpickler meets arbitrary bytes, and fails in as many ways
            why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise CheckpointError(f"{path}: cannot resume from it ({why}); delete it to start again") from error

    def go(
        self,
        total: int,
        loss_of: Callable[[np.random.Generator, int], Tensor],
        rate: Callable[[int], float],
        resume_file: Path,
    ) -> None:
        """Make the steps that are left of `total`, saving every minute; `loss_of(random, step)` at `rate(step)`.

        Ctrl-C saves and raises `KeyboardInterrupt`.
        """
        from tqdm import trange

        bar = trange(self.step, total, initial=self.step, total=total, desc=self.spec.name, unit="step", mininterval=10)
        saved = time.monotonic()
        try:
            for step in bar:
                began = time.monotonic()
                loss = self._step(step, loss_of, rate(step))
                self.seconds += time.monotonic() - began
                self.smooth_loss = loss if self.smooth_loss is None else 0.98 * self.smooth_loss + 0.02 * loss
                bar.set_postfix(loss=f"{self.smooth_loss:.4f}", refresh=False)
                if time.monotonic() - saved > SAVE_EVERY_S:
                    self.save(resume_file)
                    saved = time.monotonic()
        except KeyboardInterrupt:
            if self.whole:  # else the last save stands: half a step would not resume to the same weights
                self.save(resume_file)
            raise

    def _step(self, step: int, loss_of: Callable[[np.random.Generator, int], Tensor], rate: float) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = loss_of(np.random.default_rng([self.plan["seed"], step]), step)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.whole = False
        self.optimiser.step()
        with torch.no_grad():
            decay = min(self.plan["ema"], (step + 1) / (step + 10))
            for name, value in self.student.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        self.step, self.whole = step + 1, True
        return float(loss.detach())
