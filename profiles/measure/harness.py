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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from profiles.measure.steps import input_shapes
from sdk.artifact import is_sealed, open_artifact
from sdk.errors import ArtifactError
from sdk.tools.fresh import CAN_SERVE, Gone, Server

ROOT = Path(__file__).resolve().parents[2]
LOADS = ("mapped", "buffer")
_LIMIT_S = 300
_NEEDED_FIRST = ("torch", "executorch.extension.pybindings._C")


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
    runtime = "torchscript" if path.suffix == ".pt" else "executorch"
    if is_sealed(path) or (shapes is None and runtime == "torchscript"):
        manifest = open_artifact(path).manifest
        runtime = manifest.runtime  # and not the file's name: who made a file is asked by its manifest
        if shapes is None and runtime == "torchscript":
            shapes = input_shapes(manifest)
    probed = ("profiles.measure._probe", str(path), runtime, json.dumps(list(shapes or [])), str(max(runs, 1)), load)
    # glibc counts small blocks that a thread has freed and keeps at hand as in use: it keeps none here
    raw = run_fresh(*probed, environment={"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"})
    times = sorted(raw["times_us"])
    return Measured(
        file_bytes=file_bytes,
        load=load if runtime == "executorch" else "file",
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


@contextmanager
def sharing_imports() -> Iterator[None]:
    """In this block's thread fresh processes start with torch and the runtime imported, once for all of them.

    Each is still one that did not make what it opens, and has opened nothing before: it is forked for its work alone
    from a process that does no more than import. Where that cannot be, they start as ever; so do those with variables
    of their own, which libraries read when they are loaded, and with them the ruler: in a heap that was filled by
    another's imports it sees a load's passing blocks of some 70 KB that it mostly misses in one of its own, and
    figures of before would not compare.
    """
    if not CAN_SERVE or _SERVER.get():
        yield
        return
    with Server(_NEEDED_FIRST, ROOT, fresh_environment()) as server:
        before = _SERVER.set(server)
        try:
            yield
        finally:
            _SERVER.reset(before)


_SERVER: ContextVar[Server | None] = ContextVar("server", default=None)


def run_fresh(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> dict:  # type: ignore[type-arg]
    """Run `python -m module arguments...` of this project in a fresh process; returns the JSON object it prints last.

    environment: variables to set for it. Raises `ArtifactError` with the end of what it said when it fails.
    """
    try:
        status, said, complained = _run(module, arguments, environment)
    except (subprocess.TimeoutExpired, TimeoutError) as error:
        raise ArtifactError(f"{arguments[0]}: did not load and run within {_LIMIT_S} s") from error
    lines = said.strip().splitlines()
    if status != 0 or not lines:
        reason = " / ".join(complained.strip().splitlines()[-2:]) or f"exit status {status}"
        reason = f"ended by signal {-status}; {reason}" if status < 0 else reason
        raise ArtifactError(f"{arguments[0]}: does not load and run: {reason}")
    answer = json.loads(lines[-1])
    assert isinstance(answer, dict)
    return answer


def _run(module: str, arguments: Sequence[str], own: Mapping[str, str] | None) -> tuple[int, str, str]:
    """Exit status, output and complaints of a fresh process. own: its variables, for which it has to be a new one."""
    server, environment = _SERVER.get(), fresh_environment() | dict(own or {})
    if server and not own:
        try:
            return server.run(module, arguments, environment, _LIMIT_S)
        except Gone:
            pass
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, errors="replace",
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def fresh_environment() -> dict[str, str]:
    """The environment of a measuring process: libraries start with one thread, nothing is written beside sources."""
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"} | _openvino()


def _openvino() -> dict[str, str]:
    """Where ExecuTorch's OpenVINO backend finds the library of the openvino package, which it does not look for."""
    found = importlib.util.find_spec("openvino")
    folders = list(found.submodule_search_locations or []) if found else []
    libraries = [path for folder in folders for path in sorted(Path(folder, "libs").glob("libopenvino_c.so*"))]
    return {} if "OPENVINO_LIB_PATH" in os.environ or not libraries else {"OPENVINO_LIB_PATH": str(libraries[-1])}
