"""A trained student on disk: weights, shape, rig, how it was made and how well it scores, in one checked file.

The file is `torch.save` of plain types and tensors only, so it loads with `weights_only=True` and runs no code. It
carries its rig by name, so a checkpoint trained on a layout file does not need that file again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.files.disk import atomic_open
from distill.files.halves import check_finite
from distill.files.sealed import check_sealed, sealed
from distill.students.spec import (
    BaselineSpec,
    HubertCnnStudentSpec,
    MfccStudentSpec,
    StreamStudentSpec,
    Student,
    StudentSpec,
    load_spec,
)
from sdk.errors import CheckpointError, ConfigError, RigError
from sdk.rig import RigLayout
from sdk.tools.command import plain
from sdk.tools.limits import LARGEST_FILE_BYTES, read_whole

SCHEMA = 1
_FIELDS = frozenset({"schema", "spec", "rig", "state", "training", "scores", "weights_sha256"})


@dataclass(frozen=True)
class FileKind:
    """A kind of file that `torch.save` wrote: its noun, what it holds, its schema, its fields, and `marks`, the fields
    without which a file is foreign."""

    noun: str
    content: str
    schema: int
    fields: frozenset[str]
    marks: frozenset[str]

    def read(self, path: Path) -> dict[str, Any]:
        """The fields of the file at `path`. Raises `CheckpointError`: unreadable, damaged, foreign, another schema."""
        data = read_whole(path, CheckpointError)
        check_sealed(path, io.BytesIO(data), self.noun)
        try:
            raw = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:  # the unpickler meets arbitrary bytes, and fails in as many ways
            raise CheckpointError(f"{path}: damaged, truncated or no {self.noun} ({type(error).__name__})") from error
        if not isinstance(raw, dict) or not self.marks <= raw.keys():
            raise CheckpointError(f"{path}: a foreign file: it holds no {self.content}")
        if raw.get("schema") != self.schema:
            found = raw.get("schema")
            raise CheckpointError(f"{path}: {self.noun} schema {found}; this version reads {self.schema}")
        missing, extra = sorted(self.fields - raw.keys()), sorted(raw.keys() - self.fields)
        if missing or extra:
            raise CheckpointError(f"{path}: fields missing: {missing or 'none'}; fields unknown: {extra or 'none'}")
        words = [field for field in ("training", "scores") if not isinstance(raw.get(field, {}), dict)]
        if words:
            raise CheckpointError(f"{path}: no {self.noun}: its {' and '.join(words)} are no tables of facts")
        state = raw["state"]
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise CheckpointError(f"{path}: its state is not a table of tensors")
        thin = [name for name, value in state.items() if value.numel() * value.element_size() > _held_bytes(value)]
        if thin or sum(map(_held_bytes, state.values())) > LARGEST_FILE_BYTES:
            raise CheckpointError(f"{path}: no {self.noun}: tensors larger than what it holds of them: {thin[:5]}")
        if weights_sha256(state) != raw["weights_sha256"]:
            raise CheckpointError(f"{path}: its weights do not match their SHA-256: altered or damaged. Copy it again")
        return raw

    @staticmethod
    def write(path: Path, payload: dict[str, Any]) -> None:
        """Write `payload` whole or not at all. Raises `DataError` for a bad disk."""
        buffer = io.BytesIO()
        torch.save(payload, buffer)
        with atomic_open(path) as stream:
            stream.write(sealed(buffer.getvalue()))


def _held_bytes(value: Tensor) -> int:
    """What is stored of a tensor; one that repeats itself by steps of zero claims more."""
    return value.untyped_storage().nbytes() if value.layout == torch.strided else 0


_KIND = FileKind("checkpoint", "tinyface checkpoint", SCHEMA, _FIELDS, frozenset({"schema", "weights_sha256"}))


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights `state` of a student `spec`, with provenance `training` and measured `scores` (both JSON-like).

    layout: the rig it speaks; read from the spec when not given. The scores' keys are those of `recipes/evaluate.py`.
    """

    spec: StudentSpec
    state: dict[str, Tensor]
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)
    layout: RigLayout = None  # type: ignore[assignment]  # filled below; never None afterwards

    def __post_init__(self) -> None:
        if self.layout is None:
            object.__setattr__(self, "layout", self.spec.layout)
        plain = {name: value.detach().to("cpu").contiguous() for name, value in self.state.items()}
        object.__setattr__(self, "state", plain)

    @property
    def weights_sha256(self) -> str:
        return weights_sha256(self.state)

    @property
    def parameters(self) -> int:
        return sum(value.numel() for value in self.spec.build(self.layout).parameters())

    def student(self) -> Student:
        """The student in eval mode with these weights. Raises `CheckpointError` if they do not fit the spec, or are NaN
        or infinite."""
        check_finite(self.state, self.spec.name)
        student = self.spec.build(self.layout)
        try:
            student.load_state_dict(self.state)
        except RuntimeError as error:
            raise CheckpointError(f"{self.spec.name}: its weights do not fit the spec: {error}") from error
        return student.eval()

    def save(self, path: Path | str) -> None:
        """Write whole or not at all. Raises `CheckpointError` for what cannot be stored, `DataError` for a bad disk."""
        self.student()  # a file that could not be loaded again must never be written
        payload = {
            "schema": SCHEMA,
            "spec": dataclasses.asdict(self.spec),
            "rig": {key: list(value) for key, value in dataclasses.asdict(self.layout).items()},
            "state": self.state,
            "training": plain_facts(self.training, "training"),
            "scores": plain_facts(self.scores, "scores"),
            "weights_sha256": self.weights_sha256,
        }
        _KIND.write(Path(path), payload)

    @classmethod
    def load(cls, path: Path | str, rig: RigLayout | None = None) -> Checkpoint:
        """Read and check. Raises `CheckpointError`: unreadable, foreign, damaged, or of another rig than `rig`."""
        raw = _KIND.read(Path(path))
        try:
            layout = RigLayout(**{key: tuple(value) for key, value in raw["rig"].items()})
            spec = load_spec(raw["spec"], where=f"{path}: spec")
            checkpoint = cls(spec, raw["state"], raw["training"], raw["scores"], layout)
            checkpoint.student()
        except (RigError, ConfigError, CheckpointError, AttributeError, TypeError) as error:
            raise CheckpointError(f"{path}: {error}. Train or copy the checkpoint again") from error
        differences = rig_differences(layout, rig) if rig is not None else []
        if differences:
            raise CheckpointError(f"{path}: trained on another rig than asked for: {'; '.join(differences)}")
        return checkpoint


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """Hash over names, types, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().to("cpu").contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def rig_differences(have: RigLayout, want: RigLayout) -> list[str]:
    """What makes `have` another rig than `want`, in words; empty when they are the same."""
    missing = [name for name in want.names if name not in have.names]
    extra = [name for name in have.names if name not in want.names]
    found = []
    if missing:
        found.append(f"it has no {', '.join(missing)}")
    if extra:
        found.append(f"it has {', '.join(extra)}, which the asked rig has not")
    if not found and have.names != want.names:
        first = next(i for i, names in enumerate(zip(have.names, want.names, strict=True)) if names[0] != names[1])
        found.append(f"its order differs from channel {first} on: {have.names[first]}, not {want.names[first]}")
    for field in ("minimum", "maximum", "neutral"):
        if not found and getattr(have, field) != getattr(want, field):
            pairs = zip(have.names, getattr(have, field), getattr(want, field), strict=True)
            found += [f"{field} of {name} is {a}, not {b}" for name, a, b in pairs if a != b]
    return found


def model_card(checkpoint: Checkpoint) -> str:
    """A Markdown page about a checkpoint: what it is, how it was trained, how well it does."""
    spec = checkpoint.spec
    about = (
        f"A {spec.family} student: {spec.input_samples} samples of 16 kHz speech a call in, {len(checkpoint.layout)} "
        f"rig channels out, {spec.fps[0] / spec.fps[1]:g} frames a second, {spec.future_ms} ms of future context"
        + (", and up to 20 ms more for frames between hops." if spec.family == "stream" else ".")
    )
    lines = [
        f"# {spec.name}",
        "",
        about,
        "",
        "| fact | value |",
        "|---|---|",
        f"| parameters | {checkpoint.parameters:,} |",
        f"| channels C | {spec.channels} |",
        _own_fact(spec),
        f"| weights SHA-256 | `{checkpoint.weights_sha256}` |",
        "",
    ]
    for title, facts in (("How it was trained", checkpoint.training), ("How well it does", checkpoint.scores)):
        lines += [f"## {title}", "", *provenance_rows(facts), ""]
    command = f"python -m export.build --student {spec.name} --budget 8MB --out build/{spec.name}"
    if isinstance(spec, BaselineSpec):
        command = f"python -m export.torchscript --checkpoint {spec.name}.pt --out build/{spec.name}.pt"
    lines += ["## Use", "", "```", command, "```", ""]
    return "\n".join(lines)


def _own_fact(spec: StudentSpec) -> str:
    """A row about what only this family has."""
    if isinstance(spec, HubertCnnStudentSpec):
        return f"| frozen encoder | {spec.encoder} |"
    if isinstance(spec, MfccStudentSpec):
        return f"| samples from frame to frame of the features | {spec.hop_samples} |"
    groups = spec.context[1] if isinstance(spec, StreamStudentSpec) else spec.groups
    return f"| groups of the wide convolution | {groups} |"


def provenance_rows(facts: Mapping[str, Any]) -> list[str]:
    """Lines of a Markdown table of `facts`, nested names joined by dots; the same before they are stored and after."""
    return ["| fact | value |", "|---|---|", *_rows(plain_facts(facts, "card"))] if facts else ["Not recorded."]


def _rows(facts: Mapping[str, Any], prefix: str = "") -> list[str]:
    rows = []
    ends = facts.get("intervals")  # shown with the figures that they belong to
    ends = ends if isinstance(ends, Mapping) else {}
    for key, value in facts.items():
        if key == "intervals" and ends:
            continue
        if isinstance(value, float) and isinstance(ends.get(key), (list, tuple)):
            known = len(ends[key]) == 2 and all(isinstance(end, (int, float)) for end in ends[key])
            within = " ({:.4g} to {:.4g})".format(*ends[key]) if known else ""
            rows.append(f"| {prefix}{key} | {value:.4g}{within} |")
        elif isinstance(value, Mapping):
            rows += _rows(value, f"{prefix}{key}.")
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            rows.append(f"| {_cell(prefix + str(key))} | {_cell(shown)} |")
    return rows


def _cell(text: str) -> str:
    """What a file says, as text of a table: neither HTML nor further cells."""
    return plain(text).replace("<", "&lt;").replace("|", "\\|")


def plain_facts(value: Any, where: str) -> Any:
    """`value` as JSON types: numpy and 0-d tensor scalars become numbers, NaN becomes None ("not measured")."""
    if isinstance(value, Mapping):
        return {str(key): plain_facts(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_facts(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (np.generic, Tensor)) and np.ndim(value) == 0:
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise CheckpointError(f"{where} is a {type(value).__name__}: a checkpoint stores numbers, text, lists and mappings")
