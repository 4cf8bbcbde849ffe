"""What a build would choose for many budgets and devices, and why: one table, and nothing lowered for it.

    python -m export.choices                                   # the usual budgets and every device
    python -m export.choices --budget 8MB --budget 500KB --device phone_low [--built build/all] [--json FILE]

Memory is what was measured where the point was built here before (`python -m export.build --all --out build/all`), and
computed elsewhere (`~`). The points are planned once, so a hundred targets take as long as one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from distill.files.disk import check_writable
from export.load.checkpoints import CHECKPOINTS, Wanted
from export.pipeline import BUILT, plan_all
from export.plan.built import Built, Key, find_built
from export.plan.choose import Candidate
from export.plan.decide import Decision, by_need, decide, key, too_slow
from export.plan.quality import cell, heading
from export.plan.target import allowed_backends, target
from profiles.model.device import device_names
from profiles.show.table import markdown
from profiles.show.words import show_bytes
from sdk.errors import DataError
from sdk.tools.command import ending
from sdk.tools.whole import whole_file

BUDGETS = ("20MB", "8MB", "4MB", "2MB", "1MB", "500KB", "100KB")


@dataclass(frozen=True)
class Choice:
    """For one target. chosen: name of a point, "" where nothing fits. quality_is: the measure that it was chosen by.
    counted_is, frame_us_is: where the figures come from."""

    target: str
    budget_bytes: int
    precision: str
    chosen: str
    quality: float | None
    quality_is: str
    counted_bytes: int | None
    counted_is: str
    frame_us: float | None
    frame_us_is: str
    why: str


def choice_for(
    name: str, planned: Sequence[Candidate], budget_bytes: int, precision: str, built: Mapping[Key, Built]
) -> Choice:
    """What of `planned`, the points that the target allows, best first, would be built for it."""
    decision = decide(planned, budget_bytes, built)
    found = decision.chosen
    if found is None:
        inside = by_need(decision)
        if inside:
            over = show_bytes(decision.needs(inside[0]) - budget_bytes)
            why = f"nothing fits: {inside[0].name} is closest, {over} too much"
        else:
            why = f"nothing keeps up with speech: {too_slow(min(planned, key=lambda one: one.cost.frame_us or 0.0))}"
        return Choice(name, budget_bytes, precision, "", None, "", None, "", None, "", why)
    known = built.get(key(found))
    measured = "measured here" if known else "computed"
    frame_us = found.cost.frame_us_of(known.call_us) if known else found.cost.frame_us
    return Choice(
        name, budget_bytes, precision, found.name, found.quality.value, found.quality.measure, decision.needs(found),
        measured, frame_us, "measured here" if known else "estimated", reason(decision),
    )  # fmt: skip


def reason(decision: Decision) -> str:
    """Why not the ones before it: each with what it needs; and which a build would measure first, being so near."""
    better = decision.better
    if not better:
        return "the best of all that are allowed"
    shown = [f"{one.name} needs {show_bytes(decision.needs(one))}" for one in better[:3]]
    more = f" and {len(better) - 3} more that need too much" if len(better) > 3 else ""
    near = [one.name for one in better if decision.may_fit(one)]
    close = f"; too near to tell, so a build measures it first: {', '.join(near)}" if near else ""
    return f"better but too large: {', '.join(shown)}{more}{close}"


def table(choices: Sequence[Choice]) -> str:
    """Markdown; the head of the fifth column says what the qualities were measured by."""
    rows, measure = [], heading(one.quality_is for one in choices)
    head = ("target", "memory for us", "precision", "chosen", measure, "counted", "µs a frame", "why")
    for one in choices:
        counted = "–" if one.counted_bytes is None else show_bytes(one.counted_bytes)
        time = "–" if one.frame_us is None else f"{one.frame_us:,.0f}"
        good = "–" if one.quality is None else cell(one.quality, one.quality_is, measure)
        rows.append([
            one.target, show_bytes(one.budget_bytes), one.precision, one.chosen or "nothing",
            good, "~" * (one.counted_is == "computed") + counted,
            "~" * (one.frame_us_is == "estimated") + time, one.why,
        ])  # fmt: skip
    return markdown(head, rows)


def choices(
    targets: Sequence[tuple[str, str | None, str | None]], built: Mapping[Key, Built], checkpoints: Path = CHECKPOINTS
) -> list[Choice]:
    """For each (name, budget, device); see `export.plan.target`. Raises as `export.build.build`."""
    plans: dict[Wanted, list[Candidate]] = {}
    found = []
    for name, budget, device in targets:
        budget_bytes, precision = target(budget, device, None)
        wanted = Wanted(precision=precision, checkpoints=checkpoints, backends=allowed_backends(device))
        if wanted not in plans:
            plans[wanted], _ = plan_all(wanted, lambda line: None)
        found.append(choice_for(name, plans[wanted], budget_bytes, precision, built))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.choices", description=__doc__.split("\n")[0])
    parser.add_argument("--budget", action="append", default=[], help="such as 8MB; may be given several times")
    parser.add_argument("--device", action="append", default=[], help="a profile, or all; may be given several times")
    parser.add_argument("--built", type=Path, default=BUILT, help="folder of `--all`, for measured figures")
    parser.add_argument("--json", type=Path, help="file to write the same to")
    options = parser.parse_args(arguments)
    budgets, devices = options.budget, options.device
    if not budgets and not devices:
        budgets, devices = list(BUDGETS), ["all"]
    names = [name for one in devices for name in (device_names() if one == "all" else [one])]
    with ending(named=True) as end:
        if options.json:
            check_writable(options.json)
        targets = [(one, one, None) for one in budgets] + [(one, None, one) for one in names]
        found = choices(targets, find_built(options.built))
        print(table(found))
        if options.json:
            with whole_file(options.json, DataError) as stream:
                stream.write(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False).encode("utf-8"))
    return end.status
