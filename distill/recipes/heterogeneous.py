"""Heterogeneous distillation (3.1): a student learns rig labels that a teacher of another kind made for real speech.

    python -m distill.recipes.heterogeneous --variant s2 --corpus build/corpus --out checkpoints/s2.pt

Two stages. *Shared*: a stretch of about a second goes through the trunk once and the head at every column; the norm's
statistics are then those of the stretch. *Exact*: true 8192-sample windows at 30 fps, as at inference, at a lower
rate. The weights kept are an exponential moving average. Killed at any moment, the same command goes on from the last
`<out>.resume`; every step draws from its own seed, so a resumed run sees the same batches.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from distill import losses
from distill.checkpoint import Checkpoint
from distill.data.augment import Augment
from distill.data.corpus import Shard, read_shard
from distill.data.files import atomic_open, check_writable
from distill.data.windows import Batch, Stretches
from distill.students.spec import StudentSpec, load_variant
from distill.students.window import COLUMN_SAMPLES, WindowStudent
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import CheckpointError, DataError, TinyfaceError
from sdk.face import Face


@dataclass(frozen=True)
class Plan:
    """How long and how hard. `steps` shared and then `exact_steps`; `alpha_*` weigh eq. 4 and our lip losses (inside
    them `shut_weight` the closures); `mix_human` weighs human against espeak speech; `ema`: decay of the average."""

    steps: int = 6000
    exact_steps: int = 400
    batch: int = 16
    frames: int = 32
    exact_batch: int = 16
    exact_frames: int = 6
    learning_rate: float = 1.5e-3
    exact_learning_rate: float = 2e-4
    alpha_rec: float = 0.1
    alpha_vel: float = 0.9
    alpha_lip: float = 1.0
    alpha_acc: float = 0.5
    shut_weight: float = 8.0
    mix_human: float = 0.65
    ema: float = 0.998
    seed: int = 1

    @property
    def total(self) -> int:
        return self.steps + self.exact_steps

    def rate(self, step: int) -> float:
        """Learning rate: warm-up, then cosine, within each stage."""
        first, count, peak = (0, self.steps, self.learning_rate)
        if step >= self.steps:
            first, count, peak = (self.steps, self.exact_steps, self.exact_learning_rate)
        done = (step - first) / max(count, 1)
        return (
            peak
            * min(1.0, (step - first + 1) / min(200, max(count // 10, 1)))
            * (0.02 + 0.49 * (1 + math.cos(math.pi * done)))
        )


# fields of a plan that the command line offers, and their types
PLAN_OPTIONS = {
    "steps": int, "exact_steps": int, "alpha_lip": float, "alpha_acc": float, "shut_weight": float, "seed": int,
    "learning_rate": float,
}  # fmt: skip


def load_shards(corpus: Path, split: str) -> list[Shard]:
    """All shards of a split below `corpus/shards`; damaged ones are named and left out. `DataError` if none is left."""
    shards = []
    for path in sorted((corpus / "shards").glob(f"{split}-*.npz")):
        try:
            shards.append(read_shard(path))
        except DataError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not shards:
        raise DataError(f"{corpus}: no usable {split} shards; build them with `python -m distill.data.corpus`")
    return shards


def initialise(student: nn.Module, seed: int) -> None:
    """He initialisation, small last layer: with torch's default a net this deep barely depends on its input."""
    torch.manual_seed(seed)
    for module in student.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    nn.init.normal_(student.fc3.weight, std=0.02)  # type: ignore[union-attr,arg-type]


