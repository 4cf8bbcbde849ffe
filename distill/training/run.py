"""A training run: the student, the average of its weights, the optimiser, and how to go on from a killed one.

Every step draws from a seed of its own, so a resumed run sees the batches that an unbroken one would have seen. Under
`accelerate launch` or `torchrun` each process draws its own, and all take the same step by the mean of their gradients:
n processes make the step that one would make of n times the rows. The first draws as one alone does, saves and reports.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from distill.files.disk import atomic_open
from distill.students.stream import Spectrum
from distill.training.readers import Draw, drawn
from sdk.errors import CheckpointError

if TYPE_CHECKING:
    from accelerate import Accelerator


class Spec(Protocol):
    """A dataclass with the shape and the name of what is trained."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str: ...


SAVE_EVERY_S = 60.0
LAST_SHARE = 0.1


def initialise(student: nn.Module, seed: int) -> None:
    """He initialisation, small last layer: with torch's default a net this deep barely depends on its input."""
    torch.manual_seed(seed)
    spectra = []
    for module in student.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Spectrum):
            spectra.append(module)
    for spectrum in spectra:
        spectrum.initialise()
    nn.init.normal_(student.fc3.weight, std=0.002)  # type: ignore[union-attr,arg-type]


def groups(student: nn.Module) -> list[dict[str, Any]]:
    """Parameters for an optimiser, each group with its `share` of the rate.

    Adam's steps are as large as the rate whatever a weight's size is. The last layer speaks in rig units, where a
    channel moves by 0.05: steps that suit the layers before it would shake what it says.
    """
    last = [weight for name, weight in student.named_parameters() if name.startswith("fc3.")]
    rest = [w for name, w in student.named_parameters() if not name.startswith("fc3.") and w.requires_grad]
    return [{"params": rest, "share": 1.0}, *([{"params": last, "share": LAST_SHARE}] if last else [])]


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """A list that is empty until SIGINT or SIGTERM comes; a second one interrupts at once, as always.

    Outside the main thread, which alone may listen, and where SIGINT is ignored, nothing changes.
    """
    asked: list[int] = []

    def note(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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

    @classmethod
    def begin(
        cls,
        spec: Spec,
        plan: dict[str, Any],
        student: nn.Module,
        out: Path,
        inputs: Mapping[str, str] | None = None,
    ) -> Run:
        """A run that will make `out`, on the GPU where there is one: from the weights that `student` has, or where a
        killed one stopped, as `<out>.resume` says.

        inputs: what else its steps follow from (corpus, noise, rooms, second teacher), each by a digest. Raises
        `CheckpointError` if the resume file is damaged, or of another spec, plan or inputs. AdamW (Loshchilov and
        Hutter 2019), weight decay 1e-3, gradients clipped to a norm of 1.
        """
        from accelerate import Accelerator

        accelerator = Accelerator()
        student.to(accelerator.device)
        optimiser = torch.optim.AdamW(groups(student), lr=plan["learning_rate"], weight_decay=1e-3)
        average = {name: value.clone() for name, value in student.state_dict().items()}
        file = out.with_name(out.name + ".resume")
        run = cls(spec, plan, student, average, optimiser, accelerator, file, inputs=dict(inputs or {}))
        if file.exists():
            run._resume()
        return run

    @property
    def facts(self) -> dict[str, float]:
        """What a card says of any run."""
        return {
            "train_minutes": round(self.seconds / 60, 1),
            "waited_percent": round(100 * self.waited / max(self.seconds, 1e-9), 1),
            "final_loss": round(float(self.smooth_loss or 0.0), 5),
        }

    def save(self) -> None:
        """Write all of it to its file, whole or not at all; the first process does."""
        if not self.accelerator.is_main_process:
            return
        with atomic_open(self.file) as stream:
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
                    "processes": self.accelerator.num_processes,
                    "inputs": self.inputs,
                },
                stream,
            )

    def _resume(self) -> None:
        path = self.file
        try:
            device = self.accelerator.device  # among several processes `cpu:0`, which a file is not read to
            saved = torch.load(path, weights_only=True, map_location="cpu" if device.type == "cpu" else device)
            # s1 and s5 have the same weights' shapes, so only the spec tells them apart
            if saved["spec"] != asdict(self.spec):
                raise CheckpointError(f"it belongs to {saved['spec']['name']}, or to other settings of it")
            if saved["plan"] != self.plan:
                raise CheckpointError("it belongs to a run with other steps, rates, weights or seed")
            if others := [name for name, digest in self.inputs.items() if saved["inputs"].get(name) != digest]:
                raise CheckpointError(f"it belongs to a run that learned from another {' and another '.join(others)}")
            if saved.get("processes", 1) != self.accelerator.num_processes:
                raise CheckpointError(
                    f"it belongs to a run of {saved.get('processes', 1)} processes, whose batches differ"
                )
            self.student.load_state_dict(saved["student"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.average, self.step, self.seconds = saved["average"], saved["step"], saved["seconds"]
            self.smooth_loss, self.waited = saved.get("smooth_loss"), saved.get("waited", 0.0)
        except Exception as error:  # the unpickler meets arbitrary bytes, and fails in as many ways
            why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise CheckpointError(f"{path}: cannot resume from it ({why}); delete it to start again") from error

    def go(
        self,
        total: int,
        loss_of: Callable[[Any, int], Tensor],
        rate: Callable[[int], float],
        watch: Callable[[int, float, float], None] | None = None,
        draw: Draw = _nothing,
        readers: int = 0,
    ) -> None:
        """Make the steps that are left of `total`, saving every minute; `loss_of(draw(random, step), step)` at
        `rate(step)`. watch: told each step's number, loss and rate, in the first process (`watch.py`).
        draw: without it a loss draws for itself. readers: processes that draw ahead (`readers.py`).

        Ctrl-C and SIGTERM let the step end, save and raise `KeyboardInterrupt`; at the second the last save stands.
        """
        from tqdm import tqdm

        first = self.accelerator.is_main_process
        bar = tqdm(
            range(self.step, total), initial=self.step, total=total, desc=self.spec.name, unit="step", mininterval=10,
            disable=not first,
        )  # fmt: skip
        saved = time.monotonic()
        with asked_to_stop() as asked, closing(drawn(draw, self.random, self.step, total, readers)) as batches:
            for step in bar:
                began = time.monotonic()
                batch = next(batches)
                self.waited += time.monotonic() - began
                loss = self._step(step, batch, loss_of, rate(step))
                self.seconds += time.monotonic() - began
                self.smooth_loss = loss if self.smooth_loss is None else 0.98 * self.smooth_loss + 0.02 * loss
                waiting = f"{self.waited / max(self.seconds, 1e-9):.0%}"
                bar.set_postfix(loss=f"{self.smooth_loss:.4f}", waiting=waiting, refresh=False)
                if watch and first:
                    watch(step, loss, rate(step))
                if asked or time.monotonic() - saved > SAVE_EVERY_S:
                    self.save()
                    saved = time.monotonic()
                if asked:  # half a step would not resume to the same weights: norms learn while a row is heard
                    raise KeyboardInterrupt

    def _step(self, step: int, batch: Any, loss_of: Callable[[Any, int], Tensor], rate: float) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        with self.autocast():
            loss = loss_of(batch, step)
        self.optimiser.zero_grad()
        self.accelerator.backward(loss)
        loss = self._agree(loss.detach())
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            decay = min(self.plan["ema"], (step + 1) / (step + 10))
            # not by torch's AveragedModel: it copies the whole module, frozen ears too, and its file has a counter that
            # old resume files lack; the step's own number is all that this decay needs
            for name, value in self.student.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        self.step = step + 1
        return float(loss)

    def autocast(self) -> torch.autocast:
        """The plan's precision for the student's pass. Not accelerate's own, which one process can only choose once."""
        half = self.plan.get("mixed_precision", "no") == "bf16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=half)

    def random(self, step: int) -> np.random.Generator:
        """What this process draws step `step` from."""
        rank = self.accelerator.process_index
        return np.random.default_rng([self.plan["seed"], step, *([rank] if rank else [])])

    def _agree(self, loss: Tensor) -> Tensor:
        """The mean of all processes' losses; gradients and running statistics become theirs, too."""
        if self.accelerator.num_processes == 1:
            return loss
        # not by DistributedDataParallel: the feeds call `sequence` and `features`, and it only knows `forward`
        learned = dict(self.student.named_parameters())
        statistics = [value for name, value in self.student.state_dict().items() if name not in learned]
        gradients = [weight.grad for weight in learned.values() if weight.grad is not None]
        tensors = [loss, *gradients, *(value for value in statistics if value.is_floating_point())]
        mean: Any = self.accelerator.reduce(torch.cat([t.float().flatten() for t in tensors]), "mean")
        for tensor, part in zip(tensors, mean.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))
        return loss

    def end(self, write: Callable[[], None]) -> None:
        """The first process calls `write` and removes the resume file; the others wait for it."""
        if self.accelerator.is_main_process:
            write()
            self.file.unlink(missing_ok=True)
        self.accelerator.wait_for_everyone()
