"""What training commands share on the command line: where speech comes from, the plan, what the card will say."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch

from distill.corpus.shelf import MEMORY_BYTES
from distill.corpus.store import CACHE_BYTES, Cache, Stored, kept_below
from distill.training.plan import Plan
from distill.training.run import SAVE_EVERY_S
from sdk.errors import ConfigError
from sdk.tools import strict
from sdk.tools.command import at_least, dated_command

_KEPT_BACK = {"exact_frames", "exact_learning_rate"}  # fields that no command offers


class AnyPlan(Protocol):
    """A dataclass all of whose fields are numbers or words with defaults."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


P = TypeVar("P", bound=AnyPlan)


@dataclass(frozen=True)
class Conduct:
    """How a run goes about its plan: where a corpus may lie, who reads it, where curves go. Only `accumulate` changes a
    weight, as the number of processes does: a step is of `accumulate` batches in each of them (`step.py`).

    curves: folder for TensorBoard's; trackers: others that accelerate knows (`watch.py`). memory_bytes: a larger corpus
    stays on disk (`shelf.py`). readers: processes that draw batches ahead (`readers.py`). save_every_s: of the run.
    """

    curves: Path | None = None
    trackers: tuple[str, ...] = ()
    memory_bytes: int = MEMORY_BYTES
    readers: int = 0
    accumulate: int = 1
    save_every_s: float = SAVE_EVERY_S

    def __post_init__(self) -> None:
        if self.accumulate < 1 or self.readers < 0 or self.save_every_s < 0:
            raise ConfigError(
                f"accumulate {self.accumulate} is below 1, or readers {self.readers} or seconds between checkpoints "
                f"{self.save_every_s:g} are below 0"
            )


USUAL = Conduct()


def offered(plan: type[AnyPlan]) -> dict[str, type]:
    """The fields of a plan that the command line offers, and their types."""
    return {field.name: type(field.default) for field in fields(plan) if field.name not in _KEPT_BACK}


def add_plan_options(parser: argparse.ArgumentParser, plan: type[AnyPlan], defaults: Mapping[str, Any]) -> None:
    """Every field of a plan as an option; `defaults` are only said, not set (`plan_of` does)."""
    for name, kind in offered(plan).items():
        shown = f"default {defaults.get(name, 'as trained')}"
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=shown)


def add_run_options(parser: argparse.ArgumentParser, plan: type[AnyPlan], defaults: Mapping[str, Any]) -> None:
    """`--out`, `--data`, `--threads`, and every option of a plan."""
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--data", nargs="*", help="what it learns from and its licences, for the model card")
    add_threads(parser)
    add_plan_options(parser, plan, defaults)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """`--threads`, which `set_threads` heeds."""
    parser.add_argument("--threads", type=at_least(0), default=0, help="CPU threads; 0 = all")


def set_threads(options: argparse.Namespace) -> None:
    """As many threads for torch as `--threads` says."""
    if options.threads:
        torch.set_num_threads(options.threads)


def add_sound_options(parser: argparse.ArgumentParser) -> None:
    """What speech is degraded with."""
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")


def add_training_options(parser: argparse.ArgumentParser, defaults: Plan | None = None, sound: bool = True) -> None:
    """What a training on a corpus takes by a `Plan`; defaults None: it goes on as it was trained. sound: whether it
    takes noise and rooms too."""
    parser.add_argument(
        "--plan", type=Path, help="YAML of distill/configs with a `plan`; what else is given changes it"
    )
    parser.add_argument("--corpus", required=True, help="folder of distill.recipes.corpus or pseudo_label, or its URL")
    parser.add_argument("--cache", type=Path, default=kept_below(), help="where shards of a corpus by URL are kept")
    parser.add_argument(
        "--cache-gb", type=at_least(0, float), default=CACHE_BYTES / 1e9, help="and how much of them at most"
    )
    parser.add_argument(
        "--memory-gb", type=at_least(0, float), default=MEMORY_BYTES / 1e9, help="a larger corpus stays on disk"
    )
    parser.add_argument("--curves", type=Path, help="folder for TensorBoard curves; without it there are none")
    parser.add_argument("--trackers", nargs="+", default=[], help="other curves that accelerate draws, such as wandb")
    parser.add_argument(
        "--readers", type=at_least(0), default=0, help="processes that draw batches ahead; 0: between steps"
    )
    parser.add_argument("--accumulate", type=at_least(1), default=1, help="batches of a step, in each process")
    parser.add_argument(
        "--save-minutes", type=at_least(0, float), default=SAVE_EVERY_S / 60, help="between checkpoints of the run"
    )
    if sound:
        add_sound_options(parser)
    add_run_options(parser, Plan, asdict(defaults) if defaults else {})


def given(options: argparse.Namespace, plan: type[AnyPlan] = Plan) -> dict[str, Any]:
    """What the plan file says, if there is one, and over it what stands on the command line; sets torch's threads on
    the way."""
    set_threads(options)
    written = read_plan(options.plan) if getattr(options, "plan", None) else {}
    typed = {name: getattr(options, name) for name in offered(plan) if getattr(options, name) is not None}
    return written | typed


def plan_of(options: argparse.Namespace, defaults: P) -> P:
    """`defaults` changed by what is `given`. Raises `ConfigError` for an impossible plan."""
    return replace(defaults, **given(options, type(defaults)))


@dataclass(frozen=True)
class PlanFile:
    """What a file of `--plan` holds: fields of a `Plan`, those that differ from its defaults or shall be seen."""

    plan: dict[str, Any]


def read_plan(path: Path) -> dict[str, Any]:
    """The fields of a plan that the file at `path` gives. Raises `ConfigError` with all that is wrong with it."""
    written = strict.load(PlanFile, strict.load_yaml(path), where=str(path)).plan
    strict.load(Plan, asdict(Plan()) | written, where=f"{path}: plan")
    return written


def corpus_of(options: argparse.Namespace) -> Path | Stored:
    """The corpus: a folder, or a store by its URL."""
    if "://" not in options.corpus:
        return Path(options.corpus)
    return Stored(options.corpus, Cache(options.cache, int(options.cache_gb * 1e9)))


def conduct_of(options: argparse.Namespace) -> Conduct:
    """How the command line says that a run shall go about its plan. Raises `ConfigError` for an impossible way."""
    return Conduct(
        options.curves, tuple(options.trackers), int(options.memory_gb * 1e9), options.readers, options.accumulate,
        60 * options.save_minutes,
    )  # fmt: skip


def note(module: str, arguments: list[str] | None, options: argparse.Namespace) -> dict[str, object]:
    """What a checkpoint keeps of how it was made: the date, the command, the data."""
    return {**dated_command(module, arguments), "data": "; ".join(options.data or ["not stated"])}
