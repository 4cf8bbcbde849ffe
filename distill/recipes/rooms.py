"""Room responses to train in (`--rooms`), made by image sources; repeatable from a seed.

    python -m distill.recipes.rooms --out build/rooms --count 120

Needs the extra `rooms`; what a room is drawn from stands in `distill/speech/shoeboxes.py`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from distill.speech.shoeboxes import make_rooms
from sdk.tools.command import at_least, ending


def main() -> int:
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.rooms", description=about)
    parser.add_argument("--out", type=Path, required=True, help="folder to write below; what is there is kept")
    parser.add_argument("--count", type=at_least(1), default=120)
    parser.add_argument("--seed", type=at_least(0), default=1)
    options = parser.parse_args()
    with ending("stopped; the same command goes on from the rooms that are done") as end:
        made = make_rooms(options.out, options.count, options.seed)
        print(f"{len(made)} rooms in {options.out}")
    return end.status


if __name__ == "__main__":
    sys.exit(main())
