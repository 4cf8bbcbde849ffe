"""Modules run as in fresh processes, which import once for all what each of them needs first.

    with Server(["torch"], folder, environment) as server:
        status, said, complained = server.run("profiles.measure._probe", ["model.pte"], environment, 300)

A server imports and then forks for every order. What it forks has opened, run and written no more than a new process
that has come as far; it ends as one would, and takes nothing back to the server. Linux alone: elsewhere libraries do
not outlive a fork.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from sdk.tools.caller import end_with_caller

CAN_SERVE = sys.platform == "linux"


class Gone(Exception):
    """The server has ended, whatever of; a new process must do."""


class Server:
    """Forks processes that have imported `modules`, those that there are, in `folder`. It starts with the first order.

    environment: what libraries see when they are loaded. One order at a time; others wait.
    """

    def __init__(self, modules: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._command = [sys.executable, "-W", "ignore", "-m", "sdk.tools.fresh", *modules]
        self._folder, self._environment = folder, dict(environment)
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def run(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], limit_s: float
    ) -> tuple[int, str, str]:
        """Exit status (negative: the signal) of `python -m module arguments...`, and what it wrote to both outputs.

        Raises `TimeoutError` after `limit_s`, `Gone`. Whatever interrupts it ends the server and what it forked; the
        next order starts another.
        """
        with self._lock, tempfile.TemporaryDirectory() as outputs:
            order = {"module": module, "arguments": list(arguments), "environment": dict(environment), "to": outputs}
            try:
                status = self._ask(json.dumps(order), limit_s)
            except BaseException:
                self.close()
                raise
            said, complained = (Path(outputs, name).read_text("utf-8", "replace") for name in ("out", "err"))
            return status, said, complained

    def _ask(self, order: str, limit_s: float) -> int:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        into, out = self._process.stdin, self._process.stdout
        assert into
        assert out
        try:
            into.write(order + "\n")
            into.flush()
        except BrokenPipeError as error:
            raise Gone from error
        if not wait([out.fileno()], limit_s):  # whatever its number, as select would not
            raise TimeoutError
        answer = out.readline()
        if not answer:
            raise Gone
        return int(answer)

    def close(self) -> None:
        """Ends the server, and with it what it has forked."""
        process, self._process = self._process, None
        if process:
            process.kill()
            with contextlib.suppress(BrokenPipeError), process:
                pass  # its pipes are closed and its end is waited for

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def serve(modules: Sequence[str]) -> None:
    """The far end: imports, then forks for each order from stdin and answers its exit status, until stdin ends."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        return  # a library has started a thread, which no fork would have
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(order: dict[str, object]) -> NoReturn:
    """In the forked process: `python -m module`, its outputs in files."""
    status = 1
    try:
        end_with_caller()
        for number, path in enumerate((os.devnull, f"{order['to']}/out", f"{order['to']}/err")):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        os.environ.clear()
        os.environ.update(order["environment"])  # type: ignore[call-overload]
        sys.argv[1:] = order["arguments"]  # type: ignore[call-overload]
        runpy.run_module(str(order["module"]), run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    end_with_caller()
    serve(sys.argv[1:])
