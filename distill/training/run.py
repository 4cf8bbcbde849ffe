"""A training run: the student, the average of its weights, the optimiser, and how to go on from a killed one.

Every part of a step draws from a seed of its own, so a resumed run sees the batches of an unbroken one. Under
`accelerate launch` or `torchrun` each process draws its own, and all step by the mean of their gradients (`step.py`).
The first saves and reports. What it saves goes on on another machine, in any number of processes of as many parts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from distill.files.disk import atomic_open
from distill.files.sealed import check_whole, sealing
from distill.training.plan import as_today
from distill.training.readers import Draw, drawn
from distill.training.step import Precision, Statistics, agree, optimiser_of, statistics_of
from sdk.errors import CheckpointError, ConfigError
from sdk.tools.command import asked_to_stop

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from accelerate import Accelerator


class Spec(Protocol):
    """A dataclass with the shape and the name of what is trained."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str: ...


SAVE_EVERY_S = 60.0
GRACE_S = 3.0  # Ctrl-C comes twice to processes of `torchrun`: from the terminal, and from it


def _of_step(draw: Draw, each: int, random: np.random.Generator, k: int) -> Any:
    return draw(random, k // each)


def _nothing(random: np.random.Generator, _: int) -> np.random.Generator:
    return random


@dataclass
class Run:
    """A training run's whole state: what its resume `file` holds, with the spec and plan (its fields) it belongs to."""

    spec: Spec
    plan: dict[str, Any]
    student: nn.Module
    average: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    accelerator: Accelerator
    file: Path
    step: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # of `seconds`, for what steps look at
    smooth_loss: float | None = None
    inputs: dict[str, str] = field(default_factory=dict)  # what it learns from, each by name and digest
    accumulate: int = 1  # parts of a step that each process makes
    norm: float = 0.0  # of the last step's gradient, before it was clipped
    skipped: int = 0  # steps that float16 ran over in
    precision: Precision = field(init=False)
    _ending: bool = field(init=False, default=False)  # some process was asked to stop

    def __post_init__(self) -> None:
        self.precision = Precision(self.accelerator.device.type, self.plan.get("mixed_precision", "no"))

    @classmethod
    def begin(
        cls,
        spec: Spec,
        plan: DataclassInstance,
        student: nn.Module,
        out: Path,
        inputs: Mapping[str, str],
        accumulate: int = 1,
        also: Mapping[str, Any] | None = None,
    ) -> Run:
        """A run that will make `out`, on the GPU where there is one: from `student`'s weights, or from `<out>.resume`.

        inputs: what else its steps follow from (corpus, noise, rooms, second teacher), each by a digest. accumulate:
        parts of a step that each process makes. also: settings that the plan has no field for. Raises `CheckpointError`
        if the resume file is damaged, or of another spec, plan, inputs or number of parts. By the plan's `optimiser`
        (`step.py`), AdamW if it has none, gradients clipped to a norm of 1.
        """
        from accelerate import Accelerator

        accelerator = Accelerator()
        student.to(accelerator.device)
        settings = asdict(plan) | dict(also or {})
        optimiser = optimiser_of(student, settings.get("optimiser", "adamw"), settings["learning_rate"])
        average = {name: value.clone() for name, value in student.state_dict().items()}
        run = cls(spec, settings, student, average, optimiser, accelerator, out.with_name(out.name + ".resume"))
        run.inputs, run.accumulate = dict(inputs), accumulate
        if run.file.exists():
            run._resume(plan)
        return run

    @property
    def parts(self) -> int:
        """Of a step, in all processes."""
        return self.accelerator.num_processes * self.accumulate

    @property
    def facts(self) -> dict[str, float]:
        """What a card says of any run."""
        return {
            "train_minutes": round(self.seconds / 60, 1),
            "steps_a_second": round(self.step / max(self.seconds, 1e-9), 2),
            "waited_percent": round(100 * self.waiting, 1),
            "final_loss": round(float(self.smooth_loss or 0.0), 5),
        }

    def save(self) -> None:
        """Write all of it to its file, whole or not at all; the first process does."""
        if not self.accelerator.is_main_process:
            return
        with atomic_open(self.file) as stream, sealing(stream) as sealed:
            torch.save(
                {
                    "spec": asdict(self.spec),
                    "plan": self.plan,
                    "student": self.student.state_dict(),
                    "average": self.average,
                    "optimiser": self.optimiser.state_dict(),
                    "step": self.step,
                    "seconds": self.seconds,
                    "waited": self.waited,
                    "smooth_loss": self.smooth_loss,
                    "parts": self.parts,
                    "scaler": self.precision.scaler.state_dict(),
                    "inputs": self.inputs,
                },
                sealed,
            )

    def _resume(self, plan: DataclassInstance) -> None:
        try:
            check_whole(self.file, "resume file")
            device = self.accelerator.device  # among several processes `cpu:0`, which a file is not read to
            saved = torch.load(self.file, weights_only=True, map_location="cpu" if device.type == "cpu" else device)
            if as_today(saved["spec"], self.spec) != asdict(self.spec):  # s1's weights have s5's shapes
                raise CheckpointError(f"it belongs to {saved['spec']['name']}, or to other settings of it")
            if as_today(saved["plan"], plan) != self.plan:
                raise CheckpointError("it belongs to a run with other steps, rates, weights or seed")
            known = saved["inputs"]  # an older file says less: of what it does not say it is believed
            if others := [name for name, digest in self.inputs.items() if known.get(name, digest) != digest]:
                raise CheckpointError(f"it belongs to a run that learned from another {' and another '.join(others)}")
            if (parts := saved.get("parts", saved.get("processes", 1))) != self.parts:
                raise CheckpointError(
                    f"it belongs to a run with {parts} parts a step (processes times --accumulate), and here are "
                    f"{self.parts}, whose batches differ"
                )
            self.precision.scaler.load_state_dict(saved.get("scaler", {}))
            self.student.load_state_dict(saved["student"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.average, self.step, self.seconds = saved["average"], saved["step"], saved["seconds"]
            self.smooth_loss, self.waited = saved.get("smooth_loss"), saved.get("waited", 0.0)
        except Exception as error:  # the unpickler meets arbitrary bytes, and fails in as many ways
            why = str(error) if isinstance(error, CheckpointError) else type(error).__name__  # torch's own: "unchecked"
            raise CheckpointError(f"{self.file}: cannot resume from it ({why}); delete it to start again") from error

    def go(
        self,
        total: int,
        loss_of: Callable[[Any, int], Tensor],
        rate: Callable[[int], float],
        watch: Callable[[int, float, float], None] | None = None,
        draw: Draw = _nothing,
        readers: int = 0,
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        """Make the steps that are left of `total`, saving every `save_every_s`; the loss of a part is
        `loss_of(draw(random, step), step)`, the rate `rate(step)`. watch: told each step's number, loss and rate, in
        the first process (`watch.py`). draw: without it a loss draws for itself. readers: processes that draw ahead
        (`readers.py`).

        Ctrl-C and SIGTERM, to whichever process, let the step end everywhere, save and raise `KeyboardInterrupt`; at
        the second the last save stands.
        """
        from tqdm import tqdm

        first, each = self.accelerator.is_main_process, self.accumulate
        bar = tqdm(
            range(self.step, total), initial=self.step, total=total, desc=self.spec.name, unit="step", mininterval=10,
            disable=not first,
        )  # fmt: skip
        saved = time.monotonic()
        batches = drawn(partial(_of_step, draw, each), self._seeded, self.step * each, total * each, readers)
        alone = self.accelerator.num_processes == 1
        with asked_to_stop(0.0 if alone else GRACE_S) as asked, closing(batches):
            for step in bar:
                began = time.monotonic()
                loss = self._step(step, batches, loss_of, rate(step), asked)
                self.seconds += time.monotonic() - began
                bar.set_postfix(loss=f"{self.smooth_loss or loss:.4f}", waiting=f"{self.waiting:.0%}", refresh=False)
                ending = bool(asked) if alone else self._ending
                if watch and first:
                    watch(step, loss, rate(step))
                if ending or time.monotonic() - saved > save_every_s:
                    self.save()
                    saved = time.monotonic()
                if ending:  # half a step would not resume to the same weights: norms learn while a row is heard
                    self.accelerator.wait_for_everyone()  # who launched them ends all when one has ended
                    raise KeyboardInterrupt

    @property
    def waiting(self) -> float:
        """The share of the time that went by before there was something to look at."""
        return self.waited / max(self.seconds, 1e-9)

    def _step(
        self, step: int, batches: Iterator[Any], loss_of: Callable[[Any, int], Tensor], rate: float, asked: list[float]
    ) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self.optimiser.zero_grad()
        statistics = Statistics(self.student) if self.accumulate > 1 or self.precision.scaler.is_enabled() else None
        loss = self._parts(step, batches, loss_of, statistics)
        loss = self._agree(loss, asked)
        norm, made = self.precision.update(self.optimiser, list(self.student.parameters()))
        if statistics and not made:
            statistics.undo()
        with torch.no_grad():
            decay = min(self.plan["ema"], (step + 1) / (step + 10))
            # not by torch's AveragedModel: it copies the whole module, frozen ears too, and its file has a counter that
            # old resume files lack; the step's own number is all that this decay needs
            for name, value in self.student.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        value, self.norm = torch.stack((loss, norm)).tolist()  # one read, last: a GPU is waited for once a step
        if made and not math.isfinite(value):
            raise ConfigError(
                f"the loss of step {step} is {value}: the run has lost its weights. Take a smaller --learning-rate "
                f"(it is {rate:g} here); what {self.file.name} kept, if there is one, is of before"
            )
        self.step = step + 1
        self._note(value, made)
        return float(value)

    def _parts(
        self, step: int, batches: Iterator[Any], loss_of: Callable[[Any, int], Tensor], statistics: Statistics | None
    ) -> Tensor:
        """The mean loss of this process's parts; the mean of their gradients, scaled, is in the weights."""
        losses = []
        for _ in range(self.accumulate):
            began = time.monotonic()
            batch = next(batches)
            self.waited += time.monotonic() - began
            with self.autocast():
                loss = loss_of(batch, step)
            self.accelerator.backward(self.precision.scaler.scale(loss / self.accumulate))
            losses.append(loss.detach())
            if statistics:
                statistics.end_part()
        if statistics:
            statistics.end()
        return torch.stack(losses).mean()

    def _agree(self, loss: Tensor, asked: list[float]) -> Tensor:
        """The mean of all processes' losses; gradients and running statistics become theirs too, and all of them end
        where one was `asked` to."""
        if self.accelerator.num_processes > 1:
            # not by DistributedDataParallel: the feeds call `sequence` and `features`, and it only knows `forward`
            gradients = [weight.grad for weight in self.student.parameters() if weight.grad is not None]
            stop = torch.tensor(float(bool(asked)), device=loss.device)
            agree(self.accelerator, [loss, stop, *gradients, *statistics_of(self.student)])
            self._ending = bool(stop > 0)
        return loss

    def _note(self, value: float, made: bool) -> None:
        if made:
            self.smooth_loss = value if self.smooth_loss is None else 0.98 * self.smooth_loss + 0.02 * value
        self.skipped += not made

    def autocast(self) -> torch.autocast:
        """The plan's precision for the student's pass."""
        return self.precision.autocast()

    def random(self, step: int, part: int = 0) -> np.random.Generator:
        """What this process draws part `part` of its own of step `step` from."""
        place = self.accelerator.process_index * self.accumulate + part
        return np.random.default_rng([self.plan["seed"], step, *([place] if place else [])])

    def _seeded(self, k: int) -> np.random.Generator:
        return self.random(k // self.accumulate, k % self.accumulate)

    def end(self, write: Callable[[], None]) -> None:
        """The first process calls `write` and removes the resume file; the others wait for it."""
        if self.accelerator.is_main_process:
            write()
            self.file.unlink(missing_ok=True)
        self.accelerator.wait_for_everyone()
