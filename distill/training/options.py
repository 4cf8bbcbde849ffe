"""What training commands share on the command line: where speech comes from, the plan, what the card will say."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch

from distill.corpus.shelf import MEMORY_BYTES
from distill.training.plan import Plan
from sdk.tools.command import command_line

_KEPT_BACK = {"exact_frames", "exact_learning_rate"}  # fields that no command offers


class AnyPlan(Protocol):
    """A dataclass all of whose fields are numbers or words with defaults."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


P = TypeVar("P", bound=AnyPlan)


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
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    add_plan_options(parser, plan, defaults)


def add_sound_options(parser: argparse.ArgumentParser) -> None:
    """What speech is degraded with."""
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")


def add_training_options(parser: argparse.ArgumentParser, defaults: Plan | None = None) -> None:
    """What a training on a corpus takes by a `Plan`; defaults None: it goes on as it was trained."""
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.corpus or pseudo_label")
    parser.add_argument("--memory-gb", type=float, default=MEMORY_BYTES / 1e9, help="a larger corpus stays on disk")
    parser.add_argument("--curves", type=Path, help="folder for TensorBoard curves; without it there are none")
    parser.add_argument("--readers", type=int, default=0, help="processes that draw batches ahead; 0: between steps")
    add_sound_options(parser)
    add_run_options(parser, Plan, asdict(defaults) if defaults else {})


def given(options: argparse.Namespace, plan: type[AnyPlan] = Plan) -> dict[str, Any]:
    """The plan's options that stand on the command line; sets torch's threads on the way."""
    if options.threads:
        torch.set_num_threads(options.threads)
    return {name: getattr(options, name) for name in offered(plan) if getattr(options, name) is not None}


def plan_of(options: argparse.Namespace, defaults: P) -> P:
    """`defaults` changed by what stands on the command line. Raises `ConfigError` for an impossible plan."""
    return replace(defaults, **given(options, type(defaults)))


def where(options: argparse.Namespace) -> dict[str, Any]:
    """Where a corpus may lie, who reads it, where curves shall go, for `student.train`: none of it changes a weight."""
    return {
        "curves": options.curves, "memory_bytes": int(options.memory_gb * 1e9), "readers": max(options.readers, 0)
    }  # fmt: skip


def note(module: str, arguments: list[str] | None, options: argparse.Namespace) -> dict[str, object]:
    """What a checkpoint keeps of how it was made: the date, the command, the data."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": command_line(module, arguments),
        "data": "; ".join(options.data or ["not stated"]),
    }
