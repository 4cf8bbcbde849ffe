"""Styles of one stream student on disk: a head's weights, and the weights that it belongs to.

checkpoints/s7.pt            the student
checkpoints/s7.styles        what its emotions add to it
checkpoints/s7-styles.md     how they were made, and how well they do
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint, FileKind, plain_facts, provenance_rows, weights_sha256
from distill.students.stream import StreamStudent
from distill.students.styled import StyledStream, StyleHead, StyleSpec
from sdk.errors import CheckpointError, ConfigError, TinyfaceError
from sdk.tools import strict

SCHEMA = 3
SUFFIX = ".styles"
_KIND = FileKind(
    "styles", "styles of a tinyface stream student", SCHEMA,
    frozenset({"schema", "styles", "student", "state", "training", "scores", "weights_sha256"}),
    frozenset({"styles", "weights_sha256"}),
)  # fmt: skip


def styles_path(checkpoint: Path) -> Path:
    """Where the styles of the student at `checkpoint` lie: beside it."""
    return checkpoint.with_suffix(SUFFIX)


def save_styles(
    path: Path, spec: StyleSpec, student: Checkpoint, head: StyleHead, training: Mapping[str, Any],
    scores: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write the head, whole or not at all. training, scores: as a `Checkpoint`'s. Raises `DataError` for a bad disk."""
    state = {name: value.detach().contiguous() for name, value in head.state_dict().items()}
    payload = {
        "schema": SCHEMA, "styles": asdict(spec), "student": student.weights_sha256, "state": state,
        "training": plain_facts(training, "training"), "scores": plain_facts(scores, "scores"),
        "weights_sha256": weights_sha256(state),
    }  # fmt: skip
    _KIND.write(path, payload)


def load_styles(path: Path, student: Checkpoint) -> StyledStream:
    """The student with the styles in the file. Raises `CheckpointError`: unreadable, or of another student."""
    raw = _KIND.read(path)
    neutral = stream_of(student)
    if raw["student"] != student.weights_sha256:
        raise CheckpointError(f"{path}: these are the styles of another student than {student.spec.name}")
    try:
        spec = strict.load(StyleSpec, raw["styles"], where=f"{path}: styles")
        head = StyleHead(spec, neutral.fc3.in_channels, student.layout)
        head.load_state_dict(raw["state"])
    except (TinyfaceError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}. Train or copy the styles again") from error
    return StyledStream(neutral, head).eval()


def stream_of(student: Checkpoint) -> StreamStudent:
    """The stream student of a checkpoint. Raises `ConfigError` for one of another family."""
    built = student.student()
    if not isinstance(built, StreamStudent):
        raise ConfigError(f"{student.spec.name} is no stream student; only those take styles")
    return built


def styles_card(path: Path, name: str) -> str:
    """A Markdown page about a file of styles, of the student `name`. Raises as `load_styles`."""
    raw = _KIND.read(path)
    spec = strict.load(StyleSpec, raw["styles"], where=f"{path}: styles")
    facts = {
        "styles": ", ".join(spec.styles), "rank": spec.rank,
        "numbers": f"{sum(value.numel() for value in raw['state'].values()):,}",
        "the student's weights SHA-256": f"`{raw['student']}`", "its own weights SHA-256": f"`{raw['weights_sha256']}`",
    }  # fmt: skip
    about = (
        f"What an emotion adds to the frames of {name}, told by a strength for each while it plays. Zeros are the "
        f"frames of {name} without styles, to the bit. The student's own weights are not in the file."
    )
    lines = [f"# {name}, styles", "", about, "", *provenance_rows(facts), ""]
    for title, more in (("How it was made", raw["training"]), ("How well it does", _in_words(raw["scores"]))):
        lines += [f"## {title}", "", *provenance_rows(more), ""]
    use = f"python -m export.styled --checkpoint {name}.pt --styles {path.name} --out build/{name}-styled"
    play = f"tinyface animate build/{name}-styled/model.pte speech.wav --style {spec.styles[0]}=0.8 --out spoken.glb"
    return "\n".join([*lines, "## Use", "", "```", use, play, "```", ""])


def _in_words(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as a card shows them: three are one with its interval over people, two are neutral and styled."""
    found: dict[str, Any] = {}
    for key, value in scores.items():
        if isinstance(value, Mapping):
            found[key] = _in_words(value)
        elif isinstance(value, list) and len(value) == 3:
            found[key] = "{} ({} to {})".format(*map(_figure, value))
        elif isinstance(value, list) and len(value) == 2:
            words = "{} to {}" if key.endswith("interval") else "{} in neutral, {} in styles"
            found[key] = words.format(*map(_figure, value))
        else:
            found[key] = value
    return found


def _figure(value: float | None) -> str:
    """A number in short; None is what too few clips could not tell."""
    return "not measured" if value is None else f"{value:.4g}"
