"""`python -m tests.noise`: is a planted slowdown caught, and is noise let pass? On this machine, as it is just now.

    python -m tests.noise [--student s5] [--trials 10] [--launches 5] [--out build/noise]

Builds the student and a copy of it with a convolution more, about 20 % of work whose result hardly counts. Each trial
profiles the program, the same program again, and the copy, one after another as a CI would, and compares both with the
first. Last, the spread of all runs of the one program.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.files.checkpoint import Checkpoint
from export.load.checkpoints import CHECKPOINTS, Wanted
from export.lower.deploy import deploy
from export.lower.program import export_program, lower
from export.pipeline import build
from profiles.judge.compare import Change, compare
from profiles.measure.plan import Plan
from profiles.model.record import Record
from profiles.run import profile
from profiles.show.spread import show, spread
from sdk.artifact import open_artifact, seal


class Slower(nn.Module):
    """A window student's program with more work: two convolutions over the window, added a millionth each."""

    ROWS, COLUMNS = 8, 1024

    def __init__(self, program: nn.Module, outputs: int, channels: int) -> None:
        super().__init__()
        self.program = program
        self.wide = nn.Conv2d(self.ROWS, 96, (1, 3), padding=(0, 1))
        self.deep = nn.Conv2d(96, channels, (1, 3), padding=(0, 1))
        self.last = nn.Linear(channels, outputs)

    def forward(self, window: Tensor) -> Tensor:
        rows = window.reshape(1, self.ROWS, 1, self.COLUMNS)
        more = functional.relu(self.deep(functional.relu(self.wide(rows))))
        answer: Tensor = self.program(window)
        return answer + 1e-6 * self.last(more.mean((2, 3), keepdim=True).reshape(1, -1))


def plant(original: Path, checkpoint: Path, out: Path, channels: int) -> Path:
    """A sealed copy of `original` that does more work; under the same facts, so that both have one name."""
    student = Checkpoint.load(checkpoint).student()
    program = deploy(student)
    manifest = open_artifact(original).manifest
    torch.manual_seed(0)
    slower = Slower(program, len(manifest.names), channels).eval()
    inputs = (torch.zeros(1, 1, manifest.window_samples),)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(seal(lower({"forward": export_program(slower, inputs)}).program, manifest))
    return out


def run(path: Path, plan: Plan) -> Record:
    return profile([path], None, plan, command="python -m tests.noise")


def told(title: str, changes: list[Change]) -> str:
    """One line on the time of a frame; returns the verdict."""
    change = next(change for change in changes if "time" in change.quantity)
    interval = f"{change.low:.3f} to {change.high:.3f}" if change.low and change.high else "no interval"
    print(f"{title:<22} {change.ratio:6.3f}  ({interval})  {change.verdict}", flush=True)
    return change.verdict


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.noise", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--student", default="s5", help="a window student of checkpoints/ (default s5)")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--channels", type=int, default=48, help="of the planted convolution (default 48, for s5)")
    parser.add_argument("--out", type=Path, default=Path("build/noise"))
    options = parser.parse_args()
    checkpoint = CHECKPOINTS / f"{options.student}.pt"
    build(64_000_000, options.out / "built", Wanted(checkpoint=checkpoint))
    original = options.out / "built" / "model.pte"
    copy = plant(original, checkpoint, options.out / "planted" / "model.pte", options.channels)
    plan = Plan(
        launches=options.launches, rounds=3, frames=60, seconds=0.0, threads=(1,), backends=("xnnpack",),
        loads=("none",), cold=False, gpu="off", native=False, operators=False, estimates=False,
    )  # fmt: skip
    same, verdicts = [], []
    for trial in range(options.trials):
        old, new, planted = run(original, plan), run(original, plan), run(copy, plan)
        same += [old, new]
        load = old.environment.load_average[0] if old.environment.load_average else float("nan")
        print(f"trial {trial}, load average {load:.1f}")
        verdicts.append(("noise", told("  the same again", compare(old, new))))
        verdicts.append(("planted", told("  with work planted", compare(old, planted))))
        for name, record in (("old", old), ("new", new), ("planted", planted)):
            record.write(options.out / f"{trial}-{name}.json")
    for kind, counts in ((kind, Counter(v for k, v in verdicts if k == kind)) for kind in ("noise", "planted")):
        print(f"{kind}: {counts['regression']} of {options.trials} called a regression ({dict(counts)})")
    print(show(spread(same)))
    bad = [v for v in verdicts if v == ("noise", "regression") or (v[0] == "planted" and v[1] != "regression")]
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
