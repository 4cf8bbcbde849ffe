"""How far a mouth rounds and spreads: a trained student's last layer, scaled until its shapes spread as the labels do.

    before tanh     z = W f + b     ->     g (z - mean z) + mean z     g = spread of the labels / spread of the student

Who cannot tell which of two shapes is asked for answers with one between them, so a student moves less than what it
learned from, the smaller the less. Speech synthesis knows this as over-smoothing, and gives each parameter back the
*global variance* of its training data (Toda & Tokuda 2007, IEICE E90-D). It costs nothing when run: the layer stays
one. Only what rounds, spreads and protrudes is scaled: whether lips shut is what the other channels say, and a mean
between an open and a shut mouth cannot be scaled into either.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sdk.rig import RigLayout

SHAPING = ("mouthPucker", "mouthFunnel", "mouthStretch", "mouthSmile", "mouthDimple")  # how such channels begin
MOST = 2.0  # no channel is scaled by more: what hardly moves is mostly error
_STILL = 0.005  # of labels that spread less nothing can be told
_TANH_LIMIT = 0.999  # atanh of 1 is infinite


def gains(label: Tensor, predicted: Tensor, layout: RigLayout) -> dict[str, float]:
    """How far each shaping channel falls short of the labels: spread of `label` over that of `predicted`, both
    `(N, rig)` of the same times, measured before tanh, within 1 and `MOST`."""
    asked, made = (_before_tanh(values).std(0) for values in (label, predicted))
    return {
        name: min(max(float(asked[i] / made[i].clamp(min=1e-6)), 1.0), MOST)
        for i, name in enumerate(layout.names)
        if name.startswith(SHAPING) and float(label[:, i].std()) > _STILL
    }


def widened(
    state: Mapping[str, Tensor], found: Mapping[str, float], predicted: Tensor, layout: RigLayout
) -> dict[str, Tensor]:
    """Weights whose channels `found` move by so much more around their mean; `predicted` `(N, rig)` tells that mean."""
    gain, mean = torch.ones(len(layout)), _before_tanh(predicted).mean(0)
    for name, value in found.items():
        gain[layout.names.index(name)] = value
    weight, bias = state["fc3.weight"], state["fc3.bias"]
    wide = (gain.view(-1, *[1] * (weight.dim() - 1)) * weight.float()).to(weight.dtype)
    return {**state, "fc3.weight": wide, "fc3.bias": (gain * bias.float() + (1 - gain) * mean).to(bias.dtype)}


def _before_tanh(values: Tensor) -> Tensor:
    return values.clamp(-_TANH_LIMIT, _TANH_LIMIT).atanh()
