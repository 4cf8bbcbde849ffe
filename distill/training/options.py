"""What training commands share on the command line: where speech comes from, the plan, what the card will say."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from distill.corpus.shelf import MEMORY_BYTES
from distill.training.plan import PLAN_OPTIONS, Plan
from sdk.command import command_line


def add_training_options(parser: argparse.ArgumentParser, defaults: Plan | None = None) -> None:
    """`--corpus`, `--out`, noise and rooms, `--data`, `--threads`, and every option of a plan (default: `defaults`)."""
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.corpus or pseudo_label")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")
    parser.add_argument("--data", nargs="*", help="what the corpus is made of and its licences, for the model card")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    parser.add_argument("--memory-gb", type=float, default=MEMORY_BYTES / 1e9, help="a larger corpus stays on disk")
    parser.add_argument("--curves", type=Path, help="folder for TensorBoard curves; without it there are none")
    for name, kind in PLAN_OPTIONS.items():
        shown = f"default {getattr(defaults, name)}" if defaults else None
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=shown)


def given(options: argparse.Namespace) -> dict[str, Any]:
    """The plan's options that stand on the command line; sets torch's threads on the way."""
    if options.threads:
        torch.set_num_threads(options.threads)
    return {name: getattr(options, name) for name in PLAN_OPTIONS if getattr(options, name) is not None}


def plan_of(options: argparse.Namespace, defaults: Plan) -> Plan:
    """`defaults` changed by what stands on the command line. Raises `ConfigError` for an impossible plan."""
    return replace(defaults, **given(options))


def where(options: argparse.Namespace) -> dict[str, Any]:
    """Where a corpus may lie and curves shall go, as arguments of `student.train`: neither changes a weight."""
    return {"curves": options.curves, "memory_bytes": int(options.memory_gb * 1e9)}


def note(module: str, arguments: list[str] | None, options: argparse.Namespace) -> dict[str, object]:
    """What a checkpoint keeps of how it was made: the date, the command, the data."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": command_line(module, arguments),
        "data": "; ".join(options.data or ["not stated"]),
    }
