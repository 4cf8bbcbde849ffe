"""The paper's losses by equation number, and the lip losses that we add. Means over time, sums over channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sdk.faces.face import CLOSED_CM

_HARDLY = 0.005  # standard deviation below which a channel does not move
_FLOOR = 0.03  # least standard deviation that errors are divided by: what moves less need not be hit as closely
_STILL_WEIGHT = 0.3


def reconstruction(label: Tensor, predicted: Tensor) -> Tensor:
    """Eq. 1: E_t ||r_t - r^_t||^2; both (..., N, rig)."""
    return (label - predicted).square().sum(-1).mean()


def velocity(label: Tensor, predicted: Tensor, steps_per_frame: float = 1.0) -> Tensor:
    """Eq. 2 and 3: E_t ||v_t - v^_t||^2 with v_t = r_t - r_{t-1}; both (..., N, rig), N consecutive times.

    As printed where N are frames. `steps_per_frame`: how many steps of N make one, so that differences over a finer
    grid weigh as those of whole frames would.
    """
    return ((label.diff(dim=-2) - predicted.diff(dim=-2)) * steps_per_frame).square().sum(-1).mean()


def over_variance(label: Tensor, predicted: Tensor, weights: Tensor) -> Tensor:
    """Ours: squared errors of channels, each over its own variance; both (..., N, rig), `weights` (rig,) as
    `variance_weights` makes them. A still face at the labels' mean scores 1.

    In eq. 1 the jaw outweighs all that tells /u/ from /i/: lips round by a tenth of its range.
    """
    return ((label - predicted).square() * weights).sum(-1).mean()


def variance_weights(variance: Tensor) -> Tensor:
    """(rig,) -> one over each channel's variance, over how many move. A channel that does not move weighs little: it
    learns soon to stay where it is, and its noise on the way there would drown what the others have to learn."""
    moving = variance > _HARDLY**2
    weights = 1 / (variance + _FLOOR**2) / moving.sum().clamp(min=1)
    return torch.where(moving, weights, torch.full_like(weights, _STILL_WEIGHT))


def mouth(label: Tensor, predicted: Tensor, root: Tensor) -> Tensor:
    """Ours: mean squared distance of the mouth's vertices in cm^2; both (..., N, rig).

    root: (rig, k), any matrix whose product with its transpose is that of the vertices' moves, over their number.
    """
    return ((label - predicted) @ root).square().sum(-1).mean()


def features(second_teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    """Eq. 5 and 6: the sum over l in [-4:-2] of E_t ||F_l^S0 - F_l^S||^2; pairs of (..., width)."""
    pairs = zip(second_teacher, student, strict=True)
    return torch.stack([(theirs.detach() - ours).square().sum(-1).mean() for theirs, ours in pairs]).sum()


def acceleration(label_gap_cm: Tensor, gap_cm: Tensor, steps_per_frame: float = 1.0) -> Tensor:
    """Ours: mean squared error of the lip gap's second difference, in cm^2 a frame^4; both (B, N). What jitter sees."""
    error = (label_gap_cm - gap_cm).diff(n=2, dim=-1)
    return (error * steps_per_frame**2).square().mean()


def lip_distance(
    label_gap_cm: Tensor,
    gap_cm: Tensor,
    slack_steps: int = 2,
    shut_weight: float = 3.0,
    open_weight: float = 4.0,
    rest_weight: float = 1.0,
    clear: float = 0.75,
) -> Tensor:
    """Ours: squared error of the lip gap in cm^2, plus two hinges on its side; both (B, N), N consecutive times.

    Where the label is shut (<= 0.075), the least gap within `slack_steps` must come under a third of the closed
    threshold: like PBM accuracy it forgives a closure that is a little early or late, which recognised labels are, so
    the student need not smear it. Where the label stays open (>= 0.3 all around), the gap must stay clear of it: above
    `clear` of the label's least gap all around, but never asked to be above twice the threshold.

    rest_weight: of shut lips from which no open ones are near, against those of a closure. Most of the time that lips
    are shut nobody speaks, and an /m/ of 50 ms would weigh next to nothing.
    """
    error = (label_gap_cm - gap_cm).square().mean()
    least, label_least = _least_near(gap_cm, slack_steps), _least_near(label_gap_cm, slack_steps)
    spoken = -_least_near(-label_gap_cm, 4 * slack_steps) >= 2 * CLOSED_CM
    shut = (label_gap_cm <= CLOSED_CM / 2).to(gap_cm.dtype) * torch.where(spoken, 1.0, rest_weight)
    open_ = (label_least >= 2 * CLOSED_CM).to(gap_cm.dtype)
    asked = (clear * label_least).clamp(max=2 * CLOSED_CM)
    too_open = (shut * functional.relu(least - CLOSED_CM / 3).square()).sum() / shut.sum().clamp(min=1)
    too_shut = (open_ * functional.relu(asked - gap_cm).square()).sum() / open_.sum().clamp(min=1)
    return error + shut_weight * too_open + open_weight * too_shut


def _least_near(gap_cm: Tensor, steps: int) -> Tensor:
    """The least of each time's neighbourhood of +-`steps`; (B, N) -> (B, N)."""
    return -functional.max_pool1d(-gap_cm.unsqueeze(1), 2 * steps + 1, 1, steps).squeeze(1)
