"""Checkpoint -> artefact under a memory budget, in six checked stages.

    python -m export.build (--budget 8MB | --device phone_mid) --out build/face [--student s5] [--checkpoint FILE]
                           [--precision auto|fp32|int8] [--rig arkit|FILE]

load, plan (can it fit at all?), quantise, lower, measure (the file itself, in a fresh process), verify (against the
checkpoint, in another). Everything is made in a temporary folder beside `--out` and moved there at the end, so an error
or Ctrl-C leaves nothing behind. `model.pte` is held against the budget; `model.pt` is a convenience for tools, in
float32. Precision `auto` chooses the best scores that fit among the checkpoints and their int8 twins; `int8` makes a
twin on the spot, not scored, where a checkpoint has none.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from distill.checkpoint import Checkpoint
from export.choose import CHECKPOINTS, Candidate, exceeded, load_candidates, plan, ranked
from export.delivery import deliver, workshop, write
from export.lower import lower
from export.precision import PRECISIONS, float_point, points
from export.report import choice_report, counted, file_report, manifest, memory_report
from export.target import target
from export.torchscript import torchscript
from export.verify import tolerance, verify
from profiles.harness import measure
from profiles.show import show_bytes
from sdk.artifact import seal
from sdk.errors import BudgetExceeded, CheckpointError, ConfigError, TinyfaceError
from sdk.rig import RigLayout

Say = Callable[[str], None]
Loaded = list[tuple[Path, Checkpoint]]


def build(
    budget_bytes: int,
    out: Path,
    student: str | None = None,
    checkpoint: Path | None = None,
    precision: str = "auto",
    checkpoints: Path = CHECKPOINTS,
    rig: RigLayout | None = None,
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Build the best checkpoint that fits `budget_bytes` into the folder `out`; returns the content of `report.json`.

    student: only this one. checkpoint: only this file. precision: `auto`, or one of `PRECISIONS`. checkpoints: the
    folder to choose from. rig: refuse any other.
    Raises `BudgetExceeded`, `CheckpointError`, `ConfigError`, `VerificationError`, `DataError`; `out` is as before.
    """
    _check_precision(precision)
    with workshop(out) as folder:
        say("[1/6] load")
        wanted, others = _load(student, checkpoint, checkpoints, rig, say)
        say(f"[2/6] plan: {show_bytes(budget_bytes)} for everything")
        planned = ranked(_plan_all(wanted, precision, checkpoint is not None, say))
        for candidate in planned:
            needs = show_bytes(candidate.rows.counted_bytes)
            say(f"      {candidate.name}: quality {candidate.quality:.3f}, needs {needs}")
        fitting = [candidate for candidate in planned if candidate.rows.counted_bytes <= budget_bytes]
        if not fitting:
            raise exceeded(budget_bytes, planned, _plan_all(others, precision, False, say))
        report = _first_that_fits(fitting, planned, budget_bytes, folder, say)
        write(folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False).encode("utf-8"))
        deliver(folder, out)
    return report


def _load(
    student: str | None, checkpoint: Path | None, checkpoints: Path, rig: RigLayout | None, say: Say
) -> tuple[Loaded, Loaded]:
    """The checkpoints asked for, and the rest of the folder, which an error may recommend."""
    paths = sorted(checkpoints.glob("*.pt")) if checkpoint is None else [checkpoint]
    loaded, errors = load_candidates(paths, rig)
    if checkpoint is not None and errors:
        raise errors[0]
    for error in errors:
        say(f"      left out: {error}")
    if not loaded:
        reasons = "; ".join(map(str, errors)) or "there is no .pt file in it"
        raise CheckpointError(
            f"{checkpoints}: no usable checkpoint: {reasons}. Train one with `python -m distill.recipes.heterogeneous`"
        )
    wanted = [pair for pair in loaded if student in (None, pair[0].stem, pair[1].spec.name)]
    if not wanted:
        raise ConfigError(f"no checkpoint of {student!r}; there are: {', '.join(path.stem for path, _ in loaded)}")
    kept = {path for path, _ in wanted}
    return wanted, [pair for pair in loaded if pair[0] not in kept]