class Objective:
    """Eq. 4 plus the lip losses on the default face, whose gap is linear in the rig: offset + rig @ row.

    A rig that the face does not know (no jawOpen) can only be trained without them: `alpha_lip` 0, else `FaceError`.
    """

    def __init__(self, spec: StudentSpec, plan: Plan) -> None:
        self.plan = plan
        if plan.alpha_lip:
            offset, row = Face.default().lip_gap_row(spec.layout)
            self.offset, self.row = offset, torch.from_numpy(np.float32(row))

    def __call__(self, label: Tensor, predicted: Tensor, steps_per_frame: float) -> Tensor:
        plan = self.plan
        loss = plan.alpha_rec * losses.reconstruction(label, predicted)
        loss = loss + plan.alpha_vel * losses.velocity(label, predicted, steps_per_frame)
        if plan.alpha_lip:
            gaps = (self.offset + label @ self.row, self.offset + predicted @ self.row)
            loss = loss + plan.alpha_lip * losses.lip_distance(*gaps, shut_weight=plan.shut_weight)
            loss = loss + plan.alpha_acc * losses.acceleration(*gaps, steps_per_frame)
        return loss


def forward(student: WindowStudent, batch: Batch, shared: bool) -> Tensor:
    """Predictions (B, frames, rig) of a batch: one pass over the stretch, or one window at a time."""
    audio = torch.from_numpy(batch.audio)
    if shared:
        return torch.tanh(student.sequence(audio)[2])
    size = student.window_samples
    windows = torch.stack([audio[:, :, start : start + size] for start in batch.starts], 1).flatten(0, 1)
    return student(windows).view(len(audio), len(batch.starts), -1)


