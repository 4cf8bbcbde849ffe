"""Lips and legibility of an artefact on somebody's rig: do lips that shut in ARKit shut in the game, can they be read?

    tinyface retarget pairs.json --out map.json --mesh game.glb
    python -m distill.recipes.rigs checkpoints/s6.pt --head game.glb map.json --head anna.vrm \\
        --aligned ../shared/data/speech/ljspeech

A head is found by its names, or by the map that stands behind it. Every row is of the same frames, first on our own
head. Beside what is scored stand the exact phones: what that rig can show at all (`distill/scoring/rigs.py`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from distill.files.disk import atomic_write_text
from distill.scoring.conditions import read_sets, thinned
from distill.scoring.rigs import on_rigs, rig_table
from distill.scoring.trackers import open_judged
from distill.scoring.whole import RESAMPLES
from sdk.errors import ConfigError, DataError
from sdk.scenes.rigged import RiggedHead
from sdk.scenes.targets import read_map
from sdk.tools.command import ending

EXACT = "exact"


def read_rigs(heads: list[list[Path]]) -> dict[str, RiggedHead]:
    """Heads `[file]` or `[file, map]` by the file's name. Raises `ConfigError` for words too many, and what reading
    raises."""
    rigs: dict[str, RiggedHead] = {}
    for words in heads:
        if len(words) > 2 or words[0].stem in rigs:
            raise ConfigError(
                f"--head {' '.join(map(str, words))}: give a file, and a map if it needs one; a name once"
            )
        rigs[words[0].stem] = RiggedHead.read(words[0], read_map(words[1]) if words[1:] else None)
    return rigs


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.rigs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("artefact", help="what is scored, as for distill.recipes.evaluate; a .pt is a checkpoint")
    parser.add_argument("--trust", action="store_true", help="score a sealed .pt too: you know who made it")
    parser.add_argument(
        "--head", dest="heads", action="append", nargs="+", type=Path, required=True, metavar=("FILE", "MAP.json"),
        help="a head; its map, where its own names do not do",
    )  # fmt: skip
    parser.add_argument("--aligned", type=Path, nargs="+", help="folders of recordings with TextGrids")
    parser.add_argument("--people", type=Path, nargs="+", help="folders of recordings with labels/NAME.phones.json")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--limit", type=int, help="so many utterances, spread evenly")
    parser.add_argument("--json", type=Path, help="file for all scores, with 95 %% intervals")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Print a table for the exact phones and for what is scored; returns the exit status."""
    options = parse(arguments)
    with ending() as end:
        judged = {name: open_judged(name, options.trust) for name in (EXACT, options.artefact)}
        rigs = read_rigs(options.heads)
        sets = read_sets({"human": options.aligned, "people": options.people, "espeak": options.synthetic})
        items = [item for each in sets.values() for item in each]
        if not items:
            raise DataError("nothing to score on: give --aligned, --people or --synthetic")
        items = thinned(items, options.limit)
        scores = {}
        for name, (layout, track, _) in judged.items():
            scores[name] = on_rigs(track, items, layout, rigs, RESAMPLES if options.json else 0)
            print(f"{name}, {len(items)} utterances\n\n{rig_table(scores[name])}\n")
        if options.json:
            atomic_write_text(options.json, json.dumps(scores, indent=1))
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
