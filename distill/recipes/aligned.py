"""Phones of one recording (English), recognised, or aligned with its transcript.

python -m distill.recipes.aligned RECORDING --out phones.json [--text TRANSCRIPT]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from distill.files.disk import atomic_write_text, load_mono
from distill.speech.aligned import Aligner
from distill.speech.phones import to_json
from sdk.clock import SAMPLE_RATE_HZ
from sdk.tools.command import ending


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.aligned", description="Phones of one recording (English)."
    )
    parser.add_argument("audio", type=Path)
    parser.add_argument("--text", help="transcript; without it the words are recognised")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(arguments)
    with ending() as end:
        phones = Aligner().label(load_mono(options.audio, SAMPLE_RATE_HZ), options.text)
        atomic_write_text(options.out, to_json(phones))
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
