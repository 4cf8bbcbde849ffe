"""SIGTERM is Ctrl-C to every command of ours, and what kill -9 leaves is swept by the next start."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sdk.errors import DataError
from sdk.tools.whole import sweep, whole_file

ROOT = Path(__file__).resolve().parents[2]
COMMAND = """
import sys, time
from pathlib import Path
from sdk.tools.command import ending
from sdk.tools.whole import whole_file
with ending("stopped; nothing was written") as end:
    with whole_file(Path(sys.argv[1])) as stream:
        stream.write(b"half")
        stream.flush()
        print("READY", flush=True)
        time.sleep(60)
sys.exit(end.status)
"""

SWALLOWED = """
import signal, sys, weakref
from sdk.tools.command import ending, say_step

class Short:
    pass

with ending("stopped") as end:
    say_step("[1/2] half")
    one = Short()
    watch = weakref.ref(one, lambda _: signal.raise_signal(int(sys.argv[1])))  # as it would come in torch's
    del one
    say_step("[2/2] to its end")
sys.exit(end.status)
"""

CALLER = """
import os, subprocess, sys
child = "import os, time; from sdk.tools.caller import end_with_caller; end_with_caller();"
child += "print(os.getpid(), flush=True); time.sleep(600)"
subprocess.run([sys.executable, "-c", child])
"""


CHILDREN = """
import multiprocessing, os, signal, sys, time
from sdk.tools.children import end_with_parent

if __name__ == "__main__":
    pool = multiprocessing.get_context(sys.argv[1]).Pool(2, end_with_parent)
    at_work = pool.apply_async(time.sleep, (600,))
    print(pool.apply(os.getpid) != os.getpid(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


POOL = """
import multiprocessing, signal, sys, time
from sdk.tools.children import worker_context, workers
from sdk.tools.command import ending

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it
    context = worker_context() if sys.argv[1] == "forkserver" else multiprocessing.get_context(sys.argv[1])
    with ending("stopped") as end, workers(2, context) as pool:
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        tasks = [pool.submit(time.sleep, 600) for _ in range(5)]
        time.sleep(0.5)
        print("READY", flush=True)
        tasks[0].result()
    sys.exit(end.status)
"""


def started(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMAND, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "READY\n"
    return process


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM here")
def test_sigterm_is_ctrl_c(tmp_path: Path) -> None:
    process = started(tmp_path / "frames.csv")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "stopped; nothing was written\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL here")
def test_what_a_killed_process_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    process = started(tmp_path / "frames.csv")
    process.kill()
    process.communicate()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(f".{process.pid}.")
    others = {f".{os.getppid()}.0123abcd.part", ".backup.0123abcd.part", ".1.part"}
    for name in others:
        (tmp_path / name).write_bytes(b"of one that runs, or not ours")
    with whole_file(tmp_path / "frames.csv", DataError) as stream:
        stream.write(b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"frames.csv", *others}


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked here")
@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_processes_end_with_the_one_they_work_for(way: str, tmp_path: Path) -> None:
    """Forked, spawned or forked by a server: one at work and one that waits for some: both hold its output open."""
    script = tmp_path / "killed.py"
    script.write_text(CHILDREN)
    command = [sys.executable, str(script), way]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False
    )
    assert done.stdout.strip() == b"True"
    assert done.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM here")
@pytest.mark.parametrize("way", ["spawn", "forkserver"])
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_no_worker(way: str, stop: signal.Signals, tmp_path: Path) -> None:
    """SIGTERM comes to the parent alone, Ctrl-C to all of a terminal. Workers hold the parent's output open, so this
    ends only when all are gone, and hears what they say."""
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    process = subprocess.Popen(
        [sys.executable, str(script), way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "READY\n"
    if stop == signal.SIGINT:
        os.killpg(process.pid, stop)
    else:
        process.send_signal(stop)
    assert process.communicate(timeout=60) == ("", "stopped\n")
    assert process.returncode == 130


HELD = """
import sys, time
from sdk.tools.children import worker_context, workers
from sdk.tools.command import ending

if __name__ == "__main__":
    with ending("stopped") as end, workers(2, worker_context()) as pool:
        tasks = [pool.submit(time.sleep, 600) for _ in range(3)]
        tasks[0]._condition.__enter__()  # as `result()` begins; the stop comes before its block does
        raise KeyboardInterrupt
    sys.exit(end.status)
"""


def test_a_stop_gives_back_what_it_caught_in_hand(tmp_path: Path) -> None:
    """Seen once in some hundred stops: the pool's thread waited for the lock of a future that its caller still held."""
    script = tmp_path / "held.py"
    script.write_text(HELD)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "stopped\n", 130)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's kernel alone ends a process with its caller")
def test_a_process_that_is_waited_for_ends_with_its_caller() -> None:
    """It holds its caller's output open, so this ends only when both are gone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", CALLER], stdout=subprocess.PIPE, env=environment) as caller:
        assert caller.stdout
        assert int(caller.stdout.readline()) > 0
        caller.kill()
        assert caller.communicate(timeout=60)[0] == b""


def test_whoever_is_started_to_be_waited_for_ends_so() -> None:
    """All that `run_fresh` and `_process` of the ruler start."""
    started = set()
    for path in [*(ROOT / "profiles").rglob("*.py"), *(ROOT / "export").rglob("*.py")]:
        started |= set(re.findall(r'"((?:profiles|export)[a-z_.]*\._[a-z_]+)"', path.read_text("utf-8")))
    assert len(started) >= 8
    for module in started:
        source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text("utf-8")
        assert "    end_with_caller()\n    main(" in source, module


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked here")
def test_folders_are_swept_too(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".face.{gone.pid}").mkdir()
    (tmp_path / f".face.{gone.pid}" / "model.pte").write_bytes(b"half")
    (tmp_path / f".face.{os.getpid()}").mkdir()
    sweep(tmp_path, r"\.face\.(\d+)")
    assert [path.name for path in tmp_path.iterdir()] == [f".face.{os.getpid()}"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_python_swallows_is_heard_at_the_next_step(number: signal.Signals) -> None:
    """One that hit a weak reference's callback was told as "ignored", and a build wrote its files after Ctrl-C."""
    run = subprocess.run(
        [sys.executable, "-c", SWALLOWED, str(int(number))], cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert run.returncode == 130
    assert "Exception ignored" in run.stderr
    assert "to its end" not in run.stderr
    assert run.stderr.endswith("stopped\n")