def _plan_all(loaded: Loaded, precision: str, strict: bool, say: Say) -> list[Candidate]:
    """Every checkpoint at every precision asked for; what cannot be is said and left out, or raised if `strict`."""
    planned: list[Candidate] = []
    for path, checkpoint in loaded:
        try:
            planned += [plan(path, checkpoint, point) for point in points(path, checkpoint, precision)]
        except CheckpointError as error:
            if strict or (precision == "int8" and len(loaded) == 1):
                raise
            say(f"      left out: {error}")
            if precision == "auto":
                planned.append(plan(path, checkpoint, float_point(checkpoint)))
    return planned


def _first_that_fits(
    fitting: Sequence[Candidate],
    planned: Sequence[Candidate],
    budget_bytes: int,
    folder: Path,
    say: Say,
) -> dict[str, Any]:
    """Lower, measure and verify in order of quality until a file fits; its report."""
    rejected: list[str] = []
    for candidate in fitting:
        say(f"[3/6] quantise: {candidate.path.stem} in {candidate.point.precision}")
        say(f"[4/6] lower: {candidate.name} to one XNNPACK delegate")
        lowered = lower(candidate.methods)
        pte = folder / "model.pte"
        checkpoint, single = candidate.checkpoint, float_point(candidate.checkpoint)
        write(pte, seal(lowered.program, manifest(checkpoint, candidate.point, "executorch", "xnnpack")))
        say("[5/6] measure: the file, in a fresh process")
        measured = measure(pte)
        rows = candidate.rows.with_plan(lowered.arenas_bytes)
        needed = counted(rows, measured)
        say(f"      counted {show_bytes(needed)} of {show_bytes(budget_bytes)}, {measured.median_us:.0f} us a frame")
        if needed > budget_bytes:
            sizes = f"planned at {show_bytes(rows.counted_bytes)} but measured {show_bytes(needed)}"
            rejected.append(f"{candidate.name} was {sizes}")
            say(f"      {rejected[-1]}: trying the next best")
            continue
        pt = folder / "model.pt"
        write(pt, seal(torchscript(single.student), manifest(checkpoint, single, "torchscript", "cpu")))
        measured_pt = measure(pt)
        say("[6/6] verify: both files against the checkpoint, in a fresh process")
        errors = verify([pte], candidate.point.student) | verify([pt], single.student)
        report = choice_report(candidate, planned, budget_bytes, rejected)
        report["memory"] = memory_report(rows, measured, budget_bytes)
        report["files"] = {"model.pte": file_report(measured, lowered), "model.pt": file_report(measured_pt)}
        report["verification"] = {"tolerance": tolerance(candidate.point.student), "max_abs_error": errors}
        return report
    raise BudgetExceeded(f"nothing fits {show_bytes(budget_bytes)}: {'; '.join(rejected)}. Give a larger --budget")


def _check_precision(precision: str) -> None:
    if precision not in ("auto", *PRECISIONS):
        raise ConfigError(f"precision {precision!r} cannot be built; there are: auto, {', '.join(PRECISIONS)}")


def _rig(name: str) -> RigLayout:
    return RigLayout.arkit() if name == "arkit" else RigLayout.from_file(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0 built, 2 an error that is explained on stderr, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m export.build", description="Build the best artefact that fits.")
    parser.add_argument("--budget", help="memory for everything, such as 8MB or 500KB")
    parser.add_argument("--device", help="take budget and precision from this profile, such as phone_mid")
    parser.add_argument("--out", required=True, type=Path, help="folder for model.pte, model.pt and report.json")
    parser.add_argument("--student", help="only this variant, such as s5")
    parser.add_argument("--checkpoint", type=Path, help="only this file, instead of the best of checkpoints/")
    parser.add_argument("--precision", help=f"auto, or one of: {', '.join(PRECISIONS)}")
    parser.add_argument("--rig", help="refuse checkpoints of another rig: arkit, or a layout file")
    options = parser.parse_args(arguments)
    try:
        rig = _rig(options.rig) if options.rig else None
        budget_bytes, precision = target(options.budget, options.device, options.precision)
        report = build(
            budget_bytes, options.out, options.student, options.checkpoint, precision,
            rig=rig, say=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
    except TinyfaceError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    memory, choice = report["memory"], report["choice"]
    size = show_bytes(memory["counted_bytes"])
    print(f"{options.out}: {choice['student']} {choice['precision']}, {size} counted: {choice['why']}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a build that is stopped leaves nothing behind either
    sys.exit(main())
