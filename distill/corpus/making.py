"""The shards of a plan on disk: those that are missing or no longer right are made, and none of another plan may stay.

utterances --split by speaker--> <split>-<source>-NNN.npz, a quarter of an hour each
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from distill.corpus.labeller import BY_PHONES, Labeller, Utterance, labeller
from distill.corpus.shards import SHARD_SECONDS, Shard, read_shard, shard_path, write_shard
from distill.corpus.speakers import SIDES, split_of
from distill.speech.phones import from_json, to_json
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError


def write_shards(utterances: Iterable[Utterance], out: Path, source: str, by: Labeller | None = None) -> list[Path]:
    """Split by speaker and write `<split>-<source>-NNN.npz` of a quarter of an hour each; `by` as `write_shard`.

    A shard on disk that holds these very utterances with labels of this teacher is kept; a damaged one or another is
    written again. Raises `DataError` at the end where shards of this source stand there that are none of these.
    """
    from tqdm import tqdm

    by = by or labeller(BY_PHONES)

    waiting: dict[str, list[Utterance]] = {side: [] for side in SIDES}
    written: dict[str, int] = dict.fromkeys(SIDES, 0)
    paths: list[Path] = []

    def flush(split: str) -> None:
        if waiting[split]:
            path = shard_path(out, split, source, written[split])
            if current_shard(path, waiting[split], by) is None:
                write_shard(path, waiting[split], by)
            paths.append(path)
            written[split] += 1
            waiting[split] = []

    for utterance in tqdm(utterances, desc=f"labelling {source}", unit="clip"):
        split = split_of(utterance.speaker)
        waiting[split].append(utterance)
        if sum(len(u.audio) for u in waiting[split]) >= SHARD_SECONDS * SAMPLE_RATE_HZ:
            flush(split)
    for side in SIDES:
        flush(side)
    refuse_others(out, source, [path.name for path in paths])
    return paths


def refuse_others(folder: Path, source: str, planned: Iterable[str]) -> None:
    """Raises `DataError` where shards of `source` stand in `folder` that are none of the file names `planned`: those of
    an earlier plan, whose speakers may stand on another side now."""
    ours = set(planned)
    foreign = sorted(path.name for path in folder.glob(f"*-{source}-*.npz") if path.name not in ours)
    if foreign:
        names = ", ".join(foreign[:3]) + (" ..." if len(foreign) > 3 else "")
        raise DataError(
            f"{folder}: {len(foreign)} shards of another plan stand there ({names}), and would be trained on beside "
            "those of this one; delete them, give another --out, or the recordings and options that they were made with"
        )


class Named(Protocol):
    """What belongs into a shard: an `Utterance`, or what is known of one before it is read or spoken."""

    @property
    def name(self) -> str: ...
    @property
    def speaker(self) -> str: ...


def current_shard(path: Path, wanted: Sequence[Named], by: Labeller, made_of: str = "") -> Shard | None:
    """The shard at `path` if it holds what is `wanted`, but for what it could not read, as `by` labels it; else None,
    and why on standard error where there is one.

    made_of: digest of all that is known of recordings that are not in hand. A shard from before it was kept is held to
    names and speakers alone: it would take hours to make again, and mostly it is right. Utterances are in hand, and
    are held against the shard's own sound and phones.
    """
    if not path.exists():
        return None
    try:
        shard = read_shard(path)
    except DataError as error:
        print(f"rebuilding: {error}", file=sys.stderr)
        return None
    if other := _other(shard, [one for one in wanted if one.name not in shard.left_out], made_of):
        print(f"rebuilding: {path}: it holds other {other} than asked for now", file=sys.stderr)
        return None
    if shard.teacher != by.teacher or (by.weights and shard.weights != by.weights):
        other = shard.teacher if shard.teacher != by.teacher else f"other weights of {by.teacher}"
        print(f"rebuilding: {path}: labelled by {other}, not by {by.teacher}", file=sys.stderr)
        return None
    return shard


def _other(shard: Shard, wanted: Sequence[Named], made_of: str) -> str:
    """What a shard holds otherwise than is `wanted`, in a word; empty where it is the same."""
    if list(shard.names) != [one.name for one in wanted]:
        return "recordings"
    if list(shard.speakers) != [one.speaker for one in wanted]:
        return "speakers"
    if shard.made_of and made_of and shard.made_of != made_of:
        return "sound"
    for i, one in enumerate(wanted):
        if isinstance(one, Utterance):
            if not np.array_equal(shard.utterance(i)[0], one.audio):
                return "sound"
            if from_json(shard.phones[i]) != from_json(to_json(one.phones)):
                return "phones"
    return ""