@dataclass
class Run:
    """A training run's whole state: what a resume file holds, with the spec and plan that it belongs to."""

    spec: StudentSpec
    plan: Plan
    student: WindowStudent
    average: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    whole: bool = True  # not in the middle of a step

    def save(self, path: Path) -> None:
        with atomic_open(path) as stream:
            torch.save(
                {
                    "spec": asdict(self.spec),
                    "plan": asdict(self.plan),
                    "student": self.student.state_dict(),
                    "average": self.average,
                    "optimiser": self.optimiser.state_dict(),
                    "step": self.step,
                    "seconds": self.seconds,
                },
                stream,
            )

    def resume(self, path: Path) -> None:
        """Go on from `path`. Raises `CheckpointError` if it belongs to another student or is damaged."""
        try:
            saved = torch.load(path, weights_only=True)
            # s1 and s5 have the same weights' shapes, so only the spec tells them apart; older files do not carry it
            if saved.get("spec", asdict(self.spec)) != asdict(self.spec):
                raise CheckpointError(f"it belongs to {saved['spec']['name']}, or to other settings of it")
            if saved.get("plan", asdict(self.plan)) != asdict(self.plan):
                raise CheckpointError("it belongs to a run with other steps, rates, weights or seed")
            self.student.load_state_dict(saved["student"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.average, self.step, self.seconds = saved["average"], saved["step"], saved["seconds"]
        except Exception as error:  # the unpickler meets arbitrary bytes, and fails in as many ways
            why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise CheckpointError(f"{path}: cannot resume from it ({why}); delete it to start again") from error


def train(
    spec: StudentSpec,
    plan: Plan,
    corpus: Path,
    out: Path,
    augment: Augment,
    note: Mapping[str, object],
    init: Checkpoint | None = None,
) -> Checkpoint:
    """Train `spec` by `plan`, from `init` if given, and write the checkpoint to `out`.

    Ctrl-C saves the run and raises `KeyboardInterrupt`. Raises `CheckpointError` if `init` or the resume file is of
    another student, and `DataError` before the first step if `out` cannot be written.
    """
    from tqdm import trange

    check_writable(out)
    shards = load_shards(corpus, "train")
    mix = {"human": plan.mix_human, "espeak": 1 - plan.mix_human}
    data = Stretches(shards, spec.window, mix, augment, spec.layout.names)
    student = spec.build().train()
    if init is None:
        initialise(student, plan.seed)
    elif init.spec == spec:
        student.load_state_dict(init.state)
    else:
        raise CheckpointError(f"cannot begin {spec} from a checkpoint of {init.spec}: give one of the same variant")
    optimiser = torch.optim.AdamW(student.parameters(), lr=plan.learning_rate, weight_decay=1e-3)
    run = Run(spec, plan, student, {k: v.clone() for k, v in student.state_dict().items()}, optimiser)
    resume_file = out.with_name(out.name + ".resume")
    if resume_file.exists():
        run.resume(resume_file)
    objective = Objective(spec, plan)
    bar = trange(run.step, plan.total, initial=run.step, total=plan.total, desc=spec.name, unit="step", mininterval=10)
    saved = time.monotonic()
    smooth = None
    try:
        for step in bar:
            began = time.monotonic()
            loss = _step(run, data, objective, plan, step)
            run.seconds += time.monotonic() - began
            smooth = loss if smooth is None else 0.98 * smooth + 0.02 * loss
            bar.set_postfix(loss=f"{smooth:.4f}", refresh=False)
            if time.monotonic() - saved > 60:
                run.save(resume_file)
                saved = time.monotonic()
    except KeyboardInterrupt:
        if run.whole:  # else the last save stands: half a step would not resume to the same weights
            run.save(resume_file)
        raise
    provenance = {
        "recipe": "heterogeneous", "teacher": "articulatory", "plan": asdict(plan),
        "corpus_hours": round(data.seconds / 3600, 2), "train_minutes": round(run.seconds / 60, 1),
        "final_loss": round(float(smooth or 0.0), 5), **note,
        **({"init": init.training} if init else {}),
    }  # fmt: skip
    checkpoint = Checkpoint(spec=spec, state=run.average, training=provenance, scores={})
    checkpoint.save(out)
    resume_file.unlink(missing_ok=True)
    return checkpoint


def _step(run: Run, data: Stretches, objective: Objective, plan: Plan, step: int) -> float:
    """One optimiser step; returns its loss."""
    random = np.random.default_rng([plan.seed, step])
    shared = step < plan.steps
    if shared:
        batch = data.batch(random, plan.batch, plan.frames, COLUMN_SAMPLES)
        steps_per_frame = SAMPLE_RATE_HZ / 30 / COLUMN_SAMPLES
    else:
        batch = data.batch(random, plan.exact_batch, plan.exact_frames, SAMPLE_RATE_HZ / 30)
        steps_per_frame = 1.0
    for group in run.optimiser.param_groups:
        group["lr"] = plan.rate(step)
    loss = objective(torch.from_numpy(batch.rig), forward(run.student, batch, shared), steps_per_frame)
    run.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(run.student.parameters(), 1.0)
    run.whole = False
    run.optimiser.step()
    with torch.no_grad():
        decay = min(plan.ema, (step + 1) / (step + 10))
        for name, value in run.student.state_dict().items():
            run.average[name].lerp_(value, 1 - decay)
    run.step, run.whole = step + 1, True
    return float(loss.detach())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.heterogeneous", description=__doc__.split("\n")[0])
    parser.add_argument("--variant", required=True, help="student variant, such as s2")
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by distill.data.corpus")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--init", type=Path, help="checkpoint of the same variant to go on from")
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")
    parser.add_argument("--data", nargs="*", help="what the corpus is made of and its licences, for the model card")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    for name, kind in PLAN_OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    changes = {name: getattr(options, name) for name in PLAN_OPTIONS if getattr(options, name) is not None}
    command = f"python -m distill.recipes.heterogeneous {shlex.join(sys.argv[1:] if arguments is None else arguments)}"
    note = {"date": time.strftime("%Y-%m-%d"), "command": command, "data": "; ".join(options.data or ["not stated"])}
    try:
        augment = Augment.from_folders(options.noise, options.rooms)
        init = Checkpoint.load(options.init) if options.init else None
        train(load_variant(options.variant), Plan(**changes), options.corpus, options.out, augment, note, init)
    except TinyfaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {options.out}.resume", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
