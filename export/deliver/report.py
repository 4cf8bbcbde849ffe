"""What a build has to tell: the artefact's manifest, and `report.json` with every byte computed and measured."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from export.load.versions import here, versions
from export.lower.backends.base import load_backend
from export.plan.built import Built, Key
from export.plan.choose import Candidate, whole_quality
from export.plan.pareto import pareto_rows

REPORT_SCHEMA = 1


def why_chosen(chosen: Candidate, planned: Sequence[Candidate], rejected: Mapping[str, str]) -> str:
    """One sentence: what is best about it, and which better ones were too large.

    planned: best first; whatever stands before `chosen` was too large. rejected: of those, what measuring them said.
    """
    better = planned[: next((at for at, c in enumerate(planned) if c is chosen), 0)]
    large = [c.name for c in better if c.name not in rejected]
    whole = whole_quality(chosen.point.scores)
    if whole is not None:
        why = f"{chosen.name} has the best whole mouth ({whole[0]:.3f}) of what fits, or is the cheapest as good as it"
    elif chosen.quality:
        why = f"{chosen.name} has the best quality ({chosen.quality:.3f}) of what fits"
    else:
        why = f"{chosen.name} is the first that fits; it was never scored"
    if load_backend(chosen.backend).is_last_resort:
        why = f"{chosen.name} alone fits: reference kernels that use the weights where the file has them, and slow ones"
    why += f"; too large: {', '.join(large)}" if large else ""
    return why + "".join(f"; {said}" for said in rejected.values())


def choice_report(
    chosen: Candidate,
    planned: Sequence[Candidate],
    budget_bytes: int,
    rejected: Mapping[str, str],
    built: Mapping[Key, Built],
) -> dict[str, Any]:
    """What was chosen, among what, and why."""
    return {
        "schema": REPORT_SCHEMA,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "budget_bytes": budget_bytes,
        "choice": {
            "student": chosen.checkpoint.spec.name,
            "checkpoint": chosen.path.name,
            "weights_sha256": chosen.point.weights_sha256,
            "parameters": chosen.checkpoint.parameters,
            "precision": chosen.point.precision,
            "backend": chosen.backend,
            "quality": chosen.quality,
            "why": why_chosen(chosen, planned, rejected),
        },
        "candidates": [dataclasses.asdict(row) for row in pareto_rows(planned, budget_bytes, built, chosen)],
        "scores": chosen.point.scores,
        "versions": versions(),
        "measured_on": here(),
    }
