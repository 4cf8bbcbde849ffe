"""Scores of an *artefact*, the file that ships: lips on speech that it has never heard, in quiet and in noise.

    python -m distill.recipes.evaluate build/s5/model.pte --synthetic build/espeak-heldout --workers 2 \\
        --aligned ../shared/data/speech/ljspeech --into checkpoints/s5.pt

What is scored may also be a checkpoint, which torch then runs as its artefact would (twice as slow), a teacher's file
or name, or the word `teacher`, the labels themselves: on synthetic speech its exact phones, on recordings the phones
that it *recognises*, judged by the aligned ones (LJSpeech's by the Montreal Forced Aligner).

Per set and condition (`conditions.py`): PBM accuracy at 0.15 cm, false closure on open vowels, recall at 2 % false
closure, AUC (`scoring/metrics.py`), MSE to the teacher's labels, jitter. On captured clips, which have no phones,
closures and openings are those of the captured mouth; the row `rest` is the share of frames with lips shut where
nobody speaks. `--whole` adds what a mouth driven by loudness cannot do (`distill/scoring/whole.py`: closures against
other consonants, legibility, shape), with 95 % intervals over speakers, and the controls beside it.
`--conditions around` with `--noise` and `--rooms` draws curves over noise, level, rooms and codecs
(`surroundings.py`); `--grid` asks lips measured in video.
`--into` keeps the scores of sets and conditions that were not asked for now, and takes none of a part of a set, of
another face, or without `--whole` in place of one with it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint, model_card
from distill.files.disk import atomic_write_text
from distill.files.teacher import SUFFIX as TEACHER_SUFFIX
from distill.files.teacher import Trained
from distill.files.twin import SUFFIX as TWIN_SUFFIX
from distill.files.twin import Twin, twin_card
from distill.scoring.conditions import CONDITIONS, Item, key_of, read_sets, rest_set, synthetic_set, thinned
from distill.scoring.controls import CONTROLS
from distill.scoring.mouth.space import MouthSpace
from distill.scoring.report import control_row, table
from distill.scoring.surroundings import GROUPS, expand, noises_alone, surroundings
from distill.scoring.tally import LABELS, Tally, jobs, run_jobs, scores_of, write_gaps
from distill.scoring.trackers import open_judged
from distill.teachers.registry import teacher_kind
from sdk.errors import ConfigError, DataError
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.tools.command import at_least, ending

Sets = dict[str, list[Item]]
Known = Mapping[str, Callable[[Item], Item]]
TOGETHER = 3  # conditions in memory at a time


def score_all(options: argparse.Namespace, sets: Sets, wanted: Sequence[str], known: Known) -> dict[str, Tally]:
    """The tally of every key, a few conditions at a time: sound that nobody scores yet is not held."""
    tallies: dict[str, Tally] = {}
    alone = {**rest_set(), **noises_alone(options.noise)} if options.rest else {}
    for first in range(0, len(wanted), TOGETHER):
        some = wanted[first : first + TOGETHER]
        todo = jobs(
            options.artefact, sets, some, {} if first else alone, options.face, options.whole, known, options.trust
        )  # fmt: skip
        tallies |= run_jobs(todo, options.workers)
    return tallies


def write_poses(path: Path, artefact: str, layout: RigLayout, tallies: Mapping[str, Tally]) -> None:
    """Writes the mean pose in the middle of every phone, of the first key that has phones, for pictures of mouths.

    Raises `DataError` where no phones were measured.
    """
    said = [tally.whole.legibility for tally in tallies.values() if tally.whole.legibility.symbols]
    if not said:
        raise DataError("no poses of phones to write: --poses needs --whole and a set with phones")
    poses = {symbol: [round(float(v), 5) for v in pose] for symbol, pose in said[0].mean_poses().items()}
    found = {"title": Path(artefact).stem, "names": layout.names, "poses": poses}
    atomic_write_text(path, json.dumps(found, ensure_ascii=False))


def add_controls(
    scores: dict[str, Any], sets: Sets, wanted: Sequence[str], known: Known, options: argparse.Namespace
) -> None:
    """Puts the scores of every control on the same items and face into `scores`, below `controls` of each key; where
    nobody knows what is said there is no whole mouth to compare."""
    sets = {name: items for name, items in sets.items() if any(item.phones for item in items)}
    for name in CONTROLS:
        for condition in wanted:
            todo = jobs(name, sets, [condition], {}, options.face, True, known)
            found = scores_of(run_jobs(todo, options.workers), options.face)
            for key, row in found.items():
                if "whole" in row:
                    scores[key].setdefault("controls", {})[name] = control_row(row)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument(
        "artefact", help=".pte, .pt or .teacher to score, a teacher's or a control's name, or `teacher`"
    )
    parser.add_argument("--trust", action="store_true", help="score a sealed .pt too: you know who made it")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--aligned", type=Path, nargs="+", help="folders of recordings with TextGrids")
    parser.add_argument(
        "--people",
        type=Path,
        nargs="+",
        help="folders of recordings with labels/NAME.phones.json, or corpora: "
        "their validation speakers; the budget chooser ranks by them",
    )
    parser.add_argument("--strangers", type=Path, nargs="+", help="the same, or corpora: their held-out speakers")
    parser.add_argument("--mandarin", type=Path, help="folder of held-out espeak shards, all of them Mandarin")
    parser.add_argument("--languages", type=Path, help="folder of folders of held-out espeak shards, one a language")
    parser.add_argument("--facegood", type=Path, help="folder of recordings with captured curves")
    parser.add_argument("--clips", nargs="*", default=[], help="of --facegood only these, such as 2_04")
    parser.add_argument("--grid", type=Path, help="folder of recordings with lips measured in video")
    parser.add_argument("--limit", type=int, help="of each set so many utterances, spread evenly")
    parser.add_argument("--whole", action="store_true", help="also specificity, legibility, shape, beside the controls")
    parser.add_argument("--rest", action="store_true", help="also lips where nobody speaks: silence, noise alone")
    parser.add_argument(
        "--conditions", default=",".join(CONDITIONS), help=f"or {', '.join(GROUPS)}; default: %(default)s"
    )
    parser.add_argument("--noise", type=Path, help="folder of noises; those that training leaves out are scored in")
    parser.add_argument("--rooms", type=Path, help="folder of room responses, held out likewise")
    parser.add_argument("--workers", type=at_least(1), default=1, help="processes")
    parser.add_argument("--face", type=Path, help="npz or glTF face to measure on instead of the default head")
    parser.add_argument("--into", type=Path, help="checkpoint, twin or teacher to write the scores into, with its card")
    parser.add_argument("--json", type=Path, help="file to write the scores to")
    parser.add_argument("--poses", type=Path, help="JSON to write the mean pose of every phone to; needs --whole")
    parser.add_argument("--gaps", type=Path, help="npz to write every closure to: what intervals are computed from")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    with ending() as end:
        check_options(options)
        sets = sets_of(options)
        if not sets and not options.rest:
            raise DataError(
                "nothing to score on: give --synthetic, --aligned, --people, --strangers, --mandarin, --languages, "
                "--facegood, --grid or --rest"
            )
        known = CONDITIONS | surroundings(options.noise, options.rooms, voices_of(sets))
        wanted = expand(options.conditions.split(","), known)
        layout, judged_sha256 = RigLayout.arkit(), None
        if options.artefact != LABELS:
            layout, _, judged_sha256 = open_judged(options.artefact, options.trust)
        into = open_weights(judged_sha256, options.into) if options.into else None
        if into and not options.whole:
            check_keeps_whole(into[0].scores, sets, wanted)
        tallies = score_all(options, sets, wanted, known)
        scores = scores_of(tallies, options.face)
        if options.whole:
            add_controls(scores, sets, wanted, known, options)
        if options.json:
            atomic_write_text(options.json, json.dumps(scores, indent=1))
        if options.gaps:
            write_gaps(options.gaps, tallies, judged_sha256 or LABELS)
        if into:
            weights, card = into
            scored = dataclasses.replace(weights, scores=merged(weights.scores, scores))
            scored.save(options.into)
            atomic_write_text(options.into.with_suffix(".md"), card(scored))
        if options.poses:
            write_poses(options.poses, options.artefact, layout, tallies)
        print(table(scores))  # last: what took hours is kept whatever comes of a table
    return end.status


def check_options(options: argparse.Namespace) -> None:
    """What would be found out after hours, or would mark nothing where it is kept. Raises `ConfigError` for scores to
    be kept of a part of a set or of another face, and `DataError` for a face without what `--whole` measures."""
    if options.into and (options.limit or options.face):
        raise ConfigError(
            "scores that a checkpoint keeps, and a budget chooses by, are of whole sets on the default head: leave out "
            "--limit and --face, or write them with --json instead of --into"
        )
    if options.face and options.whole:
        MouthSpace.of(Face.from_file(options.face))


def check_keeps_whole(before: Mapping[str, Any], sets: Sets, wanted: Sequence[str]) -> None:
    """Raises `ConfigError` where a key would be measured without `--whole` that was measured with it: a budget chooses
    by what lips can be read, and would choose by less."""
    asked = [key_of(name, condition) for name in sets for condition in wanted]
    if lost := [key for key in asked if "whole" in before.get(key, {})]:
        raise ConfigError(
            f"the scores kept of {', '.join(lost)} are of the whole mouth, and these would take their place: add "
            "--whole, leave those sets or conditions out, or write with --json instead of --into"
        )


def merged(before: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The scores `before` with those `found` now; of the whole mouth none gives way to one that is not."""
    less = [key for key in found if "whole" in before.get(key, {}) and "whole" not in found[key]]
    for key in less:
        print(f"{key}: nothing of the whole mouth was found now; the scores of before are kept", file=sys.stderr)
    return {**before, **{key: row for key, row in found.items() if key not in less}}


