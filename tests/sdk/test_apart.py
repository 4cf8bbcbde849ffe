"""A stranger's file in a process of its own: the same frames, and whatever it does there is an error here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from facts_of_manifests import stream_facts

import sdk
from sdk.artifact import open_artifact, seal
from sdk.engines import _apart as apart
from sdk.engines.base import StreamEngine, WindowEngine
from sdk.errors import ArtifactError, TinyfaceError
from sdk.manifest import Manifest

torch = pytest.importorskip("torch", reason="torch makes the programs under test")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded on Linux")


def test_the_same_frames(sealed: dict[str, Path]) -> None:
    near, far = sdk.open(sealed["executorch"]), sdk.open(sealed["executorch"], apart=True)
    audio = np.random.default_rng(2).standard_normal(16000).astype(np.float32) * 0.1
    pairs = zip(sdk.predict(near, audio), sdk.predict(far, audio), strict=True)
    assert all(np.array_equal(one.values, other.values) for one, other in pairs)


def test_its_end_is_an_error_and_not_ours(sealed: dict[str, Path]) -> None:
    engine = sdk.open(sealed["executorch"], apart=True)
    assert isinstance(engine, apart.ApartEngine)
    window = np.zeros(engine.manifest.window_samples, np.float32)
    os.kill(engine._child._process.pid, signal.SIGKILL)
    with pytest.raises(ArtifactError, match=r"it ended the process that it ran in \(signal 9\)"):
        engine.run(window)
    with pytest.raises(ArtifactError, match="it ended the process"):
        engine.run(window)


def test_one_that_does_not_answer_is_ended(sealed: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sdk.open(sealed["executorch"], apart=True)
    assert isinstance(engine, apart.ApartEngine)
    monkeypatch.setattr(apart, "PATIENCE_S", 0.5)
    os.kill(engine._child._process.pid, signal.SIGSTOP)
    with pytest.raises(ArtifactError, match="it gave no answer in time"):
        engine.run(np.zeros(engine.manifest.window_samples, np.float32))
    assert engine._child._process.poll() is not None
    with pytest.raises(ArtifactError, match=r"ended with an earlier call; open it again \(.*no answer in time"):
        engine.run(np.zeros(engine.manifest.window_samples, np.float32))


class Late(Exception):
    """What a user's own alarm raises."""


def test_an_answer_that_nobody_took_is_not_the_next_calls(sealed: dict[str, Path]) -> None:
    engine = sdk.open(sealed["executorch"], apart=True)
    assert isinstance(engine, apart.ApartEngine)
    process = engine._child._process

    def late(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    os.kill(process.pid, signal.SIGSTOP)  # a slow machine
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(Late):
            engine.run(np.zeros(engine.manifest.window_samples, np.float32))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert process.poll() is not None
    with pytest.raises(ArtifactError, match=r"ended with an earlier call; open it again \(interrupted: Late\)"):
        engine.run(np.ones(engine.manifest.window_samples, np.float32))


def test_as_many_files_may_be_open_as_the_system_allows(sealed: dict[str, Path], beyond_select: None) -> None:
    near, far = sdk.open(sealed["executorch"]), sdk.open(sealed["executorch"], apart=True)
    window = np.zeros(near.manifest.window_samples, np.float32)
    assert isinstance(near, WindowEngine)
    assert isinstance(far, WindowEngine)
    assert np.array_equal(far.run(window), near.run(window))


STUCK = """
import sys
from sdk.engines import _apart_child as child

child.PATIENCE_S = child._LATE_S = 0.2
child._answer_of = lambda *_: exec("while True: pass")
child.main(sys.argv[1])
"""


def test_one_that_does_not_answer_ends_though_nobody_ends_it(sealed: dict[str, Path]) -> None:
    """Whoever asked it was killed: the question is the last that it hears."""
    command = [sys.executable, "-W", "ignore", "-c", STUCK, str(sealed["executorch"])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdin
        assert child.stdout
        assert child.stdout.read(1) == b"\1"
        child.stdin.write(bytes(4))
        assert child.wait(30) == -signal.SIGALRM


@pytest.mark.parametrize(("at", "value"), [(241, 255), (244, 220)])
def test_a_payload_that_ends_xnnpack(at: int, value: int, sealed: dict[str, Path], tmp_path: Path) -> None:
    """Bytes of the delegate's own file: with executorch 1.5.1 each aborts the process that opens it."""
    whole = open_artifact(sealed["executorch"])
    program = bytearray(whole.read_program())
    program[program.index(b"XH00") + at] = value
    path = tmp_path / "model.pte"
    path.write_bytes(seal(bytes(program), whole.manifest))
    with pytest.raises(TinyfaceError):
        sdk.open(path, apart=True)


GREEDY = """
def forward(self, window: Tensor) -> Tensor:
    filled = torch.ones([1 << 30]) + window.mean()
    return window.reshape(1, -1)[:, :3] + filled[0]
"""


STREAM = """
def forward(self, hop: Tensor, heard: Tensor, sums: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    values = torch.tanh(hop.reshape(hop.size(0), -1)[:, :3] + sums.reshape(hop.size(0), -1)[:, :3])
    return values, heard + 1, sums + hop.mean([1, 2], True).unsqueeze(3)
"""


def written(source: str, manifest: Manifest, folder: Path) -> Path:
    """A sealed `.pt` of these lines: allowed operators alone."""
    module = type("Written", (torch.jit.ScriptModule,), {})()
    module.define(source)
    torch.jit.save(module, str(folder / "raw.pt"))
    path = folder / "model.pt"
    path.write_bytes(seal((folder / "raw.pt").read_bytes(), manifest))
    return path


def test_more_memory_than_its_room_is_refused(make_manifest: Callable[..., Manifest], tmp_path: Path) -> None:
    """Eight gigabytes, which this machine may well have."""
    path = written(GREEDY, make_manifest(runtime="torchscript"), tmp_path)
    with pytest.raises(ArtifactError, match=r"memory|it ended the process"):
        sdk.open(path, trusted=True, apart=True)


def test_a_stream_and_several_threads(tmp_path: Path) -> None:
    path = written(STREAM, Manifest(**stream_facts(runtime="torchscript")), tmp_path)
    near, far = sdk.open(path, trusted=True), sdk.open(path, trusted=True, apart=True)
    assert isinstance(near, StreamEngine)
    assert isinstance(far, apart.ApartStreamEngine)
    hops = np.random.default_rng(3).standard_normal((2, near.manifest.window_samples)).astype(np.float32)
    wanted = near.step(hops, near.start(2))
    found: list[bool] = []

    def play() -> None:
        values, state = far.step(hops, far.start(2))
        found.append(np.array_equal(values, wanted[0]))
        found.extend(np.array_equal(a, b) for a, b in zip(state, wanted[1], strict=True))

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found)
    assert len(found) == 4 * (1 + len(wanted[1]))


def test_it_ends_with_its_engine(sealed: dict[str, Path]) -> None:
    engine = sdk.open(sealed["executorch"], apart=True)
    assert isinstance(engine, apart.ApartEngine)
    process = engine._child._process
    del engine
    until = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() is not None
