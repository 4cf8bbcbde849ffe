"""A voice: identity and emotion as a DiffusionTalker told them from some seconds of sound, in a small file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from distill.files.disk import atomic_write_text
from distill.teachers.diffusiontalker.network import TalkerSpec
from sdk.errors import CheckpointError
from sdk.tools.limits import read_json_file

SCHEMA = 1


@dataclass(frozen=True)
class Voice:
    """Vectors `identity` and `emotion` of length 1, meant by the talker with the weights `talker` and by no other."""

    name: str
    talker: str
    identity: Sequence[float]
    emotion: Sequence[float]

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        return torch.tensor([self.identity]), torch.tensor([self.emotion])

    def checked(self, weights_sha256: str, spec: TalkerSpec) -> Voice:
        """Itself. Raises `CheckpointError` if it is of another talker."""
        if self.talker != weights_sha256 or (len(self.identity), len(self.emotion)) != (spec.identity, spec.emotion):
            raise CheckpointError(
                f"the voice {self.name!r} was enrolled with another talker than {spec.name}; enrol it again"
            )
        return self

    def feeling(self, other: Voice) -> Voice:
        """This person in the emotion of `other`."""
        return Voice(f"{self.name} as {other.name}", self.talker, self.identity, other.emotion)

    def save(self, path: Path) -> None:
        """Write whole or not at all. Raises `DataError` for a bad disk."""
        atomic_write_text(path, json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1))

    @classmethod
    def load(cls, path: Path) -> Voice:
        """Raises `CheckpointError` for a file that is no voice."""
        try:
            stored = read_json_file(path, CheckpointError)
            if stored.pop("schema") != SCHEMA:
                raise ValueError(f"schema is not {SCHEMA}")
            made = cls(
                stored["name"],
                stored["talker"],
                tuple(map(float, stored["identity"])),
                tuple(map(float, stored["emotion"])),
            )
        except (CheckpointError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise CheckpointError(
                f"{path}: no enrolled voice ({error}); make one with `... diffusiontalker enrol`"
            ) from error
        return made
