"""A stream student with styles -> sealed `.pte` that every player of ours plays and styles, float32 or int8.

    python -m export.build --student s7 --styles --budget 1MB --out build/s7-styled    # those beside it
    python -m export.styled --checkpoint checkpoints/s7.pt --styles my.styles --out build/s7-styled
    python -m export.styled ... --backend tinyface --precision int8    # our own kernels: the C library alone, the page

    voice = sdk.FramePredictor(sdk.open("build/s7-styled/model.pte"))
    voice.style(anger=0.7)                       # from the next hop on; voice.style() is neutral again

For XNNPACK the budget holds as it does without styles, whose weights, operators and state are counted; in float32 a
TorchScript `.pt` lies beside the program. In int8 the student is its twin, and styles stay in float. A file is played
hop by hop against the student before it is kept, in neutral and in every style; one for our own kernels by the native
library, where there is one, and no budget is held against it: its memory cannot be computed.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from distill.files.checkpoint import Checkpoint
from distill.files.styles import load_styles, styles_path
from distill.students.stream import StreamStudent
from distill.students.styled import StyledStream
from export.deliver.delivery import deliver, workshop, write
from export.deliver.manifest import manifest
from export.deliver.papers import write_papers
from export.deliver.report import REPORT_SCHEMA, choice_report
from export.load.checkpoints import Say, Wanted, load_wanted
from export.load.versions import here, tools
from export.lower.backends.base import load_backend
from export.lower.deploy_styled import DeployedStyled
from export.lower.kernels import lower_kernels
from export.lower.program import Lowered, export_program, lower, quiet
from export.measure.counted import counted, file_report, memory_report
from export.plan.built import Built
from export.plan.choose import Candidate, ranked
from export.plan.cost import cost
from export.plan.decide import Decision, decide, exceeded
from export.plan.quality import quality
from export.quantise.precision import Point, points
from export.verify.heard import listen
from export.verify.styles import verify_styles
from profiles.measure.harness import Measured, measure, sharing_imports
from profiles.show.words import show_bytes
from sdk.artifact import seal
from sdk.errors import BudgetExceeded, CheckpointError, ConfigError
from sdk.manifest import STYLES, Manifest
from sdk.tools.command import ending, say_step

BACKENDS = ("xnnpack", "tinyface")
PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True, eq=False)
class Dressed:
    """A checkpoint's student at a precision, with styles."""

    path: Path
    checkpoint: Checkpoint
    point: Point
    styled: StyledStream

    def candidate(self) -> Candidate:
        """As any point is held against a budget: with the styles' weights, operators and state."""
        backend, deployed = load_backend("xnnpack"), DeployedStyled(self.styled).eval()
        assert backend.rows
        traced = export_program(deployed, deployed.inputs(1))
        taken = cost(traced, self.checkpoint.spec, backend.speeds[self.point.precision])
        rows, good = backend.rows(traced, self.styled), quality(self.point.scores)
        return Candidate(self.path, self.checkpoint, self.point, "xnnpack", rows, taken, good)

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of the styles."""
        count = _numbers(self.styled)
        return {"names": self.styled.head.spec.styles, "parameters": count, "parameters_bytes": 4 * count}


def dressed(wanted: Wanted, styles: Path | None, said: Say) -> list[Dressed]:
    """Every point asked for that has styles: those of the file, or else those beside its checkpoint.

    Raises `ConfigError` where there is none, `CheckpointError` for a file of another student than the only one asked.
    """
    if wanted.precision not in ("auto", *PRECISIONS):
        raise ConfigError(f"styles are not lowered in {wanted.precision}; in: {', '.join(PRECISIONS)}")
    loaded, _ = load_wanted(wanted, said)
    found = []
    for path, checkpoint in loaded:
        file = styles or styles_path(path)
        if not file.exists() and not styles:
            continue
        try:
            head = load_styles(file, checkpoint).head
        except (CheckpointError, ConfigError):
            if len(loaded) == 1:
                raise
            continue
        for point in points(path, checkpoint, wanted.precision):
            if point.precision in PRECISIONS and isinstance(point.student, StreamStudent):
                found.append(Dressed(path, checkpoint, point, StyledStream(point.student, head).eval()))
    if not found:
        asked = ", ".join(path.stem for path, _ in loaded)
        teach = "`python -m distill.recipes.styled_student --student FILE.pt --corpus build/styled --out FILE.styles`"
        raise ConfigError(f"there are no styles of {asked}: teach a stream student some by {teach}")
    return found


@sharing_imports()
def build_styled(
    budget_bytes: int | None, out: Path, wanted: Wanted, styles: Path | None = None, said: Say = lambda line: None
) -> dict[str, Any]:
    """Build the best student with styles into the folder `out`; returns the content of `report.json`.

    budget_bytes: None, and always for our own kernels, to hold none. Raises as `dressed`, and `BudgetExceeded`,
    `EngineUnavailable`, `VerificationError`, `DataError`; `out` is as before.
    """
    (backend,) = wanted.backends or ("xnnpack",)
    if backend not in BACKENDS:
        raise ConfigError(f"styles are not lowered for {backend}; for: {', '.join(BACKENDS)}")
    with workshop(out) as folder:
        there = dressed(wanted, styles, said)
        if budget_bytes is None or backend == "tinyface":
            one = max(there, key=lambda one: quality(one.point.scores).value)
            said(f"      {one.path.stem} in {one.point.precision} for {backend}: no budget is held against it")
            report = _unheld(one, backend)
            _write(one, backend, folder)
        else:
            one, report = _within(budget_bytes, there, folder, said)
        if backend == "xnnpack" and one.point.precision == "fp32":  # its integers are operators of the delegate's
            write(folder / "model.pt", seal(torchscript(one.styled), facts(one, "torchscript", "cpu")))
        report |= {"styles": one.facts, "verification": verify_styles(folder, one.styled, said)}
        write_papers(folder, report, one.path, one.checkpoint, said)
        deliver(folder, out)
    return report


def _within(budget_bytes: int, there: Sequence[Dressed], folder: Path, said: Say) -> tuple[Dressed, dict[str, Any]]:
    """The best that fits, its `model.pte` in `folder`, and what a report says of both."""
    planned = {one.candidate(): one for one in there}
    made: list[tuple[Lowered, Measured]] = []  # of those tried, the last is the chosen one

    def weigh(candidate: Candidate) -> Built:
        said(f"      {candidate.name} with styles: lowered and measured")
        lowered = _write(planned[candidate], "xnnpack", folder)
        made.append((lowered, measure(folder / "model.pte")))
        return Built(counted(candidate.rows, made[-1][1]), made[-1][1].file_bytes, made[-1][1].median_us)

    decision: Decision = decide(ranked(list(planned)), budget_bytes, {}, weigh, weigh_sure=True, say=said)
    if decision.chosen is None:
        raise BudgetExceeded(f"with styles: {exceeded(decision, [])}")
    (lowered, measured), chosen = made[-1], decision.chosen
    rows = replace(chosen.rows, planned_arenas_bytes=lowered.arenas_bytes)
    pte = folder / "model.pte"
    return planned[chosen], choice_report(decision) | {
        "memory": memory_report(rows, measured, len(lowered.program), budget_bytes),
        "files": {"model.pte": file_report(pte, measured, lowered)},
        "heard": listen(pte, chosen.checkpoint),
    }


def _unheld(one: Dressed, backend: str) -> dict[str, Any]:
    choice = {
        "student": one.checkpoint.spec.name, "checkpoint": one.path.name, "weights_sha256": one.point.weights_sha256,
        "parameters": one.checkpoint.parameters, "precision": one.point.precision, "backend": backend,
        "why": "no budget was held against it",
    }  # fmt: skip
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "schema": REPORT_SCHEMA, "created": created, "choice": choice, "scores": one.point.scores,
        "versions": tools(), "measured_on": here(),
    }  # fmt: skip


def program(one: Dressed, backend: str) -> tuple[Lowered, bytes]:
    """The program, and its sealed file. Raises `VerificationError` for a layer that the backend does not have."""
    if backend == "tinyface":
        lowered = lower_kernels(one.styled)
    else:
        deployed = DeployedStyled(one.styled).eval()
        lowered = lower({"forward": export_program(deployed, deployed.inputs(1))})
    return lowered, seal(lowered.program, facts(one, "executorch", backend))


def _write(one: Dressed, backend: str, folder: Path) -> Lowered:
    lowered, sealed = program(one, backend)
    write(folder / "model.pte", sealed)
    return lowered


def torchscript(styled: StyledStream) -> bytes:
    """The bytes of a frozen module: hop, state and style, for any voices."""
    deployed, buffer = DeployedStyled(styled).eval(), io.BytesIO()
    with quiet(), torch.no_grad():
        traced = torch.jit.trace(deployed, deployed.inputs(2), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), buffer)
    return buffer.getvalue()


def facts(one: Dressed, runtime: str, backend: str) -> Manifest:
    """The neutral student's manifest with a state more, and the styles' names. Its scores are of the neutral face."""
    plain = manifest(one.checkpoint, one.point, runtime, backend, has_crowd=backend == "tinyface")
    names = list(one.styled.head.spec.styles)
    return replace(
        plain,
        state=[*plain.state, [len(names), 1, 1]],
        parameters=plain.parameters + _numbers(one.styled),
        training={**plain.training, STYLES: names},
    )


def _numbers(styled: StyledStream) -> int:
    return sum(value.numel() for value in styled.head.parameters())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.styled", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="the neutral stream student")
    parser.add_argument("--styles", type=Path, help="of distill.recipes.styled_student; default: beside the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.pte, and model.pt in float32")
    parser.add_argument("--backend", choices=BACKENDS, default="xnnpack")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    options = parser.parse_args(arguments)
    with ending(named=True) as end:
        wanted = Wanted(None, options.checkpoint, options.precision, backends=(options.backend,))
        build_styled(None, options.out, wanted, options.styles, say_step)
        print(f"{options.out}: {show_bytes((options.out / 'model.pte').stat().st_size)}")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
