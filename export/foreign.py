"""Artefacts for other machines: backends whose memory nobody here can compute, and most of which cannot run here.

    python -m export.build --backend vulkan --out build/vulkan [--student s7]

The best scores among the checkpoints asked for are exported. Where the backend runs here too, the file is measured and
verified; where it does not, manifest and report say so, and what a budget counts stays unknown.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from export.deliver.delivery import deliver, workshop, write
from export.deliver.manifest import manifest
from export.deliver.papers import write_papers
from export.deliver.report import REPORT_SCHEMA
from export.load.checkpoints import Wanted, load_wanted
from export.load.versions import here, tools
from export.lower.backends.base import Backend, cannot_run, exportable
from export.lower.program import Lowered
from export.measure.counted import file_report
from export.plan.quality import grades, quality
from export.quantise.precision import Point, float_point, points
from export.verify.proof import tolerance, verify
from profiles.measure.harness import measure, sharing_imports
from profiles.show.words import show_bytes
from sdk.artifact import seal
from sdk.errors import ConfigError


@sharing_imports()
def build_foreign(
    name: str, out: Path, wanted: Wanted, say: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Export for the backend `name` into the folder `out`; returns the content of `report.json`.

    wanted: as of `build`; its backends are ignored. Raises `EngineUnavailable` with what is missing,
    `ConfigError` for a precision that the backend does not take, and as `build`.
    """
    backend = exportable(name)
    with workshop(out) as folder:
        say("[1/4] load")
        loaded, _ = load_wanted(wanted, say)
        path, chosen, point = _best(loaded, backend, name, wanted.precision)
        say(f"[2/4] lower: {path.stem} in {point.precision}, {backend.title}")
        lowered = backend.lower(point.student)
        why_not = cannot_run(backend)
        verified = f"no: {why_not}" if why_not else ""
        facts = manifest(chosen, point, "executorch", name, backend.has_crowd, verified)
        pte = folder / "model.pte"
        write(pte, seal(lowered.program, facts))
        report = _report(path, chosen, point, name, lowered) | (
            _unrun(pte, lowered, why_not) if why_not else _run(pte, lowered, point, backend, say)
        )
        write_papers(folder, report, path, chosen, say)
        deliver(folder, out)
    say(f"      {show_bytes(len(lowered.program))}; outside the delegate: {', '.join(lowered.outside) or 'nothing'}")
    return report


def _best(
    loaded: Sequence[tuple[Path, Checkpoint]], backend: Backend, name: str, precision: str
) -> tuple[Path, Checkpoint, Point]:
    """The point of the best scores that the backend takes."""
    found = []
    taken = [pair for pair in loaded if pair[1].spec.family in backend.families]
    if not taken:
        raise ConfigError(f"backend {name} takes {', '.join(backend.families)} students only: give another --student")
    for path, checkpoint in taken:
        if backend.rounds_itself and precision in ("auto", *backend.precisions):
            found.append((path, checkpoint, _rounded(checkpoint, name)))
        elif not backend.rounds_itself:
            found += [
                (path, checkpoint, p) for p in points(path, checkpoint, precision) if p.precision in backend.precisions
            ]
    if not found:
        raise ConfigError(f"backend {name} takes {', '.join(backend.precisions)}, not {precision}")
    good = [quality(one[1].scores if backend.rounds_itself else one[2].scores) for one in found]
    graded = grades(good)
    return found[min(range(len(found)), key=lambda at: (graded[at], -good[at].value))]


def _rounded(checkpoint: Checkpoint, name: str) -> Point:
    """The float student, which the backend rounds by its own rules: nobody has scored what comes of it."""
    single = float_point(checkpoint)
    training = {
        "recipe": f"post-training quantisation by {name}", "parent_sha256": single.weights_sha256,
        "parent": checkpoint.training,
    }  # fmt: skip
    return dataclasses.replace(single, precision="int8", training=training, scores={})


def _report(path: Path, checkpoint: Checkpoint, point: Point, name: str, lowered: Lowered) -> dict[str, Any]:
    good = quality(point.scores)
    return {
        "schema": REPORT_SCHEMA,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "choice": {
            "student": checkpoint.spec.name, "checkpoint": path.name, "weights_sha256": point.weights_sha256,
            "parameters": checkpoint.parameters, "precision": point.precision, "backend": name,
            "quality": good.value, "quality_is": good.measure, "why": f"backend {name} was asked for by name",
        },
        "scores": point.scores, "versions": tools(), "outside_delegate": list(lowered.outside),
        "measured_on": here(),
    }  # fmt: skip


def _unrun(pte: Path, lowered: Lowered, why_not: str) -> dict[str, Any]:
    facts = {"file_bytes": pte.stat().st_size, "delegates": lowered.delegates, "outside_delegate": len(lowered.outside)}
    return {
        "memory": {"counted_bytes": None, "counted_is": f"unknown: {why_not}"},
        "files": {"model.pte": facts},
        "verification": {"verified": False, "why": why_not},
    }


def _run(pte: Path, lowered: Lowered, point: Point, backend: Backend, say: Callable[[str], None]) -> dict[str, Any]:
    say("[3/4] measure: the file, in a fresh process")
    measured = measure(pte)
    say("[4/4] verify: against the checkpoint, in a fresh process")
    errors = verify({pte: point.student}, backend.allowed)
    return {
        "memory": {"counted_bytes": measured.heap_bytes, "counted_is": "measured: heap alone"},
        "files": {"model.pte": file_report(pte, measured, lowered)},
        "verification": {
            "verified": True, "tolerance": backend.allowed or tolerance(point.student), "max_abs_error": errors,
        },
    }  # fmt: skip
