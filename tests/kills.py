"""`kill -9` in the middle of commands that write: what stands there is whole or not there, and the next start goes on.

    python -m tests.kills ARTEFACT [--kills 100] [--minutes M] [--command NAME ...]        make faults COUNT=100

Each command is started and killed at a random moment of its life, over and over in one folder, as `kill -9` kills: with
no chance to tidy up. After every kill, whatever stands under the command's name is read whole; at the end the command
runs through, gives what it gives undisturbed, and nothing of the killed ones is left beside it. Status 1 otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdk.artifact import open_artifact

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Command:
    """What is typed for a result at `out`, and what reads that result, raising where it is not whole."""

    name: str
    words: Callable[[Path], list[str]]
    out: str
    read: Callable[[Path], object]
    is_same: bool = False  # whether it gives the same bytes every time


def commands(artefact: Path, folder: Path) -> list[Command]:
    speech = folder / "speech.wav"
    with wave.open(str(speech), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        samples = np.random.default_rng(0).standard_normal(60 * 16000) * 3000
        sound.writeframes(samples.astype("<i2").tobytes())
    checkpoint = str(ROOT / "checkpoints" / "s8.pt")
    animate = ["-m", "sdk", "animate", "--model", str(artefact), str(speech), "--out"]
    lower = ["-m", "export.torchscript", "--checkpoint", checkpoint, "--out"]
    build = ["-m", "export.build", "--checkpoint", checkpoint, "--budget", "8MB", "--precision", "fp32", "--out"]
    label = ["-m", "distill.recipes.pseudo_label", "--speech", str(speech.parent / "speech"), "--workers", "1", "--out"]
    speech.with_name("speech").mkdir(exist_ok=True)
    for name in "ab":
        shutil.copy(speech, speech.with_name("speech") / f"{name}.wav")
    return [
        Command("animate", lambda out: [*animate, str(out)], "frames.csv", _frames, is_same=True),
        Command("torchscript", lambda out: [*lower, str(out)], "model.pt", open_artifact),
        Command("build", lambda out: [*build, str(out)], "face", _built),
        Command("label", lambda out: [*label, str(out)], "corpus", _labelled, is_same=True),
    ]


def _built(folder: Path) -> None:
    for name in ("model.pte", "model.pt"):
        if (folder / name).exists():
            open_artifact(folder / name)
    if (folder / "report.json").exists() and not (folder / "model.pte").exists():
        raise AssertionError("a report of a file that is not there")


def _labelled(folder: Path) -> None:
    from distill.corpus.shards import read_shard

    for path in folder.glob("[!.]*.npz"):
        read_shard(path)


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder but those of the machinery, whose names begin with a point."""
    files = sorted(path.rglob("[!.]*.npz")) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _frames(path: Path) -> object:
    from sdk.protocols.csv import read_csv

    capture = read_csv(path)
    if len(capture.values) < 1800:
        raise AssertionError(f"{len(capture.values)} frames of a minute")
    return capture


def run(command: Command, folder: Path, after_s: float | None) -> None:
    """Start it, and kill it after `after_s`; None: let it run through. Raises `AssertionError` where it fails."""
    words = [sys.executable, *command.words(folder / command.out)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
    said = process.communicate()[1].decode("utf-8", "replace")
    if process.returncode not in (0, -9):
        raise AssertionError(f"{command.name} ended with {process.returncode}: {said[-500:]}")


def torture(command: Command, folder: Path, kills: int, until: float) -> str:
    """Kill it up to `kills` times before `until`; returns what was found. Raises where something was lost."""
    folder.mkdir()
    started = time.monotonic()
    run(command, folder, None)
    life_s, whole = time.monotonic() - started, _digest(folder / command.out)
    inside = _names(folder / command.out)
    shutil.rmtree(folder / command.out) if (folder / command.out).is_dir() else (folder / command.out).unlink()
    random, done, present = np.random.default_rng(0), 0, 0
    while done < kills and time.monotonic() < until:
        run(command, folder, float(random.uniform(0.3, 1.05)) * life_s)
        done += 1
        if (folder / command.out).exists():
            command.read(folder / command.out)
            present += 1
    run(command, folder, None)
    if command.is_same and _digest(folder / command.out) != whole:
        raise AssertionError(f"{command.name} gives something else after {done} kills")
    command.read(folder / command.out)
    left = [path.name for path in folder.iterdir() if path.name != command.out]
    left += sorted(_names(folder / command.out) - inside)
    if left:
        raise AssertionError(f"{command.name} left {len(left)} files behind: {', '.join(left[:5])}")
    return f"{done} kills in a life of {life_s:.1f} s, a whole result stood {present} times, nothing was lost or left"


def _names(path: Path) -> set[str]:
    return {one.relative_to(path).as_posix() for one in path.rglob("*")} if path.is_dir() else set()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__.split("\n")[0])
    parser.add_argument("artefact", type=Path, help="a .pte to animate with")
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--minutes", type=float, default=1e6, help="for each command at most")
    parser.add_argument("--command", action="append", help="one of animate, torchscript, build, label; all without")
    options = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        for command in commands(options.artefact.resolve(), Path(place)):
            if options.command and command.name not in options.command:
                continue
            try:
                found = torture(
                    command, Path(place) / command.name, options.kills, time.monotonic() + 60 * options.minutes
                )
            except Exception as error:
                failed, found = failed + 1, f"{type(error).__name__}: {error}"
            print(f"{command.name}: {found}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
