"""Weights as a file keeps them: real numbers in float16, half the size of float32, which a network has them in."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sdk.errors import CheckpointError


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` in float16, but for what float16 cannot hold (above 65,504), which stays as it is: the variance of a norm
    whose input is large became infinite, and its channel silent."""
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    return {name: half if bool(half.isfinite().all()) else state[name] for name, half in halves.items()}


def check_finite(state: Mapping[str, Tensor], what: str) -> None:
    """Raises `CheckpointError` naming tensors that hold NaN or infinite numbers: such a network says nothing."""
    strange = [name for name, value in state.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if strange:
        raise CheckpointError(f"{what}: weights that are NaN or infinite: {', '.join(strange[:5])}")
