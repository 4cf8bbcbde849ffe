"""One step's arithmetic, beside its loss: the mean over parts and processes, numbers of half the size, clipping.

    part 1 --loss--> backward --+
    part 2 --loss--> backward --+--mean--> over processes --mean--> unscaled --> clipped --> the optimiser

A part is what one draw gives. n parts, whoever makes them, give the step that one draw of n times the rows would, as
far as a loss is a mean over rows; batch norms and the lips' hinges are over each part by itself (ghost batches, Hoffer
et al. 2017), whether parts lie in one process after another or in several beside one another: so two processes are
one that accumulates two, and each can go on with what the other left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from accelerate import Accelerator

CLIP_NORM = 1.0
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """The numbers of a student's pass by their name in a plan (`no`, `bf16`, `fp16`), on devices of torch's type.

    float16 ends at 6e-8: losses are scaled up before their gradients are taken (Micikevicius et al. 2018) and those
    down again before they are clipped. By torch's `autocast` and `GradScaler`, which accelerate wraps: its own is
    chosen once a process, and refuses float16 on a CPU.
    """

    def __init__(self, device_type: str, name: str) -> None:
        self.device_type, self.half = device_type, HALVES.get(name)
        self.scaler = torch.amp.GradScaler(device_type, enabled=self.half is torch.float16)

    def autocast(self) -> torch.autocast:
        """For the student's pass; losses and weights stay float32."""
        return torch.autocast(self.device_type, self.half or torch.bfloat16, enabled=self.half is not None)

    def update(self, optimiser: torch.optim.Optimizer, weights: Sequence[Tensor]) -> tuple[Tensor, bool]:
        """One step of `optimiser` by its weights' gradients, unscaled and then clipped: their norm before that, and
        whether the step was made. It is not where float16 ran over: then the scale is halved."""
        scale = self.scaler.get_scale()
        self.scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(weights, CLIP_NORM)
        self.scaler.step(optimiser)
        self.scaler.update()
        return norm, self.scaler.get_scale() >= scale


class Statistics:
    """The running statistics of a student's norms in a step: the mean of what its parts make of the same beginning."""

    def __init__(self, student: nn.Module) -> None:
        self.now = statistics_of(student)
        self.before = [value.clone() for value in self.now]
        self.sum = [torch.zeros_like(value) for value in self.now]
        self.count = 0

    def end_part(self) -> None:
        """Take what the part made of them, and begin the next where the step began."""
        self.count += 1
        for now, total, before in zip(self.now, self.sum, self.before, strict=True):
            total += now
            now.copy_(before)

    def end(self) -> None:
        """They are the mean of all parts'."""
        for now, total in zip(self.now, self.sum, strict=True):
            now.copy_(total / self.count)

    def undo(self) -> None:
        """As if the step had not been: a pass that ran over has left infinities."""
        for now, before in zip(self.now, self.before, strict=True):
            now.copy_(before)


def statistics_of(student: nn.Module) -> list[Tensor]:
    """What a student keeps and does not learn: tensors that share its memory."""
    learned = {name for name, _ in student.named_parameters()}
    kept = student.state_dict().items()
    return [value for name, value in kept if name not in learned and value.is_floating_point()]


def agree(accelerator: Accelerator, tensors: Sequence[Tensor]) -> None:
    """Each of `tensors` becomes the mean of all processes'. One message, since gloo takes its time for each."""
    mean: Any = accelerator.reduce(torch.cat([t.float().flatten() for t in tensors]), "mean")
    for tensor, part in zip(tensors, mean.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
