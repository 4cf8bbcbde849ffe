"""Checkpoint -> artefact under a memory budget, in six checked stages; the command line is `export/build.py`.

load, plan (can it fit at all?), quantise, lower, measure (the file itself, in a fresh process), verify (against the
checkpoint, in another); then it is delivered. Everything is made in a temporary folder beside its place and moved there
at the end, so an error or Ctrl-C leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from distill.files.twin import TWIN_PRECISIONS, twin_path
from export.deliver.delivery import deliver, workshop, write
from export.deliver.manifest import manifest
from export.deliver.papers import write_papers
from export.deliver.report import choice_report
from export.load.checkpoints import Loaded, Say, Wanted, load_wanted
from export.lower.backends.base import exportable, load_backend
from export.lower.memory import MemoryRows
from export.lower.program import Lowered
from export.lower.torchscript import torchscript
from export.lower.trace import trace
from export.measure.counted import counted, file_report, memory_report
from export.plan.built import Built, find_built
from export.plan.choose import Candidate, automatic_backends, lower, plan, ranked
from export.plan.decide import Decision, decide, exceeded
from export.plan.known import known_rows
from export.plan.quality import cell, heading
from export.quantise.precision import PRECISIONS, float_point, points
from export.verify.heard import listen
from export.verify.proof import tolerance, verify
from profiles.measure.harness import Measured, measure, sharing_imports
from profiles.show.words import show_bytes
from sdk.artifact import seal
from sdk.errors import CheckpointError, ConfigError

BUILT = Path("build/all")  # where `--all` is usually sent, and its measured figures are looked for


@sharing_imports()
def build(budget_bytes: int, out: Path, wanted: Wanted, say: Say = lambda line: None) -> dict[str, Any]:
    """Build the best point that fits `budget_bytes` into the folder `out`; returns the content of `report.json`.

    Raises `BudgetExceeded`, `CheckpointError`, `ConfigError`, `EngineUnavailable`, `VerificationError`, `DataError`;
    `out` is as before.
    """
    with workshop(out) as folder:
        planned, others = plan_all(wanted, say)
        say(f"      {show_bytes(budget_bytes)} for everything:")
        head = heading(candidate.quality.measure for candidate in planned)
        for candidate in planned:
            needs, found = show_bytes(candidate.rows.counted_bytes), candidate.quality
            say(f"      {candidate.name}: {head} {cell(found.value, found.measure, head)}, needs {needs}")
        made: list[tuple[Lowered, Measured]] = []  # of those tried, the last is the chosen one

        def weigh(candidate: Candidate) -> Built:
            made.append(make_program(candidate, folder, say))
            return weighed(candidate, made[-1][1])

        decision = decide(planned, budget_bytes, find_built(BUILT), weigh, weigh_sure=True, say=say)
        if decision.chosen is None:
            raise exceeded(decision, others())
        report = choice_report(decision) | finish(decision, *made[-1], folder, say)
        write_papers(folder, report, decision.chosen.path, decision.chosen.checkpoint, say)
        deliver(folder, out)
    return report


def plan_all(wanted: Wanted, say: Say) -> tuple[list[Candidate], Callable[[], list[Candidate]]]:
    """The points asked for, best first, and a function that plans the rest of the folder. See `build`."""
    precision = wanted.precision
    check_precision(precision)
    for name in wanted.backends:
        exportable(name)
    names = wanted.backends or automatic_backends()
    say("[1/6] load")
    loaded, others = load_wanted(wanted, say)
    say("[2/6] plan")
    planned = ranked(_plan_each(loaded, precision, wanted.checkpoint is not None, say, names))
    if not planned:
        raise ConfigError(f"no point of {precision} can be planned for {', '.join(names)}: give another --precision")
    return planned, lambda: _plan_each(others, precision, False, say, names)


def _plan_each(loaded: Loaded, precision: str, strict: bool, say: Say, backends: Sequence[str]) -> list[Candidate]:
    """Every checkpoint at every precision asked for; what cannot be is said and left out, or raised if `strict`."""
    planned: list[Candidate] = []
    if precision in TWIN_PRECISIONS and any(twin_path(path, precision).exists() for path, _ in loaded):
        bare = [path.stem for path, _ in loaded if not twin_path(path, precision).exists()]
        loaded = [pair for pair in loaded if pair[0].stem not in bare]
        if bare:
            say(f"      left out: {', '.join(bare)}: no {precision} twin, so never scored; --student NAME makes one")
    for path, checkpoint in loaded:
        try:
            for point in points(path, checkpoint, precision):
                planned += plan(path, checkpoint, point, backends)
        except CheckpointError as error:
            if strict or (precision not in ("auto", "fp32") and len(loaded) == 1):
                raise
            say(f"      left out: {error}")
            if precision == "auto":
                planned = [c for c in planned if c.path != path]
                planned += plan(path, checkpoint, float_point(checkpoint), backends)
    return planned


def make_program(candidate: Candidate, folder: Path, say: Say) -> tuple[Lowered, Measured]:
    """Stages 3 to 5: `model.pte` in `folder`, sealed, and what it takes."""
    backend = load_backend(candidate.backend)
    say(f"[3/6] quantise: {candidate.path.stem} in {candidate.point.precision}")
    say(f"[4/6] lower: {candidate.name}, {backend.title}")
    lowered = lower(candidate)
    facts = manifest(candidate.checkpoint, candidate.point, "executorch", candidate.backend, backend.has_crowd)
    write(folder / "model.pte", seal(lowered.program, facts))
    say("[5/6] measure: the file, in a fresh process")
    return lowered, measure(folder / "model.pte")


def weighed(candidate: Candidate, measured: Measured) -> Built:
    """What a decision wants to know of a program that was measured."""
    return Built(counted(candidate.rows, measured), measured.file_bytes, measured.median_us)


def finish(decision: Decision, lowered: Lowered, measured: Measured, folder: Path, say: Say) -> dict[str, Any]:
    """Stage 6: `model.pt` beside the chosen program, both verified; the rest of the report."""
    candidate = decision.chosen
    assert candidate
    checkpoint, single = candidate.checkpoint, float_point(candidate.checkpoint)
    pt = folder / "model.pt"
    write(pt, seal(torchscript(single.student), manifest(checkpoint, single, "torchscript", "cpu")))
    measured_pt = measure(pt)
    say("[6/6] verify: both files against the checkpoint, in a fresh process")
    errors = verify({folder / "model.pte": candidate.point.student, pt: single.student})
    rows = _finished_rows(candidate, lowered)
    files = {
        "model.pte": file_report(folder / "model.pte", measured, lowered),
        "model.pt": file_report(pt, measured_pt),
    }
    return {
        "memory": memory_report(rows, measured, len(lowered.program), decision.budget_bytes),
        "files": files,
        "verification": {"tolerance": tolerance(candidate.point.student), "max_abs_error": errors},
        "heard": listen(folder / "model.pte", checkpoint),
    }


def _finished_rows(candidate: Candidate, lowered: Lowered) -> MemoryRows:
    backend, checkpoint = load_backend(candidate.backend), candidate.checkpoint

    def rows() -> MemoryRows:
        assert backend.rows
        methods = trace(candidate.point.student) if backend.has_crowd else {}
        return candidate.rows.with_program(lowered.arenas_bytes, methods, checkpoint.student(), backend.rows)

    return known_rows(candidate.point, checkpoint.spec, candidate.backend, lowered, rows)


def check_precision(precision: str) -> None:
    """Raises `ConfigError` for a precision that there is not."""
    if precision not in ("auto", *PRECISIONS):
        raise ConfigError(f"precision {precision!r} cannot be built; there are: auto, {', '.join(PRECISIONS)}")