def sets_of(options: argparse.Namespace) -> Sets:
    """The sets that were asked for, thinned out where `--limit` says so. Raises what reading them raises."""
    folders = {
        "espeak": options.synthetic, "human": options.aligned, "people": options.people,
        "strangers": options.strangers, "mandarin": options.mandarin, "facegood": options.facegood,
        "grid": options.grid,
    }  # fmt: skip
    sets = read_sets(folders, options.clips)
    for folder in sorted(path for path in options.languages.iterdir() if path.is_dir()) if options.languages else []:
        sets[folder.name] = synthetic_set(folder)
    return {name: thinned(items, options.limit) for name, items in sets.items()}


def voices_of(sets: Sets) -> list[Item]:
    """Everybody who speaks in the sets: of them babble is made."""
    return [item for items in sets.values() for item in items]


def open_weights(judged_sha256: str | None, path: Path) -> tuple[Any, Callable[[Any], str]]:
    """What lies at `path`, to write scores into, and how its card is written.

    Raises `DataError` unless what is judged has these very weights, and what reading the file raises.
    """
    weights: Any
    card: Callable[[Any], str]
    if path.suffix == TEACHER_SUFFIX:
        kind = teacher_kind(path)
        weights, card = kind.file.load(path), Trained.card
    elif path.suffix == TWIN_SUFFIX:
        weights, card = Twin.load(path), twin_card
    else:
        weights, card = Checkpoint.load(path), model_card
    if judged_sha256 != weights.weights_sha256:
        raise DataError(
            f"{path}: what is scored was not built from these weights; build its own artefact and score that"
        )
    return weights, card


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its processes end with it
    raise SystemExit(main())
