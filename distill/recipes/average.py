"""One student of several trainings that went on from one another: the mean of their weights.

    python -m distill.recipes.average --of 0.3 checkpoints/s8.pt --of 0.7 build/s8-noise.pt --out build/s8.pt

The last checkpoint tells how it was trained; all are named in the card. Score the result before it replaces anything.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from distill.files.averaging import averaged
from distill.files.checkpoint import Checkpoint, model_card
from distill.files.disk import atomic_write_text, check_writable
from sdk.errors import ConfigError
from sdk.tools.command import dated_command, ending, list_files


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.average", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--of", nargs=2, action="append", required=True, metavar=("SHARE", "FILE"), help="a checkpoint and its share"
    )
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write, its card beside it")
    options = parser.parse_args(arguments)
    with ending() as end:
        check_writable(options.out)
        parts = [(_share(share), Checkpoint.load(Path(file))) for share, file in options.of]
        made = averaged(parts, dated_command("distill.recipes.average", arguments))
        made.save(options.out)
        atomic_write_text(options.out.with_suffix(".md"), model_card(made))
        list_files([options.out])
    return end.status


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no share of a checkpoint: give a number such as 0.3") from None


if __name__ == "__main__":
    raise SystemExit(main())
