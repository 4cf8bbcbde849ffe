"""Pseudo-labels (Algorithm 1, part 1): a teacher listens to any folder of speech and says what the face does.

    python -m distill.recipes.pseudo_label --speech DIR [DIR ...] --out build/corpus [--teacher neural] [--workers 8]
    python -m distill.recipes.pseudo_label --speech /data/LibriSpeech --subsets 48 --out build/corpus --workers 64
    RAY_ADDRESS=head:6379 python -m distill.recipes.pseudo_label --engine ray --speech ... --out /shared/corpus
    python -m distill.recipes.pseudo_label --engine slurm --parts 48 --speech ... --out /shared/corpus   # label.sbatch
    python -m distill.recipes.pseudo_label --board --out /shared/corpus   # how far the commands above are

No transcript and no phones are asked for, so any language and any amount will do, in any tree of wav, flac, mp3 or
ogg. Shards are those of `distill/corpus/shards.py`, split by speaker; the same tree always gives the same ones. What
is on disk already is kept, so the same command goes on after a stop, a damaged shard is made again, recordings that
cannot be read are named and left out, and what lost workers had in work goes to others. How far each command is, with
what it kept, lost and left out, stands below `OUT/progress`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distill.corpus.board import board, read_board, show
from distill.corpus.engines import ray as on_ray
from distill.corpus.engines import slurm
from distill.corpus.making import refuse_others
from distill.corpus.pool import Made, alone, clear_parts, label_batches, pick_device
from distill.corpus.recordings import ShardPieces, deal, find_pieces
from distill.corpus.shards import BY_PHONES, LABEL_HZ, SHARD_SECONDS
from distill.files.disk import check_writable
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError, DataError
from sdk.tools.command import at_least, ending, say

SOURCE = "human"
ENGINES = ("local", "ray")
_BYTES_PER_S = 2 * SAMPLE_RATE_HZ + 2 * 52 * LABEL_HZ  # of a shard: int16 sound, and 52 curves in float16


@dataclass
class Labelled:
    """What a run did: the shards there are now, in the order of their names; hours in them; what could not be read."""

    paths: list[Path] = field(default_factory=list)
    kept: int = 0
    hours: float = 0.0
    new_hours: float = 0.0
    wall_hours: float = 0.0
    left_out: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    def add(self, made: Made) -> None:
        if made.given_up:
            self.given_up += made.failures
            return
        self.left_out += made.failures
        if made.path:
            hours = made.samples / SAMPLE_RATE_HZ / 3600
            self.paths.append(made.path)
            self.kept += made.kept
            self.hours += hours
            self.new_hours += 0.0 if made.kept else hours

    @property
    def summary(self) -> str:
        lines = [f"{self.hours:.2f} h in {len(self.paths)} shards, {self.kept} of them kept"]
        if self.new_hours and self.wall_hours:
            lines.append(f"{self.new_hours / self.wall_hours:.1f} hours of audio labelled in an hour")
        if self.left_out:
            lines.append(f"{len(self.left_out)} recordings left out, named above")
        return "; ".join(lines)


def label(
    speech: Iterable[Path],
    out: Path,
    teacher: str = "neural",
    subsets: int = 0,
    workers: int = 1,
    device: str = "auto",
    shard_s: float = SHARD_SECONDS,
    engine: str = "local",
    part: tuple[int, int] = (0, 1),
) -> Labelled:
    """Label every recording below `speech` into `out/shards`. subsets: as `recordings.deal`; device: as `pick_device`.
    engine: `local`, in so many `workers`, or `ray` (`corpus/engines`). part: (i, n), every n-th shard from the i-th on.

    Raises `ConfigError` for a teacher, device or number that will not do, and `DataError` before the first label where
    there is nothing to read, no room, or shards of another plan in the way.
    """
    if teacher == BY_PHONES:
        raise DataError(f"the {BY_PHONES} teacher goes by phones: label with `python -m distill.recipes.corpus`")
    if workers < 1:
        raise ConfigError(f"workers {workers} is below 1")
    if engine not in ENGINES:
        raise ConfigError(f"engine {engine!r} is unknown; there are: {', '.join(ENGINES)}")
    device = pick_device(device)
    pieces, failures = find_pieces(speech)
    batches = deal(pieces, SOURCE, subsets, shard_s=shard_s)
    folder = out / "shards"
    _check_room(folder, batches)
    batches = batches[part[0] :: part[1]]
    done = Labelled()
    began = time.monotonic()
    mark = f"-{part[0]}-{part[1]}" if part[1] > 1 else ""
    samples = sum(batch.samples for batch in batches)
    with alone(out, mark), board(out, part, len(batches), samples) as shown:
        clear_parts(folder, [batch.name for batch in batches])
        for failure in failures:
            shown.left_out(failure)
        done.left_out += failures
        if engine == "ray":
            labelled = on_ray.label_batches(batches, folder, teacher, shown, device)
        else:
            labelled = label_batches(batches, folder, teacher, shown, device, workers)
        for made in labelled:
            shown.add(made)
            done.add(made)
        clear_parts(folder, [batch.name for batch in batches])  # of workers that were killed while they wrote
        if done.given_up:
            raise DataError(
                f"{len(done.given_up)} shards were given up, by the system if memory ran out: {done.given_up[0]}; the "
                "same command goes on with them"
            )
    done.wall_hours = (time.monotonic() - began) / 3600
    done.paths.sort()
    if not done.paths:
        raise DataError("none of the recordings could be read; there is nothing to train on")
    return done


def _check_room(folder: Path, batches: Sequence[ShardPieces]) -> None:
    """What would end in an error after hours is told before the first."""
    refuse_others(folder, SOURCE, [f"{batch.name}.npz" for batch in batches])
    missing = [batch for batch in batches if not (folder / f"{batch.name}.npz").exists()]
    check_writable(folder / "probe")
    needed, free = sum(b.samples for b in missing) / SAMPLE_RATE_HZ * _BYTES_PER_S, shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: the shards will take about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; "
            "give an --out with more room"
        )


def _write_array(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    if options.parts < 1:
        raise ConfigError(f"parts {options.parts} is below 1")
    ours = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False
    )  # what the jobs of the array are not told, however it was written
    ours.add_argument("--engine")
    ours.add_argument("--parts")
    _, kept = ours.parse_known_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "label.sbatch"
    slurm.write_script(path, options.parts, kept)
    say(f"{path}: look at it, add your partition and time limit, and submit it with sbatch")
    return 0


def main(arguments: list[str] | None = None) -> int:
    about = __doc__.split("\n")[0]
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.pseudo_label", description=about, allow_abbrev=False
    )
    parser.add_argument("--speech", type=Path, nargs="+", help="folders of recordings in any language")
    parser.add_argument("--out", type=Path, required=True, help="corpus folder; labels go to its `shards`")
    parser.add_argument("--teacher", default="neural", help="a file of distill/teachers, or the path of a .teacher")
    parser.add_argument("--subsets", type=int, default=0, help="shuffle, and deal into so many; 48 in the paper")
    parser.add_argument("--workers", type=int, default=1, help="processes, each a teacher on one thread")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; auto takes a GPU where there is one")
    parser.add_argument("--shard-seconds", type=at_least(1, float), default=SHARD_SECONDS, help="length of a shard")
    parser.add_argument("--engine", default="local", help="local, ray (RAY_ADDRESS), or slurm: writes OUT/label.sbatch")
    parser.add_argument("--parts", type=int, default=48, help="jobs of the array that --engine slurm writes")
    parser.add_argument("--part", default="0/1", help="label only part i of n, as 3/48")
    parser.add_argument("--board", action="store_true", help="only say how far the commands are that label into OUT")
    options = parser.parse_args(arguments)
    if not options.speech and not options.board:
        parser.error("--speech is missing: folders of recordings")
    with ending("stopped; the same command goes on from what is done") as end:
        if options.board:
            print(show(read_board(options.out), time.time()))
            return end.status
        if options.engine == "slurm":
            return _write_array(options, sys.argv[1:] if arguments is None else arguments)
        done = label(
            options.speech, options.out, options.teacher, options.subsets, options.workers, options.device,
            options.shard_seconds, options.engine, slurm.part_of(options.part),
        )  # fmt: skip
        say(done.summary)
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
