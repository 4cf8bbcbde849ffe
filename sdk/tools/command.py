"""What every command line of ours shares: how it ends, how it tells where it is, how it is written down.

with ending("stopped; the same command goes on from what is done") as end:
    ...
return end.status
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sdk.errors import EngineUnavailable, TinyfaceError


class Ending:
    """The exit status of a command: 0 done, 2 an error that was explained on stderr, 130 interrupted."""

    def __init__(self) -> None:
        self.status = 0


@contextmanager
def ending(stopped: str = "interrupted; nothing was written", named: bool = False) -> Iterator[Ending]:
    """Errors of ours become a line on stderr, and so do Ctrl-C and SIGTERM (`stopped`), never a traceback.

    named: the line begins with the error's name, `BudgetExceeded: ...`, instead of `error: ...`.
    """
    end = Ending()
    try:
        with _told_to_stop():
            yield end
    except TinyfaceError as error:
        print(f"{type(error).__name__ if named else 'error'}: {_lines(error)}", file=sys.stderr)
        end.status = 2
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        end.status = 130


@contextmanager
def building() -> Iterator[Ending]:
    """As `ending`, for what test drivers run: an error is 1, and a missing tool 77, which they read as skipped."""
    end = Ending()
    try:
        with _told_to_stop():
            yield end
    except EngineUnavailable as error:
        print(f"skipped: {_lines(error)}", file=sys.stderr)
        end.status = 77
    except TinyfaceError as error:
        print(f"error: {_lines(error)}", file=sys.stderr)
        end.status = 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        end.status = 130


def at_least(least: float, kind: type[int] | type[float] = int, most: float | None = None) -> Callable[[str], float]:
    """What an option's `type=` may be: a number of `kind`, finite and `least` or more, `most` at most; argparse refuses
    the rest."""

    def read(text: str) -> float:
        value = kind(text)
        if not least <= value < math.inf or (most is not None and value > most):
            allowed = f"{least:g} or more" if most is None else f"{least:g} to {most:g}"
            raise argparse.ArgumentTypeError(f"{text} is not {allowed}")
        return value

    read.__name__ = kind.__name__  # as argparse calls it where there is no number at all
    return read


def list_files(paths: Iterable[Path]) -> None:
    """Each with its size, on stdout."""
    for path in paths:
        print(f"{path.stat().st_size:>10,}  {path}")


@contextmanager
def quietly() -> Iterator[None]:
    """Keeps what native libraries write on stderr (probes of sound drivers and the like) off it; errors still raise."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError):  # there is no stderr: nothing to silence
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Inside, SIGTERM is Ctrl-C: what a command puts away when it is interrupted, it puts away when it is stopped.

    Only where nobody else listens to it, and in the main thread: Python tells no other.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGTERM, _interrupt)
    if before == signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        _interrupts.clear()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if before == signal.default_int_handler:
            signal.signal(signal.SIGINT, before)


_interrupts: list[int] = []


def _interrupt(number: int, frame: object) -> None:
    _interrupts.append(number)
    raise KeyboardInterrupt


@contextmanager
def asked_to_stop(grace_s: float = 0.0) -> Iterator[list[float]]:
    """A list that is empty until SIGINT or SIGTERM comes; a second one interrupts at once, as always, or after
    `grace_s`, for who is told by several.

    Outside the main thread, which alone may listen, and where SIGINT is ignored, nothing changes.
    """
    asked: list[float] = []

    def note(number: int, _: Any) -> None:
        asked.append(time.monotonic())
        if len(asked) > 1 and asked[-1] - asked[0] >= grace_s:
            raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def plain(value: object) -> str:
    """`value` in one line without control characters: what a file says must not move a terminal's cursor."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(value))


def _lines(error: TinyfaceError) -> str:
    """An error's words, each line of them `plain`: they may quote what somebody else's file says."""
    return "\n".join(map(plain, str(error).split("\n")))


def say(line: str) -> None:
    """Progress, on stderr at once."""
    print(line, file=sys.stderr, flush=True)


def say_step(line: str) -> None:
    """As `say`, of a command that no step outlives an interrupt of.

    Raises `KeyboardInterrupt` where one came before and is lost: Python swallows what hits a destructor or the callback
    of a weak reference, of which torch runs many, and a build went on and wrote its files.
    """
    if _interrupts:
        _interrupts.clear()
        raise KeyboardInterrupt
    say(line)


@contextmanager
def stdout_file() -> Iterator[BinaryIO]:
    """stdout as a file of bytes, wherever it leads. Raises `TinyfaceError` where it cannot be written."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # the reader has gone, which is no failure
    except OSError as failure:
        # what is left in Python's buffer would be tried, and fail, once more at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise TinyfaceError(f"cannot write stdout: {failure.strerror or failure}") from failure


def command_line(module: str, arguments: Sequence[str] | None) -> str:
    """What was typed, for a model card: `python -m module ...`; `arguments` of `main`, or those of this process."""
    return f"python -m {module} {shlex.join(sys.argv[1:] if arguments is None else arguments)}"


def dated_command(module: str, arguments: Sequence[str] | None) -> dict[str, str]:
    """What every card keeps of how its file was made: `date`, today's, and `command`, as `command_line`."""
    return {"date": time.strftime("%Y-%m-%d"), "command": command_line(module, arguments)}
