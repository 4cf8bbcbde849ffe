"""Runs the C++ profiler on this machine, as a console or phone team runs it on theirs; `from_device.py` reads either.

python -m sdk.c.build --out build/native
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from profiles.measure.harness import ROOT
from sdk.errors import ArtifactError, EngineUnavailable
from sdk.tools.limits import read_whole

PROGRAM = "FRAME_STREAM_PROFILER"  # environment variable: the path of the program, where it is not in build/native
_LIMIT_S = 600


def find_profiler() -> Path:
    """The program as it was built here. Raises `EngineUnavailable` with the command that builds it."""
    said = os.environ.get(PROGRAM)
    path = Path(said) if said else ROOT / "build" / "native" / "bin" / "profiler"
    if not path.is_file():
        raise EngineUnavailable(
            f"the C++ profiler is not at {path}: build it with `python -m sdk.c.build --out "
            f"build/native`, or say where it is in {PROGRAM}"
        )
    return path


def library_sha256() -> str:
    """SHA-256 of the program and of the library that lies with it: what a native case is run by.

    Raises `EngineUnavailable` as `find_profiler`.
    """
    program = find_profiler().resolve()
    libraries = {path for place in ("bin", "lib") for path in (program.parents[1] / place).glob("*frame_stream*")}
    found = hashlib.sha256()
    for path in (program, *sorted(path for path in libraries if path.is_file() and not path.is_symlink())):
        found.update(path.name.encode() + b"\0" + read_whole(path, EngineUnavailable))
    return found.hexdigest()


def run_native(
    path: Path,
    out: Path,
    *,
    machine: str = "here",
    seconds: float = 60.0,
    rounds: int = 10,
    frames: int = 60,
    voices: int = 1,
    cold: bool = True,
    deadline_ms: float | None = None,
    pinned_core: int | None = None,
) -> Path:
    """Profile the artefact `path` into the JSON file `out`, which is returned; only a `.pte` can be.

    Flat out with warm caches, with `cold` ones too, and `seconds` at real-time pace (0 for none). Raises
    `EngineUnavailable` where the program is not built, `ArtifactError` with what it said when it refuses.
    """
    options = {"out": out, "machine": machine, "seconds": seconds, "rounds": rounds, "frames": frames, "voices": voices}
    options["cold"] = "on" if cold else "off"
    if deadline_ms is not None:
        options["deadline-ms"] = deadline_ms
    if pinned_core is not None:
        options["core"] = pinned_core
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    try:
        done = subprocess.run(
            [str(find_profiler()), str(path), *words], capture_output=True, text=True, errors="replace",
            timeout=_LIMIT_S + seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(f"{path}: the C++ profiler did not end within {_LIMIT_S + seconds:.0f} s") from error
    if done.returncode:
        said = " / ".join(done.stderr.strip().splitlines()[:2]) or f"exit status {done.returncode}"
        raise ArtifactError(f"{path}: the C++ profiler refuses it: {said}")
    return out
