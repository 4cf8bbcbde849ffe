"""What a server forks is as good as a new process: it ends as one, keeps nothing, and dies with whom it works for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdk.tools.fresh import CAN_SERVE, Gone, Server

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not CAN_SERVE, reason="nothing is served here: new processes do it all")
MODULES = {
    "tells": "import os, sys; print(sys.argv[1:], os.environ['TOLD'], __name__); sys.stderr.write('and so on')",
    "ends": "import sys; sys.exit(3)",
    "refuses": "import sys; print('half'); sys.exit('no')",
    "fails": "1 / 0",
    "dies": "import os; os.kill(os.getpid(), 9)",
    "first": "open('imported', 'a').write('once ')",
    "marks": "import first; print(getattr(first, 'marked', None), open('imported').read()); first.marked = True",
    "sleeps": "import os, time; open('sleeper', 'w').write(str(os.getpid())); time.sleep(600)",
    "threads": "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    return os.environ | {"PYTHONPATH": str(ROOT), "TOLD": "something"}


@pytest.fixture
def server(tmp_path: Path, environment: dict[str, str]) -> Iterator[Server]:
    with Server(["first", "not_there"], tmp_path, environment | {"TOLD": "nothing"}) as made:
        yield made


def test_it_ends_as_a_new_process_does(server: Server, environment: dict[str, str], tmp_path: Path) -> None:
    for name in ("tells", "ends", "refuses", "fails", "dies", "not_there"):
        command = [sys.executable, "-W", "ignore", "-m", name, "a", "b c"]
        alone = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        status, said, complained = server.run(name, ["a", "b c"], environment, 60)
        assert (status, said) == (alone.returncode, alone.stdout), name
        assert complained.strip().split(": ")[-1] == alone.stderr.strip().split(": ")[-1], name


def test_what_one_does_the_next_does_not_see(server: Server, environment: dict[str, str]) -> None:
    assert [server.run("marks", [], environment, 60)[1] for _ in range(3)] == ["None once \n"] * 3


def test_one_that_takes_too_long_is_ended_and_answers_nobody_else(
    server: Server, environment: dict[str, str], tmp_path: Path
) -> None:
    assert server.run("ends", [], environment, 60)[0] == 3
    with pytest.raises(TimeoutError):
        server.run("sleeps", [], environment, 1.0)
    is_gone(int((tmp_path / "sleeper").read_text()))
    assert server.run("ends", [], environment, 60)[0] == 3


def test_as_many_files_may_be_open_as_the_system_allows(
    beyond_select: None, server: Server, environment: dict[str, str]
) -> None:
    assert server.run("ends", [], environment, 60)[0] == 3


def is_gone(process: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return
        except OSError:
            return
        time.sleep(0.02)
    pytest.fail(f"process {process} lives on")


def test_a_library_that_starts_a_thread_is_not_forked(tmp_path: Path, environment: dict[str, str]) -> None:
    with Server(["threads"], tmp_path, environment) as one, pytest.raises(Gone):
        one.run("ends", [], environment, 60)


CALLER = """
import os
from pathlib import Path
from sdk.tools.fresh import Server
Server([], Path.cwd(), os.environ).run("sleeps", [], os.environ, 600)
"""


def test_all_end_with_a_caller_that_is_killed(tmp_path: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen([sys.executable, "-c", CALLER], cwd=tmp_path, env=environment) as caller:
        while not (tmp_path / "sleeper").exists() or not (tmp_path / "sleeper").read_text():
            assert caller.poll() is None
            time.sleep(0.02)
        caller.kill()
    is_gone(int((tmp_path / "sleeper").read_text()))
