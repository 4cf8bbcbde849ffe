"""The training corpus: speech with its phones and rig labels, in shards on disk, split by speaker.

python -m distill.recipes.corpus --speech DIR [DIR ...] --synthetic DIR [--kokoro DIR] --out DIR [--teacher neural]

Phones of recordings are those of a TextGrid beside them, of their words where a `trans.tsv` or LibriSpeech's
`*.trans.txt` tells these (`distill/files/transcripts.py`), else a recogniser's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from distill.corpus.labeller import labeller
from distill.corpus.making import write_shards
from distill.corpus.shards import human_utterances, synthetic_utterances
from distill.speech.recognisers import RECOGNISERS
from sdk.errors import DataError
from sdk.tools.command import at_least, ending


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.corpus", description=__doc__.split("\n")[0])
    parser.add_argument("--speech", type=Path, nargs="*", default=[], help="folders of human recordings (English)")
    parser.add_argument("--synthetic", type=Path, help="folder of espeak shards")
    parser.add_argument("--kokoro", type=Path, help="folder of Kokoro's shards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--teacher", default="neural", help="who labels recordings; `articulatory` goes by their phones"
    )
    parser.add_argument(
        "--recogniser", choices=sorted(RECOGNISERS), default="pocketsphinx", help="who hears the phones of recordings"
    )
    parser.add_argument("--limit", type=int, help="take only the first so many recordings of each folder")
    parser.add_argument("--workers", type=at_least(1), default=2, help="recogniser processes")
    options = parser.parse_args(arguments)
    with ending("stopped; the same command goes on from what is done") as end:
        if not (options.speech or options.synthetic or options.kokoro):
            raise DataError("nothing to do: give --speech, --synthetic, --kokoro or several of them")
        by = labeller(options.teacher)  # a wrong name is said before the hours of recognition
        if options.speech:
            people = human_utterances(
                options.speech, options.out / "labels", options.workers, options.limit, options.recogniser
            )
            write_shards(people, options.out / "shards", "human", by)
        for source, folder in (("espeak", options.synthetic), ("kokoro", options.kokoro)):
            if folder:
                write_shards(synthetic_utterances(folder), options.out / "shards", source)
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())
