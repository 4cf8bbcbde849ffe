"""What was built and measured before, on this machine, by these tools, and still lies there whole.

A report is believed if it says so and its artefacts bear it out: each one's seal holds, its SHA-256 is the one that was
measured, and its manifest names the same point, without styles. Anything else was made elsewhere, or by other tools,
or is damaged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.load.versions import here, tools
from sdk.artifact import open_artifact
from sdk.errors import DataError, TinyfaceError
from sdk.tools.limits import read_json, read_whole

Key = tuple[str, str, str, str]
MEASURED_ROWS = ("load_peak_bytes", "workspace_bytes", "steady_bytes", "program_bytes")
_LARGEST_REPORT_BYTES = 1 << 24


@dataclass(frozen=True)
class Built:
    """What was measured on a finished artefact. call_us: of one step of its program."""

    counted_bytes: int
    file_bytes: int
    call_us: float


def believed(folder: Path) -> tuple[Key, Built, dict[str, Any]] | None:
    """The point, figures and report of what lies in `folder`, if it was built and measured here; else None."""
    try:
        path = folder / "report.json"
        report = read_json(read_whole(path, DataError, _LARGEST_REPORT_BYTES), str(path), DataError)
        choice, files = report["choice"], report["files"]
        if report["versions"] != tools() or report["measured_on"] != here() or "model.pte" not in files:
            return None
        found = {name: open_artifact(folder / name) for name in files}
        if any(artifact.sha256 != files[name]["sha256"] for name, artifact in found.items()):
            return None
        manifest = found["model.pte"].manifest
        if manifest.styles:  # another program than the plain student's, whose weights and place it has
            return None
        place = (manifest.student, manifest.weights_sha256, manifest.precision, manifest.backend)
        if place != tuple(choice[name] for name in ("student", "weights_sha256", "precision", "backend")):
            return None
        return place, _figures(report), report
    except (TinyfaceError, ValueError, KeyError, TypeError, AttributeError):
        return None


def find_built(folder: Path) -> dict[Key, Built]:
    """Points that were measured here, by the reports below `folder`; all else is passed over."""
    found = (believed(path.parent) for path in sorted(folder.glob("*/report.json")))
    return {one[0]: one[1] for one in found if one}


def _figures(report: dict[str, Any]) -> Built:
    """Raises `ValueError` where a figure is none: a report that a build left holds numbers."""
    measured, memory = report["files"]["model.pte"]["measured_here"], report["memory"]
    figures = [memory["counted_bytes"], measured["file_bytes"], measured["steady_bytes"], measured["median_us"]]
    figures += [memory["measured"][name] for name in MEASURED_ROWS]
    figures += [report["verification"]["max_abs_error"]["model.pte"]]
    for figure in figures:
        if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not math.isfinite(figure) or figure < 0:
            raise ValueError(f"{figure!r} is no measurement")
    return Built(memory["counted_bytes"], measured["file_bytes"], measured["median_us"])
