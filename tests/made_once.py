"""What several files of tests need and takes seconds to make: once a run, whichever of its processes asks first."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

try:
    import fcntl
except ImportError:  # Windows: there one process runs them all
    fcntl = None  # type: ignore[assignment]

Made = TypeVar("Made")


def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of this run of the tests, which all of its processes share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> tuple[Path, Made]:
    """A folder, and what `make` gave when it filled it. Who asks later gets a copy of that; nobody writes there."""
    folder = run_folder(tmp_path_factory) / name
    kept = folder.with_suffix(".made")
    with one_at_a_time(folder.with_suffix(".lock")):
        if not kept.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            kept.write_bytes(pickle.dumps(make(folder)))
        made: Made = pickle.loads(kept.read_bytes())
    return folder, made


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Two processes at once must not write into one folder: the second waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def compiled_once() -> Iterator[None]:
    """Builds of the C library in this block take from one another what the same command makes of the same sources."""
    root = Path(__file__).resolve().parent.parent
    sources = hashlib.sha256()
    for path in sorted(path for place in ("sdk/c", "runtime_examples") for path in (root / place).rglob("*.[chi]*")):
        if path.suffix in (".c", ".h", ".cpp", ".hpp", ".inc"):
            sources.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    kept = root / "build" / "native-objects" / sources.hexdigest()[:16]
    kept.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as around:
        around.setenv("COMPILED_ONCE", str(kept))
        around.setenv("CMAKE_CXX_COMPILER_LAUNCHER", str(root / "tests" / "compiled_once.sh"))
        yield
