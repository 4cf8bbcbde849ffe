"""The int8 twin of a checkpoint: what quantisation made of its weights, in one checked file beside it.

    checkpoints/s7.pt            the float student
    checkpoints/s7-int8.twin     its int8 self: integers, steps, and the grids of its activations
    checkpoints/s7-mixed.twin    the same, with other layers left in float (`export/sensitivity.py`)
    checkpoints/s7-dynamic.twin  integers and steps alone: the grids are chosen at every call

Made once (`export/qat.py`, `export/quantise.py`), so that a build needs neither speech nor training. Like a checkpoint
it is `torch.save` of plain types and tensors, loads with `weights_only=True` and runs no code. It names the weights
that it was made from, and is refused beside any others; its scores are its own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from distill.files.checkpoint import Checkpoint, FileKind, plain_facts, provenance_rows, weights_sha256
from distill.students.spec import StudentSpec, load_spec
from sdk.errors import CheckpointError, ConfigError

SCHEMA = 1
SUFFIX = ".twin"
TWIN_PRECISIONS = ("int8", "mixed", "dynamic")
_KIND = FileKind(
    "twin",
    "int8 twin of a tinyface checkpoint",
    SCHEMA,
    frozenset({"schema", "spec", "state", "parent_sha256", "training", "scores", "weights_sha256"}),
    frozenset({"parent_sha256"}),
)


@dataclass(frozen=True, eq=False)
class Twin:
    """spec, training, scores: as of a `Checkpoint`. parent_sha256: of the weights it was made from.

    state: tensors by the student's names; a layer whose `weight` is int8 is an integer layer with its steps and grids.
    """

    spec: StudentSpec
    state: dict[str, Tensor]
    parent_sha256: str
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        return weights_sha256(self.state)

    def save(self, path: Path | str) -> None:
        """Write whole or not at all. Raises `CheckpointError` for what cannot be stored, `DataError` for a bad disk."""
        payload = {
            "schema": SCHEMA,
            "spec": dataclasses.asdict(self.spec),
            "state": {name: value.detach().contiguous() for name, value in self.state.items()},
            "parent_sha256": self.parent_sha256,
            "training": plain_facts(self.training, "training"),
            "scores": plain_facts(self.scores, "scores"),
            "weights_sha256": self.weights_sha256,
        }
        _KIND.write(Path(path), payload)

    @classmethod
    def load(cls, path: Path | str, parent: Checkpoint | None = None) -> Twin:
        """Read and check. Raises `CheckpointError`: unreadable, foreign, damaged, or not made from `parent`."""
        raw = _KIND.read(Path(path))
        try:
            spec = load_spec(raw["spec"], where=f"{path}: spec")
            twin = cls(spec, raw["state"], raw["parent_sha256"], raw["training"], raw["scores"])
        except (ConfigError, AttributeError, TypeError) as error:
            raise CheckpointError(f"{path}: {error}. Make the twin again with `python -m export.qat`") from error
        if parent is not None and (parent.weights_sha256 != twin.parent_sha256 or parent.spec != spec):
            raise CheckpointError(
                f"{path}: the twin of other weights ({twin.parent_sha256[:12]}) than the checkpoint beside it has "
                f"({parent.weights_sha256[:12]}): make it again with `python -m export.qat`, or delete it"
            )
        return twin


def twin_path(checkpoint: Path, precision: str = "int8") -> Path:
    """Where the twin of a checkpoint file lies, for one of `TWIN_PRECISIONS`."""
    return checkpoint.with_name(f"{checkpoint.stem}-{precision}{SUFFIX}")


def twin_card(twin: Twin) -> str:
    """A Markdown page about a twin: what it is, how it was made, how well it does."""
    size = sum(value.numel() * value.element_size() for value in twin.state.values())
    precision = twin.training.get("precision", "int8")
    titles = {"mixed": "mixed precision", "dynamic": "dynamic int8"}
    lines = [
        f"# {twin.spec.name} in {titles.get(precision, precision)}",
        "",
        f"What quantisation made of the {twin.spec.family} student {twin.spec.name}: {size:,} bytes of weights.",
        "",
        "| fact | value |",
        "|---|---|",
        f"| made from weights | `{twin.parent_sha256}` |",
        f"| weights SHA-256 | `{twin.weights_sha256}` |",
        "",
    ]
    for title, facts in (("How it was made", twin.training), ("How well it does", twin.scores)):
        lines += [f"## {title}", "", *provenance_rows(facts), ""]
    command = f"python -m export.build --student {twin.spec.name} --precision {precision} --budget 8MB --out build/face"
    return "\n".join([*lines, "## Use", "", "```", command, "```", ""])
