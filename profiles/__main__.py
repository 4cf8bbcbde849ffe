"""Profile artefacts for a device, and read what a profile says.

    python -m profiles ARTEFACT... --device NAME --out DIR [options]     measure; write report.json, .md and .html
    python -m profiles compare OLD.json NEW.json [--fail-above 10%]      is the new run slower? an exit code for CI
    python -m profiles table DIR/report.json [--wide]                    one Markdown table of everything measured
    python -m profiles spread RUN.json RUN.json...                       what one run's figures, and a comparison, say
    python -m profiles render RUN.json --out DIR [--against OLD.json]    the report again, without measuring
    python -m profiles devices                                           which devices there are
    python -m profiles schema                                            what report.json holds, as JSON Schema

Exit status: 0 done (compare: no regression), 1 a regression was found, 2 a mistake that the message explains, 130
interrupted. A mistake is: an artefact that cannot be read or run, a device file with a typo, a pinned core that this
process may not use, a GPU that was required and is not there, a result of another artefact, runs of different
processors, a backend that was asked for by name and ran nowhere. What was not asked for by name and cannot run here (a
GPU, a backend) is no mistake: the report lists it with the reason.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from profiles.judge.compare import Change, Clock, compare
from profiles.measure.plan import Plan
from profiles.model.device import device_names, load_device
from profiles.model.record import Record
from profiles.model.schema import schema
from profiles.run import profile
from profiles.show.exports import chrome_trace, prometheus
from profiles.show.places import check_places
from profiles.show.report import summary, write_report
from profiles.show.spread import show, spread, trials
from profiles.show.table import table, wide_table
from profiles.show.tables import changes_table
from profiles.show.words import show_bytes
from sdk.errors import ProfileError, pip_install
from sdk.tools.command import at_least, ending, say
from sdk.tools.whole import whole_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors of ours become a line on stderr, never a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], int]] = {
        "compare": _compare, "table": _table, "spread": _spread, "render": _render, "devices": _devices,
        "schema": _schema,
    }  # fmt: skip
    with ending() as end:
        return commands[given[0]](given[1:]) if given and given[0] in commands else _profile(given)
    return end.status


def _parser(name: str, words: str) -> argparse.ArgumentParser:
    """A parser whose help ends with the exit status."""
    formatter = argparse.RawDescriptionHelpFormatter
    epilog = (__doc__ or "").split("\n\n", 2)[2]
    program = f"python -m profiles{name}"
    return argparse.ArgumentParser(prog=program, description=words, epilog=epilog, formatter_class=formatter)


def _profile(given: list[str]) -> int:
    parser = _parser("", (__doc__ or "").split("\n\nExit")[0])
    add = parser.add_argument
    add("artefacts", nargs="+", type=Path, metavar="ARTEFACT", help="a .pte or .pt with its manifest")
    add("--device", help=f"judge for this device: {', '.join(device_names())}, or a .yaml file")
    add("--out", required=True, type=Path, help="folder for report.json, report.md and report.html")
    add("--quick", action="store_true", help="about a minute an artefact: fewer and shorter cases")
    add("--threads", help="thread counts to measure, such as 1,2,4 (default 1,2; with --quick 1)")
    add(
        "--seconds",
        type=at_least(0, float),
        help="length of the run at the speed of speech, 0 for none (default 60; quick 10)",
    )
    add("--launches", type=int, help="fresh processes a case (default 8, quick 5; a comparison needs 4)")
    add("--pin", type=int, metavar="CORE", help="keep the measuring process on this core")
    add("--backends", help="only these, such as xnnpack,python_sdk (default: all that run the file)")
    add("--gpu", choices=("auto", "off", "require"), default="auto", help="require: to have none is a mistake")
    add("--no-native", action="store_true", help="do not run the C++ profiler here")
    add("--native", nargs="+", type=Path, default=[], metavar="RESULT", help="what the C++ profiler brought back")
    add("--trust", action="store_true", help="run .pt files too: you know who made them")
    add("--against", type=Path, metavar="OLD", help="an earlier report.json to compare with in the report")
    _add_exports(parser)
    options = parser.parse_args(given)
    _need("jinja2", "matplotlib", "scipy", *["prometheus_client"] * bool(options.prometheus))
    read = (options.against, *options.native, *options.artefacts)
    check_places(options.out, (options.trace, options.prometheus), read)
    device = load_device(options.device) if options.device else None
    earlier = Record.read(options.against) if options.against else None
    command = shlex.join(["python", "-m", "profiles", *given])
    plan = _plan(options)
    record = profile(options.artefacts, device, plan, say, command)
    _write(record, options, earlier)
    print(table(record), end="")
    ran = {case.setting.backend for case in record.cases}
    if idle := [name for name in plan.backends or () if name not in ran]:
        raise ProfileError(f"--backends {','.join(idle)}: asked for by name, and ran nowhere; the report says why")
    return 0


def _plan(options: argparse.Namespace) -> Plan:
    """The plan of the command line. Raises `ProfileError` for thread counts that are none."""
    plan = Plan.quick() if options.quick else Plan()
    given = {"launches": options.launches, "seconds": options.seconds, "pinned_core": options.pin}
    if options.threads:
        try:
            given["threads"] = tuple(dict.fromkeys(int(count) for count in options.threads.split(",")))
        except ValueError as error:
            raise ProfileError(
                f"--threads {options.threads}: write whole numbers with commas, such as 1,2,4"
            ) from error
    if options.backends:
        given["backends"] = tuple(options.backends.split(","))
    return dataclasses.replace(
        plan, gpu=options.gpu, trusted=options.trust, native=not options.no_native,
        native_results=tuple(options.native), **{name: value for name, value in given.items() if value is not None},
    )  # fmt: skip


def _compare(given: list[str]) -> int:
    parser = _parser(" compare", "Is the new run slower than the old one, or was it only the machine's mood?")
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--fail-above", default="10%", help="the smallest loss that counts (default 10%%)")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="what time to compare (default wall)")
    parser.add_argument("--out", type=Path, help="also write the new run's report with the comparison to this folder")
    options = parser.parse_args(given)
    _need("scipy", *["jinja2", "matplotlib"] * bool(options.out))
    if options.out:
        check_places(options.out, (), (options.old,))
    old, new = Record.read(options.old), Record.read(options.new)
    clock: Clock = options.clock
    changes = compare(old, new, _share(options.fail_above), clock)
    print(changes_table(changes))
    print(f"\n{summary(changes)}")
    if options.out:
        write_report(new, options.out, changes)
    return 1 if any(change.verdict == "regression" for change in changes) else 0


def _table(given: list[str]) -> int:
    parser = _parser(" table", "One Markdown table of everything measured, for a README.")
    parser.add_argument("record", type=Path, metavar="REPORT.json")
    parser.add_argument("--wide", action="store_true", help="a row for each student, a column for each setting")
    options = parser.parse_args(given)
    print((wide_table if options.wide else table)(Record.read(options.record)), end="")
    return 0


def _spread(given: list[str]) -> int:
    parser = _parser(" spread", "How far repeated runs of one profile lie apart, and what a comparison of them says.")
    parser.add_argument("records", nargs="+", type=Path, metavar="REPORT.json")
    options = parser.parse_args(given)
    _need("scipy")
    records = [Record.read(path) for path in options.records]
    print(show(spread(records), trials(records)), end="")
    return 0


def _render(given: list[str]) -> int:
    parser = _parser(" render", "Write the report of a record again, without measuring.")
    parser.add_argument("record", type=Path, metavar="REPORT.json")
    parser.add_argument("--out", required=True, type=Path, help="folder for report.json, report.md and report.html")
    parser.add_argument("--against", type=Path, metavar="OLD", help="an earlier report.json to compare with")
    _add_exports(parser)
    options = parser.parse_args(given)
    _need("jinja2", "matplotlib", *["prometheus_client"] * bool(options.prometheus), *["scipy"] * bool(options.against))
    check_places(options.out, (options.trace, options.prometheus), (options.against,))
    record = Record.read(options.record)
    _write(record, options, Record.read(options.against) if options.against else None)
    return 0


def _devices(given: list[str]) -> int:
    _parser(" devices", "Which devices there are.").parse_args(given)
    for name in device_names():
        facts = load_device(name).facts()
        budget = f"{show_bytes(facts.memory_budget_bytes)}, {facts.our_ms:.2g} ms of {facts.frame_ms:.3g} ms"
        print(f"{name:<16} {facts.title:<36} {budget}, {facts.threads} thread(s)")
    return 0


def _schema(given: list[str]) -> int:
    _parser(" schema", "What report.json holds, as JSON Schema.").parse_args(given)
    print(json.dumps(schema(), indent=2))
    return 0


def _add_exports(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trace", type=Path, help="also write a trace for chrome://tracing or Perfetto")
    parser.add_argument("--prometheus", type=Path, help="also write gauges in Prometheus' text format")


def _write(record: Record, options: argparse.Namespace, earlier: Record | None) -> None:
    """All files that were asked for; their paths on stderr. What was measured is written before a comparison fails."""
    changes: list[Change] = []
    failure = None
    try:
        changes = compare(earlier, record) if earlier else []
    except ProfileError as error:
        failure = error
    written = write_report(record, options.out, changes)
    for path, export in ((options.trace, chrome_trace), (options.prometheus, prometheus)):
        if path:
            with whole_file(path, ProfileError) as stream:
                stream.write(export(record).encode("utf-8"))
            written.append(path)
    say("wrote " + ", ".join(map(str, written)))
    if failure:
        raise failure


def _need(*libraries: str) -> None:
    """Raises `ProfileError` before any time is spent where a library for the report is missing."""
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise ProfileError(f"reports need {', '.join(missing)}: {pip_install('profile')}")


def _share(text: str) -> float:
    """`10%` or `0.1` as 0.1. Raises `ProfileError` for anything else."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError as error:
        raise ProfileError(f"--fail-above {text}: write a share such as 10% or 0.1") from error


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a profile that is stopped ends its processes too
    sys.exit(main())
