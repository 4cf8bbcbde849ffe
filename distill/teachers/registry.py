"""Which teachers there are, and which of them a `.teacher` file belongs to: the folder is the list."""

from __future__ import annotations

import importlib
import io
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from distill.files.sealed import check_sealed
from distill.files.teacher import TeacherFile
from sdk.errors import CheckpointError
from sdk.tools.limits import read_whole

PACKAGE = "distill.teachers"


@dataclass(frozen=True)
class TeacherKind:
    """How a kind of teacher's file is used: the `teacher` that labels, and the `file` that holds its weights."""

    teacher: Callable[..., Any]
    file: TeacherFile[Any]


def teacher_kind(path: Path) -> TeacherKind:
    """The kind of the `.teacher` file at `path`, by the field that only its kind has (the mark of the module's `FILE`).

    Raises `CheckpointError` for a file that no teacher of `distill/teachers` reads.
    """
    check_sealed(path, io.BytesIO(read_whole(path, CheckpointError)), "teacher's file")
    try:
        fields = torch.load(path, map_location="cpu", weights_only=True, mmap=True).keys()
    except Exception as error:  # the unpickler meets arbitrary bytes, and fails in as many ways
        raise CheckpointError(f"{path}: cannot be read as a teacher's file ({type(error).__name__})") from error
    for name in teacher_names():  # only as far as needed: some of them bring large libraries
        module = importlib.import_module(f"{PACKAGE}.{name}")
        file = getattr(module, "FILE", None)
        if file is not None and file.mark in fields:
            return TeacherKind(module.TEACHER, file)
    raise CheckpointError(f"{path}: no teacher here reads such a file; it holds {', '.join(map(str, fields))}")


def teacher_names() -> list[str]:
    """Every name in the folder, teachers and what they share. Imports none of them."""
    folder = importlib.import_module(PACKAGE)
    return sorted(entry.name for entry in pkgutil.iter_modules(folder.__path__))
