"""A trained teacher on disk, whatever its network: one checked file of plain types and tensors, which runs no code.

    schema, <mark>: the network's shape, rig: by name, state: weights, shut_cm, training, scores, weights_sha256

The mark is the field that only one kind of teacher has; by it `teachers/registry.py` knows whose file it is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from distill.files.checkpoint import FileKind, plain_facts, provenance_rows, weights_sha256
from distill.files.halves import check_finite, halved
from sdk.errors import CheckpointError, TinyfaceError
from sdk.faces.face import CLOSED_CM
from sdk.rig import RigLayout
from sdk.tools import strict

SUFFIX = ".teacher"
SCHEMA = 1
_FIELDS = frozenset({"schema", "rig", "state", "shut_cm", "training", "scores", "weights_sha256"})
_SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class TeacherFile(Generic[Network]):
    """One kind of `.teacher` file: a module of `distill/teachers` offers it as `FILE`, beside its `TEACHER`.

    mark: the field that only it has, for a network's shape, a `spec`. title: its name in words. folder: of the
    teacher; `teacher.yaml` in it is the shape that is trained unless another is given. build: the network of a
    `Trained`, its weights not yet set. about: what its card says, and facts for the card's table. recipe: the command
    that trains one. float32: beginnings of names of weights for which float16 is too coarse.
    """

    mark: str
    title: str
    folder: Path
    spec: type[Any]
    build: Callable[[Trained[Network]], Network]
    about: Callable[[Trained[Network]], tuple[str, dict[str, str]]]
    recipe: str
    float32: tuple[str, ...] = ()

    @property
    def settings(self) -> Path:
        return self.folder / "teacher.yaml"

    @property
    def shipped(self) -> Path:
        """Where the teacher that comes with tinyface lies, if one does."""
        return _SHIPPED / f"{self.folder.name}{SUFFIX}"

    def shape(self, settings: Path | None = None) -> Any:
        """The network's shape as a YAML file says, by default the kind's own. Raises `ConfigError`, all mistakes."""
        path = settings or self.settings
        return strict.load(self.spec, strict.load_yaml(path), where=path.name)

    def halved(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights as a file keeps them: in float16, but for those that need float32."""
        here = {name: value.cpu() for name, value in state.items()}
        return here | halved({name: value for name, value in here.items() if not name.startswith(self.float32)})

    def open(self, given: Path | str | Trained[Network]) -> Trained[Network]:
        """The teacher in the file `given`, or `given` itself. Raises as `load`."""
        return given if isinstance(given, Trained) else self.load(given)

    def load(self, path: Path | str) -> Trained[Network]:
        """Read and check. Raises `CheckpointError`: unreadable, foreign, damaged, or of weights that do not fit."""
        path = Path(path)
        if path == self.shipped and not path.exists():
            raise CheckpointError(
                f"{path}: no {self.title} teacher is shipped; train one with `python -m {self.recipe}` and give its "
                "file, or use the neural teacher"
            )
        raw = self._kind.read(path)
        try:
            spec = strict.load(self.spec, raw[self.mark], where=f"{path}: {self.mark}")
            layout = RigLayout(**{key: tuple(value) for key, value in raw["rig"].items()})
            shut_cm = float(raw["shut_cm"])
            if not math.isfinite(shut_cm):
                raise CheckpointError(f"lips that count as shut below {shut_cm} cm")
            trained = Trained(self, spec, raw["state"], layout, shut_cm, raw["training"], raw["scores"])
            trained.network()
        except (TinyfaceError, AttributeError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(f"{path}: {error}. Train or copy the teacher again") from error
        return trained

    def write(self, path: Path, trained: Trained[Network]) -> None:
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

    @property
    def _kind(self) -> FileKind:
        marks = frozenset({self.mark, "weights_sha256"})
        content = f"trained {self.title} teacher of tinyface"
        return FileKind("teacher", content, SCHEMA, _FIELDS | marks, marks)


@dataclass(frozen=True, eq=False)
class Trained(Generic[Network]):
    """Weights of a network of `spec` for the rig `layout`, how they were trained and how well they do.

    file: the kind of file that holds them. shut_cm: lip gap that its curves mean closed lips by (`closing.py`).
    """

    file: TeacherFile[Network]
    spec: Any
    state: dict[str, Tensor]
    layout: RigLayout
    shut_cm: float = CLOSED_CM
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    scores: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        return weights_sha256(self.state)

    def network(self) -> Network:
        """The network in eval mode. Raises `CheckpointError` if the weights do not fit, or are NaN or infinite."""
        check_finite(self.state, self.spec.name)
        return with_weights(self.file.build(self), self.state, self.spec.name)

    def save(self, path: Path | str) -> None:
        """Write whole or not at all. Raises `CheckpointError` for what cannot be stored, `DataError` for a bad disk."""
        self.file.write(Path(path), self)

    def card(self) -> str:
        """A Markdown page about it: what it is, how it was trained, how well it does."""
        about, sizes = self.file.about(self)
        facts = {
            **sizes,
            "lips count as shut below": f"{self.shut_cm:.3f} cm",
            "weights SHA-256": f"`{self.weights_sha256}`",
        }
        lines = [f"# {self.spec.name}", "", about, "", *provenance_rows(facts), ""]
        for title, more in (("How it was trained", self.training), ("How well it does", self.scores)):
            lines += [f"## {title}", "", *provenance_rows(more), ""]
        return "\n".join(lines)


def with_weights(network: Network, state: Mapping[str, Tensor], name: str) -> Network:
    """`network` in eval mode with the weights `state`, in float32. Raises `CheckpointError` if they do not fit."""
    try:
        network.load_state_dict({key: value.float() for key, value in state.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{name}: its weights do not fit its shape: {error}") from error
    return network.eval()
