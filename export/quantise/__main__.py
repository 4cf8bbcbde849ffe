"""The command `python -m export.quantise`: an int8 twin without training; see `rounding.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

from distill.corpus.shelf import load_shards
from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_write_text, check_writable
from distill.files.twin import TWIN_PRECISIONS, twin_card, twin_path
from distill.speech.augment import Augment
from export.quantise.keep import kept
from export.quantise.rounding import corpus_rows, post_training
from sdk.errors import ConfigError
from sdk.tools.command import dated_command, ending


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.quantise", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="twin to write; beside the checkpoint by default")
    parser.add_argument("--precision", choices=TWIN_PRECISIONS, default="int8", help="mixed: as a sweep has found")
    parser.add_argument("--corpus", type=Path, help="folder made by distill.recipes.corpus, to calibrate on")
    parser.add_argument("--noise", type=Path, help="folder of noise recordings")
    parser.add_argument("--rooms", type=Path, help="folder of room impulse responses")
    options = parser.parse_args(arguments)
    out = options.out or twin_path(options.checkpoint, options.precision)
    with ending() as end:
        _check(options)
        check_writable(out)
        parent = Checkpoint.load(options.checkpoint)
        keep = kept(options.checkpoint, parent, options.precision)
        augment = Augment.from_folders(options.noise, options.rooms)
        rows = corpus_rows(load_shards(options.corpus, "train"), augment) if options.corpus else []
        note = dated_command("export.quantise", arguments)
        twin = post_training(parent, rows, note, keep, options.precision)
        twin.save(out)
        atomic_write_text(out.with_suffix(".md"), twin_card(twin))
    return end.status


def _check(options: argparse.Namespace) -> None:
    """Raises `ConfigError` for what would do nothing, and yet stand on the card."""
    if (options.noise or options.rooms) and not options.corpus:
        raise ConfigError("--noise and --rooms are heard with a corpus: give --corpus, or leave them out")
    if options.corpus and options.precision == "dynamic":
        raise ConfigError(
            "--precision dynamic finds its grids while it runs and is calibrated on nothing: leave --corpus out"
        )


if __name__ == "__main__":
    raise SystemExit(main())
