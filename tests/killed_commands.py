"""What `tests/kills.py` kills: commands that write, small enough for a hundred lives, and who reads what they made."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.small_checkpoint import small_checkpoint

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Command:
    """What is typed after `python` for a result at `out`, and what reads that result, raising where it is not whole.

    same: what is the same of every whole result, bytes that a digest is made of; without it nothing is.
    """

    name: str
    words: Callable[[Path], list[str]]
    out: str
    read: Callable[[Path], object]
    same: Callable[[Path], bytes] | None = None


def commands(artefact: Path, folder: Path) -> list[Command]:
    """`animate` plays `artefact`; what the others learn from, hear and build is made in `folder`."""
    speech = folder / "speech"
    speech.mkdir()
    for name in "abc":
        write_noise(speech / f"{name}.wav", 10)
    write_noise(folder / "minute.wav", 60)
    checkpoint, corpus = str(small_checkpoint(folder / "small.pt")), str(_corpus(folder / "learnt"))
    animate = ["-m", "sdk", "animate", "--model", str(artefact), str(folder / "minute.wav"), "--out"]
    lower = ["-m", "export.torchscript", "--checkpoint", checkpoint, "--out"]
    build = ["-m", "export.build", "--checkpoint", checkpoint, "--budget", "8MB", "--precision", "fp32", "--out"]
    label = ["-m", "distill.recipes.pseudo_label", "--speech", str(speech), "--shard-seconds", "10", "--out"]
    # stored after every step: most moments of its life then lie in or beside a write
    train = ["-m", "distill.recipes.heterogeneous", "--variant", "s8", "--corpus", corpus, "--threads", "1"]
    train += ["--steps", "40", "--rows", "1", "--row-hops", "60", "--save-minutes", "0", "--out"]
    return [
        Command("animate", lambda out: [*animate, str(out)], "frames.csv", _frames, Path.read_bytes),
        Command("torchscript", lambda out: [*lower, str(out)], "model.pt", _opened),
        Command("build", lambda out: [*build, str(out)], "face", _built, _program),
        Command("label", lambda out: [*label, str(out)], "corpus", _labelled, _shards),
        Command("train", lambda out: [*train, str(out)], "s8.pt", _trained, _weights),
    ]


def write_noise(path: Path, seconds: int) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        samples = np.random.default_rng(0).standard_normal(seconds * 16000) * 3000
        sound.writeframes(samples.astype("<i2").tobytes())


def _corpus(folder: Path) -> Path:
    from distill.corpus.shards import Utterance, write_shard
    from distill.speech.phones import Phone

    random, phones = np.random.default_rng(0), [Phone("m", 0.5, 0.6), Phone("ɑ", 0.6, 1.5), Phone("b", 1.5, 1.6)]
    for number in range(2):
        audio = [random.normal(0, 3000, 48000).astype(np.int16) for _ in range(2)]
        made = [Utterance(f"{number}{i}", f"s{number}{i}", each, phones) for i, each in enumerate(audio)]
        write_shard(folder / "shards" / f"train-human-00{number}.npz", made)
    return folder


def _frames(path: Path) -> None:
    from sdk.protocols.csv import read_csv

    if len(rows := read_csv(path).values) < 1800:  # and it eases to rest
        raise AssertionError(f"{len(rows)} frames of a minute")


def _opened(path: Path) -> None:
    from sdk.artifact import open_artifact

    open_artifact(path)


def _built(folder: Path) -> None:
    for name in ("model.pte", "model.pt"):
        if (folder / name).exists():
            _opened(folder / name)
    if (folder / "report.json").exists() and not (folder / "model.pte").exists():
        raise AssertionError("a report of a file that is not there")


def _program(folder: Path) -> bytes:
    from sdk.artifact import open_artifact

    return open_artifact(folder / "model.pte").read_program()


def _labelled(folder: Path) -> None:
    from distill.corpus.shards import read_shard

    for path in folder.rglob("[!.]*.npz"):
        read_shard(path)


def _shards(folder: Path) -> bytes:
    """Names and bytes of them all, and not of the machinery, whose names begin with a point."""
    files = sorted(folder.rglob("[!.]*.npz"))
    return b"".join(file.name.encode() + hashlib.sha256(file.read_bytes()).digest() for file in files)


def _trained(path: Path) -> None:
    from distill.files.checkpoint import Checkpoint

    Checkpoint.load(path)


def _weights(path: Path) -> bytes:
    from distill.files.checkpoint import Checkpoint

    return Checkpoint.load(path).weights_sha256.encode()
