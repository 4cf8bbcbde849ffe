"""One step's arithmetic, beside its loss: the mean over parts and processes, numbers of half the size, clipping.

    part 1 --loss--> backward --+
    part 2 --loss--> backward --+--mean--> over processes --mean--> unscaled --> clipped --> the optimiser

A part is what one draw gives. n parts, whoever makes them, give the step that one draw of n times the rows would, as
far as a loss is a mean over rows; batch norms and the lips' hinges are over each part by itself (ghost batches, Hoffer
et al. 2017), whether parts lie in one process after another or in several beside one another: so two processes are
one that accumulates two, and each can go on with what the other left.

The optimiser is AdamW, or by a plan's `optimiser: muon` Muon for what multiplies matrices and AdamW for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from distill.training.begin import groups

if TYPE_CHECKING:
    from accelerate import Accelerator

CLIP_NORM = 1.0
OPTIMISERS = ("adamw", "muon")
_DECAY, _MATRIX_DECAY = 1e-3, 0.03  # the second holds a matrix of s6 about as large as it began
_LEAST_SIDE = 16  # of a matrix that Muon is worth its products for
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def optimiser_of(student: nn.Module, name: str, rate: float) -> torch.optim.Optimizer:
    """One of `OPTIMISERS` for what `student` learns, each group of weights with its `share` of the rate (`begin.py`):
    AdamW (Loshchilov and Hutter 2019), or `Muon`."""
    if name == "adamw":
        return torch.optim.AdamW(groups(student), lr=rate, weight_decay=_DECAY)
    return Muon(student, rate)


class Muon(torch.optim.Optimizer):
    """torch's Muon (Jordan et al. 2024) for convolutions and linear layers but the last, AdamW for all else, in one.

    Muon knows matrices. A convolution is one for each of its groups, outputs x (inputs x taps), in the same memory;
    those with a side below 16 (depthwise ones, a first layer on the waveform) stay with AdamW. Its steps have the size
    of Adam's (Liu et al. 2025), so both go by one rate.
    """

    def __init__(self, student: nn.Module, rate: float) -> None:
        super().__init__(groups(student), {"lr": rate})
        first = set(self.param_groups[0]["params"])
        layers = [layer for layer in student.modules() if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear))]
        self.matrices = {
            layer.weight: parts
            for layer in layers
            if layer.weight in first and min((parts := _matrices(layer))[0].shape) >= _LEAST_SIDE
        }
        flat = [matrix for parts in self.matrices.values() for matrix in parts]
        rest = [
            group | {"params": [w for w in group["params"] if w not in self.matrices]} for group in self.param_groups
        ]
        self.inner: dict[str, torch.optim.Optimizer] = {"adamw": torch.optim.AdamW(rest, lr=rate, weight_decay=_DECAY)}
        if flat:  # a student of a few channels has none
            shared = [{"params": flat, "share": self.param_groups[0]["share"]}]
            self.inner["muon"] = torch.optim.Muon(
                shared, lr=rate, weight_decay=_MATRIX_DECAY, adjust_lr_fn="match_rms_adamw"
            )

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of both by the gradients that the weights have."""
        for weight, parts in self.matrices.items():
            gradients = [None] * len(parts) if weight.grad is None else weight.grad.reshape(len(parts), *parts[0].shape)
            for part, gradient in zip(parts, gradients, strict=True):
                part.grad = gradient
        rates = {group["share"]: group["lr"] for group in self.param_groups}
        for inner in self.inner.values():
            for group in inner.param_groups:
                group["lr"] = rates[group["share"]]
            inner.step()

    def state_dict(self) -> dict[str, Any]:
        """Of both."""
        return {name: inner.state_dict() for name, inner in self.inner.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        for name, inner in self.inner.items():
            inner.load_state_dict(state_dict[name])


def _matrices(layer: nn.Conv1d | nn.Conv2d | nn.Linear) -> list[nn.Parameter]:
    """A layer's weight as one matrix a group, in the same memory."""
    count = 1 if isinstance(layer, nn.Linear) else layer.groups
    flat = layer.weight.detach().view(count, len(layer.weight) // count, -1)
    return [nn.Parameter(matrix) for matrix in flat]


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
