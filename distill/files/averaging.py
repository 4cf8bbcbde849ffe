"""Weights of one student averaged over several trainings that began as one (Wortsman et al. 2022, *Model soups*).

What a student learns on in later turns the earlier ones down; between the two lies often what keeps both. The average
stands for itself only where all parts lie in one basin, as those do that go on from one another.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from distill.files.checkpoint import Checkpoint
from sdk.errors import CheckpointError, ConfigError

_SUM_TOLERANCE = 1e-6


def averaged(parts: Sequence[tuple[float, Checkpoint]], note: Mapping[str, object]) -> Checkpoint:
    """The mean of `parts`, each with its share. Running statistics of norms are averaged with the weights.

    Its provenance is that of the last part, with `note` and all parts by their digests. Raises `ConfigError` for shares
    that do not sum to 1, and `CheckpointError` for students of unlike shape.
    """
    shares = [share for share, _ in parts]
    if len(parts) < 2 or min(shares) < 0 or not math.isclose(sum(shares), 1.0, abs_tol=_SUM_TOLERANCE):
        said = ", ".join(f"{share:g}" for share in shares) or "none"
        raise ConfigError(f"shares {said}: give two checkpoints or more, with shares of 0 or more that sum to 1")
    last = parts[-1][1]
    for _, part in parts:
        if part.spec != last.spec:
            raise CheckpointError(
                f"{part.spec.name} and {last.spec.name} are students of unlike shape: nothing to average"
            )
    state = {
        name: sum(share * part.state[name].double() for share, part in parts).to(value.dtype)  # type: ignore[union-attr]
        for name, value in last.state.items()
    }
    told: dict[str, Any] = {**last.training, "averaged": _said(parts), "average": dict(note)}
    return dataclasses.replace(last, state=state, training=told, scores={})


def _said(parts: Sequence[tuple[float, Checkpoint]]) -> str:
    """Shares and digests, the oldest first."""
    return ", ".join(f"{share:g} of {part.weights_sha256[:12]}" for share, part in parts)
