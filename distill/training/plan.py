"""How long a student trains, on what mix, and what its losses weigh."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from distill.files.checkpoint import Checkpoint
from distill.training.step import OPTIMISERS
from sdk.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MIXED_PRECISIONS = ("no", "bf16", "fp16")
SECOND_HEARS = ("clean", "noise")
_BEFORE = "before"
_MOST_FRAMES = 1800  # of a stretch, a minute: it is held in memory whole


def warm_cosine(peak: float, step: int, steps: int, warm: int, least: float) -> float:
    """The rate at a step of `steps`: up to `peak` over the first `warm`, and down to its share `least` by a cosine."""
    done = step / max(steps, 1)
    return peak * min(1.0, (step + 1) / warm) * (least + (1 - least) / 2 * (1 + math.cos(math.pi * done)))


def growing(first: float, final: float, done: float) -> float:
    """`first` over the first half of a run, and in a line from there to `final` at its end. done: 0 to 1 of it."""
    return first + (final - first) * max(0.0, 2 * done - 1)


def later(value: float | str, *, before: float | str) -> Any:
    """A setting that came late and is `value` by default: whoever does not name it yet had `before` (`as_today`)."""
    return field(default=value, metadata={_BEFORE: before})


def as_today(told: Mapping[str, Any], settings: DataclassInstance | type[DataclassInstance]) -> dict[str, Any]:
    """What a file or card told, which may be older than a setting: what it does not name is what it was before it was
    there, its default if nothing else is said (`later`)."""
    known = [one for one in fields(settings) if one.default is not MISSING]
    return {one.name: one.metadata.get(_BEFORE, one.default) for one in known} | dict(told)


def check_plan(
    plan: DataclassInstance, counts: Sequence[str] = (), shares: Sequence[str] = (), lengths: Sequence[str] = ()
) -> None:
    """Every number of a plan is finite and not below 0; `counts` are 1 or more, `lengths`, in seconds, a tenth or more,
    `shares` 1 or less. Raises `ConfigError` with all that are not: they would end in a traceback of torch's, or in
    weights that are no numbers."""
    wrong = []
    for one in fields(plan):
        value = getattr(plan, one.name)
        least = 1.0 if one.name in counts else 0.1 if one.name in lengths else 0.0
        most = 1.0 if one.name in shares else math.inf
        if isinstance(value, int | float) and not (least <= value <= most and value != math.inf):
            wrong.append(
                f"{one.name} is {value}, which is not " + (f"{least:g} to 1" if most == 1 else f"{least:g} or more")
            )
    if wrong:
        raise ConfigError(f"no training goes by such a plan: {'; '.join(wrong)}")


@dataclass(frozen=True)
class Plan:
    """How long and how hard. `alpha_*` weigh the paper's eq. 1 (`rec`, off), eq. 3 (`vel`) and, where there is a second
    teacher, eq. 5 and 6 (`feat`), and our losses, of which `own` and `mouth` stand for eq. 1: `own` errors of channels
    over their own variance, `mouth` errors of the mouth's vertices over theirs, both for the poses and (times
    `own_velocity`) from frame to frame; `phone` what the last hidden features tell of the phone; `lip` and `acc` the
    lip gap. The paper's own objective is `alpha_rec` 0.1 or more and `alpha_vel`, with our five 0. Inside
    the lip losses `shut_weight` weighs the closures, and grows to `shut_final` over the second half (pulled too early,
    lips shut on everything), `open_weight` the lips that shall stay open, `rest_weight` lips shut where nobody speaks
    against those of a closure; `mix_human` weighs human against espeak speech, `mix_kokoro` Kokoro's against both where
    a corpus has it (0.25: a fifth of what is drawn); `rate_floor`: the share of the peak rate that the cosine ends at;
    `ema`: decay of the average of weights; `hours`: of the corpus that are drawn from, 0: all; `spread`: how much of
    what rounding and spreading fall short of the labels the last layer is given back at the end (`students/spread.py`).

    Window students: `steps` of `batch` stretches of `frames` windows, then `exact_steps` of true windows. Stream
    students: `steps` of `rows` rows of `row_hops` hops of 20 ms; `noise_alone`: the share of what is drawn there that
    is no utterance but noise by itself. mixed_precision: `no`, `bf16` or `fp16` for the student's pass (losses and
    weights stay float32). second_hears: `clean` speech, or the `noise` that its student hears (4.4.4). optimiser:
    `muon` or `adamw` (`step.py`).
    """

    steps: int = 6000
    exact_steps: int = 400
    batch: int = 16
    frames: int = 32
    exact_batch: int = 16
    exact_frames: int = 6
    rows: int = 4
    row_hops: int = 800
    noise_alone: float = 0.12
    learning_rate: float = 1.5e-3
    exact_learning_rate: float = 2e-4
    alpha_rec: float = 0.0
    alpha_vel: float = 0.9
    alpha_own: float = later(1.0, before=0.0)
    alpha_mouth: float = later(1.0, before=0.0)
    own_velocity: float = 0.3
    alpha_phone: float = later(3.0, before=0.0)
    alpha_lip: float = 1.0
    alpha_acc: float = 0.5
    alpha_feat: float = 0.1
    shut_weight: float = 12.0
    shut_final: float = 12.0
    open_weight: float = 5.0
    rest_weight: float = 0.02
    mix_human: float = 0.8
    mix_kokoro: float = 0.25
    rate_floor: float = 0.02
    ema: float = 0.998
    spread: float = 0.0
    hours: float = 0.0
    seed: int = 1
    mixed_precision: str = "no"
    second_hears: str = "clean"
    optimiser: str = later("muon", before="adamw")

    def __post_init__(self) -> None:
        if self.mixed_precision not in MIXED_PRECISIONS:
            raise ConfigError(
                f"mixed precision {self.mixed_precision!r} is unknown; there are: {', '.join(MIXED_PRECISIONS)}"
            )
        if self.optimiser not in OPTIMISERS:
            raise ConfigError(f"optimiser {self.optimiser!r} is unknown; there are: {', '.join(OPTIMISERS)}")
        counts = ("batch", "frames", "exact_batch", "exact_frames", "rows", "row_hops")
        check_plan(self, counts, shares=("mix_human", "noise_alone", "rate_floor", "ema", "spread"))
        if self.steps + self.exact_steps < 1:
            raise ConfigError("a plan of no steps trains nothing: give --steps, --exact-steps or both")
        longest = max(self.frames, self.exact_frames)
        if longest > _MOST_FRAMES:
            raise ConfigError(f"a stretch of {longest} windows is longer than a minute: {_MOST_FRAMES} at most")
        if self.second_hears not in SECOND_HEARS:
            raise ConfigError(f"second_hears {self.second_hears!r} is unknown; there are: {', '.join(SECOND_HEARS)}")

    @property
    def mix(self) -> dict[str, float]:
        return {"human": self.mix_human, "espeak": 1 - self.mix_human, "kokoro": self.mix_kokoro}

    def shut(self, done: float) -> float:
        """Weight of closures when `done` of the run, 0 to 1, lies behind."""
        return growing(self.shut_weight, self.shut_final, done)

    def rate(self, step: int) -> float:
        """Learning rate: warm-up, then cosine, within each stage."""
        first, count, peak = (0, self.steps, self.learning_rate)
        if step >= self.steps:
            first, count, peak = (self.steps, self.exact_steps, self.exact_learning_rate)
        return warm_cosine(peak, step - first, count, min(200, max(count // 10, 1)), self.rate_floor)


PLAN_FIELDS = frozenset(Plan.__dataclass_fields__)
FINE_TUNING_RATE = 1e-6  # of the paper, 4.1.3


def trained_by(parent: Checkpoint) -> Plan:
    """The plan that `parent` was trained by, as it stood at the end, for whoever goes on from there.

    Closures weigh from the first step what they weighed at the last, and what was given back of the labels' spread is
    in the weights: it is not given twice. Where a plan of before our losses on shapes and phones does not name them
    they are 0: a student that was trained by eq. 1 to 4 alone is tuned by them alone.
    """
    told = {name: value for name, value in parent.training.get("plan", {}).items() if name in PLAN_FIELDS}
    if told:
        told = as_today({"shut_final": told.get("shut_weight", Plan.shut_weight), **told}, Plan)
    plan = Plan(**told)
    return replace(plan, shut_weight=plan.shut_final, spread=0.0)


def plan_after(parent: Checkpoint, changes: Mapping[str, object]) -> Plan:
    """For fine-tuning: the plan that `parent` was trained by, its steps exact and gentle; then `changes`."""
    gentle = replace(trained_by(parent), learning_rate=FINE_TUNING_RATE, mix_human=1.0, mixed_precision="no")
    gentle = replace(gentle, steps=0, exact_steps=400)
    if parent.spec.family == "stream":  # whose steps are exact as they are
        gentle = replace(gentle, steps=400, exact_steps=0)
    plan = replace(gentle, **changes)  # type: ignore[arg-type]
    return replace(plan, exact_learning_rate=plan.learning_rate)
