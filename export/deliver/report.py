"""What a build has to tell: the artefact's manifest, and `report.json` with every byte computed and measured."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from export.load.versions import here, tools
from export.lower.backends.base import load_backend
from export.plan.decide import Decision
from export.plan.pareto import pareto_rows

REPORT_SCHEMA = 1


def why_chosen(decision: Decision) -> str:
    """One sentence: what is best about the chosen one, and which better ones were too large."""
    chosen, rejected = decision.chosen, decision.rejected
    assert chosen
    good, large = chosen.quality, [c.name for c in decision.better if c.name not in rejected]
    why = f"{chosen.name} has the best {good.measure} ({good}) of what fits"
    if good.half:
        why += ", or is the cheapest as good as it"
    if not good.measure:
        why = f"{chosen.name} is the first that fits; it was never scored"
    if load_backend(chosen.backend).is_last_resort:
        why += ": reference kernels that use the weights where the file has them, and slow ones"
        if not all(load_backend(one.backend).is_last_resort for one in decision.planned):
            why += ", as nothing for a faster backend fits"
    why += f"; too large: {', '.join(large)}" if large else ""
    return why + "".join(f"; {said}" for said in rejected.values())


def choice_report(decision: Decision) -> dict[str, Any]:
    """What was chosen, among what, and why."""
    chosen = decision.chosen
    assert chosen
    return {
        "schema": REPORT_SCHEMA,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "budget_bytes": decision.budget_bytes,
        "choice": {
            "student": chosen.checkpoint.spec.name,
            "checkpoint": chosen.path.name,
            "weights_sha256": chosen.point.weights_sha256,
            "parameters": chosen.checkpoint.parameters,
            "precision": chosen.point.precision,
            "backend": chosen.backend,
            "quality": chosen.quality.value,
            "quality_is": chosen.quality.measure,
            "why": why_chosen(decision),
        },
        "candidates": [dataclasses.asdict(row) for row in pareto_rows(decision)],
        "scores": chosen.point.scores,
        "versions": tools(),
        "measured_on": here(),
    }
