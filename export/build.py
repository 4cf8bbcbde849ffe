"""Checkpoint -> artefact under a memory budget, in six checked stages.

    python -m export.build (--budget 8MB | --device phone_mid) --out build/face [--student s5] [--checkpoint FILE]
                           [--precision auto|fp32|int8|mixed|dynamic] [--backend auto|NAME] [--rig arkit|FILE]
                           [--explain]
    python -m export.build --student s7 --styles --budget 8MB --out build/s7-styled     # moods: `export/styled.py`
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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from export import every, explain, foreign, styled
from export.load.checkpoints import CHECKPOINTS, Wanted
from export.lower.backends.base import exportable, load_backend
from export.measure.counted import in_words
from export.pipeline import build
from export.plan.target import allowed_backends, allowed_bytes, allowed_precision, parse_budget
from export.quantise.precision import PRECISIONS
from sdk.errors import ConfigError
from sdk.rig import RigLayout
from sdk.tools.command import ending, say_step


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0 built, 2 an error that is explained on stderr, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m export.build", description="Build the best artefact that fits.")
    parser.add_argument("--budget", help="memory for everything, such as 8MB or 500KB")
    parser.add_argument("--device", help="take budget and precision from this profile, such as phone_mid")
    parser.add_argument("--out", type=Path, help="folder for model.pte, model.pt and report.json")
    parser.add_argument("--student", help="only the checkpoint of this student, such as s5")
    parser.add_argument("--checkpoint", type=Path, help="only this file, instead of the best of checkpoints/")
    parser.add_argument("--precision", help=f"auto, or one of: {', '.join(PRECISIONS)}")
    parser.add_argument("--backend", default="auto", help="auto, or one that --backends lists")
    parser.add_argument(
        "--styles", nargs="?", const=Path(), type=Path, metavar="FILE",
        help="with styles: of this file, or of the one beside the checkpoint",
    )  # fmt: skip
    parser.add_argument("--rig", help="refuse checkpoints of another rig: arkit, or a layout file")
    parser.add_argument("--explain", action="store_true", help="print the table behind the choice; alone without --out")
    parser.add_argument("--all", action="store_true", help="build every point, each into a folder of --out; resumable")
    parser.add_argument("--backends", action="store_true", help="list the backends and what each lacks here")
    options = parser.parse_args(arguments)
    with ending(named=True) as end:
        end.status = _run(options)
    return end.status


def _run(options: argparse.Namespace) -> int:
    if options.backends:
        print(explain.backend_table())
        return 0
    if options.budget is not None:
        parse_budget(options.budget)  # checked even where it is not used, so that a mistyped budget is always refused
    if options.all and (options.budget or options.device):
        raise ConfigError("--all builds every point, whatever it needs: leave --budget and --device out")
    if options.all and options.styles is not None:
        raise ConfigError("--all builds students without styles: leave --styles out")
    if options.all and options.explain:
        raise ConfigError("--all takes every point, so there is no choice to explain: leave --explain out")
    if options.all and _is_foreign(options.backend):
        raise ConfigError(
            f"--all holds computed memory against measured, and nobody can compute that of {options.backend}: "
            "leave --all out to build for it"
        )
    rig = RigLayout.named(options.rig) if options.rig else None
    backends = allowed_backends(options.device, options.backend)
    precision = allowed_precision(options.device, options.precision)
    wanted = Wanted(options.student, options.checkpoint, precision, CHECKPOINTS, rig, backends)
    if options.all:
        if options.out is None:
            raise ConfigError("say where to build every point: --out FOLDER")
        summary = every.build_every(options.out, wanted)
        print(f"{options.out / 'summary.md'}: {len(summary['built'])} built, {len(summary['failed'])} not")
        return 2 if summary["failed"] else 0
    if options.styles is not None:
        return _run_styled(options, wanted)
    if _is_foreign(options.backend):
        return _run_foreign(options, wanted)
    budget_bytes = allowed_bytes(options.device, options.budget)
    if options.out is None:
        if not options.explain:
            raise ConfigError("say where to build: --out FOLDER; or ask for the table alone with --explain")
        print(explain.explain(budget_bytes, wanted))
        return 0
    report = build(budget_bytes, options.out, wanted, say_step)
    memory, choice = report["memory"], report["choice"]
    if options.explain:
        print(explain.report_table(report))
    print(f"{options.out}: {choice['student']} {choice['precision']}, {in_words(memory)}: {choice['why']}")
    return 0


def _is_foreign(backend: str) -> bool:
    """Whether it was asked for by name and its memory cannot be computed: no budget is held against it."""
    return backend != "auto" and load_backend(backend).rows is None


def _run_styled(options: argparse.Namespace, wanted: Wanted) -> int:
    if options.out is None or options.explain:
        raise ConfigError("a student with styles has no table to explain: say where to build it: --out FOLDER")
    file = None if options.styles == Path() else options.styles
    budget_bytes: int | None = None
    if options.backend != "tinyface":  # whose memory cannot be computed
        budget_bytes = allowed_bytes(options.device, options.budget)
        backends = ("xnnpack",) if "xnnpack" in wanted.backends else wanted.backends[:1]
        wanted = replace(wanted, backends=backends)
    report = styled.build_styled(budget_bytes, options.out, wanted, file, say_step)
    choice, names = report["choice"], ", ".join(report["styles"]["names"])
    held = f"{in_words(report['memory'])}: {choice['why']}" if "memory" in report else choice["why"]
    print(f"{options.out}: {choice['student']} {choice['precision']} with {names}; {held}")
    return 0


def _run_foreign(options: argparse.Namespace, wanted: Wanted) -> int:
    exportable(options.backend)
    if options.explain:
        raise ConfigError(
            f"{options.backend}: its memory cannot be computed, so there is no table for it; say where to build with "
            "--out FOLDER, and leave --explain out"
        )
    if options.out is None:
        raise ConfigError(f"{options.backend}: say where to build: --out FOLDER")
    if options.budget is not None or options.device is not None:
        say_step(f"      no budget is held against {options.backend}: its memory cannot be computed")
    report = foreign.build_foreign(options.backend, options.out, wanted, say_step)
    choice, proof = report["choice"], report["verification"]
    verified = "verified" if proof["verified"] else f"not verified: {proof['why']}"
    print(f"{options.out}: {choice['student']} {choice['precision']} for {choice['backend']}; {verified}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a build that is stopped leaves nothing behind either
    sys.exit(main())
