"""A corpus of labelled synthetic speech: made-up voices in many languages, phone times exact, repeatable from a seed.

python -m distill.recipes.speech_synth --hours 3 --out DIR --seed 1 --workers 2
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from distill.speech.speech_synth import synthesise
from sdk.tools.command import ending


def main() -> int:
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.speech_synth", description=about)
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--language", default="", help="only this one, from sentences kept for scoring: cmn")
    options = parser.parse_args()
    with ending("stopped; the same command goes on from the shards that are done") as end:
        shards = synthesise(options.out, options.hours, options.seed, options.workers, options.language)
        print(f"{len(shards)} shards in {options.out}")
    return end.status


if __name__ == "__main__":
    sys.exit(main())
