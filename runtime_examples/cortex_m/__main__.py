"""Plays a wav through one artefact on a Cortex-M55 in QEMU: its frames, flash, memory and instructions.

python -m runtime_examples.cortex_m --model build/own/model.pte --wav speech.wav --out build/m55

The artefact: of the backend tinyface, and small enough for 512 KB with its code: s8 or s7 in int8.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from runtime_examples.cortex_m.board import build_board, play
from sdk.tools.command import building


def main() -> int:
    """Build and play as the command line says; 77 where tools are missing."""
    parser = argparse.ArgumentParser(prog="python -m runtime_examples.cortex_m", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="an artefact of the backend tinyface")
    parser.add_argument("--wav", type=Path, required=True, help="16-bit mono")
    parser.add_argument("--out", type=Path, default=Path("build/m55"), help="build folder; frames.csv goes there")
    options = parser.parse_args()
    with building() as end:
        frames, took = play(build_board(options.model, options.out), options.wav)
        np.savetxt(options.out / "frames.csv", frames, fmt="%.9g", delimiter=",")
        for name, value in {"frames": len(frames), **asdict(took)}.items():
            print(f"{name:24}{value:>14,}")
    return end.status


if __name__ == "__main__":
    sys.exit(main())
