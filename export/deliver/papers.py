"""What is written beside an artefact: report for programs, page for people, card for whoever finds the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from export.deliver.delivery import write
from export.deliver.page import page, sensitivity_of
from sdk.artifact import open_artifact
from sdk.errors import pip_install
from sdk.tools.card import card


def write_papers(
    folder: Path, report: Mapping[str, Any], source: Path, checkpoint: Checkpoint, say: Callable[[str], None]
) -> None:
    """Write `model.md`, `report.html` and `report.json` into `folder`, where `model.pte` lies already.

    source: the checkpoint's file, beside which a sweep of its layers may lie. Without matplotlib or jinja2 there is no
    page, and `say` is told; the same holds for an artefact that could not be measured here.
    """
    write(folder / "model.md", card(open_artifact(folder / "model.pte")).encode("utf-8"))
    if "candidates" in report:
        try:
            text = page(report, sensitivity_of(source, checkpoint))
            write(folder / "report.html", text.encode("utf-8"))
        except ImportError as error:
            say(f"      no report.html: {error}: {pip_install('profile')}")
    write(folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False).encode("utf-8"))
