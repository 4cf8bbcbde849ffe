"""How a student begins: its first weights, and the share of the rate that each of them learns at."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from distill.students.stream import Spectrum

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
