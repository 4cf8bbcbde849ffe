"""Where the time of a frame goes inside the program: one row an operator, with its work and its bytes.

for row in operator_rows(Path("model.pte")): print(row.name, row.us, row.macs)
"""

from __future__ import annotations

import json
from pathlib import Path

from profiles.measure.harness import run_fresh
from profiles.measure.steps import input_shapes, step_frames
from profiles.model.figures import OperatorRow
from sdk.artifact import open_artifact


def operator_rows(path: Path, runs: int = 300, method: str = "forward") -> list[OperatorRow]:
    """Rows of one artefact, in the order of its program; times are those of one frame, on one thread.

    A program that runs more or less than once a frame has its rows scaled so; those of the method `crowd` are of one
    voice. Where the runtime merged or split what the program says, the counts of that row are None; where an operator
    takes less than the tracer's microsecond, its time is. Raises `ArtifactError` for a file that does not load or run.
    """
    manifest = open_artifact(path).manifest
    voices = manifest.crowd_voices if method == "crowd" else 1
    shapes = json.dumps(input_shapes(manifest, voices))
    arguments = (str(path.resolve()), manifest.runtime, str(max(runs, 10)), shapes, method)
    scale = 1.0 / (step_frames(manifest) * voices)
    rows = run_fresh("profiles.inspect._operators", *arguments)["rows"]

    def scaled(value: int | None) -> int | None:
        return None if value is None else round(value * scale)

    return [
        OperatorRow(
            name=row["name"], kind=row["kind"], where=row["where"], calls=row["calls"],
            us=None if row["us"] is None else round(row["us"] * scale, 3), macs=scaled(row["macs"]),
            bytes=scaled(row["bytes"]), label="measured_here",
        )
        for row in rows
    ]  # fmt: skip
