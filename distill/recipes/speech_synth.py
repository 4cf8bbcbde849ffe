"""A corpus of labelled synthetic speech: made-up voices in many languages, phone times exact, repeatable from a seed.

    python -m distill.recipes.speech_synth --hours 3 --out DIR --seed 1 --workers 2
    python -m distill.recipes.speech_synth --engine kokoro --voices DIR --texts FILE --hours 1 --out DIR --workers 2

espeak-ng: any voice, many languages, robotic. Kokoro: 54 voices close to people's, English as they pronounce it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from distill.speech.kokoro import shards as kokoro
from distill.speech.speech_synth import synthesise
from sdk.errors import ConfigError, DataError
from sdk.tools.command import at_least, ending
from sdk.tools.limits import read_text


def speak(options: argparse.Namespace) -> list[Path]:
    """The shards that are asked for. Raises `ConfigError` for options of the other engine."""
    if options.engine == "espeak":
        if options.voices or options.texts:
            raise ConfigError("--voices and --texts are Kokoro's; add --engine kokoro")
        return synthesise(options.out, options.hours, options.seed, options.workers, options.language)
    if options.language or not options.voices:
        raise ConfigError("--engine kokoro needs --voices DIR and speaks English alone, without --language")
    texts = [line.strip() for line in read_lines(options.texts)] if options.texts else []
    said = [line for line in texts if line]
    return kokoro.synthesise(options.out, options.hours, options.seed, options.voices, said, options.workers)


def read_lines(path: Path) -> list[str]:
    """Raises `DataError` for a file that cannot be read."""
    return read_text(path, DataError).splitlines()


def main() -> int:
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.speech_synth", description=about)
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=at_least(0), default=1)
    parser.add_argument("--workers", type=at_least(1), default=1)
    parser.add_argument("--engine", choices=("espeak", "kokoro"), default="espeak")
    parser.add_argument("--voices", type=Path, help="kokoro's: package/voices of `npm pack kokoro-js@1.2.1`")
    parser.add_argument(
        "--texts", type=Path, help="kokoro: English sentences, one a line, that make up half of the speech"
    )
    parser.add_argument("--language", default="", help="only this one, from sentences kept for scoring: cmn, de")
    options = parser.parse_args()
    with ending("stopped; the same command goes on from the shards that are done") as end:
        shards = speak(options)
        print(f"{len(shards)} shards in {options.out}")
    return end.status


if __name__ == "__main__":
    sys.exit(main())
