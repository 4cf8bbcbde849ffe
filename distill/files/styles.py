"""Styles of one stream student on disk: a head's weights, and the weights that it belongs to."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint, FileKind, plain_facts, weights_sha256
from distill.students.stream import StreamStudent
from distill.students.styled import StyledStream, StyleHead, StyleSpec
from sdk.errors import CheckpointError, ConfigError
from sdk.tools import strict

SCHEMA = 2
_KIND = FileKind(
    "styles", "styles of a tinyface stream student", SCHEMA,
    frozenset({"schema", "styles", "student", "state", "scores", "weights_sha256"}),
    frozenset({"styles", "weights_sha256"}),
)  # fmt: skip


def save_styles(path: Path, spec: StyleSpec, student: Checkpoint, head: StyleHead, scores: dict[str, Any]) -> None:
    """Write the head, whole or not at all. Raises `DataError` for a bad disk."""
    state = {name: value.detach().contiguous() for name, value in head.state_dict().items()}
    payload = {
        "schema": SCHEMA, "styles": asdict(spec), "student": student.weights_sha256, "state": state,
        "scores": plain_facts(scores, "scores"), "weights_sha256": weights_sha256(state),
    }  # fmt: skip
    _KIND.write(path, payload)


def load_styles(path: Path, student: Checkpoint) -> StyledStream:
    """The student with the styles in the file. Raises `CheckpointError`: unreadable, or of another student."""
    raw = _KIND.read(path)
    neutral = stream_of(student)
    if raw["student"] != student.weights_sha256:
        raise CheckpointError(f"{path}: these are the styles of another student than {student.spec.name}")
    spec = strict.load(StyleSpec, raw["styles"], where=f"{path}: styles")
    head = StyleHead(spec, neutral.fc3.in_channels, student.layout)
    head.load_state_dict(raw["state"])
    return StyledStream(neutral, head).eval()


def stream_of(student: Checkpoint) -> StreamStudent:
    """The stream student of a checkpoint. Raises `ConfigError` for one of another family."""
    built = student.student()
    if not isinstance(built, StreamStudent):
        raise ConfigError(f"{student.spec.name} is no stream student; only those take styles")
    return built
