"""Checkpoint -> artefact under a memory budget, in six checked stages.

    python -m export.build (--budget 8MB | --device phone_mid) --out build/face [--student s5] [--checkpoint FILE]
                           [--precision auto|fp32|int8|mixed] [--backend auto|NAME] [--rig arkit|FILE] [--explain]
    python -m export.build --all --out build/all          # every point, each in a folder; computed against measured
    python -m export.build --backends                     # what can be exported and run here

load, plan (can it fit at all?), quantise, lower, measure (the file itself, in a fresh process), verify (against the
checkpoint, in another). Everything is made in a temporary folder beside `--out` and moved there at the end, so an error
or Ctrl-C leaves nothing behind. `model.pte` is held against the budget; `model.pt` is a convenience for tools, in
float32. Precision `auto` chooses the best scores that fit among the checkpoints and their twins; a precision by name
makes a twin on the spot, not scored, where a checkpoint has none. `--explain` prints the table behind the choice, and
without `--out` nothing but that.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from distill.files.twin import TWIN_PRECISIONS, twin_path
from export.backends.base import exportable, load_backend
from export.choose import (
    CHECKPOINTS,
    Candidate,
    Wanted,
    automatic_backends,
    exceeded,
    load_candidates,
    lower,
    plan,
    ranked,
)
from export.delivery import deliver, workshop, write
from export.heard import listen
from export.lower import Lowered
from export.memory import MemoryRows
from export.papers import write_papers
from export.pareto import find_built
from export.precision import PRECISIONS, float_point, points
from export.report import choice_report, counted, file_report, manifest, memory_report
from export.target import allowed_backends, target
from export.torchscript import torchscript
from export.trace import trace
from export.verify import tolerance, verify
from profiles.harness import Measured, measure
from profiles.show import show_bytes
from sdk.artifact import seal
from sdk.command import ending, say
from sdk.errors import BudgetExceeded, CheckpointError, ConfigError
from sdk.rig import RigLayout

Say = Callable[[str], None]
Loaded = list[tuple[Path, Checkpoint]]
BUILT = Path("build/all")  # where `--all` is usually sent, and its measured figures are looked for


def build(budget_bytes: int, out: Path, wanted: Wanted, say: Say = lambda line: None) -> dict[str, Any]:
    """Build the best point that fits `budget_bytes` into the folder `out`; returns the content of `report.json`.

    Raises `BudgetExceeded`, `CheckpointError`, `ConfigError`, `EngineUnavailable`, `VerificationError`, `DataError`;
    `out` is as before.
    """
    with workshop(out) as folder:
        planned, others = plan_all(wanted, say)
        say(f"      {show_bytes(budget_bytes)} for everything:")
        for candidate in planned:
            needs = show_bytes(candidate.rows.counted_bytes)
            say(f"      {candidate.name}: quality {candidate.quality:.3f}, needs {needs}")
        fitting = [c for c in planned if c.rows.counted_bytes <= budget_bytes and c.cost.is_real_time]
        if not fitting:
            raise exceeded(budget_bytes, planned, others())
        chosen, report = _first_that_fits(fitting, planned, budget_bytes, folder, say)
        write_papers(folder, report, chosen.path, chosen.checkpoint, say)
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


def load_wanted(wanted: Wanted, say: Say) -> tuple[Loaded, Loaded]:
    """The checkpoints asked for, and the rest of the folder, which an error may recommend."""
    paths = sorted(wanted.checkpoints.glob("*.pt")) if wanted.checkpoint is None else [wanted.checkpoint]
    loaded, errors = load_candidates(paths, wanted.rig)
    if wanted.checkpoint is not None and errors:
        raise errors[0]
    for error in errors:
        say(f"      left out: {error}")
    if not loaded:
        reasons = "; ".join(map(str, errors)) or "there is no .pt file in it"
        raise CheckpointError(
            f"{wanted.checkpoints}: no usable checkpoint: {reasons}. "
            "Train one with `python -m distill.recipes.heterogeneous`"
        )
    student = wanted.student
    asked = [pair for pair in loaded if student in (None, pair[0].stem, pair[1].spec.name)]
    if not asked:
        raise ConfigError(f"no checkpoint of {student!r}; there are: {', '.join(path.stem for path, _ in loaded)}")
    kept = {path for path, _ in asked}
    return asked, [pair for pair in loaded if pair[0] not in kept]


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


def _first_that_fits(
    fitting: Sequence[Candidate], planned: Sequence[Candidate], budget_bytes: int, folder: Path, say: Say
) -> tuple[Candidate, dict[str, Any]]:
    """Lower, measure and verify in order of quality until a file fits; which it is, and its report."""
    rejected: list[str] = []
    for candidate in fitting:
        lowered, measured = make_program(candidate, folder, say)
        needed = counted(candidate.rows, measured)
        say(f"      counted {show_bytes(needed)} of {show_bytes(budget_bytes)}, {measured.median_us:.0f} us a call")
        if needed > budget_bytes:
            sizes = f"planned at {show_bytes(candidate.rows.counted_bytes)} but measured {show_bytes(needed)}"
            rejected.append(f"{candidate.name} was {sizes}")
            say(f"      {rejected[-1]}: trying the next best")
            continue
        report = choice_report(candidate, planned, budget_bytes, rejected, find_built(BUILT))
        return candidate, report | finish(candidate, lowered, measured, budget_bytes, folder, say)
    raise BudgetExceeded(f"nothing fits {show_bytes(budget_bytes)}: {'; '.join(rejected)}. Give a larger --budget")


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


def finish(
    candidate: Candidate, lowered: Lowered, measured: Measured, budget_bytes: int, folder: Path, say: Say
) -> dict[str, Any]:
    """Stage 6: `model.pt` beside it, both verified; the rest of the report."""
    checkpoint, single = candidate.checkpoint, float_point(candidate.checkpoint)
    pt = folder / "model.pt"
    write(pt, seal(torchscript(single.student), manifest(checkpoint, single, "torchscript", "cpu")))
    measured_pt = measure(pt)
    say("[6/6] verify: both files against the checkpoint, in a fresh process")
    errors = verify([folder / "model.pte"], candidate.point.student) | verify([pt], single.student)
    rows = _finished_rows(candidate, lowered)
    return {
        "memory": memory_report(rows, measured, len(lowered.program), budget_bytes),
        "files": {"model.pte": file_report(measured, lowered), "model.pt": file_report(measured_pt)},
        "verification": {"tolerance": tolerance(candidate.point.student), "max_abs_error": errors},
        "heard": listen(folder / "model.pte", checkpoint),
    }


def _finished_rows(candidate: Candidate, lowered: Lowered) -> MemoryRows:
    backend, student = load_backend(candidate.backend), candidate.checkpoint.student()
    assert backend.rows
    methods = trace(candidate.point.student) if backend.has_crowd else {}
    return candidate.rows.with_program(lowered.arenas_bytes, methods, student, backend.rows)


def check_precision(precision: str) -> None:
    """Raises `ConfigError` for a precision that there is not."""
    if precision not in ("auto", *PRECISIONS):
        raise ConfigError(f"precision {precision!r} cannot be built; there are: auto, {', '.join(PRECISIONS)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0 built, 2 an error that is explained on stderr, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m export.build", description="Build the best artefact that fits.")
    parser.add_argument("--budget", help="memory for everything, such as 8MB or 500KB")
    parser.add_argument("--device", help="take budget and precision from this profile, such as phone_mid")
    parser.add_argument("--out", type=Path, help="folder for model.pte, model.pt and report.json")
    parser.add_argument("--student", help="only this variant, such as s5")
    parser.add_argument("--checkpoint", type=Path, help="only this file, instead of the best of checkpoints/")
    parser.add_argument("--precision", help=f"auto, or one of: {', '.join(PRECISIONS)}")
    parser.add_argument("--backend", default="auto", help="auto, or one that --backends lists")
    parser.add_argument("--rig", help="refuse checkpoints of another rig: arkit, or a layout file")
    parser.add_argument("--explain", action="store_true", help="print the table behind the choice")
    parser.add_argument("--all", action="store_true", help="build every point, each into a folder of --out; resumable")
    parser.add_argument("--backends", action="store_true", help="list the backends and what each lacks here")
    options = parser.parse_args(arguments)
    with ending(named=True) as end:
        end.status = _run(options)
    return end.status


def _run(options: argparse.Namespace) -> int:
    from export import every, explain

    if options.backends:
        print(explain.backend_table())
        return 0
    rig = RigLayout.named(options.rig) if options.rig else None
    backends = allowed_backends(options.device, options.backend)
    wanted = Wanted(options.student, options.checkpoint, options.precision or "auto", CHECKPOINTS, rig, backends)
    if options.all:
        if options.out is None:
            raise ConfigError("say where to build every point: --out FOLDER")
        summary = every.build_every(options.out, wanted)
        print(f"{options.out / 'summary.md'}: {len(summary['built'])} built, {len(summary['failed'])} not")
        return 2 if summary["failed"] else 0
    if options.backend != "auto" and load_backend(options.backend).rows is None:
        return _run_foreign(options, wanted)
    budget_bytes, precision = target(options.budget, options.device, options.precision)
    wanted = replace(wanted, precision=precision)
    if options.out is None:
        if not options.explain:
            raise ConfigError("say where to build: --out FOLDER; or ask for the table alone with --explain")
        print(explain.explain(budget_bytes, wanted))
        return 0
    report = build(budget_bytes, options.out, wanted, say)
    memory, choice = report["memory"], report["choice"]
    if options.explain:
        print(explain.report_table(report))
    size = show_bytes(memory["counted_bytes"])
    print(f"{options.out}: {choice['student']} {choice['precision']}, {size} counted: {choice['why']}")
    return 0


def _run_foreign(options: argparse.Namespace, wanted: Wanted) -> int:
    from export.foreign import build_foreign

    if options.out is None:
        raise ConfigError("say where to build: --out FOLDER")
    report = build_foreign(options.backend, options.out, wanted, say)
    choice, proof = report["choice"], report["verification"]
    verified = "verified" if proof["verified"] else f"not verified: {proof['why']}"
    print(f"{options.out}: {choice['student']} {choice['precision']} for {choice['backend']}; {verified}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a build that is stopped leaves nothing behind either
    sys.exit(main())
