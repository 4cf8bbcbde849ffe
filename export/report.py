"""What a build has to tell: the artefact's manifest, and `report.json` with every byte computed and measured."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from distill.files.checkpoint import Checkpoint
from distill.students.spec import Student
from distill.students.stream import StreamStudent
from export.backends.base import load_backend
from export.choose import Candidate
from export.deploy_stream import CROWD_VOICES
from export.lower import Lowered
from export.memory import MemoryRows, error_percent
from export.pareto import Built, Key, pareto_rows
from export.precision import Point
from profiles.harness import Measured
from sdk.clock import SAMPLE_RATE_HZ
from sdk.manifest import SCHEMA as MANIFEST_SCHEMA
from sdk.manifest import Manifest

REPORT_SCHEMA = 1


def manifest(
    checkpoint: Checkpoint, point: Point, runtime: str, backend: str, has_crowd: bool = True, verified: str = ""
) -> Manifest:
    """Everything that a player needs, and how the artefact came to be. has_crowd: of a stream program, whether it has
    that method. verified: what is to be said of an artefact that could not be run where it was made."""
    layout, state = checkpoint.layout, _state_shapes(point.student)
    return Manifest(
        schema=MANIFEST_SCHEMA,
        student=checkpoint.spec.name,
        kind="stream" if state else "window",
        runtime=runtime,
        backend=backend,
        precision=point.precision,
        sample_rate_hz=SAMPLE_RATE_HZ,
        window_samples=checkpoint.spec.input_samples,
        future_samples=checkpoint.spec.future_samples,
        state=state,
        crowd_voices=CROWD_VOICES if state and has_crowd else 0,
        fps=list(checkpoint.spec.fps),
        ensemble=list(checkpoint.spec.ensemble),
        history="zeros",
        names=list(layout.names),
        minimum=list(layout.minimum),
        maximum=list(layout.maximum),
        neutral=list(layout.neutral),
        parameters=checkpoint.parameters,
        weights_sha256=point.weights_sha256,
        tools=versions() | ({"verified": verified} if verified else {}),
        training=point.training,
        scores=point.scores,
    )


def _state_shapes(student: Student) -> list[list[int]]:
    """Of one voice; none for a window student."""
    if not isinstance(student, StreamStudent):
        return []
    return [list(tensor.shape[1:]) for tensor in student.initial_state()]


def versions() -> dict[str, str]:
    """Of the tools that make an artefact."""
    versions = {name: metadata.version(name) for name in ("torch", "executorch", "numpy")}
    return versions | {"python": platform.python_version()}


def counted(rows: MemoryRows, measured: Measured) -> int:
    """What is held against the budget: measured where the platform can tell, computed elsewhere."""
    heap = measured.heap_bytes
    return rows.counted_bytes if heap is None else heap + rows.beside_heap_bytes


def why_chosen(chosen: Candidate, planned: Sequence[Candidate], budget_bytes: int, rejected: Sequence[str] = ()) -> str:
    """One sentence: what is best about it, and which better ones were too large.

    planned: best first.
    """
    better = planned[: next((at for at, c in enumerate(planned) if c is chosen), 0)]
    large = [c.name for c in better if c.rows.counted_bytes > budget_bytes]
    why = f"{chosen.name} has the best quality ({chosen.quality:.3f}) of what fits"
    if load_backend(chosen.backend).is_last_resort:
        why = f"{chosen.name} alone fits: reference kernels that use the weights where the file has them, and slow ones"
    why += f"; too large: {', '.join(large)}" if large else ""
    return why + (f"; {'; '.join(rejected)}" if rejected else "")


def choice_report(
    chosen: Candidate, planned: Sequence[Candidate], budget_bytes: int, rejected: list[str], built: Mapping[Key, Built]
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
            "why": why_chosen(chosen, planned, budget_bytes, rejected),
        },
        "candidates": [dataclasses.asdict(row) for row in pareto_rows(planned, budget_bytes, built, chosen)],
        "scores": chosen.point.scores,
        "versions": versions(),
        "measured_on": {"machine": platform.machine(), "system": platform.system()},
    }


def memory_report(rows: MemoryRows, measured: Measured, program_bytes: int, budget_bytes: int) -> dict[str, Any]:
    """Computed rows, the measured ones beside them, and how far apart they are."""
    pairs = {
        "load_peak_bytes": (rows.load_peak_bytes, measured.load_peak_bytes),
        "workspace_bytes": (rows.workspace_bytes, measured.first_run_bytes),
        "steady_bytes": (rows.steady_bytes, measured.steady_bytes),
        "program_bytes": (rows.program_bytes, program_bytes),
    }
    needed = counted(rows, measured)
    return {
        "computed": rows.as_dict(),
        "measured": {name: value for name, (_, value) in pairs.items()},
        "error_percent": {name: error_percent(*pair) for name, pair in pairs.items()},
        "extra_voice": {"computed_bytes": rows.stream_state_bytes, "measured_bytes": measured.voice_bytes},
        "counted_bytes": needed,
        "counted_error_percent": error_percent(rows.counted_bytes, needed),
        "left_bytes": budget_bytes - needed,
        "counted_is": "measured" if measured.heap_bytes is not None else "computed: no heap figures on this platform",
    }


def file_report(measured: Measured, lowered: Lowered | None = None) -> dict[str, Any]:
    """One file's own cost; of a `.pte` also how it delegates."""
    facts = {"measured_here": dataclasses.asdict(measured)}
    if lowered is None:
        return facts
    return facts | {"delegates": lowered.delegates, "outside_delegate": len(lowered.outside)}
