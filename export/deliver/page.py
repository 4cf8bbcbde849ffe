"""A build as people read it: `report.html`, one page that needs no network. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from export.deliver import drawings
from export.lower.memory import error_percent
from export.plan.pareto import Row, cells, head
from export.plan.quality import Quality
from export.quantise.keep import sensitivity_path
from profiles.model.environment import environment
from profiles.show.words import show_bytes, show_number
from sdk.errors import CheckpointError
from sdk.tools.limits import read_json_file

TEMPLATES = Path(__file__).resolve().parent / "templates"
_STYLE = Path(__file__).resolve().parents[2] / "profiles" / "show" / "templates"
_MEANS = {
    "program_bytes": "the program in the file",
    "parameters_bytes": "weights in their own types",
    "packed_weights_bytes": "the delegate's copy of them", "in_place_bytes": "weights read from the file every frame",
    "operators_bytes": "bookkeeping of the operators",
    "planned_arenas_bytes": "outside the delegate, by the program's plan",
    "workspace_bytes": "layer outputs alive at once", "stream_state_bytes": "one voice; the next voice costs as much",
    "opening_bytes": "held while the file is opened, and given back",
    "load_peak_bytes": "heap while loading", "steady_bytes": "heap once it has run",
    "counted_bytes": "held against the budget",
    "crowd_bytes": "many voices, once they come; in no budget",
    "paper_bytes": "as the paper counts: parameters and every layer's output at float32",
}  # fmt: skip


def sensitivity_of(path: Path, checkpoint: Checkpoint) -> dict[str, Any] | None:
    """The sweep beside a checkpoint file; None where there is none, or one of other weights."""
    try:
        found = read_json_file(sensitivity_path(path), CheckpointError)
        fits = found["weights_sha256"] == checkpoint.weights_sha256 and found["layers"] and found["tolerance_cm"]
    except (CheckpointError, ValueError, KeyError, TypeError):
        return None
    return dict(found) if fits else None


def page(report: Mapping[str, Any], sensitivity: Mapping[str, Any] | None) -> str:
    """The page of a finished report. Raises `ImportError` without matplotlib or jinja2."""
    import jinja2

    loader = jinja2.FileSystemLoader([TEMPLATES, _STYLE])
    templates = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True,
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
    )  # fmt: skip
    heard = report.get("heard") or {"why_not": "nothing was heard"}
    points = [Row(**row) for row in report["candidates"]]
    quality = Quality(report["choice"]["quality"], report["choice"]["quality_is"])
    context = {
        "report": report, "choice": report["choice"], "heard": heard, "memory_rows": memory_rows(report),
        "head": head(points), "points": cells(points), "sensitivity": sensitivity, "quality": quality,
        "scores": _scores(report["scores"]), "environment": _environment(report), "show_bytes": show_bytes,
        "show_number": show_number, "plots": _plots(report, heard, sensitivity),
    }  # fmt: skip
    return templates.get_template("build.html.j2").render(context)


def memory_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every row with what was computed, what was measured, and how far apart they are."""
    memory = report["memory"]
    measured = memory["measured"] | {"counted_bytes": memory["counted_bytes"]}
    measured |= {"stream_state_bytes": memory["extra_voice"]["measured_bytes"]}
    return [
        {
            "name": name.removesuffix("_bytes").replace("_", " "), "means": means,
            "computed": memory["computed"][name], "measured": measured.get(name),
            "error": error_percent(memory["computed"][name], measured.get(name)),
        }
        for name, means in _MEANS.items()
    ]  # fmt: skip


def _plots(
    report: Mapping[str, Any], heard: Mapping[str, Any], sensitivity: Mapping[str, Any] | None
) -> dict[str, str]:
    return {
        "curves": drawings.curves(heard) if "curves" in heard else "",
        "memory": drawings.memory(report),
        "pareto": drawings.pareto(report["candidates"], report["budget_bytes"])
        if len(report["candidates"]) > 1
        else "",
        "sensitivity": drawings.sensitivity(sensitivity) if sensitivity else "",
    }


def _scores(scores: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, dict(values)) for name, values in scores.items() if isinstance(values, Mapping)]


def _environment(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    env = environment()
    loads = ", ".join(f"{value:.2f}" for value in env.load_average)
    rows = [
        ("processor", f"{env.cpu}, {env.cores} cores available"), ("instruction sets", ", ".join(env.isa)),
        ("system", env.system), *report["versions"].items(), ("load average, 1, 5, 15 minutes", loads),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value]
