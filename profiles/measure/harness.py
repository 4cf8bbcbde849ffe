"""The ruler: what one artefact really takes, measured in a fresh process that does nothing else.

    measured = measure("model.pte")
    measured.steady_bytes, measured.load_peak_bytes, measured.median_us

*Heap* is what the C library counts as in use, so shared libraries, Python and the runtime itself are not in it, and
nothing is estimated. A file opened *mapped* (by its path) leaves its bytes in the page cache, where they are clean
and the system can drop them; only the copies that a runtime makes count.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from profiles.measure.steps import input_shapes
from sdk.artifact import open_artifact
from sdk.errors import ArtifactError

ROOT = Path(__file__).resolve().parents[2]
LOADS = ("mapped", "buffer")
_LIMIT_S = 300


@dataclass(frozen=True)
class Measured:
    """One artefact's cost. Byte counts are None where the platform cannot tell (they need Linux with glibc).

    load: how it was opened: mapped, buffer, or file (TorchScript). loaded_bytes: heap after loading.
    load_peak_bytes: the most heap while loading. steady_bytes: heap once it has run; it stays there.
    private_dirty_bytes: the same difference as steady_bytes, seen by the kernel in pages, one voice's inputs with it.
    median_us, p90_us: process CPU time a step of the program, on one thread. voice_bytes: what one voice's inputs take,
    its state with them. crowd_bytes: what the method for many voices adds when it is first used; None without one.
    """

    file_bytes: int
    load: str
    loaded_bytes: int | None
    load_peak_bytes: int | None
    steady_bytes: int | None
    private_dirty_bytes: int | None
    median_us: float
    p90_us: float
    runs: int
    voice_bytes: int | None = None
    crowd_bytes: int | None = None

    @property
    def first_run_bytes(self) -> int | None:
        """What the first runs added: the workspace."""
        if self.steady_bytes is None or self.loaded_bytes is None:
            return None
        return self.steady_bytes - self.loaded_bytes

    @property
    def heap_bytes(self) -> int | None:
        """The number to hold against a budget: the larger of the load peak and the steady heap."""
        if self.steady_bytes is None or self.load_peak_bytes is None:
            return None
        return max(self.steady_bytes, self.load_peak_bytes)


def measure(
    path: Path | str, runs: int = 30, load: str = "mapped", shapes: Sequence[Sequence[int]] | None = None
) -> Measured:
    """Open and run `path` (`.pte` or `.pt`) in a fresh process and report its cost.

    load: `mapped` opens a `.pte` by its path, `buffer` reads it into memory first. A `.pt` is always opened by path.
    shapes: of a `.pt`'s inputs, which it does not name itself; None for what its sealed manifest says.
    Raises `ArtifactError` if there is no such file, or if it does not load or run.
    """
    path = Path(path).resolve()
    if load not in LOADS:
        raise ArtifactError(f"cannot measure with load {load!r}; there are: {', '.join(LOADS)}")
    if path.suffix not in (".pte", ".pt"):
        raise ArtifactError(f"{path}: cannot measure a {path.suffix or 'nameless'} file; give a .pte or a .pt")
    try:
        file_bytes = path.stat().st_size
    except OSError as error:
        raise ArtifactError(f"{path}: cannot read: {error.strerror or error}") from error
    if shapes is None:
        shapes = input_shapes(open_artifact(path).manifest) if path.suffix == ".pt" else []
    probed = ("profiles.measure._probe", str(path), json.dumps(list(shapes)), str(max(runs, 1)), load)
    # glibc counts small blocks that a thread has freed and keeps at hand as in use: it keeps none here
    raw = run_fresh(*probed, environment={"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"})
    times = sorted(raw["times_us"])
    return Measured(
        file_bytes=file_bytes,
        load=load if path.suffix == ".pte" else "file",
        loaded_bytes=raw.get("loaded_bytes"),
        load_peak_bytes=raw.get("load_peak_bytes"),
        steady_bytes=raw.get("steady_bytes"),
        private_dirty_bytes=raw["private_dirty_bytes"],
        median_us=statistics.median(times),
        p90_us=times[min(len(times) - 1, int(len(times) * 0.9))],
        runs=len(times),
        voice_bytes=raw.get("voice_bytes"),
        crowd_bytes=raw.get("crowd_bytes"),
    )


def run_fresh(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> dict:  # type: ignore[type-arg]
    """Run `python -m module arguments...` of this project in a fresh process; returns the JSON object it prints last.

    environment: variables to set for it. Raises `ArtifactError` with the end of what it said when it fails.
    """
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=fresh_environment() | dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(f"{arguments[0]}: did not load and run within {_LIMIT_S} s") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        reason = " / ".join(done.stderr.strip().splitlines()[-2:]) or f"exit status {done.returncode}"
        reason = f"ended by signal {-done.returncode}; {reason}" if done.returncode < 0 else reason
        raise ArtifactError(f"{arguments[0]}: does not load and run: {reason}")
    answer = json.loads(lines[-1])
    assert isinstance(answer, dict)
    return answer


def fresh_environment() -> dict[str, str]:
    """The environment of a measuring process: libraries start with one thread, nothing is written beside sources."""
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"} | _openvino()


def _openvino() -> dict[str, str]:
    """Where ExecuTorch's OpenVINO backend finds the library of the openvino package, which it does not look for."""
    found = importlib.util.find_spec("openvino")
    folders = list(found.submodule_search_locations or []) if found else []
    libraries = [path for folder in folders for path in sorted(Path(folder, "libs").glob("libopenvino_c.so*"))]
    return {} if "OPENVINO_LIB_PATH" in os.environ or not libraries else {"OPENVINO_LIB_PATH": str(libraries[-1])}
