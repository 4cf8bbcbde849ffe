"""`kill -9` in the middle of commands that write: what stands there is whole or not there, and the next start goes on.

    python -m tests.kills ARTEFACT [--kills 100] [--minutes M] [--command NAME ...]        make faults COUNT=100

Each command is started and killed at a random moment of its life, over and over in one folder, as `kill -9` kills:
with no chance to tidy up. After every kill, whatever stands under the command's name is read whole. Whenever one comes
to its end, and always at last, it has made what it makes undisturbed, and nothing of the killed ones is left beside
it. Every second time its result is then taken away, else the next writes over it. Status 1 otherwise.

A life begins with the command's own work: it is a fork of a process that has imported what the command imports, which
is most of a short command's time and writes nothing. `--cold` starts Python anew for each.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.killed_commands import ROOT, Command, commands

_MODULES = "imported"  # where the first life says what it imported


def run(command: Command, folder: Path, after_s: float | None, warm: bool = False) -> bool:
    """Start it, and kill it after `after_s`; None: let it run through. Says whether it was killed; raises
    `AssertionError` where it fails."""
    words, said = command.words(folder / command.out), folder.with_name(f"{folder.name}.said")
    if warm:
        process = multiprocessing.get_context("fork").Process(target=_as_typed, args=(words, said))
        process.start()
        process.join(after_s)
        process.kill()
        process.join()
        status = process.exitcode
    else:
        with said.open("wb") as stream:
            started = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stream)
        try:
            started.wait(after_s)
        except subprocess.TimeoutExpired:
            started.kill()
        status = started.wait()
    if status not in (0, -9):
        raise AssertionError(
            f"{command.name} ended with {status}: {said.read_bytes()[-500:].decode('utf-8', 'replace')}"
        )
    return status == -9


def _as_typed(words: list[str], said: Path) -> None:
    """What `python words` does, in this process."""
    os.chdir(ROOT)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    is_module = words[0] == "-m"
    sys.argv = words[1:] if is_module else words
    try:
        if is_module:
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    finally:
        said.with_name(_MODULES).write_text("\n".join(sys.modules))


def warm_up(folder: Path) -> None:
    """Import here what a command imported in its first life, and run nothing of it."""
    for name in (folder.parent / _MODULES).read_text().splitlines():
        try:
            importlib.import_module(name)
        except Exception:  # some names are no modules, and some modules are whole only after their package
            continue


def torture(command: Command, folder: Path, kills: int, until: float, warm: bool = False) -> str:
    """Kill it up to `kills` times before `until`; returns what was found. Raises where something was lost."""
    folder.mkdir()
    out = folder / command.out
    if warm:
        run(command, folder, None, warm)
        warm_up(folder)
        _take_away(out)
    began = time.monotonic()
    run(command, folder, None, warm)
    life_s = time.monotonic() - began
    inside, wanted = _names(out), command.same(out) if command.same else b""
    _take_away(out)
    random, done, present, ended = np.random.default_rng(0), 0, 0, 0

    def come_to_its_end() -> None:
        command.read(out)
        if command.same and command.same(out) != wanted:
            raise AssertionError(f"{command.name} gives something else after {done} kills")
        left = [path.name for path in folder.iterdir() if path != out] + sorted(_names(out) - inside)
        if left:
            raise AssertionError(f"{command.name} left {len(left)} files behind: {', '.join(left[:5])}")

    while done < kills and time.monotonic() < until:
        began = time.monotonic()
        if run(command, folder, float(random.uniform(0 if warm else 0.3, 1.1)) * life_s, warm):
            done += 1
            if out.exists():
                command.read(out)
                present += 1
            continue
        life_s = 0.5 * life_s + 0.5 * (time.monotonic() - began)  # of a machine that is busier, or less busy, by now
        come_to_its_end()
        ended += 1
        if ended % 2:
            _take_away(out)
    run(command, folder, None, warm)
    come_to_its_end()
    return (
        f"{done} kills in a life of {life_s:.1f} s, after which a whole result stood {present} times; it came to its "
        f"end {ended + 1} times, nothing was lost or left"
    )


def _take_away(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _names(path: Path) -> set[str]:
    return {one.relative_to(path).as_posix() for one in path.rglob("*")} if path.is_dir() else set()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__.split("\n")[0])
    parser.add_argument("artefact", type=Path, help="a .pte to animate with")
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--minutes", type=float, default=1e6, help="for each command at most")
    parser.add_argument(
        "--command", action="append", help="one of animate, torchscript, build, label, train; all without"
    )
    parser.add_argument(
        "--cold", action="store_true", help="start Python anew for each, and kill it while it imports too"
    )
    options = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        for command in commands(options.artefact.resolve(), Path(place)):
            if options.command and command.name not in options.command:
                continue
            try:
                until = time.monotonic() + 60 * options.minutes
                found = torture(command, Path(place) / command.name, options.kills, until, not options.cold)
            except Exception as error:
                failed, found = failed + 1, f"{type(error).__name__}: {error}"
            print(f"{command.name}: {found}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a fork has one thread
    sys.exit(main())
