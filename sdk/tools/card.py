"""A model card of what an artefact says about itself: `python -m sdk card FILE`. All of its manifest is in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sdk.artifact import Artifact
from sdk.clock import FrameClock
from sdk.latency import Latency
from sdk.tools.command import plain

NORMALISATION = "none to do: float32 samples of -1 to 1 as recorded; the program itself takes their level out"


def card(artifact: Artifact) -> str:
    """Markdown about an artefact: what it is, its rig, how it came to be, how well it does."""
    m = artifact.manifest
    latency = Latency.of(FrameClock(m.frame_rate), m.timing, ensemble=bool(m.ensemble))
    window = f"{m.window_samples:,} samples at {m.sample_rate_hz:,} Hz" + (" a hop" if m.kind == "stream" else "")
    facts = {
        "student": f"{m.student}, {m.kind} family", "parameters": f"{m.parameters:,}",
        "precision": m.precision, "runs on": f"{m.runtime}, {m.backend}",
        "hears": f"{window}, {m.timing.future_ms:g} ms of future; before sample 0 stand {m.history}",
        "normalisation": NORMALISATION,
        "frames": f"{m.fps[0]}/{m.fps[1]} a second ({float(m.frame_rate):g})",
        "smoothing": ", ".join(f"{weight:.4g}" for weight in m.ensemble) or "none",
        "latency": f"{latency.total_ms:.1f} ms at 16 kHz, plus the caller's chunk and the inference",
        "weights SHA-256": f"`{m.weights_sha256}`", "manifest schema": str(m.schema),
    }  # fmt: skip
    if m.state:
        shapes = ", ".join("x".join(map(str, shape)) for shape in m.state)
        held = 4 * sum(math.prod(shape) for shape in m.state)
        facts["state of a voice"] = f"{held:,} bytes: {shapes}"
        facts["voices in one call"] = str(max(m.crowd_voices, 1))
    rig = zip(m.names, m.minimum, m.maximum, m.neutral, strict=True)
    lines = [
        f"# {m.student} in {m.precision} for {m.backend}",
        "",
        *_table(facts),
        "",
        f"## Rig: {len(m.names)} channels",
    ]
    lines += ["", "| channel | least | most | at rest |", "|---|---|---|---|"]
    lines += [f"| {name} | {low:g} | {high:g} | {rest:g} |" for name, low, high, rest in rig]
    for title, found in (("Tools that made it", m.tools), ("Training", m.training), ("Scores", m.scores)):
        lines += ["", f"## {title}", "", *(_table(dict(flat(found))) if found else ["Not recorded."])]
    return "\n".join(map(_as_text, lines)) + "\n"


def _as_text(line: str) -> str:
    """A line whose words, whoever chose them, are no element of a page and move no cursor."""
    return plain(line).replace("&", "&amp;").replace("<", "&lt;")


def flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of nested facts, names joined by dots."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(facts: Mapping[str, str]) -> list[str]:
    rows = [f"| {name} | {value} |" for name, value in facts.items()]
    return ["| fact | value |", "|---|---|", *rows]
