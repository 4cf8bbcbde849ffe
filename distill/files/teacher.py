"""A trained teacher on disk, whatever its network: one checked file of plain types and tensors, which runs no code.

    schema, <mark>: the network's shape, rig: by name, state: weights, shut_cm, training, scores, weights_sha256

The mark is the field that only one kind of teacher has; by it `recipes/trackers.py` knows whose file it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from distill.files.checkpoint import FileKind, plain_facts, provenance_rows
from sdk import strict
from sdk.errors import CheckpointError, TinyfaceError
from sdk.rig import RigLayout

SUFFIX = ".teacher"
SCHEMA = 1
_FIELDS = frozenset({"schema", "rig", "state", "shut_cm", "training", "scores", "weights_sha256"})


class Trained(Protocol):
    """What a file holds: the weights `state` of a network of `spec`, for the rig `layout`."""

    @property
    def spec(self) -> Any: ...
    @property
    def state(self) -> dict[str, Tensor]: ...
    @property
    def layout(self) -> RigLayout: ...
    @property
    def shut_cm(self) -> float: ...
    @property
    def training(self) -> dict[str, Any]: ...
    @property
    def scores(self) -> dict[str, Any]: ...
    @property
    def weights_sha256(self) -> str: ...
    def network(self) -> nn.Module: ...


T = TypeVar("T", bound=Trained)
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class TeacherFile:
    """One kind of `.teacher` file. mark: the field that only it has, for a network's shape, a `spec`. content: what it
    holds, in words."""

    mark: str
    spec: type[Any]
    content: str

    def write(self, path: Path, trained: Trained) -> None:
        """Write whole or not at all. Raises `CheckpointError` for what cannot be stored, `DataError` for a bad disk."""
        trained.network()  # a file that could not be loaded again must never be written
        payload = {
            "schema": SCHEMA,
            self.mark: dataclasses.asdict(trained.spec),
            "rig": {key: list(value) for key, value in dataclasses.asdict(trained.layout).items()},
            "state": {name: value.detach().contiguous() for name, value in trained.state.items()},
            "shut_cm": float(trained.shut_cm),
            "training": plain_facts(trained.training, "training"),
            "scores": plain_facts(trained.scores, "scores"),
            "weights_sha256": trained.weights_sha256,
        }
        self._kind.write(path, payload)

    def read(self, path: Path, make: Callable[..., T]) -> T:
        """The teacher in the file, by `make(spec, state, layout, shut_cm, training, scores)`.

        Raises `CheckpointError`: unreadable, foreign, damaged, or of weights that do not fit.
        """
        raw = self._kind.read(path)
        try:
            spec = strict.load(self.spec, raw[self.mark], where=f"{path}: {self.mark}")
            layout = RigLayout(**{key: tuple(value) for key, value in raw["rig"].items()})
            trained = make(spec, raw["state"], layout, float(raw["shut_cm"]), raw["training"], raw["scores"])
            trained.network()
        except (TinyfaceError, AttributeError, TypeError) as error:
            raise CheckpointError(f"{path}: {error}. Train or copy the teacher again") from error
        return trained

    @property
    def _kind(self) -> FileKind:
        marks = frozenset({self.mark, "weights_sha256"})
        return FileKind("teacher", self.content, SCHEMA, _FIELDS | marks, marks)


def with_weights(network: Network, state: Mapping[str, Tensor], name: str) -> Network:
    """`network` in eval mode with the weights `state`, in float32. Raises `CheckpointError` if they do not fit."""
    try:
        network.load_state_dict({key: value.float() for key, value in state.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{name}: its weights do not fit its shape: {error}") from error
    return network.eval()


def card(trained: Trained, about: str, sizes: Mapping[str, str]) -> str:
    """A Markdown page about a trained teacher: what it is, how it was trained, how well it does."""
    facts = {
        **sizes,
        "lips count as shut below": f"{trained.shut_cm:.3f} cm",
        "weights SHA-256": f"`{trained.weights_sha256}`",
    }
    lines = [f"# {trained.spec.name}", "", about, "", *provenance_rows(facts), ""]
    for title, more in (("How it was trained", trained.training), ("How well it does", trained.scores)):
        lines += [f"## {title}", "", *provenance_rows(more), ""]
    return "\n".join(lines)
